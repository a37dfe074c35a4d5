"""`laa upscale` on files: one photo after the other, each whole or not at all, one failure never stopping the others."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO, TypeVar

from ..console import Screen
from ..errors import Exit, LaaError, SetupError, UsageError, exit_code, out_of_memory, out_of_memory_error
from ..photo import STDIN_NAME, check_output, read_bytes, without_metadata, write_photo
from ..photo.pixels import Pixels
from ..photo.resample import enlarge
from ..process import MARK_STAYS, PhotoRequest, ProcessedPhoto, load_once, process
from ..restore.proof_page import build_proof_page
from ..restore.records import FailureRecord
from ..restore.selection import FaceReport
from ..upscale import Upscaler
from ..utils.atomic import check_target, check_writable, write_atomically
from ..utils.inputs import Inputs
from ..utils.partial import remove_partial_files
from ..utils.steps import unseen
from ..utils.timing import StageTimer
from .layers import LayeredPhoto, open_raster
from .output_paths import STREAM
from .plan import PhotoPaths, UpscaleRequest, plan_paths
from .report import face_pair, result_table, side_by_side

Item = TypeVar("Item")
Stdin = Callable[[], BinaryIO]


def run(inputs: list[Path], request: UpscaleRequest, load: Callable[[], Upscaler], screen: Screen, stdin: Stdin) -> Exit:
    """Upscales all photos and returns the exit code. `load` is called when the first readable photo needs it."""
    if request.choice.needs_one_photo and len(inputs) > 1:
        raise UsageError("faces, except and at speak of one photo's faces: give one photo", "faces", "except", "at")
    request = replace(request, list_faces=request.list_faces or len(inputs) == 1)
    planned = plan_paths(inputs, request)
    keys = request.signer.identity.files if request.signer else []
    originals = Inputs.of([*inputs, *request.model_files, *keys])
    clear_folders((path for paths in planned for path in paths.foreseen), originals)
    upscaling = Upscaling(request, originals, load_once(load), screen, stdin, alone=len(inputs) == 1)
    return process_each(planned, lambda paths: paths.source, upscaling.upscale, screen, as_json=request.json)


def clear_folders(targets: Iterable[Path], inputs: Inputs) -> None:
    """Removes what killed runs have left where results are to go."""
    for folder in {path.parent for path in targets}:
        remove_partial_files(folder, inputs)


def process_each(
    items: list[Item], source: Callable[[Item], Path], work: Callable[[Item], None], screen: Screen, *, as_json: bool
) -> Exit:
    """Works on every item whatever becomes of the others, reports those that fail, and returns the exit code."""
    failures: list[Exit] = []
    for item in screen.track(items, "photos"):
        try:
            work(item)
            continue
        except SetupError:
            raise
        except Exception as error:
            failure = as_failure(error, source(item))
        failures.append(failure.code)
        message = failure.for_command_line()
        screen.error(message)
        if as_json:
            screen.record(FailureRecord(input=str(source(item)), error=message))
    return exit_code(len(items) - len(failures), failures)


def as_failure(error: Exception, source: Path) -> LaaError:
    """Turns what ended the work on a photo into the error to report; a fault of laa's own it raises again."""
    if isinstance(error, LaaError):
        return error
    if not out_of_memory(error):
        raise error
    return out_of_memory_error(source, "or --device cpu")


def read_source(source: Path, stdin: Stdin, max_pixels: int | None) -> bytes:
    """Reads the file of a photo, or standard input. Raises LaaError."""
    if source == STREAM:
        return read_bytes(stdin(), STDIN_NAME, max_pixels)
    return read_bytes(source, str(source), max_pixels)


