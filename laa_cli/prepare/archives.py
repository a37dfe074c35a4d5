"""Which photos there are in tar files, compressed or not, and zip files."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from .. import tars
from ..errors import LaaError
from .source import DAMAGED, PhotoSource, ZipCache, ZippedPhotoSource

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
