"""Entry point: runs the command line, and turns failures into messages on stderr and exit codes."""

from __future__ import annotations

import sys
from contextlib import suppress

from .errors import Exit, LaaError
from .utils.amx import avoid_undescribed_amx
from .utils.signals import ignore_signals, raise_on_signals
from .utils.streams import guard_standard_streams, occupy_standard_handles, standard_stream


def main() -> None:
    """Runs the `laa` command."""
    occupy_standard_handles()
    guard_standard_streams()
    raise_on_signals()
    avoid_undescribed_amx()
    try:
        code = guarded()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else Exit.FAILED
    except KeyboardInterrupt:  # again, while the first was said
        code = Exit.INTERRUPTED
    ignore_signals()  # all is done
    if code == Exit.INTERRUPTED:
        from .utils.partial import remove_present_files

        remove_present_files()
    sys.exit(check_streams(code))


def guarded() -> int:
    """Runs the command line; every failure ends in one line on stderr and its exit code."""
    from . import check_models

    try:
        check_models()  # before the commands, whose defaults come from `models`
        from .commands.app import run

        return run()
    except LaaError as error:
        return report_failure(error.for_command_line(), error.code)
    except KeyboardInterrupt:
        return report_failure("interrupted: what was written before is whole", Exit.INTERRUPTED)
    except MemoryError:
        return report_failure("not enough memory: use a smaller photo or --scale", Exit.FAILED)
    except Exception as error:  # the last resort: a fault of laa's own
        if "--debug" in sys.argv:
            raise
        message = f"laa failed unexpectedly ({type(error).__name__}: {error}): please report it with the output of --debug"
        return report_failure(message, Exit.FAILED)


def check_streams(code: int) -> int:
    """Returns the exit code of a run that would have ended with `code`, for what became of its standard streams."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(SystemExit, AttributeError):  # which is told from the stream's error; a closed stream is None
            stream.flush()
    stdout, stderr = standard_stream("stdout"), standard_stream("stderr")
    if any(stream and isinstance(stream.error, BrokenPipeError) for stream in (stdout, stderr)):
        return Exit.STDOUT_CLOSED
    if stdout is None or stdout.error is None:
        return code
    if code == Exit.OK:
        from .utils.atomic import WRITTEN

        code = Exit.PARTLY if WRITTEN.is_set() else Exit.FAILED
    if error := stdout.take_error():
        report_failure(f"cannot write to stdout: {error.strerror or error}", code)
    return code


def report_failure(message: str, code: int) -> int:
    """Prints an error on stderr and returns its exit code."""
    from .console import Screen

    Screen().error(message)
    return int(code)


if __name__ == "__main__":
    main()
