"""`laa prepare`: finds the faces of all photos, sifts them, and writes shards, a manifest and a contact sheet."""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from ..console import Screen, duration
from ..errors import Exit, LaaError
from ..interfaces import FaceDetector
from ..utils.atomic import remove_partial_files, write_atomically
from .crops import PhotoFaces, detect_faces, read, select
from .journal import Journal, StoredFace
from .settings import PrepareRequest
from .sources import PhotoSource, find_photos
from .split import TRAIN, Identities
from .unpack import unpack
from .writer import MANIFEST, Placement, assign_shards, contact_sheet, drop_duplicates, write_manifest, write_shards

UNFINISHED = "unfinished"  # folder in the output that only a run that has not ended has
UNPACKED = "unpacked"  # folder in that one, for copies of compressed tar files
SHEET = "contact-sheet.png"
WORKERS = min(4, os.cpu_count() or 1)

In = TypeVar("In")
Out = TypeVar("Out")


def run(
    inputs: list[Path],
    out: Path,
    settings: PrepareRequest,
    people: Path | None,
    load: Callable[[], FaceDetector],
    screen: Screen,
) -> Exit:
    """Makes a folder of training and validation faces, or goes on with one. Returns the exit code."""
    refuse_finished(out)
    identities = Identities(people) if people else None
    photos = find_photos(inputs, out)
    with closing(Journal(out / UNFINISHED, purpose_of(inputs, settings, people))) as journal:
        try:
            detect_all(photos, journal, settings, identities, load, screen)
        except KeyboardInterrupt:
            screen.notice(f"{len(journal.records)} of {len(photos)} photos are done: the same command goes on")
            raise
        order = {photo.name: place for place, photo in enumerate(photos)}
        records = sorted((r for r in journal.records if r["photo"] in order), key=lambda record: order[record["photo"]])
        faces = [face for record in records for face in journal.faces(record)]
        kept = drop_duplicates(faces)
        if not kept:
            raise LaaError(f"no faces came out of {len(photos)} photos: {why_none(records)}")
        places = list(assign_shards(kept, settings.shard_size))
        write_output(out, places, journal)
    show_summary(records, len(faces) - len(kept), kept, out, screen)
    return Exit.PARTLY if any(record["error"] for record in records) else Exit.OK


def refuse_finished(out: Path) -> None:
    """Nothing is overwritten, and nothing is mixed with other files."""
    if out.is_dir() and any(out.iterdir()) and not (out / UNFINISHED).is_dir():
        what = "holds finished faces" if (out / MANIFEST).exists() else "is not empty"
        raise LaaError(f"{out} {what}: choose another folder", Exit.USAGE)
    if out.exists() and not out.is_dir():
        raise LaaError(f"{out} is a file: choose a folder", Exit.USAGE)


def purpose_of(inputs: list[Path], settings: PrepareRequest, people: Path | None) -> dict[str, Any]:
    """What must be the same for a run to go on."""
    digest = hashlib.sha256(people.read_bytes()).hexdigest() if people else ""
    return {"photos": [str(path.resolve()) for path in inputs], "identities": digest} | asdict(settings)


def detect_all(
    photos: list[PhotoSource], journal: Journal, settings: PrepareRequest, identities: Identities | None,
    load: Callable[[], FaceDetector], screen: Screen,
) -> None:  # fmt: skip
    """Finds the faces of all photos that are not in the journal; those that cannot be read are reported."""
    known = {record["photo"] for record in journal.records}
    left = [photo for photo in photos if photo.name not in known]
    if known:
        screen.say(f"going on: {len(photos) - len(left)} of {len(photos)} photos were done before")
    sources = unpack(left, journal.folder / UNPACKED, screen.say)
    start, faces = time.monotonic(), 0
    with screen.live() as show:
        for done, findings in enumerate(find_faces(sources, settings, identities, load), 1):
            journal.add(findings)
            if findings.error:
                screen.error(findings.error)
            faces += len(findings.crops)
            rate = done / (time.monotonic() - start)
            count = f"{len(photos) - len(left) + done} of {len(photos)} photos, {faces} new faces"
            show(f"{count}, {rate:.1f} photos/s, {duration((len(left) - done) / rate)} left")
    shutil.rmtree(journal.folder / UNPACKED, ignore_errors=True)  # makes room for the shards


def find_faces(
    photos: list[PhotoSource], settings: PrepareRequest, identities: Identities | None, load: Callable[[], FaceDetector]
) -> Iterator[PhotoFaces]:
    """Findings in the photos' order. Threads read and encode while the detector works."""
    if not photos:
        return
    detect = load()
    with ThreadPoolExecutor(WORKERS) as pool:
        try:
            pixels = map_ahead(pool, partial(read, settings=settings), photos)
            with_faces = (detect_faces(photo, detect) for photo in pixels)
            yield from map_ahead(pool, partial(select, settings=settings, identities=identities), with_faces)
        finally:
            pool.shutdown(cancel_futures=True)


def map_ahead(pool: ThreadPoolExecutor, function: Callable[[In], Out], items: Iterable[In]) -> Iterator[Out]:
    """`map` in threads, a few items ahead of what is taken."""
    waiting: deque[Future[Out]] = deque()
    for item in items:
        waiting.append(pool.submit(function, item))
        if len(waiting) > WORKERS:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


def write_output(out: Path, places: list[Placement], journal: Journal) -> None:
    """Writes what a finished run leaves, and only then lets the journal go."""
    write_shards(out, places, journal.picture)
    write_atomically(out / SHEET, contact_sheet([face for _, _, face in places], journal.picture), overwrite=True)
    write_manifest(out, places)
    journal.close()
    remove_partial_files(out)
    finished = out / f".{UNFINISHED}"
    journal.folder.rename(finished)
    shutil.rmtree(finished, ignore_errors=True)


def why_none(records: list[dict[str, Any]]) -> str:
    """What became of the faces of a run that kept none."""
    small, blurred = (sum(record[name] for record in records) for name in ("small", "blurred"))
    found = sum(record["faces"] for record in records)
    return f"{found} faces were found, {small} of them too small (--min-crop), {blurred} blurred (--min-sharpness)"


def show_summary(records: list[dict[str, Any]], duplicates: int, kept: list[StoredFace], out: Path, screen: Screen) -> None:
    """The closing table."""
    total = {name: sum(record[name] for record in records) for name in ("faces", "unknown", "small", "blurred")}
    failed = sum(bool(record["error"]) for record in records)
    empty = sum(not record["error"] and not record["faces"] for record in records)
    training = sum(face.crop.split == TRAIN for face in kept)
    rows = [
        ("photos", len(records)), ("  that could not be read", failed), ("  without a face", empty),
        ("faces found", total["faces"]), ("  of nobody in --identities", total["unknown"]),
        ("  smaller than --min-crop", total["small"]), ("  blurred", total["blurred"]), ("  duplicates", duplicates),
        ("faces for training", training), ("faces for validation", len(kept) - training),
    ]  # fmt: skip
    screen.table(str(out), ("what", ">count"), ((name, str(count)) for name, count in rows))
    if training in (0, len(kept)):
        missing = "validation" if training else "training"
        screen.notice(f"chance left no faces for {missing}: give more photos, or another --validation-share")
