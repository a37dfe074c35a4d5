"""Reads tar files, compressed or not, strictly: damage is an error; `tarfile` takes some of it for the end of the file."""

from __future__ import annotations

import bz2
import gzip
import lzma
import struct
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
DECOMPRESSORS: dict[bytes, Callable[[Path], object]] = {  # by the magic number of the file
    b"\x1f\x8b": gzip.open,
    b"BZh": bz2.open,
    b"\xfd7zXZ\0": lzma.open,
}
EXTENDED_HEADERS = (
    tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK, tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE,
)  # fmt: skip
MAX_HEADER_BYTES = 1 << 20  # of an extended header, which tarfile takes into memory
DRAIN_BYTES = 1 << 20


def open_decompressed(path: Path) -> tuple[IO[bytes], bool]:
    """Opens a file, decompressed as it is read, and tells whether it is compressed, by its content. Raises OSError."""
    with path.open("rb") as file:
        start = file.read(max(map(len, DECOMPRESSORS)))
    open_compressed = next((opener for magic, opener in DECOMPRESSORS.items() if start.startswith(magic)), None)
    return (cast("IO[bytes]", open_compressed(path)), True) if open_compressed else (path.open("rb"), False)


@contextmanager
def open_tar(path: Path) -> Iterator[tuple[tarfile.TarFile, bool]]:
    """Opens a tar file for `iter_members`, and tells whether it is compressed. Both raise TAR_ERRORS."""
    file, compressed = open_decompressed(path)
    with file, tarfile.open(fileobj=file, mode="r:", tarinfo=StrictTarInfo) as tar:
        yield tar, compressed


def iter_members(tar: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    """Yields all members. The file is read to its end, so that truncation is noticed."""
    for member in tar:
        if member.size < 0:  # the next would be before it
            raise tarfile.ReadError(f"a damaged header ({member.size} bytes)")
        yield member
    while tar.fileobj.read(DRAIN_BYTES):  # type: ignore[union-attr]
        pass


class StrictTarInfo(tarfile.TarInfo):
    """A tar member's header. A damaged one is an error: tarfile takes it for the end, and trusts its sizes."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> StrictTarInfo:
        try:
            header = super().frombuf(buf, encoding, errors)
        except (tarfile.InvalidHeaderError, tarfile.TruncatedHeaderError) as error:  # type: ignore[attr-defined]
            raise tarfile.ReadError(f"a damaged header ({error})") from error
        if header.type in EXTENDED_HEADERS and not 0 <= header.size <= MAX_HEADER_BYTES:
            raise tarfile.ReadError(f"a damaged header ({header.size} bytes)")
        return header
