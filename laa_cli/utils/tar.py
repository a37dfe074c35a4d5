"""Reads tar files, compressed or not, strictly: damage is an error; `tarfile` takes some of it for the end of the file."""

from __future__ import annotations

import bz2
import gzip
import lzma
import struct
import sys
import tarfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, cast

# all that the standard library raises on a damaged archive
TAR_ERRORS = (
    OSError, EOFError, ValueError, OverflowError, NotImplementedError, RecursionError,
    struct.error, zlib.error, lzma.LZMAError, tarfile.TarError,
)  # fmt: skip
MAX_HEADER_BYTES = 1 << 20  # of a member's headers, extended ones and sparse maps together, which tarfile takes into memory
MAX_GLOBAL_HEADERS = 64  # of an archive, which hold for all members
MAX_RATIO = 100  # of what a compressed tar file decompresses to; one of photos hardly shrinks
ALWAYS_UNPACKED_BYTES = 1 << 30  # whatever the ratio
MAX_XZ_BYTES = 256 << 20  # of memory to decompress; xz -9 takes 65 MB
DRAIN_BYTES = 1 << 20


def open_xz(path: Path) -> object:
    """Opens an xz file. Raises LZMAError where its header asks for too much memory."""
    with path.open("rb") as file:
        lzma.LZMADecompressor(memlimit=MAX_XZ_BYTES).decompress(file.read(1 << 12), max_length=1)
    return lzma.open(path)


DECOMPRESSORS: dict[bytes, Callable[[Path], object]] = {  # by the magic number of the file
    b"\x1f\x8b": gzip.open,
    b"BZh": bz2.open,
    b"\xfd7zXZ\0": open_xz,
}


def open_decompressed(path: Path) -> tuple[IO[bytes], bool]:
    """Opens a file, decompressed as it is read, and tells whether it is compressed, by its content. Raises OSError."""
    with path.open("rb") as file:
        start = file.read(max(map(len, DECOMPRESSORS)))
    open_compressed = next((opener for magic, opener in DECOMPRESSORS.items() if start.startswith(magic)), None)
    return (cast("IO[bytes]", open_compressed(path)), True) if open_compressed else (path.open("rb"), False)


class BoundedReader:
    """The file under a TarFile: no header makes it read more than MAX_HEADER_BYTES, and none goes beyond `limit`.

    `header_bytes`: how many may still be read; None while no header is parsed.
    """

    def __init__(self, file: IO[bytes], limit: int) -> None:
        self.file = file
        self.limit = limit
        self.header_bytes: int | None = MAX_HEADER_BYTES

    def read(self, size: int) -> bytes:
        """Reads `size` bytes. ReadError where a header asks for too much."""
        if self.header_bytes is not None:
            if not 0 <= size <= self.header_bytes:
                raise tarfile.ReadError(f"a damaged header ({size} bytes)")
            self.header_bytes -= size
        return self.file.read(size)

    def seek(self, offset: int) -> int:
        """Moves to `offset` from the start. ReadError where a compressed file would become too large."""
        if offset > self.limit:
            raise tarfile.ReadError(f"it unpacks to over {self.limit / 1e6:.0f} MB, as no archive of photos does")
        return self.file.seek(offset)

    def tell(self) -> int:
        """Returns the position from the start."""
        return self.file.tell()


@contextmanager
def open_tar(path: Path) -> Iterator[tuple[tarfile.TarFile, bool]]:
    """Opens a tar file for `iter_members`, and tells whether it is compressed. Both raise TAR_ERRORS."""
    file, compressed = open_decompressed(path)
    limit = max(ALWAYS_UNPACKED_BYTES, MAX_RATIO * path.stat().st_size) if compressed else sys.maxsize
    reader = cast("IO[bytes]", BoundedReader(file, limit))
    with file, tarfile.open(fileobj=reader, mode="r:", tarinfo=StrictTarInfo) as tar:
        yield tar, compressed


def iter_members(tar: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    """Yields all members, none of which stays in memory. The file is read to its end, so that truncation is noticed."""
    reader = cast("BoundedReader", tar.fileobj)
    while (member := next_member(tar, reader)) is not None:
        yield member
    while reader.read(DRAIN_BYTES):
        reader.seek(reader.tell())  # for its limit


def next_member(tar: tarfile.TarFile, reader: BoundedReader) -> tarfile.TarInfo | None:
    """Reads the next member's headers; None at the end."""
    reader.header_bytes = MAX_HEADER_BYTES
    member = tar.next()
    reader.header_bytes = None
    tar.members.clear()  # type: ignore[attr-defined]
    if member is not None and member.size < 0:  # the next would be before it
        raise tarfile.ReadError(f"a damaged header ({member.size} bytes)")
    if len(tar.pax_headers) > MAX_GLOBAL_HEADERS:
        raise tarfile.ReadError(f"over {MAX_GLOBAL_HEADERS} global headers")
    return member


class StrictTarInfo(tarfile.TarInfo):
    """A tar member's header. A damaged one is an error: tarfile takes it for the end."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> StrictTarInfo:
        try:
            return super().frombuf(buf, encoding, errors)
        except (tarfile.InvalidHeaderError, tarfile.TruncatedHeaderError) as error:  # type: ignore[attr-defined]
            raise tarfile.ReadError(f"a damaged header ({error})") from error
