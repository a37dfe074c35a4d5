"""Standard streams that nobody reads or that a full disk takes: kept as an error, never in the way of the work."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest
from fakes import ROOT

from laa_cli.errors import Exit
from laa_cli.utils.streams import StandardStream, guard_standard_streams, standard_stream


class FullDisk(io.RawIOBase):
    """A file on a disk that is full after so many bytes."""

    def __init__(self, room: int) -> None:
        self.room = room
        self.content = b""

    def writable(self) -> bool:
        return True

    def write(self, content: object) -> int:
        taken = bytes(content)[: self.room]  # type: ignore[call-overload]
        if not taken:
            raise OSError(28, "No space left on device")
        self.room -= len(taken)
        self.content += taken
        return len(taken)


def test_what_a_full_disk_does_not_take_is_dropped_and_told_once() -> None:
    disk = FullDisk(5)
    stream = StandardStream(disk)
    with io.TextIOWrapper(io.BufferedWriter(stream), "utf-8") as text:
        text.write("hello, world\n")
        text.flush()
        text.write("more\n")
    assert disk.content == b"hello"
    error = stream.take_error()
    assert error is not None
    assert error.errno == 28
    assert stream.take_error() is None


def test_a_pipe_that_nobody_reads_ends_the_process_once() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with open(writer, "wb", buffering=0) as pipe:
        stream = StandardStream(pipe)
        assert stream.fileno() == writer
        with pytest.raises(SystemExit) as end:
            stream.write(b"content")
        assert end.value.code == Exit.STDOUT_CLOSED
        assert stream.write(b"content") == 7  # what is printed on the way out


def test_file_names_of_every_kind_can_be_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    buffers = {name: io.BytesIO() for name in ("stdout", "stderr")}
    for name, buffer in buffers.items():
        monkeypatch.setattr(sys, name, io.TextIOWrapper(buffer, "ascii"))
    guard_standard_streams()
    for name, buffer in buffers.items():
        print("ä\udcff", file=getattr(sys, name), flush=True)
        assert buffer.getvalue() == b"\\xe4\\udcff\n"
        assert standard_stream(name) is not None
    monkeypatch.setattr(sys, "stdout", None)
    assert standard_stream("stdout") is None


def test_no_file_gets_the_number_of_a_stream_that_is_closed(tmp_path: Path) -> None:
    """C libraries print to these numbers, whatever is behind them."""
    code = "from laa_cli.utils.streams import occupy_standard_handles as occupy; occupy(); print(open(__file__).fileno())"
    (tmp_path / "script.py").write_text(f"{code.replace('print', 'raise SystemExit')}")
    command = f"exec {sys.executable} {tmp_path / 'script.py'} <&- >&- 2>&-"
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    assert subprocess.run(["sh", "-c", command], env=environment, check=False).returncode >= 3
