"""`laa upscale` on files: one photo after the other, each whole or not at all, one failure never stopping the others."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from .console import Screen
from .errors import Exit, LaaError
from .outputs import STREAM, check_target, named, plan
from .photo import Photo, check_output, encode_photo, read_photo, without_metadata, write_photo
from .pictures import face_pair, side_by_side
from .resample import enlarge
from .upscale import FaceReport, Options, Upscaled, Upscaler, check_size


@dataclass(frozen=True)
class Job:
    """What to do with every photo of a call, beside the pipeline's own options."""

    options: Options
    output: Path | None = None
    faces_dir: Path | None = None
    compare: Path | None = None
    json: bool = False
    overwrite: bool = False
    strip_metadata: bool = False
    require_face: bool = False


def run(inputs: list[Path], job: Job, load: Callable[[], Upscaler], screen: Screen, stdin: Callable[[], bytes]) -> Exit:
    """Processes all photos and returns the exit code. `load` is called once, when the first readable photo needs it."""
    label = f"_x{job.options.scale}"
    outputs = plan(inputs, job.output, label)
    sheets = plan(inputs, job.compare, f"{label}_compare", "--compare") if job.compare else [None] * len(inputs)
    upscaler: Upscaler | None = None
    failures: list[LaaError] = []
    for source, output, sheet in screen.track(list(zip(inputs, outputs, sheets, strict=True)), "photos"):
        try:
            photo = prepare(source, output, sheet, job, stdin)
        except LaaError as error:
            failures.append(fail(source, error, job, screen))
            continue
        upscaler = upscaler or load()  # a failure here concerns every photo and ends the run
        try:
            finish(source, output, sheet, photo, upscaler, job, screen)
        except LaaError as error:
            failures.append(fail(source, error, job, screen))
    return verdict(len(inputs), failures)


def prepare(source: Path, output: Path, sheet: Path | None, job: Job, stdin: Callable[[], bytes]) -> Photo:
    """Reads a photo after checking everything about its outputs that can be checked before any work is done."""
    for path in (output, sheet):
        if path is not None:
            check_target(source, path, job.overwrite)
    photo = read_photo(stdin() if source == STREAM else source, max_pixels=job.options.max_pixels)
    check_size(photo.width, photo.height, job.options)
    scale = job.options.scale
    check_output(suffix_of(source, output), photo.width * scale, photo.height * scale, str(output))
    return without_metadata(photo) if job.strip_metadata else photo


def finish(source: Path, output: Path, sheet: Path | None, photo: Photo, upscaler: Upscaler, job: Job, screen: Screen) -> None:
    """Upscales a photo, writes everything asked for, and reports."""
    try:
        result = upscaler(photo.pixels, job.options)
        if job.require_face and not result.faces:
            raise LaaError(f"no face found in {source}: lower --confidence or --min-face", Exit.NO_FACE)
        write_pictures(source, photo, result, sheet, job)
        write(photo.with_pixels(result.pixels), source, output, job, screen)
    except (MemoryError, RuntimeError) as error:
        if not out_of_memory(error):
            raise
        raise LaaError(f"not enough memory to enlarge {source}: use a smaller --scale") from None
    report(source, output, result, job, screen)


def out_of_memory(error: BaseException) -> bool:
    """Whether memory ran out; torch says so on the CPU with a RuntimeError only."""
    return isinstance(error, MemoryError) or "allocate memory" in str(error)


def write(photo: Photo, source: Path, output: Path, job: Job, screen: Screen) -> None:
    """The result to its file, or to stdout."""
    if output == STREAM:
        screen.bytes(encode_photo(photo, suffix_of(source, output), name="stdout"))
    else:
        write_photo(photo, output, overwrite=job.overwrite)


def write_pictures(source: Path, photo: Photo, result: Upscaled, sheet: Path | None, job: Job) -> None:
    """The comparison and the crops before and after, where they were asked for."""
    if sheet is None and job.faces_dir is None:
        return
    plain = enlarge(photo.pixels, job.options.scale)
    if sheet is not None:
        write_photo(without_metadata(replace(photo, pixels=side_by_side(plain, result.pixels))), sheet, overwrite=job.overwrite)
    for number, face in enumerate(result.restored if job.faces_dir else [], 1):
        pair = face_pair(plain, result.pixels, face.square, job.options.scale)
        for kind, pixels in zip(("before", "after"), pair, strict=True):
            stem = "photo" if source == STREAM else source.stem
            path = job.faces_dir / f"{stem}_face{number:02}_{kind}.png"  # type: ignore[operator]
            check_target(source, path, job.overwrite)
            write_photo(without_metadata(replace(photo, pixels=pixels)), path, overwrite=job.overwrite)


def suffix_of(source: Path, output: Path) -> str:
    """The format of an output; on stdout it is the photo's own, or PNG for one that came from stdin."""
    return Path(named(source, "")).suffix if output == STREAM else output.suffix


def fail(source: Path, error: LaaError, job: Job, screen: Screen) -> LaaError:
    """Reports a photo that failed."""
    screen.error(str(error))
    if job.json:
        screen.record({"input": str(source), "error": str(error)})
    return error


def verdict(photos: int, failures: list[LaaError]) -> Exit:
    """The exit code of a run."""
    if not failures:
        return Exit.OK
    if len(failures) < photos:
        return Exit.PARTLY
    codes = {error.code for error in failures}
    return codes.pop() if len(codes) == 1 else Exit.FAILED


def report(source: Path, output: Path, result: Upscaled, job: Job, screen: Screen) -> None:
    """The table for people, the record for programs."""
    seconds = sum(result.seconds.values())
    if job.json:
        screen.record(record(source, output, result, job))
    if not result.faces:
        screen.notice(f"no face found in {source}: the photo was enlarged without one")
    else:
        columns = ("place", ">face", ">crop", ">confidence", "done", "why")
        screen.table(str(source), columns, (row(face) for face in result.faces))
    height, width = result.pixels.shape[:2]
    screen.say(f"{output}: {width}x{height}, {len(result.restored)} of {len(result.faces)} faces restored, {seconds:.1f} s")


def row(face: FaceReport) -> tuple[str, ...]:
    """A face's line in the table."""
    x0, y0, _, _ = face.face.box_xyxy
    done = "restored" if face.restored else "left as it is"
    sizes = f"{face.face.size_px:.0f} px", f"{face.square.side} px"
    return f"{x0:.0f}, {y0:.0f}", *sizes, f"{face.face.confidence:.3f}", done, face.reason


def record(source: Path, output: Path, result: Upscaled, job: Job) -> dict[str, Any]:
    """A photo's machine-readable record."""
    height, width = result.pixels.shape[:2]
    faces = [
        {
            "box_xyxy": [round(value, 2) for value in face.face.box_xyxy],
            "size_px": round(face.face.size_px, 2),
            "confidence": round(face.face.confidence, 4),
            "crop": asdict(face.square),
            "action": "restored" if face.restored else "left",
            "reason": face.reason,
            "consistency": None if face.consistency is None else round(face.consistency, 5),
        }
        for face in result.faces
    ]
    return {
        "input": str(source),
        "output": str(output),
        "width": width,
        "height": height,
        "scale": job.options.scale,
        "faces": faces,
        "seconds": {stage: round(value, 4) for stage, value in result.seconds.items()},
    }
