"""`index.html` beside the results: every photo with a before/after slider and its faces. It says nothing of times."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from html import escape
from pathlib import Path
from urllib.parse import quote

import cv2
import numpy as np
from numpy.typing import NDArray

from ..errors import LaaError
from ..photo import encode_thumbnail, read_photo
from ..photo.pixels import Pixels, blend_on_white, to_rgb8
from ..restore.alignment import Square, crop_square
from ..utils.atomic import write_atomically
from ..utils.html import page, slider
from .manifest import Manifest, Record
from .scan import PhotoFile

NAME = "index.html"
LONGEST_PX = 900  # of the photo, before and after
FACE_PX = 96  # a face's side, before as well as after
FACES = 500  # at most in a picture, whose height JPEG limits
STYLE = f"""<style>
.photo {{ content-visibility: auto; contain-intrinsic-size: auto 20rem; overflow-wrap: anywhere }}
.faces {{ display: flex; flex-wrap: wrap; gap: 4px; max-height: {2 * FACE_PX + 4}px; overflow-y: auto; margin-top: 4px }}
.faces img {{ width: {2 * FACE_PX}px; height: {FACE_PX}px; max-width: none; flex: none; object-fit: none; border-radius: 4px }}
</style>"""


def write_gallery(photos: list[PhotoFile], out: Path, manifest: Manifest) -> Path:
    """Writes the page, and first the views of results that were made without --report. Raises LaaError."""
    records = [record for photo in photos if (record := manifest.records.get(photo.name))]
    done = [record for record in records if record["error"] is None and (out / record["output"]).exists()]
    sources = {photo.name: photo.path for photo in photos}
    for record in done:
        if not (out / thumbnail_path(record["output_sha256"], "after")).exists():
            backfill(record, sources[record["input"]], out)
    remove_stale_thumbnails(out, {record["output_sha256"][:32] for record in done})
    failed = [record for record in records if record["error"] is not None]
    write_atomically(out / NAME, gallery(done, failed).encode(errors="surrogateescape"), overwrite=True)
    return out / NAME


def backfill(record: Record, path: Path, out: Path) -> None:
    """Makes the views of a result from the files. One that cannot be opened any more has none."""
    limit = record["options"]["max_pixels"]
    try:
        before = read_photo(path, max_pixels=limit).pixels
        after = read_photo(out / record["output"], max_pixels=limit).pixels
        write_thumbnails(
            make_thumbnails(before, after, squares(record), record["options"]["scale"]), out, record["output_sha256"]
        )
    except LaaError:
        return


def squares(record: Record) -> list[Square]:
    """Of the restored faces."""
    return [Square(**face["crop"]) for face in restored(record)]


def restored(record: Record) -> list[Record]:
    """What is recorded of the restored faces."""
    return [face for face in record["faces"] if face["action"] == "restored"]


def remove_stale_thumbnails(out: Path, kept: set[str]) -> None:
    """Removes views of results that there are no more."""
    for path in (out / ".laa").glob("*/*.jpg"):
        if path.name.split(".")[0] not in kept:
            path.unlink(missing_ok=True)


def gallery(done: list[Record], failed: list[Record]) -> str:
    """The page."""
    faces = sum(len(restored(record)) for record in done)
    said = f"<p>{len(done)} photos, {faces} faces restored{f', failed: {len(failed)}' if failed else ''}.</p>"
    pictures = "\n".join(map(figure, done))
    return page("Photos before and after", f'{STYLE}\n{said}\n<div class="grid">\n{pictures}\n</div>\n{failures(failed)}')


def figure(record: Record) -> str:
    """A photo: slider, name, faces."""
    before, after = (to_url(thumbnail_path(record["output_sha256"], kind)) for kind in ("before", "after"))
    name, found = to_printable(record["input"]), restored(record)
    caption = (
        f'<a href="{to_url(record["output"])}">{escape(name)}</a><br>'
        f"<small>{record['width']}x{record['height']}, {len(found)} of {len(record['faces'])} faces restored</small>"
    )
    strip = f'<div class="faces">{listed(face_of(record), found[:FACES])}</div>' if found else ""
    picture = slider(before, after, name, record["width"], record["height"])
    return f'<figure class="photo">{picture}<figcaption>{caption}</figcaption>{strip}</figure>'


def face_of(record: Record) -> Callable[[int, Record], str]:
    """Makes a face's picture: a row of the photo's picture of all faces."""
    source = to_url(thumbnail_path(record["output_sha256"], "faces"))

    def face(row: int, said: Record) -> str:
        title = f"face {said['number']}: {said['size_px']:.0f} px, confidence {said['confidence']:.3f}"
        place = f"object-position: 0 -{row * FACE_PX}px"
        return f'<img src="{source}" style="{place}" loading="lazy" title="{title}" alt="{title}, before and after">'

    return face


def listed(make: Callable[[int, Record], str], items: Iterable[Record]) -> str:
    """One after the other."""
    return "".join(make(row, item) for row, item in enumerate(items))


def failures(failed: list[Record]) -> str:
    """The table of the photos that have no result."""
    if not failed:
        return ""
    rows = "".join(f"<tr><td>{escape(to_printable(r['input']))}<td>{escape(to_printable(r['error']))}" for r in failed)
    return f'<h2>Failed</h2>\n<div class="scroll"><table>{rows}</table></div>'


def to_url(name: str) -> str:
    """A relative address of any file name."""
    return quote(os.fsencode(name))


def to_printable(text: str) -> str:
    """Text without what no file in UTF-8 can hold."""
    return text.encode("utf-8", "backslashreplace").decode()


# Small pictures of a result for the gallery: the photo before and after, and its restored faces, all as JPEG.


Thumbnails = dict[str, bytes]  # "before", "after" and, where there are restored faces, "faces"


def make_thumbnails(before: Pixels, after: Pixels, squares: list[Square], scale: int) -> Thumbnails:
    """`before`: the photo, `after`: enlarged `scale` times; `squares`: of the restored faces, in pixels of the photo.

    "faces": (96 n, 192, 3), a row for each face, on the left before, on the right after.
    """
    pictures = {"before": shrink_to_fit(before), "after": shrink_to_fit(after)}
    if squares:
        pictures["faces"] = np.vstack([face_row(before, after, square, scale) for square in squares[:FACES]])
    return {kind: encode_thumbnail(rgb) for kind, rgb in pictures.items()}


def shrink_to_fit(pixels: Pixels) -> NDArray[np.uint8]:
    """(h, w, 3) RGB with sides of LONGEST_PX at most."""
    factor = LONGEST_PX / max(pixels.shape[:2])
    if factor < 1:
        size = (max(1, round(pixels.shape[1] * factor)), max(1, round(pixels.shape[0] * factor)))
        pixels = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA).reshape(size[1], size[0], -1)
    return to_rgb8(blend_on_white(pixels) if pixels.dtype == np.uint8 else pixels)


def face_row(before: Pixels, after: Pixels, square: Square, scale: int) -> NDArray[np.uint8]:
    """One row: (96, 192, 3)."""
    enlarged = square.scaled(scale)
    return np.hstack([thumbnail(crop_square(before, square)), thumbnail(crop_square(after, enlarged))])


def thumbnail(pixels: Pixels) -> NDArray[np.uint8]:
    """(96, 96, 3) RGB of a square."""
    kind = cv2.INTER_AREA if pixels.shape[0] > FACE_PX else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(to_rgb8(pixels), (FACE_PX, FACE_PX), interpolation=kind), np.uint8)


def thumbnail_path(output_sha256: str, kind: str) -> str:
    """Where a view lies, relative to the folder of the results; named after the result's content, so that it is never stale."""
    return f".laa/{output_sha256[:2]}/{output_sha256[:32]}.{kind}.jpg"


def write_thumbnails(pictures: Thumbnails, out: Path, output_sha256: str) -> None:
    """Writes the views of a result. Raises LaaError."""
    for kind, content in pictures.items():
        write_atomically(out / thumbnail_path(output_sha256, kind), content, overwrite=True)
