"""`laa batch --person` and `--proof`: whose faces are restored, and the pages of what they rest on."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from fakes import (
    FakeDetector,
    batch_request,
    brighter,
    fake_upscaler,
    microsoft_regions,
    one_face,
    records,
    refuse_to_load,
    result_files,
    run_batch,
    write_photo_of_noise,
)

from laa_cli.errors import Exit, LaaError, UsageError
from laa_cli.photo import Metadata, encode_photo, read_photo
from laa_cli.upscale import Upscaler

HERE, ELSEWHERE = (10.0, 8.0, 26.0, 24.0), (0.0, 20.0, 12.0, 32.0)


def tagged_photo(path: Path, *names: str) -> Path:
    """A photo of noise with a face tag for each name; the first where `one_face` is detected."""
    photo = read_photo(write_photo_of_noise(path), max_pixels=10**6)
    tags = microsoft_regions(photo.width, photo.height, *zip(names, (HERE, ELSEWHERE), strict=False))
    path.write_bytes(encode_photo(replace(photo, metadata=Metadata(xmp=tags)), path.suffix))
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    tagged_photo(tmp_path / "in" / "both.png", "Ada", "Ben")
    tagged_photo(tmp_path / "in" / "ben.jpg", "Ben")
    write_photo_of_noise(tmp_path / "in" / "nobody.png", 3)
    return tmp_path


def upscaler() -> Upscaler:
    return Upscaler(FakeDetector(one_face(None)), brighter)


def run(folder: Path, *persons: str, **changes: Any) -> Exit:
    recipe = replace(batch_request(folder).recipe, persons=persons)
    return run_batch(folder, upscaler, recipe=recipe, **changes)


def restored(folder: Path) -> dict[str, list[str]]:
    """The names of the restored faces by photo."""
    return {
        record["input"]: [face["name"] for face in record["faces"] if face["action"] == "restored"]
        for record in records(folder)
    }


def test_only_the_persons_asked_for_are_restored_and_every_photo_is_enlarged(folder: Path) -> None:
    assert run(folder, "ADA") == Exit.OK
    assert restored(folder) == {"both.png": ["Ada"], "ben.jpg": [], "nobody.png": []}
    assert sorted(result_files(folder / "out")) == ["ben.jpg", "both.png", "nobody.png"]
    assert run_batch(folder, refuse_to_load, recipe=replace(batch_request(folder).recipe, persons=("ADA",))) == Exit.OK


def test_other_persons_are_another_recipe(folder: Path) -> None:
    assert run(folder, "Ada") == Exit.OK
    before = result_files(folder / "out")
    assert run(folder, "Ada", "Ben") == Exit.OK
    assert restored(folder)["both.png"] == ["Ada", "Ben"]
    assert before["both.png"] != result_files(folder / "out")["both.png"]
    assert run(folder) == Exit.OK
    assert restored(folder)["nobody.png"] == [""]


def test_a_name_that_no_photo_has_is_an_error_that_names_those_there_are(folder: Path, capsys: Any) -> None:
    with pytest.raises(LaaError, match=r"no photo in .* has a face tagged Eve: the face tags name Ada, Ben") as caught:
        run(folder, "Eve")
    assert caught.value.code == Exit.PARTLY  # the photos are enlarged
    assert len(result_files(folder / "out")) == 3


def test_a_photo_without_the_person_fails_where_a_face_is_required(folder: Path) -> None:
    recipe = replace(batch_request(folder).recipe, persons=("Ada",), require_face=True)
    assert run_batch(folder, upscaler, recipe=recipe) == Exit.PARTLY
    errors = {record["input"]: record["error"] for record in records(folder)}
    assert errors["both.png"] is None
    assert "is tagged Ada" in errors["ben.jpg"]


def test_the_gallery_leads_to_a_page_of_proofs_for_each_photo(folder: Path) -> None:
    assert run_batch(folder, upscaler, report=True, prove=True) == Exit.OK
    index = (folder / "out" / "index.html").read_text()
    assert "<br>Ada, Ben<" in index
    assert index.count("<br>Ben<") == 1
    addresses = re.findall(r'href="([^"]+proof\.html)"', index)
    pages = [(folder / "out" / unquote(address)).read_text() for address in addresses]
    assert len(set(addresses)) == 3
    assert all("faces restored" in page for page in pages)
    assert {re.search(r"Proof: ([^<]+)<", page)[1] for page in pages} == {"both.png", "ben.jpg", "nobody.png"}  # type: ignore[index]


def test_what_was_done_without_proofs_gets_them_and_keeps_its_bytes(folder: Path) -> None:
    assert run_batch(folder, upscaler, report=True) == Exit.OK
    before = {name: content for name, content in result_files(folder / "out").items() if name != "index.html"}
    assert "proof.html" not in (folder / "out" / "index.html").read_text()
    assert run_batch(folder, upscaler, report=True, prove=True) == Exit.OK
    assert {name: content for name, content in result_files(folder / "out").items() if name != "index.html"} == before
    assert (folder / "out" / "index.html").read_text().count("proof.html") == 3
    assert run_batch(folder, refuse_to_load, report=True, prove=True) == Exit.OK  # nothing is left to do


def test_proofs_are_part_of_the_report(folder: Path) -> None:
    with pytest.raises(UsageError, match="proof is part of the report"):
        batch_request(folder, prove=True)
    assert fake_upscaler().estimate_doubt(None, None) is None  # type: ignore[arg-type]
