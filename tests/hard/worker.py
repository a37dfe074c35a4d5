"""Runs `laa` in forks of this process, which has imported everything: a command takes a tenth of a second, not seven."""

from __future__ import annotations

import gc
import importlib
import mmap
import os
import pkgutil
import shutil
import signal
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .command import Command, Outcome
from .fork import run_fork

POLL_SECONDS = 0.004


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
        assert threading.active_count() == 1  # a fork would lose the others
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
                limit = self.timeout + command.patience
                if elapsed > limit and elapsed - seconds_starved(process) > limit:
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
    """Imports what any command needs, on one thread."""
    import cv2
    import matplotlib.figure  # noqa: F401
    import PIL.Image
    import torch

    import laa_cli

    names = [module.name for module in pkgutil.walk_packages(laa_cli.__path__, "laa_cli.")]
    for name in names:
        if ".bench." not in name:
            importlib.import_module(name)
    PIL.Image.init()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)


def peak_of_fork() -> int:
    """Measures the memory of a fork that does nothing, bytes: a peak of this process itself would be too high."""
    process = os.fork()
    if process == 0:
        os._exit(0)
    return os.wait4(process, 0)[2].ru_maxrss * 1024
