"""`laa upscale` on files: one photo after the other, each whole or not at all, one failure never stopping the others."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO, TypeVar

from ..console import Screen
from ..errors import Exit, LaaError, SetupError, exit_code, out_of_memory, out_of_memory_error
from ..photo import STDIN_NAME, check_output, read_bytes, without_metadata, write_photo
from ..photo.pixels import Pixels
from ..photo.resample import enlarge
from ..process import PhotoRequest, ProcessedPhoto, load_once, process
from ..restore.records import FailureRecord
from ..upscale import Options, Upscaler
from ..utils.atomic import write_atomically
from ..utils.timing import StageTimer
from .output_paths import STREAM, Identities, check_target, check_unique, default_name, file_identities, plan_outputs, stem
from .report import RESULT_COLUMNS, RESULT_DROP, face_pair, result_rows, side_by_side

Item = TypeVar("Item")
Stdin = Callable[[], BinaryIO]


@dataclass(frozen=True, kw_only=True)
class UpscaleRequest:
    """What to do with every photo of a call, beside the pipeline's own options."""

    options: Options
    output: Path | None = None
    faces_dir: Path | None = None
    compare: Path | None = None
    json: bool = False
    overwrite: bool = False
    strip_metadata: bool = False
    require_face: bool = False
    list_faces: bool = False  # those of several photos, too; a single one's are always listed


@dataclass(frozen=True, kw_only=True)
class PhotoPaths:
    """One photo and where its results go."""

    source: Path
    output: Path
    comparison: Path | None
    faces: Path | None  # what the names of its faces' pictures begin with

    @property
    def suffix(self) -> str:
        """The result's format; on stdout it is the photo's own, or PNG for one that came from stdin."""
        return Path(default_name(self.source, "")).suffix if self.output == STREAM else self.output.suffix


def run(inputs: list[Path], request: UpscaleRequest, load: Callable[[], Upscaler], screen: Screen, stdin: Stdin) -> Exit:
    """Upscales all photos and returns the exit code. `load` is called when the first readable photo needs it."""
    request = replace(request, list_faces=request.list_faces or len(inputs) == 1)
    planned = plan_paths(inputs, request)
    upscaling = Upscaling(request, file_identities(inputs), load_once(load), screen, stdin)
    return process_each(planned, lambda paths: paths.source, upscaling.upscale, screen, as_json=request.json)


def plan_paths(inputs: list[Path], request: UpscaleRequest) -> list[PhotoPaths]:
    """Plans where everything goes. UsageError where two results would have one name."""
    label = f"_x{request.options.scale}"
    outputs = plan_outputs(inputs, request.output, label, stream=True)
    comparisons = plan_outputs(inputs, request.compare, f"{label}_compare", "compare") if request.compare else []
    faces = [request.faces_dir / stem(source) for source in inputs] if request.faces_dir else []
    check_unique([*outputs, *comparisons])
    check_unique(faces)
    missing = [None] * len(inputs)
    places = zip(inputs, outputs, comparisons or missing, faces or missing, strict=True)
    return [
        PhotoPaths(source=source, output=output, comparison=comparison, faces=faces)
        for source, output, comparison, faces in places
    ]


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
        except LaaError as error:
            failure = error
        except Exception as error:
            if not out_of_memory(error):
                raise
            failure = out_of_memory_error(source(item), "or --device cpu")
        failures.append(failure.code)
        message = failure.for_command_line()
        screen.error(message)
        if as_json:
            screen.record(FailureRecord(input=str(source(item)), error=message))
    return exit_code(len(items) - len(failures), failures)


def read_source(source: Path, stdin: Stdin, max_pixels: int | None) -> bytes:
    """Reads the file of a photo, or standard input. Raises LaaError."""
    if source == STREAM:
        return read_bytes(stdin(), STDIN_NAME, max_pixels)
    return read_bytes(source, str(source), max_pixels)


