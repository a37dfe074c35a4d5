"""`laa batch` with a fake detector and network: what is done, what is left alone, what is said, that nothing is lost."""

from __future__ import annotations

import errno
import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fakes import (
    FakeBackground,
    batch_request,
    brighter,
    fake_upscaler,
    one_face,
    records,
    refuse_to_load,
    result_files,
    run_batch,
    write_photo_of_noise,
)
from metadata_samples import gain_map_jpeg
from PIL import Image

from laa_cli.console import Screen
from laa_cli.detect.face import Face
from laa_cli.errors import Exit, LaaError, SetupError
from laa_cli.photo.muting import mute_stderr
from laa_cli.restore.background import AutoUpscaler
from laa_cli.upscale import Options, Upscaler
from laa_cli.utils.locks import locked


def test_the_tree_is_mirrored_and_every_photo_recorded(folder: Path, capsys: Any) -> None:
    assert run_batch(folder) == Exit.OK
    assert sorted(result_files(folder / "out")) == ["a.png", "b/a.jpg", "b/c/ä ö.png", "d.bmp"]
    with Image.open(folder / "out" / "b" / "c" / "ä ö.png") as result:
        assert result.size == (80, 68)
    for record in records(folder):
        assert record["error"] is None
        assert record["faces"][0]["action"] == "restored"
        assert set(record["seconds"]) == {"read", "detect", "crop", "network", "enlarge", "paste", "encode", "write"}
        assert set(record["versions"]) == {"laa", "torch"}
        assert record["options"]["scale"] == 2
    said = capsys.readouterr().out.split()
    assert said[said.index("restored") + 2] == "4"


def test_what_made_the_background_is_recorded_and_shown(folder: Path) -> None:
    assert run_batch(folder, lambda: fake_upscaler(FakeBackground()), report=True) == Exit.OK
    assert {(record["background"], record["background_fidelity"]) for record in records(folder)} == {("fake", 0.25)}
    assert (folder / "out" / "index.html").read_text().count("1 of 1 faces restored, background fake<") == 4
    assert run_batch(folder, overwrite=True, out=folder / "plain") == Exit.OK
    assert result_files(folder / "out").keys() - {"index.html"} == result_files(folder / "plain").keys()
    assert result_files(folder / "out")["a.png"] != result_files(folder / "plain")["a.png"]


def test_another_background_does_all_again(folder: Path) -> None:
    plain = batch_request(folder).recipe
    run_batch(folder, recipe=plain)
    network = replace(plain, background="auto", background_weights="ab" * 32)
    assert run_batch(folder, lambda: fake_upscaler(FakeBackground()), recipe=network) == Exit.OK
    assert [record["background"] for record in records(folder)] == ["plain"] * 4 + ["fake"] * 4
    assert records(folder)[-1]["background_weights"] == "ab" * 32
    assert run_batch(folder, refuse_to_load, recipe=network) == Exit.OK


def test_a_plain_background_is_counted_where_the_size_decides(folder: Path, capsys: Any) -> None:
    recipe = replace(batch_request(folder).recipe, background="auto")
    background = AutoUpscaler(FakeBackground(), max_pixels=4 * 40 * 34)
    write_photo_of_noise(folder / "in" / "large.png", 1, (60, 40))
    assert run_batch(folder, lambda: Upscaler(one_face, brighter, background), recipe=recipe) == Exit.OK
    said = "notice: photos of more than 24 megapixels, enlarged, have a plain background: 1; --background hpinet does them, too"
    assert capsys.readouterr().err.startswith(said)
    assert [record["input"] for record in records(folder) if record["background"] == "plain"] == ["large.png"]
    assert run_batch(folder, out=folder / "plain") == Exit.OK
    assert capsys.readouterr().err == ""


