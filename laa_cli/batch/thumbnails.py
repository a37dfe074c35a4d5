"""Thumbnails of results (JPEG), and pages of proofs beside them: made, named, written, and removed when they are stale."""

from __future__ import annotations

import re
from collections.abc import Container
from functools import partial

import cv2
import numpy as np
from numpy.typing import NDArray

from ..errors import LaaError
from ..options import DEFAULTS
from ..photo import encode_thumbnail, read_photo
from ..photo.pixels import Pixels, blend_on_white, to_rgb8
from ..restore.alignment import Square, crop_square
from ..restore.records import restored_faces
from ..utils.storage import Storage
from .schema import ManifestRecord

FOLDER = ".laa"  # in the folder of results; no photo can have a name in it, for hidden folders are passed over
LONGEST_PX = 900  # of the photo, before and after
AFTER = "after.jpg"  # how the names of thumbnails of results end
PROOF = "proof.html"  # and those of pages of proofs
FACE_PX = 96  # a face's side, before as well as after
LARGEST_CROP = 4  # over the photo's longer side; the margin is 3 at most
FACES = 500  # at most in a picture, whose height JPEG limits
FILE_NAME = re.compile(r"\.laa/([0-9a-f]{2})/(\1[0-9a-f]{30})\.((?:before|after|faces)\.jpg|proof\.html)")

Thumbnails = dict[str, bytes]  # JPEG: "before", "after" and, where there are restored faces, "faces"


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


# Their files


def thumbnail_path(output_sha256: str, kind: str) -> str:
    """Names a thumbnail's file, relative to the folder of the results; by the result's content, so that it is never stale."""
    return gallery_path(output_sha256, f"{kind}.jpg")


def gallery_path(output_sha256: str, suffix: str) -> str:
    """Names a file that belongs to a result, relative to the folder of the results."""
    return f"{FOLDER}/{output_sha256[:2]}/{thumbnail_stem(output_sha256)}.{suffix}"


def thumbnail_stem(output_sha256: str) -> str:
    """What the file names of a result's thumbnails begin with."""
    return output_sha256[:32]


def write_thumbnails(thumbnails: Thumbnails, results: Storage, output_sha256: str) -> None:
    """Writes the thumbnails of a result. Raises LaaError."""
    for kind, content in thumbnails.items():
        results.write(thumbnail_path(output_sha256, kind), content, overwrite=True)


def stem_and_suffix(path: str) -> tuple[str, str]:
    """Takes the name of a result's thumbnail or page of proofs apart; two empty texts for any other file."""
    found = FILE_NAME.fullmatch(path)
    return (found[2], found[3]) if found else ("", "")


def write_proof(page: str, results: Storage, output_sha256: str) -> None:
    """Writes the page of the proofs of a result's faces. Raises LaaError."""
    results.write(gallery_path(output_sha256, PROOF), page.encode(), overwrite=True)


def has_thumbnails(record: ManifestRecord, results: Storage) -> bool:
    """Whether a result has its thumbnails."""
    return results.status(gallery_path(record["output_sha256"], AFTER)) is not None


def has_proof(record: ManifestRecord, results: Storage) -> bool:
    """Whether there is a page of the proofs of a result's faces."""
    return results.status(gallery_path(record["output_sha256"], PROOF)) is not None


def backfill(record: ManifestRecord, photos: Storage, results: Storage) -> None:
    """Makes the thumbnails of an earlier result from its files. One that cannot be opened any more has none."""
    limit = record["options"].get("max_pixels") or DEFAULTS.max_pixels
    try:
        before = read_pixels(photos, record["input"], limit)
        after = read_pixels(results, record["output"], limit)
        crops = [Square(**face["crop"]) for face in restored_faces(record["faces"])]
        squares = [square for square in crops if touches(square, before.shape[1], before.shape[0])]
        thumbnails = make_thumbnails(before, after, squares, record["options"]["scale"])
        write_thumbnails(thumbnails, results, record["output_sha256"])
    except LaaError:
        return


def read_pixels(storage: Storage, name: str, max_pixels: int | None) -> Pixels:
    """Reads and decodes a photo from wherever it lies. Raises LaaError."""
    source = storage.local_path(name) or partial(storage.read, name)
    return read_photo(source, max_pixels=max_pixels, name=storage.locate(name)).pixels


def touches(square: Square, width: int, height: int) -> bool:
    """Whether a crop can be one of a face in a photo of this size, px."""
    near = -square.side < square.x < width and -square.side < square.y < height
    return near and square.side <= LARGEST_CROP * max(width, height)


def remove_stale_thumbnails(results: Storage, current: Container[str]) -> None:
    """Removes thumbnails and proofs of results that there are no more. `current`: the others' stems (`thumbnail_stem`).

    What else lies there, or where a link to a folder leads, is left alone. Raises LaaError.
    """
    stale = [name for name, _ in results.files(FOLDER) if (found := FILE_NAME.fullmatch(name)) and found[2] not in current]
    for name in stale:
        results.remove(name)
