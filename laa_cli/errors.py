"""laa's own errors and the exit code that each one ends with (documented in the README)."""

from __future__ import annotations

import errno
from collections.abc import Collection
from enum import IntEnum


class Exit(IntEnum):
    """Process exit codes."""

    OK = 0
    FAILED = 1  # nothing could be done: every photo failed, or weights could not be loaded
    USAGE = 2  # the command line itself is wrong
    PARTLY = 3  # a part was written, the rest failed
    NO_FACE = 4  # --require-face and none found
    INTERRUPTED = 130
    STDOUT_CLOSED = 141  # by whoever read it: 128 + SIGPIPE, as a shell shows it of other tools


ADVICE = {  # what to do where the system would not write, by its reason
    errno.EACCES: "change its permissions or choose another place",
    errno.EPERM: "change its permissions or choose another place",
    errno.EROFS: "choose a place that is not read-only",
    errno.ENAMETOOLONG: "choose a shorter name",
    errno.ENOSPC: "make room or choose another place",
    errno.EDQUOT: "make room within your quota or choose another place",
    errno.ELOOP: "remove that link or choose another place",
    errno.EMLINK: "put a copy in its place or choose another place",
}


def explain_os_error(error: OSError, advice: str = "choose another place") -> str:
    """Says why the system would not write, and what to do; `advice` where the reason has none in ADVICE."""
    return f"{error.strerror or error}: {ADVICE.get(error.errno or 0, advice)}"


class LaaError(Exception):
    """A failure that a person can act on: what failed, on which file, what to do. One line, no traceback."""

    def __init__(self, message: str, code: Exit = Exit.FAILED) -> None:
        super().__init__(message)
        self.code = code

    def for_command_line(self) -> str:
        """Formats the message for the command line."""
        return str(self)


class UsageError(LaaError):
    """An argument that makes no sense. The message calls parameters as Python does (`max_face_px must be ...`).

    `parameters`: those of them that are options of the command line, in the order in which the message names them.
    """

    def __init__(self, message: str, *parameters: str) -> None:
        super().__init__(message, Exit.USAGE)
        self.parameters = parameters

    def for_command_line(self) -> str:
        """Formats the message with options (`--max-face`) in the place of parameters."""
        text, done = str(self), ""
        for parameter in self.parameters:
            before, found, rest = text.partition(parameter)
            if found:
                done, text = done + before + as_flag(parameter), rest
        return done + text


def as_flag(parameter: str) -> str:
    """Names a parameter as the command line does: max_face_px -> --max-face."""
    return "--" + parameter.removesuffix("_px").replace("_", "-")


class SetupError(LaaError):
    """A failure that concerns every photo of a run and so ends it, such as unusable weights."""


class FileError(LaaError):
    """A file that the system would not open, read or write. `errno`: the system's reason, where it gave one."""

    def __init__(self, message: str, error: Exception) -> None:
        super().__init__(message)
        self.errno = error.errno if isinstance(error, OSError) else None


class OutOfMemoryError(LaaError):
    """A photo that memory did not suffice for, this time."""


def out_of_memory(error: BaseException) -> bool:
    """Tells whether memory ran out. torch on the CPU, torch on MPS and OpenCV say so in the text of a general error only."""
    words = ("out of memory", "allocate memory", "failed to allocate", "insufficient memory")
    return isinstance(error, MemoryError) or any(word in str(error).lower() for word in words)


def out_of_memory_error(photo: object, hint: str) -> OutOfMemoryError:
    """Makes the error for a photo that memory ran out on. `hint`: what to do beside using a smaller photo or scale."""
    return OutOfMemoryError(f"not enough memory for {photo}: use a smaller photo or --scale, {hint}")


def exit_code(succeeded: int, failures: Collection[Exit]) -> Exit:
    """Computes the exit code of a run over several photos: `succeeded` of them, and a code for each that failed.

    PARTLY as a photo's code: its result was written, and something else of it was not.
    """
    if not failures:
        return Exit.OK
    if succeeded or Exit.PARTLY in failures:
        return Exit.PARTLY
    codes = set(failures)
    return codes.pop() if len(codes) == 1 else Exit.FAILED
