"""`laa upscale` on files: one photo after the other, each whole or not at all, one failure never stopping the others."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

from ..console import Screen
from ..errors import Exit, LaaError, SetupError, out_of_memory
from ..photo import Photo, check_output, encode_photo, read_photo, without_metadata, write_photo
from ..photo.resample import enlarge
from ..upscale import Options, Upscaled, Upscaler, check_size
from ..utils.timing import StageTimer
from .output_paths import STREAM, Identities, check_target, check_unique, default_name, file_identities, plan_outputs, stem
from .pictures import face_pair, side_by_side
from .report import as_record, columns, rows

Item = TypeVar("Item")
Stdin = Callable[[], BinaryIO]


@dataclass(frozen=True)
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


@dataclass(frozen=True)
class PhotoPaths:
    """One photo and where its results go."""

    source: Path
    output: Path
    sheet: Path | None  # the comparison
    faces: Path | None  # what the names of its faces' pictures begin with


def run(inputs: list[Path], job: UpscaleRequest, load: Callable[[], Upscaler], screen: Screen, stdin: Stdin) -> Exit:
    """Processes all photos and returns the exit code. `load` is called when the first readable photo needs it."""
    errands, photos = plan_paths(inputs, job), file_identities(inputs)
    loaded = Loaded(load)

    def work(errand: PhotoPaths) -> None:
        clock = StageTimer()
        photo = read_checked(errand, photos, job, stdin)
        clock.lap("read")
        result: Upscaled = loaded()(photo.pixels, job.options)
        clock.add(result.seconds)
        write_result(errand, photo, result, photos, job, screen)
        clock.lap("write")
        report_result(errand, replace(result, seconds=clock.seconds), job, screen)

    return process_each(errands, lambda errand: errand.source, work, screen, as_json=job.json)


def process_each(
    items: list[Item], source: Callable[[Item], Path], work: Callable[[Item], None], screen: Screen, *, as_json: bool
) -> Exit:
    """Works on every item whatever becomes of the others, reports those that fail, and returns the exit code."""
    failures: list[LaaError] = []
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
            failure = LaaError(f"not enough memory for {source(item)}: use a smaller photo or --scale, or --device cpu")
        failures.append(failure)
        screen.error(str(failure))
        if as_json:
            screen.record({"input": str(source(item)), "error": str(failure)})
    return exit_code(len(items), failures)


class Loaded:
    """Calls `load` once, when first needed. What fails there concerns every photo."""

    def __init__(self, load: Callable[[], Any]) -> None:
        self.load, self.value = load, None

    def __call__(self) -> Any:
        if self.value is None:
            try:
                self.value = self.load()
            except LaaError as error:
                raise SetupError(str(error), error.code) from error
        return self.value


def exit_code(photos: int, failures: list[LaaError]) -> Exit:
    """The exit code of a run."""
    if not failures:
        return Exit.OK
    if len(failures) < photos:
        return Exit.PARTLY
    codes = {error.code for error in failures}
    return codes.pop() if len(codes) == 1 else Exit.FAILED


def plan_paths(inputs: list[Path], job: UpscaleRequest) -> list[PhotoPaths]:
    """Where everything goes. LaaError (usage) where two results would have one name."""
    label = f"_x{job.options.scale}"
    outputs = plan_outputs(inputs, job.output, label, stream=True)
    sheets = plan_outputs(inputs, job.compare, f"{label}_compare", "--compare") if job.compare else []
    faces = [job.faces_dir / stem(source) for source in inputs] if job.faces_dir else []
    check_unique([*outputs, *sheets])
    check_unique(faces)
    missing = [None] * len(inputs)
    return [PhotoPaths(*places) for places in zip(inputs, outputs, sheets or missing, faces or missing, strict=True)]


def read_checked(errand: PhotoPaths, photos: Identities, job: UpscaleRequest, stdin: Stdin) -> Photo:
    """Reads a photo after checking everything about its outputs that can be checked before any work is done."""
    for path in (errand.output, errand.sheet):
        if path is not None:
            check_target(path, photos, job.overwrite)
    if errand.sheet is not None:
        check_output(errand.sheet.suffix, 1, 1, str(errand.sheet))
    photo = read_photo(stdin() if errand.source == STREAM else errand.source, max_pixels=job.options.max_pixels)
    check_size(photo.width, photo.height, job.options)
    scale = job.options.scale
    check_output(suffix_of(errand), photo.width * scale, photo.height * scale, str(errand.output))
    return without_metadata(photo) if job.strip_metadata else photo


def write_result(
    errand: PhotoPaths, photo: Photo, result: Upscaled, photos: Identities, job: UpscaleRequest, screen: Screen
) -> None:
    """Writes everything asked for, the photo first."""
    if job.require_face and not result.faces:
        raise LaaError(f"no face found in {errand.source}: lower --confidence or --min-face", Exit.NO_FACE)
    enlarged = photo.with_pixels(result.pixels)
    if errand.output == STREAM:
        screen.bytes(encode_photo(enlarged, suffix_of(errand), name="stdout"))
    else:
        write_photo(enlarged, errand.output, overwrite=job.overwrite)
    write_pictures(errand, photo, result, photos, job)


def report_result(errand: PhotoPaths, result: Upscaled, job: UpscaleRequest, screen: Screen) -> None:
    """Reports a photo that is done."""
    if job.json:
        screen.record(as_record(errand.source, errand.output, result, job.options.scale))
    if result.faces:
        screen.table(str(errand.source), columns(), rows(result))
    else:
        screen.notice(f"no face found in {errand.source}: the photo was enlarged without one")
    height, width = result.pixels.shape[:2]
    done = f"{len(result.restored)} of {len(result.faces)} faces restored"
    screen.say(f"{errand.output}: {width}x{height}, {done}, {sum(result.seconds.values()):.1f} s")


def write_pictures(errand: PhotoPaths, photo: Photo, result: Upscaled, photos: Identities, job: UpscaleRequest) -> None:
    """The comparison and the crops before and after, where they were asked for."""
    if errand.sheet is None and errand.faces is None:
        return
    plain = enlarge(photo.pixels, job.options.scale)
    pictures = {errand.sheet: side_by_side(plain, result.pixels)} if errand.sheet else {}
    for number, face in enumerate(result.faces if errand.faces else [], 1):
        if errand.faces and face.restored:
            pair = face_pair(plain, result.pixels, face.square, job.options.scale)
            for kind, pixels in zip(("before", "after"), pair, strict=True):
                pictures[errand.faces.with_name(f"{errand.faces.name}_face{number:02}_{kind}.png")] = pixels
    for path, pixels in pictures.items():
        check_target(path, photos, job.overwrite)
        write_photo(without_metadata(replace(photo, pixels=pixels)), path, overwrite=job.overwrite)


def suffix_of(errand: PhotoPaths) -> str:
    """The format of an output; on stdout it is the photo's own, or PNG for one that came from stdin."""
    return Path(default_name(errand.source, "")).suffix if errand.output == STREAM else errand.output.suffix
