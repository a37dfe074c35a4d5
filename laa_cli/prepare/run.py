"""`laa prepare`: detects, selects and crops the faces of all photos, and writes them as a face set."""

from __future__ import annotations

import hashlib
import shutil
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ..console import Screen, duration
from ..errors import Exit, FileError, LaaError
from ..faceset.format import TRAIN, UNFINISHED, is_face_set, is_unfinished
from ..interfaces import FaceDetector
from ..utils.inputs import Inputs
from ..utils.partial import remove_partial_files
from ..utils.walk import unreadable_message
from .crops import Identities
from .face_pipeline import find_faces
from .journal import Journal, JournalRecord, StoredFace
from .photo_source import PhotoSource
from .settings import PrepareRequest
from .sources import find_photos
from .unpack import unpack
from .writer import assign_shards, drop_duplicates, write_face_set

UNPACKED = "unpacked"  # folder beside the journal, for copies of compressed tar files


def run(
    inputs: list[Path],
    out: Path,
    request: PrepareRequest,
    identities_file: Path | None,
    load_detector: Callable[[], FaceDetector],
    screen: Screen,
) -> Exit:
    """Makes a face set in the folder `out`, or goes on with an unfinished one. Returns the exit code; raises LaaError."""
    check_output_folder(out)
    identities = Identities(identities_file) if identities_file else None
    unreadable: dict[str, str] = {}
    try:
        photos = find_photos(inputs, out, unreadable)
    finally:
        for folder, reason in unreadable.items():
            screen.error(unreadable_message(folder, reason))
    originals = check_originals([*dict.fromkeys(photo.path for photo in photos)], identities_file, out)
    with closing(Journal(out / UNFINISHED, settings_to_resume(inputs, request, identities_file))) as journal:
        try:
            process_photos(photos, journal, request, identities, load_detector, screen)
            records = records_in_order(journal, photos)
            faces = [face for record in records for face in journal.list_faces(record)]
            unique = drop_duplicates(faces)
            if not unique:
                raise LaaError(f"no faces came out of {len(photos)} photos: {explain_no_faces(records)}")
            write_face_set(out, assign_shards(unique, request.shard_size), journal.read_picture, originals)
        except KeyboardInterrupt:
            screen.notice(f"{len(journal.records)} of {len(photos)} photos are done: the same command goes on")
            raise
        except FileError as error:
            error.code = Exit.PARTLY if journal.records else error.code  # these stay
            raise
        remove_journal(journal, out)
    show_summary(records, len(faces) - len(unique), unique, len(unreadable), out, screen)
    return Exit.PARTLY if unreadable or any(record["error"] for record in records) else Exit.OK


def check_output_folder(out: Path) -> None:
    """Raises LaaError where files would be overwritten, or mixed with other files."""
    if out.is_dir() and any(out.iterdir()) and not is_unfinished(out):
        what = "holds finished faces" if is_face_set(out) else "is not empty"
        raise LaaError(f"{out} {what}: choose another folder", Exit.USAGE)
    if out.exists() and not out.is_dir():
        raise LaaError(f"{out} is a file: choose a folder", Exit.USAGE)
    if (out / UNFINISHED).is_symlink():  # what lies behind it would be removed in the end
        raise LaaError(f"{out / UNFINISHED} is a link: remove it, or choose another folder", Exit.USAGE)


def check_originals(files: list[Path], identities_file: Path | None, out: Path) -> Inputs:
    """Returns what the run reads, so that nothing is written over it. LaaError where some of it lies in the folder `out`."""
    folder = out.resolve()
    for path in files if out.exists() else ():
        if path.resolve().is_relative_to(folder):
            raise LaaError(f"{path} lies in {out}, where the faces are to go: choose another folder", Exit.USAGE)
    return Inputs.of([*files, identities_file])


