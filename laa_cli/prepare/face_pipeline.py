"""From photos to faces, in order: threads decode and encode while this one detects; memory bounds how many are under way."""

from __future__ import annotations

import io
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

from ..errors import LaaError
from ..interfaces import FaceDetector
from ..photo import peek
from .crops import Identities, LoadedPhoto, PhotoFaces, detect_faces, load_photo, select_faces
from .photo_source import ARCHIVE_ERRORS, PhotoSource
from .settings import PrepareRequest

WORKERS = min(4, os.cpu_count() or 1)
MEMORY_BYTES = 1 << 30  # of the photos under way; a larger one goes alone
BYTES_PER_PIXEL = 8  # of a photo while it is decoded, measured
HEADER_BYTES = 1 << 18  # of a file in an archive, to find the photo's size in


def find_faces(
    photos: list[PhotoSource],
    request: PrepareRequest,
    identities: Identities | None,
    load_detector: Callable[[], FaceDetector],
) -> Iterator[PhotoFaces]:
    """Yields each photo's faces, in order."""
    if not photos:
        return
    detect = load_detector()
    with ThreadPoolExecutor(WORKERS) as pool:
        try:
            yield from FacePipeline(pool, detect, request, identities).run(photos)
        finally:
            pool.shutdown(cancel_futures=True)


class FacePipeline:
    """Photos on their way, each with the bytes that it may take: first loaded, then, once detected, its faces selected."""

    def __init__(
        self, pool: ThreadPoolExecutor, detect: FaceDetector, request: PrepareRequest, identities: Identities | None
    ) -> None:
        self.pool = pool
        self.detect = detect
        self.request = request
        self.identities = identities
        self.loading = deque[tuple[int, Future[LoadedPhoto]]]()
        self.selecting = deque[tuple[int, Future[PhotoFaces]]]()
        self.bytes_under_way = 0

    def run(self, photos: Iterable[PhotoSource]) -> Iterator[PhotoFaces]:
        """Yields each photo's faces, in order."""
        for photo in photos:
            size = estimate_bytes(photo)
            while self.is_full(size):
                yield from self.advance()
            self.bytes_under_way += size
            self.loading.append((size, self.pool.submit(load_photo, photo, self.request)))
        while self.loading or self.selecting:
            yield from self.advance()

    def is_full(self, size: int) -> bool:
        """Tells whether a photo of `size` bytes must wait. One that is alone never does."""
        alone = not self.loading and not self.selecting
        return not alone and (len(self.loading) > WORKERS or self.bytes_under_way + size > MEMORY_BYTES)

    def advance(self) -> Iterator[PhotoFaces]:
        """Detects the faces of the first photo that is loading, or yields the first that are selected."""
        if self.loading and len(self.selecting) <= WORKERS:
            size, loaded = self.loading.popleft()
            photo = detect_faces(loaded.result(), self.detect)
            self.selecting.append((size, self.pool.submit(select_faces, photo, self.request, self.identities)))
        else:
            size, selected = self.selecting.popleft()
            self.bytes_under_way -= size
            yield selected.result()


def estimate_bytes(photo: PhotoSource) -> int:
    """Estimates the memory that a photo takes on its way, by its header; MEMORY_BYTES where that is not found.

    Of a plain file the header may be anywhere, of an archive's member it must be at the start.
    """
    try:
        plain = type(photo) is PhotoSource and photo.size is None
        if plain and not photo.path.is_file():  # a pipe, which looking would empty
            return 0
        header = peek(photo.path if plain else io.BytesIO(photo.read_start(HEADER_BYTES)))
    except (LaaError, *ARCHIVE_ERRORS):  # reading it will say what is wrong with it
        return 0
    return BYTES_PER_PIXEL * header.pixels if header else MEMORY_BYTES
