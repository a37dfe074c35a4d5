"""`laa batch --watch`: photos are done as they arrive."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from fakes import batch_request, fake_upscaler, lock_folders, records, result_files, write_photo_of_noise

from laa_cli.batch.run import run
from laa_cli.batch.scan import PhotoFile
from laa_cli.batch.watch import Arrivals, watch
from laa_cli.console import Screen
from laa_cli.errors import Exit


def test_a_file_is_whole_when_two_looks_find_it_the_same(tmp_path: Path) -> None:
    arrivals = Arrivals()
    photo = PhotoFile(tmp_path / "a.png", "a.png", "a.png")
    gone = PhotoFile(tmp_path / "b.png", "b.png", "b.png")
    photo.path.write_bytes(b"1")
    assert arrivals.poll([photo, gone]) == []
    photo.path.write_bytes(b"12")
    assert arrivals.poll([photo, gone]) == []
    assert arrivals.poll([photo, gone]) == [photo]
    assert arrivals.poll([photo, gone]) == []
    photo.path.write_bytes(b"123")
    assert arrivals.poll([photo, gone]) == []
    assert arrivals.poll([photo, gone]) == [photo]


def test_a_folder_that_cannot_be_read_is_said_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    write_photo_of_noise(tmp_path / "in" / "a.png")
    write_photo_of_noise(tmp_path / "in" / "b" / "b.png")
    locks = [True, True, False, False, True, True]

    def sleep(seconds: float) -> None:
        monkeypatch.undo()
        if not locks:
            raise KeyboardInterrupt
        if locks.pop(0):
            lock_folders(monkeypatch, tmp_path / "in" / "b")

    request = batch_request(tmp_path)
    assert run(request, fake_upscaler, Screen(), lambda batch: watch(batch, sleep)) == Exit.PARTLY
    assert result_files(tmp_path / "out").keys() == {"a.png", "b/b.png"}
    assert capsys.readouterr().err.count("Permission denied") == 2  # it could be read in between


def test_the_watch_does_photos_as_they_arrive_and_ends_with_ctrl_c(tmp_path: Path) -> None:
    source, out = tmp_path / "in", tmp_path / "out"
    source.mkdir()
    content = write_photo_of_noise(tmp_path / "scan.png").read_bytes()
    half, whole = content[: len(content) // 2], content
    steps: list[tuple[str, bytes | None]] = [("a.png", whole), ("b.png", half), ("b.png", whole), ("c.png", half)]
    steps += [("", None), ("", None), ("c.png", whole), ("", None)]
    states = []

    def sleep(seconds: float) -> None:
        states.append(sorted(result_files(out)))
        if not steps:
            raise KeyboardInterrupt
        name, part = steps.pop(0)
        if part is not None:
            (source / name).write_bytes(part)

    assert run(batch_request(tmp_path), fake_upscaler, Screen(quiet=True), lambda batch: watch(batch, sleep)) == Exit.OK
    assert states[0] == []
    assert states[2] == ["a.png"]
    assert states[-1] == ["a.png", "b.png", "c.png"]
    assert [(record["input"], record["error"] is None) for record in records(tmp_path)] == [
        ("a.png", True), ("b.png", True), ("c.png", False), ("c.png", True),
    ]  # fmt: skip
