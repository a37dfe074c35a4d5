"""Where a photo's bytes are: a file, or a member of an archive; read from any thread, and never more than a photo can have."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

from ..errors import LaaError
from ..utils.tar import TAR_ERRORS, open_decompressed

ARCHIVE_ERRORS = (*TAR_ERRORS, BadZipFile)


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
        """Reads the photo's file. Raises LaaError where that cannot be, or where it has more than `max_bytes`."""
        try:
            size = self.declared_size()
            content = self.read_start(size + 1) if size <= max_bytes else b""
        except ARCHIVE_ERRORS as error:
            reason = getattr(error, "strerror", None) or error
            raise LaaError(f"cannot read {self.name}: {reason}: check that it is intact and that you may read it") from error
        if max(size, len(content)) > max_bytes:
            raise LaaError(f"{self.name} is too large: over {max_bytes} bytes: raise --max-pixels if it is a photo")
        return content

    def declared_size(self) -> int:
        """Returns the bytes of the photo's file, as its folder or archive has them."""
        return self.path.stat().st_size if self.size is None else self.size

    def read_start(self, count: int) -> bytes:
        """Reads the first `count` bytes. In a compressed tar file all before them are decompressed too."""
        with open_decompressed(self.path)[0] if self.compressed else self.path.open("rb") as file:
            file.seek(self.offset)
            return file.read(count if self.size is None else min(count, self.size))


@dataclass(frozen=True, kw_only=True)
class UnusableSource(PhotoSource):
    """What should hold a photo, or photos, and does not: `reason` says why, and what to do."""

    reason: str

    def declared_size(self) -> int:
        """Raises LaaError."""
        return len(self.read_start(0))

    def read_start(self, count: int) -> bytes:
        """Raises LaaError."""
        raise LaaError(f"cannot read {self.name}: {self.reason}")


def damaged_reason(error: BaseException) -> str:
    """Says why an archive cannot be read, and what to do."""
    return f"{getattr(error, 'strerror', None) or error}: give a whole tar or zip file"


def damaged_error(archive: Path, error: BaseException) -> LaaError:
    """Makes the error for an archive that cannot be read."""
    return LaaError(f"cannot read {archive}: {damaged_reason(error)}")
