"""The folder that a case runs in, and what has changed in it: no file but the expected ones may."""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
from dataclasses import dataclass
from pathlib import Path

DEEP = "a/b/c/d/e"  # so many levels that a few ".." of a hostile name still end in the case's own folder
CANARY = b"nobody may touch this\n"


@dataclass(frozen=True)
class Entry:
    """What a file is: kind and rights, inode, time, and the hash of its content (of a link its target)."""

    mode: int
    inode: int
    mtime_ns: int
    content: str


@dataclass(frozen=True)
class Difference:
    """A path below the case's folder that was added, removed or changed. `is_folder`: now or before."""

    path: Path
    what: str
    is_folder: bool = False


class Sandbox:
    """A case's folder: `source` and `out` for photos and results, `work` where commands run, and canaries all around."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.work = folder / DEEP / "work"
        self.source = self.work / "in"
        self.out = self.work / "out"
        self.temporary = folder / "tmp"
        for place in (self.source, self.temporary):
            place.mkdir(parents=True)
        for place in (folder, *self.work.parents[: len(Path(DEEP).parts)], self.work):
            (place / "canary").write_bytes(CANARY)

    def write(self, name: str | bytes, content: bytes, folder: Path | None = None) -> Path:
        """Writes an input; `name` may be undecodable bytes and have slashes."""
        path = (folder or self.source) / os.fsdecode(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return path

    def snapshot(self) -> dict[Path, Entry]:
        """Describes all that is in the folder."""
        return dict(sorted((path, describe(path)) for path in walk(self.folder)))


def walk(folder: Path) -> list[Path]:
    """Lists all below a folder, without following links; a folder that cannot be read counts as empty."""
    found = []
    for place, folders, files in os.walk(folder):
        found += [Path(place) / name for name in (*folders, *files)]
    return found


def describe(path: Path) -> Entry:
    """Describes a file, a folder or a link. The times of folders are left out: they change with what is in them."""
    status = os.lstat(path)
    kind = stat.S_IFMT(status.st_mode)
    if kind == stat.S_IFDIR:
        return Entry(status.st_mode, status.st_ino, 0, "")
    content = hash_content(path) if kind == stat.S_IFREG else os.readlink(path) if kind == stat.S_IFLNK else ""
    return Entry(status.st_mode, status.st_ino, status.st_mtime_ns, content)


def hash_content(path: Path) -> str:
    """Hashes a file; one that cannot be read has no hash."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "blake2b").hexdigest()
    except PermissionError:
        return "unreadable"


def compare(before: dict[Path, Entry], after: dict[Path, Entry]) -> list[Difference]:
    """Lists what was added, removed or changed between two snapshots."""
    found = []
    for path in sorted(before.keys() | after.keys()):
        old, new = before.get(path), after.get(path)
        if old == new:
            continue
        is_folder = any(entry is not None and stat.S_ISDIR(entry.mode) for entry in (old, new))
        if old is None or new is None:
            found.append(Difference(path, "added" if old is None else "removed", is_folder))
            continue
        names = [name for name in ("content", "inode", "mtime_ns", "mode") if getattr(old, name) != getattr(new, name)]
        found.append(Difference(path, f"changed ({', '.join(names)})", is_folder))
    return found


def contents(folder: Path) -> dict[str, bytes]:
    """Reads all results below a folder by their names: neither hidden files nor the manifest."""
    files = [path for path in walk(folder) if path.is_file() and not path.is_symlink()]
    names = {path.relative_to(folder).as_posix(): path for path in files}
    hidden = [name for name in names if any(part.startswith(".") for part in Path(name).parts)]
    return {name: path.read_bytes() for name, path in sorted(names.items()) if name not in (*hidden, "manifest.jsonl")}


def remove(folder: Path) -> None:
    """Removes a case's folder, whatever the rights in it."""
    for path in [folder, *walk(folder)]:
        if path.is_dir() and not path.is_symlink():
            path.chmod(0o700)
    shutil.rmtree(folder)
