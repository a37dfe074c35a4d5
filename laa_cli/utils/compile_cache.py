"""A cache of compiled networks in the user's cache folder. That it fails is never an error: it saves time and nothing else."""

from __future__ import annotations

import hashlib
import os
import platform
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")
KEPT = 8  # files, of 32 MB for laa-photo
DIGEST_BYTES = 32  # of SHA-256, before the content: a file that is cut short or damaged is none


class CompileCache:
    """Files in `folder`, one for each key; None: nothing is kept."""

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder

    @classmethod
    def of_user(cls, name: str) -> CompileCache:
        """Returns the user's own, which other programs do not write to."""
        try:
            return cls(user_cache_folder() / "laa" / name)
        except RuntimeError:  # nobody knows the home folder
            return cls(None)

    def load(self, key: Sequence[str], read: Callable[[bytes], T]) -> T | None:
        """Reads what was stored under a key; None where there is nothing that `read` can use."""
        path = self.path(key)
        if path is None:
            return None
        try:
            stored = path.read_bytes()
            digest, content = stored[:DIGEST_BYTES], stored[DIGEST_BYTES:]
            return read(content) if hashlib.sha256(content).digest() == digest else None
        except Exception:  # whatever a library raises on what another version of it wrote
            return None

    def store(self, key: Sequence[str], write: Callable[[], bytes]) -> None:
        """Stores what `write` returns under a key, whole or not at all."""
        path = self.path(key)
        if path is None:
            return
        try:
            content = write()
            path.parent.mkdir(parents=True, exist_ok=True)
            handle, partial = tempfile.mkstemp(dir=path.parent)
        except Exception:  # whatever a library raises that cannot export, or a disk that is full
            return
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(hashlib.sha256(content).digest() + content)
            os.replace(partial, path)
            self.prune()
        except OSError:
            Path(partial).unlink(missing_ok=True)

    def prune(self) -> None:
        """Removes what was stored longest ago, of versions and weights that may be no more. Raises OSError."""
        assert self.folder is not None
        files = sorted(self.folder.iterdir(), key=lambda path: path.stat().st_mtime_ns)
        for path in files[:-KEPT]:
            path.unlink(missing_ok=True)

    def path(self, key: Sequence[str]) -> Path | None:
        """Returns the file of a key: of the texts that it is made of every one counts, and none runs into the next."""
        if self.folder is None:
            return None
        return self.folder / hashlib.sha256(b"".join(hashlib.sha256(part.encode()).digest() for part in key)).hexdigest()


def user_cache_folder() -> Path:
    """Returns the system's folder for what can be made again. RuntimeError where there is no home."""
    if platform.system() == "Windows" and (local := os.environ.get("LOCALAPPDATA")):
        return Path(local)
    if platform.system() == "Darwin":
        return Path.home() / "Library" / "Caches"
    given = os.environ.get("XDG_CACHE_HOME", "")
    return Path(given) if os.path.isabs(given) else Path.home() / ".cache"
