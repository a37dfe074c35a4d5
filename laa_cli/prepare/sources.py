"""Which photos there are in files, folders and archives, always in the same order."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path, PurePosixPath
from threading import Lock
from zipfile import ZIP_DEFLATED, ZIP_STORED, BadZipFile, ZipFile, ZipInfo

from ..errors import Exit, LaaError
from ..utils import tar as tars


def find_photos(inputs: list[Path], besides: Path) -> list[PhotoSource]:
    """All photos of files, folders (walked) and archives, each file once, but none in `besides`. Raises LaaError."""
    zips = ZipCache()
    photos: dict[tuple[str, int], PhotoSource] = {}
    for path in inputs:
        if not path.exists():
            raise LaaError(f"cannot read {path}: there is no such file or folder", Exit.USAGE)
        for file in walk_files(path, besides.resolve()) if path.is_dir() else [path]:
            real = os.path.realpath(file)
            for source in members(file, zips) if is_archive(file) else [PhotoSource(file.as_posix(), file)]:
                photos.setdefault((real, source.offset), source)
    if not photos:
        raise LaaError(f"no photos in {', '.join(map(str, inputs))}: expected {', '.join([*sorted(PHOTOS), *ARCHIVES])}")
    return list({source.name: source for source in photos.values()}.values())  # an archive can hold a name twice


def walk_files(folder: Path, besides: Path) -> Iterator[Path]:
    """The photos and archives below a folder, by name; hidden ones are left out, as are links to folders."""
    for place, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if name[0] != "." and (Path(place) / name).resolve() != besides)
        for name in sorted(files):
            path = Path(place) / name
            if name[0] != "." and (path.suffix.lower() in PHOTOS or is_archive(path)) and path.is_file():
                yield path


# Which photos there are in tar files, compressed or not, and zip files.


PHOTOS = {".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".tif", ".tiff", ".bmp", ".gif", ".avif"}
ARCHIVES = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz", ".zip")
ZIP = ".zip"


def is_archive(path: Path) -> bool:
    """Whether a file is called like an archive."""
    return path.name.lower().endswith(ARCHIVES)


def members(archive: Path, zips: ZipCache) -> Iterator[PhotoSource]:
    """The photos in an archive, in its order. Raises LaaError where it is damaged."""
    try:
        yield from zipped(archive, zips) if archive.suffix.lower() == ZIP else tarred(archive)
    except DAMAGED as error:
        raise damaged_error(archive, error) from error


def damaged_error(archive: Path, error: BaseException) -> LaaError:
    """What to say of an archive that cannot be read."""
    said = getattr(error, "strerror", None) or error
    return LaaError(f"cannot read {archive}: {said}: give a whole tar or zip file")


def is_photo(member: str) -> bool:
    """Whether a member is called like a photo and not hidden; macOS puts a hidden file beside each."""
    path = PurePosixPath(member)
    hidden = any(part[0] == "." and part != ".." for part in path.parts)
    return path.suffix.lower() in PHOTOS and not hidden and member[-1] != "/"  # a folder in a zip file


def zipped(archive: Path, zips: ZipCache) -> Iterator[PhotoSource]:
    """The photos in a zip file."""
    for member in zips.members(archive):
        if is_photo(member.filename) and not stat.S_ISLNK(member.external_attr >> 16):
            name = f"{archive.as_posix()}:{member.filename}"
            yield ZippedPhotoSource(name, archive, member.header_offset, member=member, zips=zips)


def tarred(archive: Path) -> Iterator[PhotoSource]:
    """The photos in a tar file."""
    with tars.open_tar(archive) as (tar, packed):
        for member in tars.iter_members(tar):
            if member.isfile() and not member.issparse() and is_photo(member.name):
                yield PhotoSource(f"{archive.as_posix()}:{member.name}", archive, member.offset_data, member.size, packed)


# Where a photo's bytes are: a file, a stretch of a tar file, compressed or not, or a member of a zip file.


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

    def read(self, most: int) -> bytes:
        """The first `most` bytes, whatever the header says."""
        if self.member.flag_bits & ENCRYPTED:
            raise LaaError(f"cannot read {self.name}: it is encrypted: give an archive without a password")
        if self.member.compress_type not in METHODS:
            raise LaaError(f"cannot read {self.name}: it is not compressed by deflate: make the archive anew")
        return self.zips.read(self.path, self.member, most)
