"""laa's own errors and the exit code that each one ends with (documented in the README)."""

from __future__ import annotations

from enum import IntEnum


class Exit(IntEnum):
    """Process exit codes."""

    OK = 0
    FAILED = 1  # nothing could be done: every photo failed, or weights could not be loaded
    USAGE = 2  # the command line itself is wrong
    PARTLY = 3  # some photos failed, the others were written
    NO_FACE = 4  # --require-face and none found
    INTERRUPTED = 130


class LaaError(Exception):
    """A failure that a person can act on: what failed, on which file, what to do. One line, no traceback."""

    def __init__(self, message: str, code: Exit = Exit.FAILED) -> None:
        super().__init__(message)
        self.code = code


class SetupError(LaaError):
    """A failure that concerns every photo of a run and so ends it, such as unusable weights."""


def out_of_memory(error: BaseException) -> bool:
    """Whether memory ran out. torch on the CPU, torch on MPS and OpenCV say so in the text of a general error only."""
    words = ("out of memory", "allocate memory", "failed to allocate", "insufficient memory")
    return isinstance(error, MemoryError) or any(word in str(error).lower() for word in words)
