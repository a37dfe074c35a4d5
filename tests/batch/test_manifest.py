"""The manifest and incremental runs: what is done again, and what is not."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from fakes import batch_request, records, refuse_to_load, result_files, run_batch, write_photo_of_noise
from PIL import Image

from laa_cli.batch.manifest import Manifest
from laa_cli.errors import Exit
from laa_cli.upscale import Options


def test_a_torn_line_is_cut_off_and_foreign_lines_are_passed_over(folder: Path) -> None:
    run_batch(folder)
    path = folder / "out" / "manifest.jsonl"
    whole = path.read_bytes()
    path.write_bytes(b'[1]\n{"input": 3}\nnonsense\n' + whole + whole.splitlines()[0][:50])
    with Manifest(folder / "out") as manifest:
        assert len(manifest.records) == 4
    assert path.read_bytes().endswith(whole)
    assert run_batch(folder, refuse_to_load) == Exit.OK


def test_a_new_time_of_the_same_content_is_no_change(folder: Path) -> None:
    run_batch(folder)
    for path in (folder / "in" / "a.png", folder / "out" / "d.bmp"):
        os.utime(path, ns=(1, 1))
    assert run_batch(folder, refuse_to_load) == Exit.OK
    assert [record["mtime_ns"] for record in records(folder) if record["input"] == "a.png"][
        -1
    ] == 1  # so that it is quick again
    size = (folder / "out" / "manifest.jsonl").stat().st_size
    run_batch(folder, refuse_to_load)
    assert (folder / "out" / "manifest.jsonl").stat().st_size == size


def test_what_changed_is_done_again_and_nothing_else(folder: Path) -> None:
    run_batch(folder)
    write_photo_of_noise(folder / "in" / "a.png", 9)
    (folder / "out" / "d.bmp").write_bytes(b"spoilt")
    (folder / "out" / "b" / "a.jpg").unlink()
    assert run_batch(folder) == Exit.OK
    assert sorted(record["input"] for record in records(folder)[4:]) == ["a.png", "b/a.jpg", "d.bmp"]
    run_batch(folder, out=folder / "afresh")
    assert result_files(folder / "out") == result_files(folder / "afresh")


def test_other_options_do_all_again(folder: Path) -> None:
    run_batch(folder)
    recipe = replace(batch_request(folder).recipe, options=Options(scale=1))
    assert run_batch(folder, recipe=recipe) == Exit.OK
    with Image.open(folder / "out" / "a.png") as result:
        assert result.size == (40, 34)
    assert run_batch(folder, refuse_to_load, recipe=replace(recipe, options=Options(scale=1, max_pixels=10**6))) == Exit.OK