def settings_to_resume(inputs: list[Path], request: PrepareRequest, identities_file: Path | None) -> dict[str, Any]:
    """Collects what must be the same for a run to go on: photos, SHA-256 of the identities, request."""
    digest = hashlib.sha256(identities_file.read_bytes()).hexdigest() if identities_file else ""
    return {"photos": [str(path.resolve()) for path in inputs], "identities": digest} | asdict(request)


def process_photos(
    photos: list[PhotoSource], journal: Journal, request: PrepareRequest, identities: Identities | None,
    load_detector: Callable[[], FaceDetector], screen: Screen,
) -> None:  # fmt: skip
    """Adds the faces of all photos that are not in the journal to it; those that cannot be read are reported."""
    done_before = {record["photo"] for record in journal.records}
    left = [photo for photo in photos if photo.name not in done_before]
    if done_before:
        screen.say(f"going on: {len(photos) - len(left)} of {len(photos)} photos were done before")
    sources = unpack(left, journal.folder / UNPACKED, screen.say)
    start = time.monotonic()
    face_count = 0
    with screen.live() as show:
        for done, faces in enumerate(find_faces(sources, request, identities, load_detector), 1):
            journal.add(faces)
            if faces.error:
                screen.error(faces.error)
            face_count += len(faces.crops)
            rate = done / (time.monotonic() - start)
            progress = f"{len(photos) - len(left) + done} of {len(photos)} photos, {face_count} new faces"
            show(f"{progress}, {rate:.1f} photos/s, {duration((len(left) - done) / rate)} left")
    shutil.rmtree(journal.folder / UNPACKED, ignore_errors=True)  # makes room for the shards


def records_in_order(journal: Journal, photos: list[PhotoSource]) -> list[JournalRecord]:
    """Sorts the journal's records in the order of the photos, without those of photos that are gone."""
    order = {photo.name: index for index, photo in enumerate(photos)}
    return sorted((record for record in journal.records if record["photo"] in order), key=lambda r: order[r["photo"]])


def remove_journal(journal: Journal, out: Path) -> None:
    """Ends an unfinished face set: its journal and partial files go, the journal's folder by one rename."""
    journal.close()
    remove_partial_files(out, deep=True)
    finished = out / f".{UNFINISHED}"
    journal.folder.rename(finished)
    shutil.rmtree(finished, ignore_errors=True)


def explain_no_faces(records: list[JournalRecord]) -> str:
    """Explains why a run selected no face."""
    detected = sum(record["faces"] for record in records)
    small = sum(record["small"] for record in records)
    blurred = sum(record["blurred"] for record in records)
    return f"{detected} faces were found, {small} of them too small (--min-crop), {blurred} blurred (--min-sharpness)"


def show_summary(
    records: list[JournalRecord], duplicates: int, selected: list[StoredFace], unreadable: int, out: Path, screen: Screen
) -> None:
    """Shows the closing table, and notices a split without faces. `unreadable`: folders that could not be read."""
    training = [face for face in selected if face.crop.split == TRAIN]
    rows = [
        *([("folders that could not be read", unreadable)] if unreadable else []),
        ("photos", len(records)),
        ("  that could not be read", len([record for record in records if record["error"]])),
        ("  without a face", len([record for record in records if not record["error"] and not record["faces"]])),
        ("faces found", sum(record["faces"] for record in records)),
        ("  of nobody in --identities", sum(record["unknown"] for record in records)),
        ("  smaller than --min-crop", sum(record["small"] for record in records)),
        ("  blurred", sum(record["blurred"] for record in records)),
        ("  duplicates", duplicates),
        ("faces for training", len(training)),
        ("faces for validation", len(selected) - len(training)),
    ]
    screen.table(str(out), ("what", ">count"), ((name, str(count)) for name, count in rows))
    if len(training) in (0, len(selected)):
        missing = "validation" if training else "training"
        screen.notice(f"chance left no faces for {missing}: give more photos, or another --validation-share")
