"""What goes on in the fork that runs a command: it begins as a new process would, and ends as the interpreter does.

It has its own folder, streams, temporary folder and signal handlers, and no right to read what the modes of files forbid, even
where root runs the test.
"""

from __future__ import annotations

import atexit
import ctypes
import mmap
import os
import resource
import signal
import sys
import tempfile
import threading
import traceback
from pathlib import Path
from typing import Any, NoReturn

import torch

from .command import BROKEN_PIPE, CLOSED, Command

CAPABILITY_VERSION = 0x20080522
OVERRIDE_RIGHTS = 0b110  # CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
HARMLESS = ("/dev/null", "/dev/full", "/dev/tty", "/dev/shm", "/proc/")
WRITING_EVENTS = {  # the places of paths among the arguments, and of the folders held open that they are in
    "os.rename": ((0, 2), (1, 3)),
    "os.link": ((1, 3),),
    "os.symlink": ((1, 2),),
    "os.mkdir": ((0, 2),),
    "os.remove": ((0, 1),),
    "os.rmdir": ((0, 1),),
}


def run_fork(command: Command, streams: dict[str, Path], ready: mmap.mmap) -> NoReturn:
    """Runs the command line in this process, a fork, and ends it as the interpreter would."""
    code = 1
    try:
        prepare_fork(command, streams)
        code = run_main(ready)
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(end_interpreter(code))


def prepare_fork(command: Command, streams: dict[str, Path]) -> None:
    """Gives the fork its own folder, streams, signals, limits and arguments."""
    os.setsid()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
    redirect(command, streams)
    os.environ |= {"TMPDIR": str(command.temporary), "COLUMNS": str(command.columns)}
    tempfile.tempdir = str(command.temporary)
    os.chdir(command.folder)
    drop_override_rights()
    limit = address_space() + command.address_space
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    watch_writes(command.sandbox, os.open(streams["outside"], os.O_WRONLY | os.O_APPEND))
    torch.set_num_threads(torch.get_num_threads())  # makes its pool anew, which a fork loses, before threads ask for it at once
    sys.argv = ["laa", *command.arguments]
    if command.prepare is not None:
        command.prepare()


def redirect(command: Command, streams: dict[str, Path]) -> None:
    """Puts the standard streams onto files, at the level of descriptors, as a shell does."""
    null = "/dev/null" if command.stdin is None else str(streams["stdin"])
    for number, path, flags in (
        (0, null, os.O_RDONLY),
        (1, str(streams["stdout"] if command.stdout in (None, CLOSED) else command.stdout), os.O_WRONLY | os.O_APPEND),
        (2, str(streams["stderr"]), os.O_WRONLY | os.O_APPEND),
    ):
        handle = broken_pipe() if path == str(BROKEN_PIPE) else os.open(path, flags)
        os.dup2(handle, number)
        os.close(handle)
    sys.stdin, sys.stdout, sys.stderr = open(0), open(1, "w"), open(2, "w", errors="backslashreplace", buffering=1)  # noqa: SIM115
    if command.stdout == CLOSED:
        sys.stdout.close()
        sys.stdout = None  # as Python does


def broken_pipe() -> int:
    """Opens a pipe that nobody reads."""
    reader, writer = os.pipe()
    os.close(reader)
    return writer


def run_main(ready: mmap.mmap) -> int:
    """Calls laa's entry point; returns its exit code. `ready` is set when its signal handlers are."""
    from laa_cli import __main__ as entry

    guarded = entry.guarded

    def begin() -> int:
        ready[0] = 1
        return guarded()

    entry.guarded = begin
    try:
        entry.main()
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    return 0


def end_interpreter(code: int) -> int:
    """Does what the interpreter does at its end: waits for threads, runs exit functions, flushes; returns the exit code."""
    try:
        threading._shutdown()  # type: ignore[attr-defined]
        atexit._run_exitfuncs()
        sys.stderr.flush()
        if sys.stdout is not None:
            sys.stdout.flush()
    except BaseException as error:
        os.write(2, f"Exception ignored at the end: {error!r}\n".encode())
        return 120
    return code & 255


def address_space() -> int:
    """Reads the address space of this process, bytes."""
    return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()


def drop_override_rights() -> None:
    """Gives up root's right to pass over the modes of files, so that an unreadable folder is one (Linux)."""
    if os.geteuid() != 0:
        return
    libc = ctypes.CDLL(None, use_errno=True)
    header = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION, 0)
    sets = (ctypes.c_uint32 * 6)()  # effective, permitted, inheritable; low words, then high words
    if libc.capget(header, sets) == 0:
        sets[0] &= ~OVERRIDE_RIGHTS
        libc.capset(header, sets)


def in_folder(name: Any, handle: Any) -> Any:
    """Returns the path of a name in a folder held open (-1: none is, then the name as it is)."""
    if handle == -1 or not isinstance(name, str | bytes | os.PathLike):
        return name
    return os.path.join(os.readlink(f"/proc/self/fd/{handle}"), os.fsdecode(name))


def watch_writes(sandbox: Path, log: int) -> None:
    """Notes what Python code opens for writing, renames, makes or removes outside the sandbox (an audit hook)."""
    inside = os.fsencode(sandbox.resolve())

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open":
            path, _, flags = arguments
            places = [path] if isinstance(flags, int) and flags & WRITING else []
        else:
            places = [in_folder(arguments[index], arguments[at]) for index, at in WRITING_EVENTS.get(event, ())]
        for place in places:
            if isinstance(place, str | bytes | os.PathLike):
                note(os.path.abspath(os.fsencode(place)))

    def note(path: bytes) -> None:
        folder, name = os.path.split(path)
        real = os.path.join(os.path.realpath(folder), name)
        if not real.startswith(inside + b"/") and real != inside and not os.fsdecode(real).startswith(HARMLESS):
            os.write(log, real + b"\0")

    sys.addaudithook(hook)