class Upscaling:
    """Takes one photo after the other from file to file. `photos`: the identities of all of the run, never written to."""

    def __init__(
        self, request: UpscaleRequest, photos: Identities, load: Callable[[], Upscaler], screen: Screen, stdin: Stdin
    ) -> None:
        self.request = request
        self.photos = photos
        self.load = load
        self.screen = screen
        self.stdin = stdin

    def upscale(self, paths: PhotoPaths) -> None:
        """Reads a photo, upscales it, writes everything asked for, the photo first, and reports it. Raises LaaError."""
        clock = StageTimer()
        self.check_targets(paths)
        content = [read_source(paths.source, self.stdin, self.request.options.max_pixels)]
        clock.lap("read")
        processed = process(content.pop(), self.photo_request(paths), self.load)  # nothing else holds the content
        seconds = dict(processed.result.seconds)
        clock.add({})
        self.write_result(paths, processed)
        processed = replace(processed, content=b"")
        self.write_pictures(paths, processed)
        clock.lap("write")
        seconds["read"] += clock.seconds["read"]
        seconds["write"] = seconds.pop("encode") + clock.seconds["write"]
        self.report(paths, processed.with_seconds(seconds))

    def check_targets(self, paths: PhotoPaths) -> None:
        """Checks of the output and the comparison what can be checked before the photo is read."""
        for path in (paths.output, paths.comparison):
            if path is not None:
                check_target(path, self.photos, self.request.overwrite)
        if paths.comparison is not None:
            check_output(paths.comparison.suffix, 1, 1, str(paths.comparison))

    def photo_request(self, paths: PhotoPaths) -> PhotoRequest:
        """What is to be made of one photo."""
        return PhotoRequest(
            source=str(paths.source),
            output=str(paths.output),
            suffix=paths.suffix,
            options=self.request.options,
            strip_metadata=self.request.strip_metadata,
            require_face=self.request.require_face,
            source_title=STDIN_NAME if paths.source == STREAM else None,
            output_title="stdout" if paths.output == STREAM else None,
        )

    def write_result(self, paths: PhotoPaths, processed: ProcessedPhoto) -> None:
        """Writes the enlarged photo."""
        if paths.output == STREAM:
            self.screen.bytes(processed.content)
        else:
            write_atomically(paths.output, processed.content, overwrite=self.request.overwrite)

    def write_pictures(self, paths: PhotoPaths, processed: ProcessedPhoto) -> None:
        """Writes the comparison and the faces before and after, where they were asked for."""
        for path, pixels in make_pictures(paths, processed).items():
            check_target(path, self.photos, self.request.overwrite)
            picture = without_metadata(replace(processed.photo, pixels=pixels))
            write_photo(picture, path, overwrite=self.request.overwrite)

    def report(self, paths: PhotoPaths, processed: ProcessedPhoto) -> None:
        """Reports a photo that is done."""
        result = processed.result
        if self.request.json:
            self.screen.record(processed.record)
        if self.request.list_faces and result.faces:
            self.screen.table(str(paths.source), RESULT_COLUMNS, result_rows(result), RESULT_DROP)
        elif self.request.list_faces:
            self.screen.notice(f"no face found in {paths.source}: the photo was enlarged without one")
        if processed.left_out:
            self.screen.notice(f"{paths.source}: left out: {', '.join(processed.left_out)}")
        height, width = result.pixels.shape[:2]
        done = f"{len(result.restored)} of {len(result.faces)} faces restored" if result.faces else "no face found"
        self.screen.say_of(paths.output, f"{width}x{height}, {done}, {sum(result.seconds.values()):.1f} s")


def make_pictures(paths: PhotoPaths, processed: ProcessedPhoto) -> dict[Path, Pixels]:
    """Makes the comparison and the crops before and after, where they were asked for, by the paths of their files."""
    if paths.comparison is None and paths.faces is None:
        return {}
    scale, result = processed.request.options.scale, processed.result
    plain = enlarge(processed.photo.pixels, scale)
    pictures: dict[Path, Pixels] = {paths.comparison: side_by_side(plain, result.pixels)} if paths.comparison else {}
    for number, face in enumerate(result.faces if paths.faces else [], 1):
        if paths.faces and face.restored:
            pair = face_pair(plain, result.pixels, face.square, scale)
            for kind, pixels in zip(("before", "after"), pair, strict=True):
                pictures[paths.faces.with_name(f"{paths.faces.name}_face{number:02}_{kind}.png")] = pixels
    return pictures
