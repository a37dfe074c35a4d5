"""`laa detect --write-tags`: copies of photos in which the found faces are tagged, so that photo libraries know them."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

from ..console import Screen
from ..detect.face import Face
from ..errors import LaaError, UsageError
from ..photo import STDIN_NAME, Photo, peek
from ..photo.encode import FORMAT_OF_SUFFIX
from ..photo.metadata.credentials import CREDENTIALS
from ..photo.tagging import add_face_tags, check_taggable
from ..utils.atomic import write_atomically
from ..utils.inputs import Inputs
from .output_paths import STREAM, Place, parse_path, plan_outputs

FORMATS = FORMAT_OF_SUFFIX | dict.fromkeys((".jfif", ".jpe", ".mpo"), "JPEG") | {".gif": "GIF"}


def plan_copies(inputs: list[Path], output: Place | None) -> list[Path]:
    """Names the copy of each photo: `output`, or the photo's own name in that folder. UsageError where that cannot be."""
    if output is None:
        raise UsageError(
            "write_tags needs a place for the copies, since no photo is changed: give output", "write_tags", "output"
        )
    planned = plan_outputs(inputs, output, "")
    copies = [
        path if path == parse_path(output) or source == STREAM else path.with_name(source.name)
        for source, path in zip(inputs, planned, strict=True)
    ]
    for source, path in zip(inputs, copies, strict=True):
        check_suffix(source, path)
    return copies


def check_suffix(source: Path, path: Path) -> None:
    """Raises UsageError where a copy's name says another format than the photo's."""
    if source != STREAM and FORMATS.get(path.suffix.lower()) != FORMATS.get(source.suffix.lower()):
        hint = f"name it {path.with_suffix(source.suffix)}"
        raise UsageError(f"output {path} cannot be a copy of {source} in another format: {hint}", "output")


def check_copied(content: bytes, source: Path, copy: Path) -> None:
    """Raises LaaError, before work is done, where a photo's format cannot be tagged, or its copy's name says another."""
    header = peek(io.BytesIO(content))
    if header is None:  # reading it will say what is wrong
        return
    check_taggable(header.kind, name_of(source))
    if source == STREAM and FORMATS.get(copy.suffix.lower()) != FORMATS.get(f".{header.kind.lower()}"):
        raise LaaError(f"cannot write {copy}: {name_of(source)} is {header.kind}, and a copy stays that: name it so")


def name_of(source: Path) -> str:
    """Returns what errors call a photo."""
    return STDIN_NAME if source == STREAM else str(source)


def write_tagged_copy(
    photo: Photo,
    content: bytes,
    faces: Sequence[Face],
    place: tuple[Path, Path],
    inputs: Inputs,
    screen: Screen,
    *,
    overwrite: bool,
) -> None:
    """Writes a copy of a photo's file with tags for the faces that have none, and says so. `place`: source and copy."""
    source, copy = place
    tagged, added = add_face_tags(content, [face.box_xyxy for face in faces], name_of(source))
    write_atomically(copy, tagged, inputs=inputs, overwrite=overwrite)
    screen.say_of(copy, f"{photo.width}x{photo.height}, faces found: {len(faces)}, face tags added: {added}")
    if added and CREDENTIALS in photo.metadata.left_out:
        screen.notice(f"{copy}: its content credentials are those of {name_of(source)}, and no longer fit")