class Upscaling:
    """Takes one photo after the other from file to file. `inputs`: all photos of the run, never written to.

    `alone`: whether there is a single photo, which has a progress bar of its own.
    """

    def __init__(
        self,
        request: UpscaleRequest,
        inputs: Inputs,
        load: Callable[[], Upscaler],
        screen: Screen,
        stdin: Stdin,
        *,
        alone: bool = False,
    ) -> None:
        self.request = request
        self.inputs = inputs
        self.load = load
        self.screen = screen
        self.stdin = stdin
        self.alone = alone
        self.told_of_mark = False

    def upscale(self, paths: PhotoPaths) -> None:
        """Reads a photo, upscales it, writes everything asked for, the photo first, and reports it. Raises LaaError."""
        clock = StageTimer()
        self.check_foreseen(paths)
        content = [read_source(paths.source, self.stdin, self.request.options.max_pixels)]
        clock.lap("read")
        with self.screen.share("background") if self.alone else nullcontext(unseen) as show:
            processed = process(content.pop(), self.photo_request(paths), self.load, show)  # nothing else holds the content
        seconds = dict(processed.result.seconds)
        clock.add({})
        self.check_faces(paths, processed)
        self.write_result(paths, processed)
        processed = replace(processed, content=b"")
        self.write_pictures(paths, processed)
        clock.lap("write")
        seconds["read"] += clock.seconds["read"]
        seconds["write"] = seconds.pop("encode") + clock.seconds["write"]
        self.report(paths, processed.with_seconds(seconds))

    def check_foreseen(self, paths: PhotoPaths) -> None:
        """Checks of all files what can be checked before the photo is read. Whether faces' are there counts only if found."""
        for path in paths.foreseen:
            asked = path in (paths.output, paths.comparison, paths.layers, paths.proof)
            check_writable(path, inputs=self.inputs, overwrite=self.request.overwrite or not asked)
        if paths.comparison is not None:
            check_output(paths.comparison.suffix, 1, 1, str(paths.comparison))

    def check_faces(self, paths: PhotoPaths, processed: ProcessedPhoto) -> None:
        """Checks the faces' pictures before anything is written."""
        for number, _ in restored_faces(processed):
            for path in paths.face_pictures(number):
                check_target(path, inputs=self.inputs, overwrite=self.request.overwrite)

    def photo_request(self, paths: PhotoPaths) -> PhotoRequest:
        """What is to be made of one photo."""
        return PhotoRequest(
            source=str(paths.source),
            output=str(paths.output),
            suffix=paths.suffix,
            options=self.request.options,
            choice=self.request.choice,
            strip_metadata=self.request.strip_metadata,
            require_face=self.request.require_face,
            mark=self.request.mark,
            keep_layers=paths.layers is not None,
            signer=self.request.signer,
            prove=paths.proof is not None,
            source_title=STDIN_NAME if paths.source == STREAM else None,
            output_title="stdout" if paths.output == STREAM else None,
        )

    def write_result(self, paths: PhotoPaths, processed: ProcessedPhoto) -> None:
        """Writes the enlarged photo."""
        if paths.output == STREAM:
            self.screen.bytes(processed.content)
        else:
            write_atomically(paths.output, processed.content, inputs=self.inputs, overwrite=self.request.overwrite)

    def write_pictures(self, paths: PhotoPaths, processed: ProcessedPhoto) -> None:
        """Writes layers, proof, comparison and the faces before and after, where they were asked for. LaaError: PARTLY."""
        try:
            if paths.layers is not None:
                layers = open_raster(layered_photo(processed))
                write_atomically(paths.layers, layers, inputs=self.inputs, overwrite=self.request.overwrite)
                processed = replace(processed, result=replace(processed.result, layers=None))
            if paths.proof is not None:
                page = build_proof_page(paths.source.name, processed.result.faces, processed.proofs)
                write_atomically(paths.proof, page.encode(), inputs=self.inputs, overwrite=self.request.overwrite)
            for path, pixels in make_pictures(paths, processed).items():
                picture = without_metadata(replace(processed.photo, pixels=pixels))
                write_photo(picture, path, inputs=self.inputs, overwrite=self.request.overwrite)
        except Exception as error:
            failure = as_failure(error, paths.source)
            raise LaaError(f"{failure}; the photo itself was written to {paths.output}", Exit.PARTLY) from error

    def report(self, paths: PhotoPaths, processed: ProcessedPhoto) -> None:
        """Reports a photo that is done."""
        result = processed.result
        if self.request.json:
            self.screen.record(processed.record)
        if self.request.list_faces and result.faces:
            self.screen.table(str(paths.source), *result_table(result))
        elif self.request.list_faces:
            self.screen.notice(f"no face found in {paths.source}: the photo was enlarged without one")
        if processed.is_marked and self.request.strip_metadata and not self.told_of_mark:
            self.screen.notice(MARK_STAYS)
            self.told_of_mark = True
        if processed.left_out:
            self.screen.notice(f"{paths.source}: left out: {', '.join(processed.left_out)}")
        height, width = result.pixels.shape[:2]
        done = f"{len(result.restored)} of {len(result.faces)} faces restored" if result.faces else "no face found"
        done = f"{done}, background {result.background}"
        self.screen.say_of(paths.output, f"{width}x{height}, {done}, {sum(result.seconds.values()):.1f} s")
        if result.background_reason:
            self.screen.notice(f"{paths.source}: background {result.background}: {result.background_reason}")


def restored_faces(processed: ProcessedPhoto) -> list[tuple[int, FaceReport]]:
    """The faces that were restored, with their numbers among all faces."""
    return [(number, face) for number, face in enumerate(processed.result.faces, 1) if face.restored]


def layered_photo(processed: ProcessedPhoto) -> LayeredPhoto:
    """Puts together what the layers of a result are made from, where they were kept."""
    photo, result = processed.photo, processed.result
    if result.layers is None:
        raise ValueError("no layers were kept")
    return LayeredPhoto(photo.pixels, result.pixels, result.layers, result.background, photo.metadata)


def make_pictures(paths: PhotoPaths, processed: ProcessedPhoto) -> dict[Path, Pixels]:
    """Makes the comparison and the crops before and after, where they were asked for, by the paths of their files."""
    if paths.comparison is None and paths.faces is None:
        return {}
    scale, result = processed.request.options.scale, processed.result
    plain = enlarge(processed.photo.pixels, scale)
    pictures: dict[Path, Pixels] = {paths.comparison: side_by_side(plain, result.pixels)} if paths.comparison else {}
    for number, face in restored_faces(processed) if paths.faces else []:
        pair = face_pair(plain, result.pixels, face.square, scale)
        pictures |= dict(zip(paths.face_pictures(number), pair, strict=True))
    return pictures
