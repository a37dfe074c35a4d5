"""`index.html` beside the results: every photo with a before/after slider and its faces, and their thumbnails (JPEG).

The page is the same however the results came about: it says nothing of times. Where there are pages of proofs, it leads there.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection
from pathlib import Path
from urllib.parse import quote

import cv2
import numpy as np
from numpy.typing import NDArray

from ..errors import LaaError
from ..options import DEFAULTS
from ..photo import encode_thumbnail, read_photo
from ..photo.pixels import Pixels, blend_on_white, to_rgb8
from ..restore.alignment import Square, crop_square
from ..restore.records import FaceRecord, restored_faces
from ..utils.html import escaped, page, slider
from ..utils.inputs import Inputs
from ..utils.storage import LocalStorage, Storage
from .manifest import Manifest
from .scan import PhotoFile
from .schema import ManifestRecord

NAME = "index.html"
LONGEST_PX = 900  # of the photo, before and after
PROOF = "proof.html"  # how the names of pages of proofs end
FACE_PX = 96  # a face's side, before as well as after
LARGEST_CROP = 4  # over the photo's longer side; the margin is 3 at most
FACES = 500  # at most in a picture, whose height JPEG limits
FILE_NAME = re.compile(r"([0-9a-f]{32})\.(?:(?:before|after|faces)\.jpg|proof\.html)")
STYLE = f"""<style>
.photo {{ content-visibility: auto; contain-intrinsic-size: auto 20rem; overflow-wrap: anywhere }}
.faces {{ display: flex; flex-wrap: wrap; gap: 4px; max-height: {2 * FACE_PX + 4}px; overflow-y: auto; margin-top: 4px }}
.faces img {{ width: {2 * FACE_PX}px; height: {FACE_PX}px; max-width: none; flex: none; object-fit: none; border-radius: 4px }}
</style>"""

Thumbnails = dict[str, bytes]  # JPEG: "before", "after" and, where there are restored faces, "faces"


def write_gallery(photos: list[PhotoFile], out: Path, manifest: Manifest, inputs: Inputs) -> Path:
    """Writes the page, and first the thumbnails of results that were made without --report. Raises LaaError."""
    records = [record for photo in photos if (record := manifest.records.get(photo.name))]
    done = [record for record in records if record["error"] is None and os.path.exists(out / record["output"])]
    results = LocalStorage(out, inputs)
    sources = {photo.name: photo.path for photo in photos}
    for record in done:
        if not (out / thumbnail_path(record["output_sha256"], "after")).exists():
            backfill(record, sources[record["input"]], results)
    remove_stale_thumbnails(out, {thumbnail_stem(record["output_sha256"]) for record in done})
    failed = [record for record in records if record["error"] is not None]
    proved = {record["output_sha256"] for record in done if has_proof(record, results)}
    results.write(NAME, build_page(done, failed, proved).encode(), overwrite=True)
    return out / NAME


def backfill(record: ManifestRecord, path: Path, results: LocalStorage) -> None:
    """Makes the thumbnails of an earlier result from its files. One that cannot be opened any more has none."""
    limit = record["options"].get("max_pixels") or DEFAULTS.max_pixels
    try:
        before = read_photo(path, max_pixels=limit).pixels
        after = read_photo(results.local_path(record["output"]), max_pixels=limit).pixels
        crops = [Square(**face["crop"]) for face in restored_faces(record["faces"])]
        squares = [square for square in crops if touches(square, before.shape[1], before.shape[0])]
        thumbnails = make_thumbnails(before, after, squares, record["options"]["scale"])
        write_thumbnails(thumbnails, results, record["output_sha256"])
    except LaaError:
        return


def touches(square: Square, width: int, height: int) -> bool:
    """Whether a crop can be one of a face in a photo of this size, px."""
    near = -square.side < square.x < width and -square.side < square.y < height
    return near and square.side <= LARGEST_CROP * max(width, height)


def is_gallery_file(path: str) -> bool:
    """Whether a file, named relative to the folder of the results, is a thumbnail or a page of proofs."""
    return path.startswith(".laa/") and FILE_NAME.fullmatch(path.rpartition("/")[2]) is not None


def remove_stale_thumbnails(out: Path, current: set[str]) -> None:
    """Removes thumbnails of results that there are no more. `current`: what the file names of the others begin with.

    What else lies there, or where a link leads, is left alone.
    """
    for parent, folders, names in os.walk(out / ".laa"):
        if os.path.islink(parent):
            folders.clear()
            continue
        for name in names:
            if (found := FILE_NAME.fullmatch(name)) and found[1] not in current:
                Path(parent, name).unlink(missing_ok=True)


def build_page(done: list[ManifestRecord], failed: list[ManifestRecord], proved: Collection[str] = ()) -> str:
    """Builds the page. `proved`: the SHA-256 of results whose faces' proofs are there."""
    faces = sum(len(restored_faces(record["faces"])) for record in done)
    summary = f"<p>{len(done)} photos, {faces} faces restored{f', failed: {len(failed)}' if failed else ''}.</p>"
    figures = "\n".join(build_figure(record, proved=record["output_sha256"] in proved) for record in done)
    grid = f'{STYLE}\n{summary}\n<div class="grid">\n{figures}\n</div>'
    return page("Photos before and after", f"{grid}\n{build_failure_table(failed)}")


