"""Standard output and error that do not stop the work: where they cannot be written, that is kept, to be said once at the end.

A pipe that was closed by whoever read it ends the process quietly, as SIGPIPE ends other tools, but on the way out that leaves
nothing half done.
"""

from __future__ import annotations

import io
import os
import sys
from typing import Any

from ..errors import Exit


class StandardStream(io.RawIOBase):
    """The raw file below a standard stream. `error`: why it cannot be written any more; what is written then is dropped."""

    def __init__(self, raw: Any, owner: object = None) -> None:
        """`owner`: the object whose end would close `raw`."""
        self.raw = raw
        self.owner = owner
        self.error: OSError | None = None
        self.told = False  # whether somebody has been told of the error

    def write(self, content: Any) -> int | None:
        """Writes what there is room for. SystemExit the first time that nobody reads it any more."""
        if self.error is None:
            try:
                return self.raw.write(content)
            except OSError as error:
                self.error = error
                if isinstance(error, BrokenPipeError):
                    raise SystemExit(Exit.STDOUT_CLOSED) from None
        return memoryview(content).nbytes

    def take_error(self) -> OSError | None:
        """Returns the error of a stream that cannot be written any more, once."""
        error, self.told = None if self.told else self.error, self.told or self.error is not None
        return error

    def writable(self) -> bool:
        return True

    def isatty(self) -> bool:
        return self.raw.isatty()

    def fileno(self) -> int:
        return self.raw.fileno()


def guard_standard_streams() -> None:
    """Puts a StandardStream below stdout and stderr, where the process has them. No file name is an encoding error on them."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if isinstance(stream, io.TextIOWrapper):
            stream.flush()
            buffer = io.BufferedWriter(StandardStream(getattr(stream.buffer, "raw", stream.buffer), stream))
            options: dict[str, Any] = {"line_buffering": stream.line_buffering, "write_through": stream.write_through}
            guarded = io.TextIOWrapper(buffer, stream.encoding, errors="backslashreplace", **options)
            setattr(sys, name, guarded)


def standard_stream(name: str) -> StandardStream | None:
    """Returns what `guard_standard_streams` put below "stdout" or "stderr"."""
    raw = getattr(getattr(getattr(sys, name), "buffer", None), "raw", None)
    return raw if isinstance(raw, StandardStream) else None


def occupy_standard_handles() -> None:
    """Opens the null device for standard streams that are closed: no photo is to get a number that C libraries print to."""
    while (handle := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(handle)
