"""The files that `laa bench` writes: checked before anything is measured, written at the end."""

from __future__ import annotations

import os
from pathlib import Path

from ..errors import Exit, LaaError, UsageError
from ..utils.atomic import check_writable, write_atomically
from ..utils.inputs import Inputs
from ..utils.partial import remove_partial_files


def check_outputs(outputs: list[Path], inputs: Inputs, *, overwrite: bool) -> None:
    """Raises LaaError where a file could not be written, and removes what killed runs have left in its folder."""
    for path in outputs:
        check_writable(path, inputs=inputs, overwrite=overwrite)
    if len({os.path.abspath(path) for path in outputs}) < len(outputs):
        raise UsageError(f"two of the results would have one name: {', '.join(map(str, outputs))}: name each of them anew")
    for folder in {path.parent for path in outputs}:
        remove_partial_files(folder, inputs)


def write_outputs(contents: dict[Path, bytes], inputs: Inputs, *, overwrite: bool) -> None:
    """Writes files. The error of one that cannot be written says PARTLY if others were."""
    for number, (path, content) in enumerate(contents.items()):
        try:
            write_atomically(path, content, inputs=inputs, overwrite=overwrite)
        except LaaError as error:
            if not number:
                raise
            raise LaaError(f"{error}; written: {', '.join(map(str, list(contents)[:number]))}", Exit.PARTLY) from error