def build_figure(record: ManifestRecord, *, proved: bool = False) -> str:
    """Builds one photo's figure: before/after slider, file name, faces and their names, the way to their proofs."""
    before, after = (to_url(thumbnail_path(record["output_sha256"], kind)) for kind in ("before", "after"))
    name, restored = record["input"], restored_faces(record["faces"])
    faces = f"{len(restored)} of {len(record['faces'])} faces restored"
    background = f", background {escaped(record['background'])}" if "background" in record else ""
    persons = list(dict.fromkeys(face["name"] for face in record["faces"] if face.get("name")))
    names = f"<br>{escaped(', '.join(persons))}" if persons else ""
    proof = f', <a href="{to_url(gallery_path(record["output_sha256"], PROOF))}">proof</a>' if proved else ""
    caption = (
        f'<a href="{to_url(record["output"])}">{escaped(name)}</a><br>'
        f"<small>{record['width']}x{record['height']}, {faces}{background}{proof}{names}</small>"
    )
    strip = f'<div class="faces">{build_face_images(record, restored[:FACES])}</div>' if restored else ""
    picture = slider(before, after, name, record["width"], record["height"])
    return f'<figure class="photo">{picture}<figcaption>{caption}</figcaption>{strip}</figure>'


def build_face_images(record: ManifestRecord, faces: list[FaceRecord]) -> str:
    """Builds an image for each face: a row of the thumbnail that holds all faces of the photo."""
    source = to_url(thumbnail_path(record["output_sha256"], "faces"))
    images = []
    for row, face in enumerate(faces):
        title = describe_face(face)
        style = f"object-position: 0 -{row * FACE_PX}px"
        images.append(f'<img src="{source}" style="{style}" loading="lazy" title="{title}" alt="{title}, before and after">')
    return "".join(images)


def describe_face(face: FaceRecord) -> str:
    """Says which face of its photo it is, in HTML."""
    name, confidence = face.get("name", ""), face["confidence"]
    sure = f"confidence {confidence:.3f}" if confidence is not None else f"by {face.get('source')}"
    return escaped(f"face {face['number']}{f', {name}' if name else ''}: {face['size_px']:.0f} px, {sure}")


def build_failure_table(failed: list[ManifestRecord]) -> str:
    """Builds the table of the photos that have no result."""
    if not failed:
        return ""
    rows = "".join(f"<tr><td>{escaped(r['input'])}<td>{escaped(r['error'] or '')}" for r in failed)
    return f'<h2>Failed</h2>\n<div class="scroll"><table>{rows}</table></div>'


def to_url(name: str) -> str:
    """Quotes any file name as a relative URL."""
    return quote(os.fsencode(name))


# Thumbnails


def make_thumbnails(before: Pixels, after: Pixels, squares: list[Square], scale: int) -> Thumbnails:
    """Makes the thumbnails of a result. `before`: the photo (h, w, c), `after`: enlarged `scale` times, uint8 or uint16;
    `squares`: the crops of the restored faces, in pixels of the photo.

    "faces": (96 n, 192, 3), a row for each face, on the left before, on the right after.
    """
    pictures = {"before": shrink_to_fit(before), "after": shrink_to_fit(after)}
    if squares:
        pictures["faces"] = np.vstack([face_row(before, after, square, scale) for square in squares[:FACES]])
    return {kind: encode_thumbnail(rgb) for kind, rgb in pictures.items()}


def shrink_to_fit(pixels: Pixels) -> NDArray[np.uint8]:
    """Shrinks a picture (h, w, c) to sides of LONGEST_PX at most: (h, w, 3) RGB uint8."""
    factor = LONGEST_PX / max(pixels.shape[:2])
    if factor < 1:
        size = (max(1, round(pixels.shape[1] * factor)), max(1, round(pixels.shape[0] * factor)))
        pixels = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA).reshape(size[1], size[0], -1)
    return to_rgb8(blend_on_white(pixels) if pixels.dtype == np.uint8 else pixels)


def face_row(before: Pixels, after: Pixels, square: Square, scale: int) -> NDArray[np.uint8]:
    """Makes the row of one face: (96, 192, 3) RGB uint8."""
    enlarged = square.scaled(scale)
    return np.hstack([resize_face(crop_square(before, square)), resize_face(crop_square(after, enlarged))])


def resize_face(pixels: Pixels) -> NDArray[np.uint8]:
    """Resizes a square (side, side, c): (96, 96, 3) RGB uint8."""
    kind = cv2.INTER_AREA if pixels.shape[0] > FACE_PX else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(to_rgb8(pixels), (FACE_PX, FACE_PX), interpolation=kind), np.uint8)


def thumbnail_path(output_sha256: str, kind: str) -> str:
    """Names a thumbnail's file, relative to the folder of the results; by the result's content, so that it is never stale."""
    return gallery_path(output_sha256, f"{kind}.jpg")


def gallery_path(output_sha256: str, suffix: str) -> str:
    """Names a file of the gallery, relative to the folder of the results."""
    return f".laa/{output_sha256[:2]}/{thumbnail_stem(output_sha256)}.{suffix}"


def has_proof(record: ManifestRecord, results: Storage) -> bool:
    """Whether there is a page of the proofs of a result's faces."""
    return results.status(gallery_path(record["output_sha256"], PROOF)) is not None


def write_proof(page: str, results: Storage, output_sha256: str) -> None:
    """Writes the page of the proofs of a result's faces. Raises LaaError."""
    results.write(gallery_path(output_sha256, PROOF), page.encode(), overwrite=True)


def thumbnail_stem(output_sha256: str) -> str:
    """What the file names of a result's thumbnails begin with."""
    return output_sha256[:32]


def write_thumbnails(thumbnails: Thumbnails, results: Storage, output_sha256: str) -> None:
    """Writes the thumbnails of a result. Raises LaaError."""
    for kind, content in thumbnails.items():
        results.write(thumbnail_path(output_sha256, kind), content, overwrite=True)
