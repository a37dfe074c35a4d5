"""What a run reads, by device and inode, so that nothing it writes can take its place: no input is ever an output."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ..errors import LaaError
from .folders import Identity, OpenFolder, identity_of


@dataclass(frozen=True)
class Inputs:
    """The identities of a run's inputs, whatever names and links lead to them.

    `folder`: one whose files are all inputs; nothing is written below it but in `out`, where links in `out` lead there, too.
    """

    files: frozenset[Identity] = frozenset()
    folder: Identity | None = None
    out: Identity | None = None

    @classmethod
    def of(cls, paths: Iterable[Path | None]) -> Inputs:
        """These files; folders stand for none of theirs."""
        return cls(frozenset(identify(path for path in paths if path is not None)))

    @classmethod
    def in_folder(cls, folder: Path, out: Path, files: Iterable[Path]) -> Inputs:
        """The files of a folder whose results go to the folder `out`. Raises OSError where one of the folders is not there."""
        return cls(frozenset(identify(files)), identity_of(os.stat(folder)), identity_of(os.stat(out)))

    def check_file(self, status: os.stat_result, path: Path) -> None:
        """Raises LaaError where the file that `path` leads to is an input."""
        if identity_of(status) in self.files:
            raise LaaError(f"{path} is an input of this run: choose another place for the result")

    def check_folder(self, folder: OpenFolder) -> None:
        """Raises LaaError where a folder to write into belongs to the inputs."""
        if self.folder is None:
            return
        for identity in folder.lineage():
            if identity == self.out:
                return
            if identity == self.folder:
                raise LaaError(f"{folder.path} leads to the inputs: remove that link, or choose another folder for the results")


NO_INPUTS = Inputs()  # of what is laa's own: temporary folders


def identify(paths: Iterable[Path]) -> Iterator[Identity]:
    """Yields the identity of each file that exists; what cannot be looked at is reported when it is read."""
    for path in paths:
        try:
            yield identity_of(os.stat(path))
        except (OSError, ValueError):
            continue
