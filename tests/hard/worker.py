"""Runs `laa` in forks of this process, which has imported everything: a command takes a tenth of a second, not seven.

A fork begins as a new process would: its own folder, streams, temporary folder and signal handlers. It has no right to read
what the modes of files forbid, even where root runs the test.
"""

from __future__ import annotations

import atexit
import ctypes
import gc
import mmap
import os
import resource
import shutil
import signal
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

POLL_SECONDS = 0.004
ADDRESS_SPACE_BYTES = 16 << 30  # beyond what this process has: so that no case takes the machine down
CAPABILITY_VERSION = 0x20080522
OVERRIDE_RIGHTS = 0b110  # CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
HARMLESS = ("/dev/null", "/dev/full", "/dev/tty", "/dev/shm", "/proc/")
WRITING_EVENTS = {
    "os.rename": (0, 1),
    "os.link": (1,),
    "os.symlink": (1,),
    "os.mkdir": (0,),
    "os.remove": (0,),
    "os.rmdir": (0,),
}


@dataclass(frozen=True, kw_only=True)
class Command:
    """A command line, where it runs, and what is done to it meanwhile. `kill`: a signal and after how many seconds."""

    arguments: tuple[str, ...]
    folder: Path
    sandbox: Path  # what may be written to
    temporary: Path
    stdin: bytes | None = None
    stdout: Path | None = None  # a file or device in the place of a kept one
    kill: tuple[int, float] | None = None
    columns: int = 80
    address_space: int = ADDRESS_SPACE_BYTES
    prepare: Callable[[], None] | None = None  # called in the fork before laa is


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of a command. `code` is negative where a signal ended it; `outside`: what it wrote beyond its sandbox."""

    command: Command
    code: int
    stdout: bytes
    stderr: bytes
    seconds: float
    peak_bytes: int
    hung: bool = False
    outside: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """Both streams as text."""
        return (self.stdout + b"\n" + self.stderr).decode(errors="surrogateescape")

    @property
    def errors(self) -> list[str]:
        """The lines of stderr that are errors."""
        lines = self.stderr.decode(errors="surrogateescape").splitlines()
        return [line for line in lines if line.startswith("error: ")]


@dataclass
class Worker:
    """Runs commands one after the other. `timeout`: seconds after which one counts as hung."""

    timeout: float = 20.0
    files: Path = field(default_factory=lambda: Path(tempfile.mkdtemp(prefix="laa-hard-streams-")))

    def __post_init__(self) -> None:
        self.ready = mmap.mmap(-1, 1)  # shared with the fork, which sets it when laa begins
        import_everything()
        gc.collect()
        gc.freeze()  # forks then share the memory of what is imported
        self.idle_bytes = peak_of_fork()

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *reason: object) -> None:
        gc.unfreeze()
        shutil.rmtree(self.files)

    def run(self, command: Command) -> Outcome:
        """Runs a command to its end, its time-out, or its kill."""
        streams = {name: self.files / name for name in ("stdin", "stdout", "stderr", "outside")}
        for path in streams.values():
            path.write_bytes(b"")
        streams["stdin"].write_bytes(command.stdin or b"")
        self.ready[0] = 0
        started = time.monotonic()
        process = os.fork()
        if process == 0:
            run_fork(command, streams, self.ready)
        status, usage, hung = self.wait(process, started, command)
        return Outcome(
            command=command,
            code=os.waitstatus_to_exitcode(status),
            stdout=streams["stdout"].read_bytes(),
            stderr=streams["stderr"].read_bytes(),
            seconds=time.monotonic() - started,
            peak_bytes=max(0, usage.ru_maxrss * 1024 - self.idle_bytes),
            hung=hung,
            outside=tuple(dict.fromkeys(streams["outside"].read_text(errors="surrogateescape").split("\0")[:-1])),
        )

    def wait(self, process: int, started: float, command: Command) -> tuple[int, Any, bool]:
        """Waits for a fork; sends the signals that are due, and ends it when its time is up."""
        pending, hung, began = command.kill, False, 0.0
        try:
            while True:
                found, status, usage = os.wait4(process, os.WNOHANG)
                if found:
                    return status, usage, hung
                elapsed = time.monotonic() - started
                began = began or (time.monotonic() if self.ready[0] else 0.0)
                if pending and began and time.monotonic() - began >= pending[1]:
                    os.kill(process, pending[0])
                    pending = None
                if elapsed > self.timeout and elapsed - seconds_starved(process) > self.timeout:
                    hung = True
                    os.kill(process, signal.SIGKILL)
                time.sleep(POLL_SECONDS)
        except BaseException:
            os.kill(process, signal.SIGKILL)
            os.wait4(process, 0)
            raise


def seconds_starved(process: int) -> float:
    """Reads how long a process waited for a processor that others had (Linux; elsewhere 0)."""
    try:
        waits = [int(path.read_text().split()[1]) for path in Path(f"/proc/{process}/task").glob("*/schedstat")]
    except (OSError, ValueError, IndexError):
        return 0.0
    return max(waits, default=0) / 1e9


def import_everything() -> None:
    """Imports what any command needs, and sees to it that no thread is running, which a fork would lose."""
    import cv2
    import facenet_pytorch  # noqa: F401
    import matplotlib.figure  # noqa: F401
    import PIL.features
    import torch
    import torchvision.ops  # noqa: F401

    import laa_cli.__main__
    import laa_cli.batch.run
    import laa_cli.batch.watch
    import laa_cli.commands.app
    import laa_cli.detect.mtcnn
    import laa_cli.prepare.run
    import laa_cli.single.detect
    import laa_cli.single.run
    import laa_cli.train.run  # noqa: F401

    PIL.Image.init()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    assert threading.active_count() == 1


def peak_of_fork() -> int:
    """Measures the memory of a fork that does nothing, bytes: a peak of this process itself would be too high."""
    process = os.fork()
    if process == 0:
        os._exit(0)
    return os.wait4(process, 0)[2].ru_maxrss * 1024


# In the fork


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
    sys.argv = ["laa", *command.arguments]
    if command.prepare is not None:
        command.prepare()


def redirect(command: Command, streams: dict[str, Path]) -> None:
    """Puts the standard streams onto files, at the level of descriptors, as a shell does."""
    null = "/dev/null" if command.stdin is None else str(streams["stdin"])
    for number, path, flags in (
        (0, null, os.O_RDONLY),
        (1, str(command.stdout or streams["stdout"]), os.O_WRONLY | os.O_APPEND),
        (2, str(streams["stderr"]), os.O_WRONLY | os.O_APPEND),
    ):
        handle = os.open(path, flags)
        os.dup2(handle, number)
        os.close(handle)
    sys.stdin, sys.stdout, sys.stderr = open(0), open(1, "w"), open(2, "w", errors="backslashreplace", buffering=1)  # noqa: SIM115


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


def watch_writes(sandbox: Path, log: int) -> None:
    """Notes what Python code opens for writing, renames, makes or removes outside the sandbox (an audit hook)."""
    inside = os.fsencode(sandbox.resolve())

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open":
            path, _, flags = arguments
            places = [path] if isinstance(flags, int) and flags & WRITING else []
        else:
            places = [arguments[index] for index in WRITING_EVENTS.get(event, ())]
        for place in places:
            if isinstance(place, str | bytes | os.PathLike):
                note(os.path.abspath(os.fsencode(place)))

    def note(path: bytes) -> None:
        folder, name = os.path.split(path)
        real = os.path.join(os.path.realpath(folder), name)
        if not real.startswith(inside + b"/") and real != inside and not os.fsdecode(real).startswith(HARMLESS):
            os.write(log, real + b"\0")

    sys.addaudithook(hook)
