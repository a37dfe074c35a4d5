"""Tar files, compressed or not, whose damage is an error: the standard library takes some of it for the end of the file."""

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

# all that the standard library says of a damaged archive
DAMAGED = (
    OSError, EOFError, ValueError, OverflowError, NotImplementedError, RecursionError,
    struct.error, zlib.error, lzma.LZMAError, tarfile.TarError,
)  # fmt: skip
PACKINGS: dict[bytes, Callable[[Path], object]] = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ\0": lzma.open}
EXTENSIONS = (tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK, tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE)
LONGEST_NAME = 1 << 20  # bytes of such a header, which tarfile takes into memory
DRAIN_BYTES = 1 << 20


def open_decompressed(path: Path) -> tuple[IO[bytes], bool]:
    """A file, unpacked as it is read where it is compressed, and whether it is; told by its content. Raises OSError."""
    with path.open("rb") as file:
        start = file.read(max(map(len, PACKINGS)))
    unpack = next((unpack for magic, unpack in PACKINGS.items() if start.startswith(magic)), None)
    return (cast("IO[bytes]", unpack(path)), True) if unpack else (path.open("rb"), False)


@contextmanager
def open_tar(path: Path) -> Iterator[tuple[tarfile.TarFile, bool]]:
    """A tar file to walk through by `members`, and whether it is compressed. Raises one of DAMAGED, as `members` does."""
    file, packed = open_decompressed(path)
    with file, tarfile.open(fileobj=file, mode="r:", tarinfo=StrictTarInfo) as tar:
        yield tar, packed


def iter_members(tar: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    """All members. The file is read to its end, so that what is cut off is noticed."""
    for member in tar:
        if member.size < 0:  # the next would be before it
            raise tarfile.ReadError(f"a damaged header ({member.size} bytes)")
        yield member
    while tar.fileobj.read(DRAIN_BYTES):  # type: ignore[union-attr]
        pass


class StrictTarInfo(tarfile.TarInfo):
    """A tar file's header. A damaged one is an error: tarfile takes it for the end, and trusts its sizes."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> StrictTarInfo:
        try:
            header = super().frombuf(buf, encoding, errors)
        except (tarfile.InvalidHeaderError, tarfile.TruncatedHeaderError) as error:  # type: ignore[attr-defined]
            raise tarfile.ReadError(f"a damaged header ({error})") from error
        if header.type in EXTENSIONS and not 0 <= header.size <= LONGEST_NAME:
            raise tarfile.ReadError(f"a damaged header ({header.size} bytes)")
        return header
