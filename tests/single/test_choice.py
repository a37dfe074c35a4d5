"""`laa upscale` with chosen faces and `laa detect` with tagged ones: what is done, what is said, what is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fakes import FakeDetector, brighter, laa, microsoft_regions, no_stdin, one_face, write_photo_of_noise

from laa_cli.console import Screen
from laa_cli.errors import Exit, UsageError
from laa_cli.options import FaceChoice, Options, PlacedFace
from laa_cli.photo import Metadata, encode_photo, read_photo
from laa_cli.single import detect
from laa_cli.single.plan import UpscaleRequest
from laa_cli.single.run import run
from laa_cli.upscale import Upscaler


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """A photo with two tags: Ada, whom the detector finds, and Ben, whom it does not."""
    path = write_photo_of_noise(tmp_path / "photo.png")
    plain = read_photo(path, max_pixels=10**6)
    tags = microsoft_regions(plain.width, plain.height, ("Ada", (10, 8, 26, 24)), ("[red]Ben", (0, 20, 12, 32)))
    path.write_bytes(encode_photo(replace(plain, metadata=Metadata(xmp=tags)), ".png"))
    return path


def upscale(inputs: list[Path], choice: FaceChoice, **job: Any) -> Exit:
    request = UpscaleRequest(options=Options(scale=2), choice=choice, overwrite=True, **job)
    load = lambda: Upscaler(FakeDetector(one_face(None)), brighter)  # noqa: E731
    return run(inputs, request, load, Screen(data_on_stdout=request.json), no_stdin)


def test_the_table_has_names_and_says_what_was_not_chosen(photo: Path, capsys: Any) -> None:
    assert upscale([photo], FaceChoice(numbers=(2,))) == Exit.OK
    out = capsys.readouterr().out
    lines = {line.split("│")[1].strip(): line for line in out.splitlines() if line.startswith("│")}
    assert "Ada" in lines["1"]
    assert "left: not chosen" in lines["1"]
    assert "[red]Ben" in lines["2"]
    assert " tag │" in lines["2"]
    assert "restored" in lines["2"]
    assert "1 of 2 faces restored" in out


def test_a_box_placed_by_hand_is_a_face(photo: Path, capsys: Any) -> None:
    choice = FaceChoice(excluded=(1, 2), placed=(PlacedFace(24, 10, 10, 10, 30),))
    assert upscale([photo], choice, json=True) == Exit.OK
    faces = json.loads(capsys.readouterr().out)["faces"]
    assert [(face["source"], face["action"], face["confidence"]) for face in faces] == [
        ("detector", "left", 0.99), ("tag", "left", None), ("at", "restored", None),
    ]  # fmt: skip
    assert faces[2]["roll_deg"] == 30
    assert faces[2]["landmarks_xy"] == []


def test_numbers_and_boxes_need_a_single_photo_and_names_do_not(photo: Path, tmp_path: Path) -> None:
    other = write_photo_of_noise(tmp_path / "other.png", 3)
    for choice in (FaceChoice(numbers=(1,)), FaceChoice(excluded=(1,)), FaceChoice(placed=(PlacedFace(1, 1, 9, 9),))):
        with pytest.raises(UsageError, match="give one photo"):
            upscale([photo, other], choice)
    assert upscale([photo, other], FaceChoice(persons=("Ada",))) == Exit.PARTLY  # other has no Ada
    assert (tmp_path / "photo_x2.png").exists()
    assert not (tmp_path / "other_x2.png").exists()


def test_the_proof_is_a_page_of_its_own(photo: Path, tmp_path: Path, capsys: Any) -> None:
    assert upscale([photo], FaceChoice(), proof=tmp_path / "proof.html", json=True) == Exit.OK
    page = (tmp_path / "proof.html").read_text()
    assert page.count("<h2>Face") == 2
    assert "Face 2: [red]Ben" in page
    assert str(tmp_path) not in page  # it can be given away
    assert json.loads(capsys.readouterr().out)["seconds"]["proof"] >= 0
    with pytest.raises(UsageError, match=r"proof .*p\.png is no \.html file: name it .*p\.html"):
        upscale([photo], FaceChoice(), proof=tmp_path / "p.png")
    assert upscale([photo], FaceChoice(), proof=f"{tmp_path}/pages/") == Exit.OK
    assert (tmp_path / "pages" / "photo_x2_proof.html").exists()


def test_the_mark_that_stays_where_all_else_goes_is_said_once(photo: Path, tmp_path: Path, capsys: Any) -> None:
    other = write_photo_of_noise(tmp_path / "other.png", 3)
    assert upscale([photo, other], FaceChoice(), strip_metadata=True) == Exit.OK
    assert capsys.readouterr().err.count("--no-mark") == 1
    assert upscale([photo], FaceChoice(), strip_metadata=True, mark=False) == Exit.OK
    assert upscale([photo], FaceChoice()) == Exit.OK
    assert upscale([photo], FaceChoice(excluded=(1, 2)), strip_metadata=True) == Exit.OK
    assert "mark" not in capsys.readouterr().err


def test_detect_shows_tags_and_names(photo: Path, capsys: Any) -> None:
    choices = {"as_json": True, "overwrite": False, "max_pixels": 10**6, "list_faces": True}
    load = lambda: FakeDetector(one_face(None))  # noqa: E731
    assert detect.run([photo], None, load, Screen(data_on_stdout=True), no_stdin, **choices) == Exit.OK
    captured = capsys.readouterr()
    faces = json.loads(captured.out)["faces"]
    assert [(face["number"], face["source"], face["name"]) for face in faces] == [
        (1, "detector", "Ada"),
        (2, "tag", "[red]Ben"),
    ]
    assert "name" in captured.err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--faces", "x"), "--faces must be numbers"),
        (("--except", "0"), "--except must be numbers from 1 on"),
        (("--at", "1,2,3"), "--at 1,2,3 must be X,Y,WIDTH,HEIGHT"),
        (("--person", ""), "--person must be a name"),
        (("--proof", "page.txt"), "--proof page.txt is no .html file"),
    ],
)
def test_a_choice_that_makes_no_sense_is_an_error_of_use(
    photo: Path, arguments: tuple[str, str], said: str, monkeypatch: Any, capsys: Any
) -> None:
    assert laa(monkeypatch, "upscale", photo, *arguments) == Exit.USAGE
    assert said in capsys.readouterr().err
    assert not photo.with_name("photo_x4.png").exists()
