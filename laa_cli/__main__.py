"""Entry point: runs the command line, and turns failures into messages on stderr and exit codes."""

from __future__ import annotations

import io
import signal
import sys
from types import FrameType

from .errors import Exit, LaaError


def main() -> None:
    """Runs the `laa` command."""
    signal.signal(signal.SIGTERM, handle_sigterm)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # no file name is worth an exception
    sys.exit(guarded())


def guarded() -> int:
    """Runs the command line; every failure ends in one line on stderr and its exit code."""
    from . import check_models

    try:
        check_models()  # before the commands, whose defaults come from `models`
        from .commands.app import run

        run()
    except LaaError as error:
        return report_failure(error.for_command_line(), error.code)
    except (KeyboardInterrupt, SystemExit) as end:
        if isinstance(end, SystemExit) and end.code != Exit.INTERRUPTED:  # typer makes one of Ctrl-C
            raise
        return report_failure("interrupted: what was written before is whole", Exit.INTERRUPTED)
    except MemoryError:
        return report_failure("not enough memory: use a smaller photo or --scale", Exit.FAILED)
    except Exception as error:  # the last resort: a fault of laa's own
        if "--debug" in sys.argv:
            raise
        message = f"laa failed unexpectedly ({type(error).__name__}: {error}): please report it with the output of --debug"
        return report_failure(message, Exit.FAILED)
    return Exit.OK


def report_failure(message: str, code: Exit) -> int:
    """Prints an error on stderr and returns its exit code."""
    from .console import Screen

    Screen().error(message)
    return int(code)


def handle_sigterm(signal_number: int, frame: FrameType | None) -> None:
    """Handles SIGTERM like Ctrl-C, so that temporary files are removed on the way out."""
    raise KeyboardInterrupt


if __name__ == "__main__":
    main()
