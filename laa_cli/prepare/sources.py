"""Finds the photos in files, folders and archives, always in the same order, and reads their bytes from any thread."""

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
from ..photo import READABLE_SUFFIXES
from ..utils.tar import TAR_ERRORS, iter_members, open_decompressed, open_tar
from ..utils.walk import FolderWalk

PHOTO_SUFFIXES = READABLE_SUFFIXES - {".mpo"}  # `laa prepare` never took these, and the same command must find the same photos
ARCHIVE_SUFFIXES = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz", ".zip")
ARCHIVE_ERRORS = (*TAR_ERRORS, BadZipFile)
ZIP_METHODS = (ZIP_STORED, ZIP_DEFLATED)  # what else zipfile reads it decompresses without a limit
ENCRYPTED = 1  # flag of a zip file's member
CHUNK_BYTES = 1 << 18
MAX_OPEN_ZIPS = 8


@dataclass(frozen=True)
class PhotoSource:
    """Where a photo's bytes are: a file, or `size` bytes of a tar file from `offset` on.

    `name`: what it is called in messages and records. `compressed`: `offset` counts in what the tar file decompresses to.
    Any number of threads may read at once.
    """

    name: str
    path: Path
    offset: int = 0
    size: int | None = None
    compressed: bool = False

    def read(self, max_bytes: int) -> bytes:
        """Reads the photo's file, up to one byte more than `max_bytes`, which shows that it is too large. Raises LaaError."""
        try:
            return self.read_start(max_bytes + 1)
        except ARCHIVE_ERRORS as error:
            reason = getattr(error, "strerror", None) or error
            raise LaaError(f"cannot read {self.name}: {reason}: check that it is intact and that you may read it") from error

    def read_start(self, count: int) -> bytes:
        """Reads the first `count` bytes. In a compressed tar file all before them are decompressed too."""
        with open_decompressed(self.path)[0] if self.compressed else self.path.open("rb") as file:
            file.seek(self.offset)
            return file.read(count if self.size is None else min(count, self.size))


@dataclass(frozen=True, kw_only=True)
class ZippedPhotoSource(PhotoSource):
    """A photo in a zip file; `offset`: of its header."""

    member: ZipInfo
    zips: ZipCache

    def read_start(self, count: int) -> bytes:
        """Reads the first `count` bytes, whatever size the header names."""
        if self.member.flag_bits & ENCRYPTED:
            raise LaaError(f"cannot read {self.name}: it is encrypted: give an archive without a password")
        if self.member.compress_type not in ZIP_METHODS:
            raise LaaError(f"cannot read {self.name}: it is not compressed by deflate: make the archive anew")
        return self.zips.read(self.path, self.member, count)


class ZipCache:
    """An LRU cache of open zip files, for their directories take long to read. One thread reads at a time."""

    def __init__(self) -> None:
        self.lock = Lock()
        self.open_zip = lru_cache(MAX_OPEN_ZIPS)(ZipFile)

    def list_members(self, archive: Path) -> list[ZipInfo]:
        """Lists all members, in the order of the directory."""
        with self.lock:
            return self.open_zip(archive).infolist()

    def read(self, archive: Path, member: ZipInfo, count: int) -> bytes:
        """Reads the first `count` bytes of a member."""
        content = bytearray()
        with self.lock, self.open_zip(archive).open(member) as file:
            while len(content) < count and (chunk := file.read(min(CHUNK_BYTES, count - len(content)))):
                content += chunk
        return bytes(content)


def find_photos(inputs: list[Path], excluded: Path, unreadable: dict[str, str] | None = None) -> list[PhotoSource]:
    """Finds all photos of files, folders (walked) and archives, each file once, but none in the folder `excluded`.

    Folders that cannot be read are put into `unreadable`, with the reason. Raises LaaError where an input is missing, an
    archive is damaged, or there is no photo at all.
    """
    unreadable = {} if unreadable is None else unreadable
    zips = ZipCache()
    photos: dict[tuple[str, int], PhotoSource] = {}
    for path in inputs:
        try:
            os.stat(path)
        except OSError as error:
            missing = isinstance(error, FileNotFoundError)
            reason = "there is no such file or folder" if missing else error.strerror
            raise LaaError(f"cannot read {path}: {reason}", Exit.USAGE if missing else Exit.FAILED) from error
        for file in walk_files(path, excluded.resolve(), unreadable) if path.is_dir() else [path]:
            real = os.path.realpath(file)
            for source in photos_in_archive(file, zips) if is_archive(file) else [PhotoSource(file.as_posix(), file)]:
                photos.setdefault((real, source.offset), source)
    if not photos:
        suffixes = ", ".join([*sorted(PHOTO_SUFFIXES), *ARCHIVE_SUFFIXES])
        raise LaaError(f"no photos in {', '.join(map(str, inputs))}: expected {suffixes}")
    return list({source.name: source for source in photos.values()}.values())  # an archive can hold a name twice


def walk_files(folder: Path, excluded: Path, unreadable: dict[str, str]) -> Iterator[Path]:
    """Yields the photos and archives below a folder by name, without hidden ones and without following links to folders."""
    walk = FolderWalk(folder, excluded, unreadable)
    yield from (path for path in walk if (path.suffix.lower() in PHOTO_SUFFIXES or is_archive(path)) and walk.is_file(path))


def is_archive(path: Path) -> bool:
    """Whether a file has the suffix of an archive."""
    return path.name.lower().endswith(ARCHIVE_SUFFIXES)


def photos_in_archive(archive: Path, zips: ZipCache) -> Iterator[PhotoSource]:
    """Yields the photos in an archive, in its order. Raises LaaError where it is damaged."""
    try:
        yield from photos_in_zip(archive, zips) if archive.suffix.lower() == ".zip" else photos_in_tar(archive)
    except ARCHIVE_ERRORS as error:
        raise damaged_error(archive, error) from error


def photos_in_zip(archive: Path, zips: ZipCache) -> Iterator[PhotoSource]:
    """Yields the photos in a zip file."""
    for member in zips.list_members(archive):
        if is_photo(member.filename) and not stat.S_ISLNK(member.external_attr >> 16):
            name = f"{archive.as_posix()}:{member.filename}"
            yield ZippedPhotoSource(name, archive, member.header_offset, member=member, zips=zips)


def photos_in_tar(archive: Path) -> Iterator[PhotoSource]:
    """Yields the photos in a tar file."""
    with open_tar(archive) as (tar, compressed):
        for member in iter_members(tar):
            if member.isfile() and not member.issparse() and is_photo(member.name):
                name = f"{archive.as_posix()}:{member.name}"
                yield PhotoSource(name, archive, member.offset_data, member.size, compressed)


def is_photo(member: str) -> bool:
    """Whether a member has a photo's suffix and is not hidden; macOS puts a hidden file beside each."""
    path = PurePosixPath(member)
    hidden = any(part[0] == "." and part != ".." for part in path.parts)
    return path.suffix.lower() in PHOTO_SUFFIXES and not hidden and member[-1] != "/"  # a folder in a zip file


def damaged_error(archive: Path, error: BaseException) -> LaaError:
    """Makes the error for an archive that cannot be read."""
    reason = getattr(error, "strerror", None) or error
    return LaaError(f"cannot read {archive}: {reason}: give a whole tar or zip file")
