"""The photos in zip and tar files, which may be hostile: nothing is unpacked to a name of theirs, and all sizes are bounded.

A member that should be a photo and cannot be one is an `UnusableSource`, and so is an archive that is damaged: it is reported,
and the others are done.
"""

from __future__ import annotations

import io
import posixpath
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from pathlib import Path, PurePosixPath
from threading import Lock
from zipfile import ZIP_DEFLATED, ZIP_STORED, BadZipFile, ZipFile, ZipInfo

from ..errors import LaaError
from ..photo import READABLE_SUFFIXES
from ..utils.tar import iter_members, open_tar
from .photo_source import ARCHIVE_ERRORS, PhotoSource, UnusableSource, damaged_reason

PHOTO_SUFFIXES = READABLE_SUFFIXES - {".mpo"}  # `laa prepare` never took these, and the same command must find the same photos
ARCHIVE_SUFFIXES = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz", ".zip")
MAX_MEMBERS = 1 << 20  # of an archive: each takes memory
ZIP_METHODS = (ZIP_STORED, ZIP_DEFLATED)  # what else zipfile reads it decompresses without a limit
ENCRYPTED = 1  # flag of a zip file's member
LOCAL_HEADER_BYTES = 30  # at least, before a member's content
CHUNK_BYTES = 1 << 18
MAX_OPEN_ZIPS = 8
MAX_RATIO = 100  # of a member's unpacked to its packed size; an uncompressed photo of a face reaches 10
ALWAYS_UNPACKED_BYTES = 64 << 20  # whatever the ratio
MAX_LINK_BYTES = 4096  # of a link's target
LINKED = "it is a link to what is not in the archive: give the photo itself"
NESTED = "it is an archive in an archive: unpack it, and give it by itself"
NO_FILE = "it is sparse or no file: make the archive anew"


@dataclass(frozen=True, kw_only=True)
class ZippedPhotoSource(PhotoSource):
    """A photo in a zip file; `offset`: of its header."""

    member: ZipInfo
    zips: ZipCache

    def declared_size(self) -> int:
        """Returns the size that the archive's directory names. Raises LaaError where the member cannot be read."""
        if self.member.flag_bits & ENCRYPTED:
            raise LaaError(f"cannot read {self.name}: it is encrypted: give an archive without a password")
        if self.member.compress_type not in ZIP_METHODS:
            raise LaaError(f"cannot read {self.name}: it is not compressed by deflate: make the archive anew")
        return self.member.file_size

    def read_start(self, count: int) -> bytes:
        """Reads the first `count` bytes, whatever size the directory names."""
        packed = min(self.member.compress_size, self.path.stat().st_size)
        limit = max(ALWAYS_UNPACKED_BYTES, MAX_RATIO * packed)
        size = self.declared_size()
        content = self.zips.read(self.path, self.member, min(count, limit + 1)) if size <= limit else b""
        if max(size, len(content)) > limit:
            raise LaaError(
                f"cannot read {self.name}: it unpacks to over {MAX_RATIO} times its size, as no photo of a face does"
            )
        return content


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
        """Reads the first `count` bytes of a member, which are in memory once."""
        content = io.BytesIO()
        with self.lock, self.open_zip(archive).open(member) as file:
            while content.tell() < count and (chunk := file.read(min(CHUNK_BYTES, count - content.tell()))):
                content.write(chunk)
        return content.getvalue()


def is_archive(path: Path) -> bool:
    """Whether a file has the suffix of an archive."""
    return path.name.lower().endswith(ARCHIVE_SUFFIXES)


def photos_in_archive(archive: Path, zips: ZipCache) -> list[PhotoSource]:
    """Lists the photos in an archive, in its order; an archive that cannot be read is one `UnusableSource`."""
    try:
        return list(photos_in_zip(archive, zips) if archive.suffix.lower() == ".zip" else photos_in_tar(archive))
    except ARCHIVE_ERRORS as error:
        return [UnusableSource(archive.as_posix(), archive, reason=damaged_reason(error))]


def photos_in_zip(archive: Path, zips: ZipCache) -> Iterator[PhotoSource]:
    """Yields the photos in a zip file. Raises ARCHIVE_ERRORS."""
    members = zips.list_members(archive)
    check_count(len(members))
    check_overlap(members)
    files = {posixpath.normpath(member.filename) for member in members}
    for member in members:
        if not is_wanted(member.filename):
            continue
        name, offset = f"{archive.as_posix()}:{member.filename}", member.header_offset
        if stat.S_ISLNK(member.external_attr >> 16):
            target = zips.read(archive, member, MAX_LINK_BYTES).decode("utf-8", "replace")
            if posixpath.normpath(posixpath.join(posixpath.dirname(member.filename), target)) not in files:
                yield UnusableSource(name, archive, offset, reason=LINKED)
        elif is_archive(Path(member.filename)):
            yield UnusableSource(name, archive, offset, reason=NESTED)
        else:
            yield ZippedPhotoSource(name, archive, offset, member=member, zips=zips)


def check_overlap(members: list[ZipInfo]) -> None:
    """Raises BadZipFile where members share bytes of the archive, as in zip bombs."""
    ends: dict[int, int] = {}  # by where a member begins
    for member in members:
        end = member.header_offset + LOCAL_HEADER_BYTES + member.compress_size
        ends[member.header_offset] = max(end, ends.get(member.header_offset, 0))
    if any(end > following for (_, end), (following, _) in pairwise(sorted(ends.items()))):
        raise BadZipFile("its members overlap")


def photos_in_tar(archive: Path) -> Iterator[PhotoSource]:
    """Yields the photos in a tar file; links to what is not in it at the end. Raises ARCHIVE_ERRORS."""
    files: set[str] = set()
    links: list[tuple[str, PhotoSource]] = []
    with open_tar(archive) as (tar, compressed):
        for count, member in enumerate(iter_members(tar), 1):
            check_count(count)
            if member.isdir() or not is_wanted(member.name):
                continue
            name, offset = f"{archive.as_posix()}:{member.name}", member.offset_data
            if member.islnk() or member.issym():
                folder = posixpath.dirname(member.name) if member.issym() else ""
                target = posixpath.normpath(posixpath.join(folder, member.linkname))
                links.append((target, UnusableSource(name, archive, offset, reason=LINKED)))
            elif is_archive(Path(member.name)):
                yield UnusableSource(name, archive, offset, reason=NESTED)
            elif member.issparse() or not member.isfile():
                yield UnusableSource(name, archive, offset, reason=NO_FILE)
            else:
                files.add(posixpath.normpath(member.name))
                yield PhotoSource(name, archive, offset, member.size, compressed)
    yield from (source for target, source in links if target not in files)


def check_count(members: int) -> None:
    """Raises BadZipFile, also of tar files, where an archive has too many members."""
    if members > MAX_MEMBERS:
        raise BadZipFile(f"it has more than {MAX_MEMBERS} members: part it")


def is_wanted(member: str) -> bool:
    """Whether a member has the suffix of a photo or an archive and is not hidden; macOS puts a hidden file beside each."""
    path = PurePosixPath(member)
    hidden = any(part[0] == "." and part != ".." for part in path.parts)
    wanted = path.suffix.lower() in PHOTO_SUFFIXES or is_archive(Path(member))
    return wanted and not hidden and member[-1] != "/"  # a folder in a zip file
