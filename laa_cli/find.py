"""`laa detect` on files: which faces a photo holds, as a table, as records, or drawn on a copy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from .console import Screen
from .detect import Detector, Face
from .errors import Exit, LaaError
from .jobs import verdict
from .outputs import STREAM, check_target, plan
from .photo import Photo, check_output, read_photo, write_photo
from .pictures import with_boxes


def run(
    inputs: list[Path],
    output: Path | None,
    load: Callable[[], Detector],
    screen: Screen,
    stdin: Callable[[], bytes],
    *,
    as_json: bool,
    overwrite: bool,
    max_pixels: int,
) -> Exit:
    """Lists the faces of every photo and returns the exit code; writes drawings where `output` is given."""
    drawings = plan(inputs, output, "_faces") if output else [None] * len(inputs)
    detector: Detector | None = None
    failures: list[LaaError] = []
    for source, drawing in screen.track(list(zip(inputs, drawings, strict=True)), "photos"):
        try:
            if drawing is not None:
                check_target(source, drawing, overwrite)
            photo = read_photo(stdin() if source == STREAM else source, max_pixels=max_pixels)
        except LaaError as error:
            failures.append(error)
            screen.error(str(error))
            continue
        detector = detector or load()
        faces = detector(photo.rgb8())
        show(source, photo, faces, screen, as_json)
        if drawing is not None:
            check_output(drawing.suffix, photo.width, photo.height, str(drawing))
            write_photo(replace(photo, pixels=with_boxes(photo.rgb8(), faces)), drawing, overwrite=overwrite)
    return verdict(len(inputs), failures)


def show(source: Path, photo: Photo, faces: list[Face], screen: Screen, as_json: bool) -> None:
    """One photo's faces."""
    if as_json:
        screen.record(
            {"input": str(source), "width": photo.width, "height": photo.height, "faces": [as_record(f) for f in faces]}
        )
    if not faces:
        screen.notice(f"no face found in {source}")
        return
    columns = ("place", ">face", ">confidence")
    screen.table(f"{source}: faces found: {len(faces)}", columns, (as_row(face) for face in faces))


def as_row(face: Face) -> tuple[str, ...]:
    """A face's line in the table."""
    return f"{face.box_xyxy[0]:.0f}, {face.box_xyxy[1]:.0f}", f"{face.size_px:.0f} px", f"{face.confidence:.3f}"


def as_record(face: Face) -> dict[str, object]:
    """A face's machine-readable form."""
    return {
        "box_xyxy": [round(value, 2) for value in face.box_xyxy],
        "size_px": round(face.size_px, 2),
        "confidence": round(face.confidence, 4),
        "landmarks_xy": [[round(value, 2) for value in point] for point in face.landmarks_xy],
    }
