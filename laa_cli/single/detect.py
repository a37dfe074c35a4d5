"""`laa detect` on files: which faces a photo holds, as a table, as records, or drawn on a copy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from ..console import Screen
from ..errors import Exit
from ..interfaces import Face, FaceDetector
from ..photo import Photo, check_output, read_photo, write_photo
from ..process import load_once
from ..restore.known_faces import find_faces
from ..restore.records import DetectedPhotoRecord, detection_record
from ..utils.atomic import check_writable
from ..utils.inputs import Inputs
from ..utils.timing import StageTimer
from .drawing import draw_faces
from .output_paths import STREAM, Place, check_unique, plan_outputs
from .report import detection_table
from .run import Stdin, clear_folders, process_each, read_source
from .tagged_copy import check_copied, plan_copies, write_tagged_copy


def run(
    inputs: list[Path],
    output: Place | None,
    load: Callable[[], FaceDetector],
    screen: Screen,
    stdin: Stdin,
    *,
    as_json: bool,
    overwrite: bool,
    max_pixels: int | None,
    list_faces: bool = False,
    write_tags: bool = False,
) -> Exit:
    """Lists the faces of a photo, counts those of several unless `list_faces`, and returns the exit code.

    Writes drawings where `output` is given, or with `write_tags` copies of the photos with tags for their faces.
    """
    drawings: list[Path] | list[None]
    if write_tags:
        drawings = plan_copies(inputs, output)
    else:
        drawings = plan_outputs(inputs, output, "_faces") if output else [None] * len(inputs)
    targets = [(drawing, str(source)) for drawing, source in zip(drawings, inputs, strict=True) if drawing is not None]
    check_unique(targets, "--output")
    originals = Inputs.of(inputs)
    clear_folders((path for path, _ in targets), originals)
    load = load_once(load)
    list_faces = list_faces or len(inputs) == 1

    def work(item: tuple[Path, Path | None]) -> None:
        source, drawing = item
        if drawing is not None:
            check_writable(drawing, inputs=originals, overwrite=overwrite)
        if drawing is not None and not write_tags:
            check_output(drawing.suffix, 1, 1, str(drawing))
        clock = StageTimer()
        content = read_source(source, stdin, max_pixels)
        if drawing is not None and write_tags:
            check_copied(content, source, drawing)
        photo = read_photo(content, max_pixels=max_pixels, name=None if source == STREAM else str(source))
        faces = find_faces(load(), photo.rgb8(), photo.face_tags)
        if drawing is not None and not write_tags:
            drawn = replace(photo, pixels=draw_faces(photo.rgb8(), faces))
            write_photo(drawn, drawing, inputs=originals, overwrite=overwrite)
        clock.lap("detect")
        if as_json:
            record_faces(source, photo, faces, screen)
        if list_faces:
            show_faces(source, faces, screen)
        else:
            found = f"faces found: {len(faces)}" if faces else "no face found"
            screen.say_of(source, f"{photo.width}x{photo.height}, {found}, {sum(clock.seconds.values()):.1f} s")
        if drawing is not None and write_tags:
            write_tagged_copy(photo, content, faces, (source, drawing), originals, screen, overwrite=overwrite)
        elif drawing is not None:
            screen.say_of(drawing, f"{photo.width}x{photo.height}, faces drawn: {len(faces)}")

    return process_each(list(zip(inputs, drawings, strict=True)), lambda item: item[0], work, screen, as_json=as_json)


def record_faces(source: Path, photo: Photo, faces: list[Face], screen: Screen) -> None:
    """Writes the record of one photo."""
    records = [detection_record(number, face) for number, face in enumerate(faces, 1)]
    screen.record(DetectedPhotoRecord(input=str(source), width=photo.width, height=photo.height, faces=records))


def show_faces(source: Path, faces: list[Face], screen: Screen) -> None:
    """Shows the faces of one photo."""
    if not faces:
        screen.notice(f"no face found in {source}")
        return
    screen.table(f"{source}: faces found: {len(faces)}", *detection_table(faces))