def test_ctrl_c_gives_up_a_photo_within_its_background(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One photo takes its time; another is done, and Ctrl-C comes as it is reported."""

    class Long(FakeBackground):
        def steps(self, pixels: Any, scale: int) -> Any:
            long = pixels.shape[1] == 300
            return (yield from (super() if long else FakeBackground(1)).steps(pixels, scale))

    def interrupted(self: Screen, values: Any) -> None:
        while not background.steps_done:
            time.sleep(0.001)
        raise KeyboardInterrupt

    write_photo_of_noise(folder / "in" / "long.png", 1, (300, 300))
    background = Long(count=60_000, seconds=0.001)
    monkeypatch.setattr(Screen, "record", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run_batch(folder, lambda: fake_upscaler(background), json=True)
    assert 0 < background.steps_done < 60_000
    assert background.given_up == 1
    assert "long.png" not in result_files(folder / "out")
    assert not list((folder / "out").rglob(".laa-*"))


def test_what_was_left_out_of_metadata_is_recorded_and_counted(folder: Path, capsys: Any) -> None:
    (folder / "in" / "phone.jpg").write_bytes(gain_map_jpeg())
    run_batch(folder)
    left_out = {record["input"]: record["left_out"] for record in records(folder)}
    assert {name: names for name, names in left_out.items() if names} == {"phone.jpg": ["gain map"], "d.bmp": ["mark"]}
    captured = capsys.readouterr()
    said = captured.out.split()
    assert said[said.index("metadata") + 4] == "2"
    assert captured.err == ""


def test_the_results_are_those_of_the_python_api(folder: Path) -> None:
    from laa_cli.photo import encode_photo, read_photo

    run_batch(folder)
    photo, upscaler = read_photo(folder / "in" / "a.png", max_pixels=10**6), fake_upscaler()
    enlarged = photo.with_pixels(upscaler(photo.pixels, Options(scale=2)).pixels)
    assert result_files(folder / "out")["a.png"] == encode_photo(enlarged.marked(upscaler.agent), ".png")


def test_large_photos_come_first(folder: Path) -> None:
    write_photo_of_noise(folder / "in" / "b" / "large.png", 1, (300, 300))
    run_batch(folder, workers=1)
    sizes = [record["size"] for record in records(folder)]
    assert sizes == sorted(sizes, reverse=True)
    assert records(folder)[0]["input"] == "b/large.png"


def test_a_second_run_has_nothing_to_do_and_loads_nothing(folder: Path) -> None:
    run_batch(folder)
    before = (folder / "out" / "manifest.jsonl").read_bytes()
    assert run_batch(folder, refuse_to_load) == Exit.OK
    assert (folder / "out" / "manifest.jsonl").read_bytes() == before


@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize("memory_bytes", [1, 1 << 30])
def test_neither_workers_nor_memory_change_a_byte(folder: Path, workers: int, memory_bytes: int) -> None:
    run_batch(folder)
    run_batch(folder, out=folder / "other", workers=workers, memory_bytes=memory_bytes)
    assert result_files(folder / "other") == result_files(folder / "out")


def test_one_bad_photo_is_a_line_and_is_not_tried_again_unless_asked(folder: Path, capsys: Any) -> None:
    (folder / "in" / "bad.jpg").write_bytes(b"no photo")
    assert run_batch(folder) == Exit.PARTLY
    captured = capsys.readouterr()
    assert "bad.jpg" in captured.out
    assert captured.err.count("error:") == 1
    assert run_batch(folder, refuse_to_load) == Exit.PARTLY
    captured = capsys.readouterr()
    assert "bad.jpg" in captured.out
    assert "--retry-failed" in captured.err
    write_photo_of_noise(folder / "in" / "new.png")
    assert run_batch(folder, retry_failed=True) == Exit.PARTLY
    assert "new.png" not in result_files(folder / "out")
    write_photo_of_noise(folder / "in" / "good.png").rename(folder / "in" / "bad.jpg")
    assert run_batch(folder) == Exit.OK
    assert {"bad.jpg", "new.png"} <= result_files(folder / "out").keys()


@pytest.mark.parametrize("content", [b"", b"II*\0", b"\x89PNG\r\n\x1a\n"])
def test_every_bad_file_is_read_only_once(folder: Path, content: bytes) -> None:
    (folder / "in" / "bad.png").write_bytes(content)
    assert run_batch(folder) == Exit.PARTLY
    assert run_batch(folder, refuse_to_load) == Exit.PARTLY


def test_a_failure_that_is_not_the_photos_own_is_tried_again(folder: Path) -> None:
    def forgetful(rgb: Any) -> list[Face]:
        raise MemoryError

    assert run_batch(folder, lambda: Upscaler(forgetful, brighter)) == Exit.FAILED
    assert "not enough memory" in records(folder)[0]["error"]
    write_photo_of_noise(folder / "in" / "new.png")
    assert run_batch(folder, retry_failed=True) == Exit.OK
    assert sorted(result_files(folder / "out")) == ["a.png", "b/a.jpg", "b/c/ä ö.png", "d.bmp"]
    assert run_batch(folder, lambda: Upscaler(forgetful, brighter), overwrite=True) == Exit.PARTLY
    assert run_batch(folder) == Exit.OK
    assert "new.png" in result_files(folder / "out")


def test_a_fault_of_our_own_costs_one_photo(folder: Path) -> None:
    def faulty(rgb: Any) -> list[Face]:
        if int(rgb[0, 0, 0]) == first:
            raise ZeroDivisionError("oops")
        return []

    with Image.open(folder / "in" / "a.png") as photo:
        first = photo.getpixel((0, 0))[0]
    assert run_batch(folder, lambda: Upscaler(faulty, brighter)) == Exit.PARTLY
    assert [record["input"] for record in records(folder) if "ZeroDivisionError: oops" in (record["error"] or "")] == ["a.png"]


def test_unusable_weights_end_the_run(folder: Path) -> None:
    def load() -> Upscaler:
        raise LaaError("cannot use the weights")

    with pytest.raises(SetupError, match="weights"):
        run_batch(folder, load)


def test_a_foreign_file_is_not_replaced(folder: Path) -> None:
    (folder / "out").mkdir()
    (folder / "out" / "a.png").write_bytes(b"precious")
    assert run_batch(folder) == Exit.PARTLY
    assert result_files(folder / "out")["a.png"] == b"precious"
    assert run_batch(folder, overwrite=True) == Exit.OK
    assert result_files(folder / "out")["a.png"] != b"precious"


def test_photos_that_must_have_a_face(folder: Path) -> None:
    recipe = replace(batch_request(folder).recipe, require_face=True)
    assert run_batch(folder, lambda: Upscaler(lambda rgb: [], brighter), recipe=recipe) == Exit.FAILED
    assert result_files(folder / "out") == {}
    assert run_batch(folder, lambda: Upscaler(lambda rgb: [], brighter)) == Exit.OK


def test_what_killed_runs_left_goes_and_what_cannot_be_removed_stays(folder: Path) -> None:
    (folder / "out" / "b").mkdir(parents=True)
    (folder / "out" / "b" / ".laa-x.part").write_bytes(b"half")
    (folder / "out" / ".laa-folder.part").mkdir()
    assert run_batch(folder) == Exit.OK
    assert [path.name for path in (folder / "out").rglob(".laa-*.part")] == [".laa-folder.part"]


def test_a_second_run_at_once_is_refused(folder: Path) -> None:
    with locked(folder / "out", ""), pytest.raises(LaaError, match="another `laa batch`"):
        run_batch(folder, refuse_to_load)
    assert run_batch(folder) == Exit.OK


def test_a_folder_that_cannot_be_written_is_an_error_of_ours(folder: Path, monkeypatch: Any) -> None:
    def denied(*_: Any, **__: Any) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    with monkeypatch.context() as patch:
        patch.setattr(os, "open", denied)
        with pytest.raises(LaaError, match=r"cannot write to .*Permission denied"):
            run_batch(folder, refuse_to_load)


def test_records_on_stdout(folder: Path, capfd: Any) -> None:
    (folder / "in" / "bad.jpg").write_bytes(b"no photo")
    run_batch(folder, json=True)
    said = [json.loads(line) for line in capfd.readouterr().out.splitlines()]
    assert sorted(record["input"] for record in said) == ["a.png", "b/a.jpg", "b/c/ä ö.png", "bad.jpg", "d.bmp"]


def test_a_full_disk_ends_the_run_and_the_next_one_goes_on(folder: Path, monkeypatch: Any) -> None:
    calls = []
    fsync = os.fsync

    def full(handle: int) -> None:
        calls.append(handle)
        if len(calls) > 3:
            raise OSError(errno.ENOSPC, "No space left on device")
        fsync(handle)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(SetupError, match=r"No space left.*run the same command again") as error:
            run_batch(folder)
        assert error.value.code == Exit.PARTLY
    assert not list((folder / "out").rglob(".laa-*"))
    assert len(result_files(folder / "out")) == 1
    assert run_batch(folder) == Exit.OK
    run_batch(folder, out=folder / "afresh")
    assert result_files(folder / "out") == result_files(folder / "afresh")


def test_ctrl_c_leaves_a_whole_folder(folder: Path, monkeypatch: Any) -> None:
    def interrupted(self: Screen, values: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Screen, "record", interrupted)
        with pytest.raises(KeyboardInterrupt):
            run_batch(folder, json=True)
    assert not list((folder / "out").rglob(".laa-*"))
    assert run_batch(folder) == Exit.OK
    run_batch(folder, out=folder / "afresh")
    assert result_files(folder / "out") == result_files(folder / "afresh")


def test_no_error_is_lost_while_a_tiff_is_read(tmp_path: Path, monkeypatch: Any, capfd: Any) -> None:
    """Reading a TIFF silences standard error for the whole process, and does so in the reader's thread."""

    @contextmanager
    def slowly_quiet() -> Iterator[None]:
        with mute_stderr():
            time.sleep(0.02)
            yield

    monkeypatch.setattr(sys.modules["laa_cli.photo.decode"], "mute_stderr", slowly_quiet)
    for number in range(10):
        write_photo_of_noise(tmp_path / "in" / f"{number}-good.tif", number)
        (tmp_path / "in" / f"{number}-bad.png").write_bytes(b"no photo")
    with open(2, "w", closefd=False) as stderr, monkeypatch.context() as patch:
        patch.setattr(sys, "stderr", stderr)
        assert run_batch(tmp_path) == Exit.PARTLY
    assert capfd.readouterr().err.count("error:") == 10
