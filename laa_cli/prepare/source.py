"""Where a photo's bytes are: a file, a stretch of a tar file, compressed or not, or a member of a zip file."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from threading import Lock
from zipfile import ZIP_DEFLATED, ZIP_STORED, BadZipFile, ZipFile, ZipInfo

from .. import tars
from ..errors import LaaError

DAMAGED = (*tars.DAMAGED, BadZipFile)
METHODS = (ZIP_STORED, ZIP_DEFLATED)  # of zip files: what else zipfile reads it unpacks without a limit
ENCRYPTED = 1  # flag of a zip file's member
CHUNK_BYTES = 1 << 18
OPEN_ZIPS = 8


@dataclass(frozen=True)
class PhotoSource:
    """A photo: a file, or `size` bytes of a tar file from `offset` on; `packed`: of what a compressed one unpacks to.

    `name`: what it is called in messages and records. Any number of threads may read at once.
    """

    name: str
    path: Path
    offset: int = 0
    size: int | None = None
    packed: bool = False

    def content(self, most_bytes: int) -> bytes:
        """The photo's file, no more than one byte over `most_bytes` of it. Raises LaaError."""
        try:
            return self.read(most_bytes + 1)
        except DAMAGED as error:
            said = getattr(error, "strerror", None) or error
            raise LaaError(f"cannot read {self.name}: {said}: check that it is intact and that you may read it") from error

    def read(self, most: int) -> bytes:
        """The first `most` bytes. Where it is packed, all before it are unpacked, too."""
        with tars.open_decompressed(self.path)[0] if self.packed else self.path.open("rb") as file:
            file.seek(self.offset)
            return file.read(most if self.size is None else min(most, self.size))


class ZipCache:
    """Zip files, of which a few are kept open: their directories take long to read. One thread reads at a time."""

    def __init__(self) -> None:
        self.lock, self.opened = Lock(), lru_cache(OPEN_ZIPS)(ZipFile)

    def members(self, archive: Path) -> list[ZipInfo]:
        """All members, in the order of the directory."""
        with self.lock:
            return self.opened(archive).infolist()

    def read(self, archive: Path, member: ZipInfo, most: int) -> bytes:
        """The first `most` bytes of a member."""
        content = bytearray()
        with self.lock, self.opened(archive).open(member) as file:
            while len(content) < most and (chunk := file.read(min(CHUNK_BYTES, most - len(content)))):
                content += chunk
        return bytes(content)


@dataclass(frozen=True, kw_only=True)
class ZippedPhotoSource(PhotoSource):
    """A photo in a zip file; `offset`: of its header."""

    member: ZipInfo
    zips: ZipCache

    def stretch(self, most: int) -> bytes:
        """The first `most` bytes, whatever the header says."""
        if self.member.flag_bits & ENCRYPTED:
            raise LaaError(f"cannot read {self.name}: it is encrypted: give an archive without a password")
        if self.member.compress_type not in METHODS:
            raise LaaError(f"cannot read {self.name}: it is not compressed by deflate: make the archive anew")
        return self.zips.read(self.path, self.member, most)
