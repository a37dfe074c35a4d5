"""Assigns faces to training or validation by a hash: a face keeps its split when photos are added, moved or renamed."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path, PurePosixPath

from ..errors import LaaError
from ..faceset.format import TRAIN, VALIDATION


def split_of(key: str, share: float) -> str:
    """Assigns a key to a split. `key`: the person, or the SHA-256 of the photo's file; `share`: of keys for validation."""
    number = int.from_bytes(hashlib.sha256(key.encode()).digest()[:8])
    return VALIDATION if number < share * 2**64 else TRAIN


class Identities:
    """Who is in which photo: lines of a photo's name and a person, separated by a comma, semicolon, tab or space, as in CelebA.

    Raises LaaError where the file cannot be read, or a line is something else.
    """

    def __init__(self, path: Path) -> None:
        try:
            lines = path.read_text(encoding="utf-8-sig").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise LaaError(f"cannot read the identities {path}: {error}") from error
        rows = [re.split(r"\s*[,;\t]\s*|\s+(?=\S+$)", line.strip(), maxsplit=1) for line in lines if line.strip()]
        wrong = [number for number, row in enumerate(rows, 1) if len(row) != 2]
        if wrong or not rows:
            raise LaaError(f"{path}: line {wrong[0] if wrong else 1} is not a photo's name and a person, parted by a comma")
        self.people = {PurePosixPath(photo).as_posix(): person.strip() for photo, person in rows}

    def find_person(self, photo: str) -> str | None:
        """Looks up a photo by its whole name, or by the longest suffix of its path that has a line; None where none has."""
        parts = PurePosixPath(photo.replace(":", "/")).parts
        suffixes = ("/".join(parts[first:]) for first in range(len(parts)))
        return next((self.people[suffix] for suffix in suffixes if suffix in self.people), None)
