"""`laa bench identity`: who is read, what a judge's figures come to, and what is said of input that makes no sense."""

from __future__ import annotations

import csv
import io
import json
import tarfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from fakes import pictures, save_network, small_swinir
from PIL import Image

from laa_cli.bench import identity
from laa_cli.bench.evaluate import back_project_bicubic
from laa_cli.bench.identity import restore_probes, run
from laa_cli.bench.identity_faces import DistinctFaces, crop_known_face
from laa_cli.bench.identity_judges import Judge
from laa_cli.bench.persons import list_sources, read_persons
from laa_cli.bench.requests import IdentityRequest
from laa_cli.console import Screen
from laa_cli.errors import Exit, LaaError
from models.checkpoint import ModelCard, save_bytes
from models.laa.config import LAAConfig
from models.laa.network import LAATransformer
from models.protocol import network_input

QUIET = Screen(quiet=True)
PERSONS, PHOTOS = 12, 5


def portrait_of(person: int, photo: int) -> Image.Image:
    """A picture whose mean colour is the person's, and whose structure is the photo's own."""
    random = np.random.default_rng([person, photo])
    structure = np.asarray(Image.fromarray(random.integers(0, 255, (9, 9), np.uint8)).resize((128, 128))).astype(float)
    colour = 90 + 14 * np.array([person % 3, person // 3 % 3, person // 9])
    return Image.fromarray((colour + 0.3 * (structure - structure.mean())[..., None]).round().astype(np.uint8))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Faces of PERSONS persons, and in `who.csv` who they are."""
    lines = ["person,file"]
    (tmp_path / "faces").mkdir()
    for person in range(PERSONS):
        for photo in range(PHOTOS):
            portrait_of(person, photo).save(tmp_path / "faces" / f"{photo}_{person}.png")
            lines.append(f"number {person},{photo}_{person}.png")
    (tmp_path / "who.csv").write_text("\n".join(lines))
    return tmp_path


@pytest.fixture
def light(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the shipped network, and judges that see the mean colour, and nothing."""
    random = torch.Generator().manual_seed(0)
    judges = [
        Judge("colour", "mean colour", lambda faces: faces.mean((2, 3))),
        Judge("dice", "a throw of dice", lambda faces: torch.rand(len(faces), 8, generator=random)),
        Judge("none", "nobody", None, "it has gone"),
    ]
    monkeypatch.setattr(identity, "load_judges", lambda **_: judges)
    monkeypatch.setattr(identity, "list_methods", lambda *_: {"bicubic": network_input, "laa": back_project_bicubic})


def request_of(folder: Path, **changes: Any) -> IdentityRequest:
    return replace(IdentityRequest(data=(folder / "faces",), persons=folder / "who.csv", device="cpu"), **changes)


@pytest.mark.usefixtures("light")
def test_a_judge_that_knows_everybody_is_always_right(folder: Path, capsys: Any) -> None:
    assert run(request_of(folder), Screen(data_on_stdout=True), "json") == Exit.OK
    found = json.loads(capsys.readouterr().out)
    assert found["genuine_pairs"] == found["impostor_pairs"] == 2 * PERSONS
    assert (found["persons"], found["folds"]) == (PERSONS, 2)
    assert [(line["crop_px"], line["method"]) for line in found["judges"]["colour"]] == [
        (128, "true crop"), *((size, method) for size in (12, 16, 24, 32, 48) for method in ("bicubic", "laa")),
    ]  # fmt: skip
    for line in found["judges"]["colour"]:
        assert [line[key]["mean"] for key in ("accuracy", "auc", "tar_at_1_percent_far")] == [1, 1, 1]
        assert ("gain" in line["auc"]) == (line["method"] == "laa")
    assert found["not_available"] == {"none": "it has gone"}


@pytest.mark.usefixtures("light")
def test_a_judge_that_guesses_is_half_right(folder: Path, capsys: Any) -> None:
    run(request_of(folder), Screen(data_on_stdout=True), "csv")
    lines = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    values = [float(line["value"]) for line in lines if (line["judge"], line["metric"]) == ("dice", "auc")]
    assert len(values) == 11
    assert np.mean(values) == pytest.approx(0.5, abs=0.12)
    assert np.mean([float(line["value"]) for line in lines if (line["judge"], line["metric"]) == ("dice", "accuracy")]) < 0.7
    gain = next(line for line in lines if line["method"] == "laa" and line["judge"] == "dice" and line["metric"] == "auc")
    bicubic = next(
        line for line in lines if line["method"] == "bicubic" and line["judge"] == "dice" and line["metric"] == "auc"
    )
    assert float(gain["gain"]) == pytest.approx(float(gain["value"]) - float(bicubic["value"]))
    assert float(gain["gain_low"]) <= float(gain["gain"]) <= float(gain["gain_high"])


@pytest.mark.usefixtures("light")
def test_the_tables_and_the_page_say_what_was_done(folder: Path, capsys: Any) -> None:
    page = folder / "page.html"
    run(request_of(folder, pairs=PERSONS, report=page), Screen(data_on_stdout=True), "markdown")
    shown = capsys.readouterr().out
    assert f"mean colour: {PERSONS} genuine and {PERSONS} impostor pairs of {PERSONS} persons" in shown
    assert "| - | true crop | 100.0 ±0.0 % | - | 1.0000 | 100.0 % |" in shown
    assert "| 12 | laa | 100.0 ±0.0 % | +0.0 ±0.0 % | 1.0000 | 100.0 % |" in shown
    assert "genuine pairs of a person: 1 at most" in shown
    assert shown.count("in 2 folds without common persons") == 1
    assert "nobody not available: it has gone" in shown
    assert "a throw of dice" in page.read_text()
    with pytest.raises(LaaError, match="exists already"):
        run(request_of(folder, report=page), QUIET, "table")
    with pytest.raises(LaaError, match="is an input of this run"):
        run(request_of(folder, report=folder / "who.csv", overwrite=True), QUIET, "table")


@pytest.mark.usefixtures("light")
def test_the_same_photo_twice_is_no_pair(folder: Path, capsys: Any) -> None:
    """Not even in another coding, and as a photo of somebody else."""
    for person in range(PERSONS):
        with Image.open(folder / "faces" / f"0_{person}.png") as picture:
            picture.resize((256, 256)).save(folder / "faces" / f"1_{person}.png")
            picture.save(folder / "faces" / f"2_{person}.png")
    for photo in (3, 4):
        (folder / "faces" / f"{photo}_1.png").write_bytes((folder / "faces" / f"{photo}_0.png").read_bytes())
    run(request_of(folder), Screen(data_on_stdout=True), "json")
    found = json.loads(capsys.readouterr().out)
    assert found["repeated"] == 2 * PERSONS + 2
    assert found["genuine_pairs"] in (PERSONS - 1, PERSONS)  # those two have four photos together, who has which is chance


@pytest.mark.usefixtures("light")
def test_pictures_that_cannot_be_used_are_left_out_by_name(folder: Path, capsys: Any) -> None:
    for person in range(2):
        (folder / "faces" / f"0_{person}.png").write_bytes(b"\x89PNG broken")
    assert run(request_of(folder), Screen(data_on_stdout=True), "json") == Exit.PARTLY
    captured = capsys.readouterr()
    assert len(json.loads(captured.out)["left_out"]) == 2
    assert "left out: " in captured.err
    assert "24 of 300 pairs: for more, add persons, or photos of each" in captured.err


def test_no_judge_is_an_error_before_anything_is_read(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(identity, "load_judges", lambda **_: [Judge("a", "A", None, "gone"), Judge("b", "B", None, "lost")])
    with pytest.raises(LaaError, match="nobody to judge who is who: A: gone; B: lost"):
        run(request_of(folder, persons=folder / "gone.csv"), QUIET, "table")


def test_every_method_takes_crops_of_every_size(tmp_path: Path) -> None:
    tiny = LAAConfig(base_channels=2, blocks=1, mlp_ratio=1)
    weights = [tmp_path / f"{name}.safetensors" for name in ("one", "two")]
    for path in weights:
        path.write_bytes(save_bytes(LAATransformer(tiny), ModelCard(tiny)))
    peer = save_network(small_swinir(4), tmp_path / "peer.safetensors")
    request = IdentityRequest(data=(), persons=tmp_path, weights=tuple(weights), peers=(peer,))
    methods = identity.list_methods(request, torch.device("cpu"))
    assert list(methods) == ["bicubic", *(f"laa, {path}" for path in weights), "peer (SwinIR)"]
    with torch.inference_mode():
        points = restore_probes(methods, pictures(1, 128) / 255)
    assert [point for point, _ in points[:2]] == [(128, "true crop"), (12, "bicubic")]
    assert len(points) == 1 + 5 * 4
    for _, faces in points:
        assert faces.shape == (1, 3, 128, 128)
        assert torch.equal((faces * 255).round() / 255, faces)


def test_a_stored_training_face_is_cropped_to_the_protocols() -> None:
    stored = np.random.default_rng(0).integers(0, 255, (144, 144, 3), np.uint8)
    assert torch.equal(crop_known_face(stored)[0].permute(1, 2, 0), torch.from_numpy(stored[8:136, 8:136]))
    assert crop_known_face(stored.repeat(2, 0).repeat(2, 1))[0].shape == (3, 128, 128)


def test_faces_are_stacked_in_the_order_of_their_names(folder: Path) -> None:
    contents = {name: (folder / "faces" / name).read_bytes() for name in ("0_0.png", "0_5.png", "1_0.png")}
    faces = DistinctFaces(contents, QUIET)
    assert all(faces.accept(name) for name in list(contents))
    assert torch.equal(faces.stack(["1_0.png", "0_0.png"])[0] * 255, faces.faces["1_0.png"].float())


# who is who


def tar_of(path: Path, names: list[str]) -> Path:
    with tarfile.open(path, "w") as tar:
        for number, name in enumerate(names):
            buffer = io.BytesIO()
            portrait_of(number, 0).save(buffer, "PNG")
            member = tarfile.TarInfo(name)
            member.size = len(buffer.getvalue())
            tar.addfile(member, io.BytesIO(buffer.getvalue()))
    return path


def test_a_shard_tells_faces_of_one_name_apart(tmp_path: Path) -> None:
    tars = [tar_of(tmp_path / name, ["x.png", f"{name}.png"]) for name in ("a.tar", "b.tar")]
    table = tmp_path / "who.csv"
    table.write_text(
        "\ufeffshard,file,person,more\na.tar,x.png, Ada ,1\nb.tar,x.png,Bo,2\nc.tar,x.png,Cy,3\na.tar,a.tar.png,,4\n"
    )
    assert list_sources([tmp_path]) == tars
    assert list_sources(tars) == tars
    assert read_persons(table, tars) == ({"Ada": [f"{tars[0]}:x.png"], "Bo": [f"{tars[1]}:x.png"]}, 1)
    table.write_text("file,person\nx.png,Ada\n")
    with pytest.raises(LaaError, match=r"'x.png' may be .*a.tar:x.png or .*b.tar:x.png: add the column shard"):
        read_persons(table, tars)
    assert read_persons(table, tars[:1]) == ({"Ada": [f"{tars[0]}:x.png"]}, 0)


def test_a_folder_of_unpacked_shards_needs_none(tmp_path: Path) -> None:
    (tmp_path / "faces" / "in").mkdir(parents=True)
    portrait_of(0, 0).save(tmp_path / "faces" / "in" / "x.png")
    (tmp_path / "who.csv").write_text("shard,file,person\na.tar,in/x.png,Ada\n")
    found, missing = read_persons(tmp_path / "who.csv", [tmp_path / "faces"])
    assert (found, missing) == ({"Ada": [str(tmp_path / "faces" / "in" / "x.png")]}, 0)


def test_a_set_that_is_not_finished_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "unfinished").mkdir()
    with pytest.raises(LaaError, match="is not finished: repeat the `laa prepare`"):
        list_sources([tmp_path])
    with pytest.raises(LaaError, match="no such file or folder"):
        list_sources([tmp_path / "gone"])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"name,person\nx,y\n", "lacks the column file: its first line has to name file and person"),
        (b"file,who\nx,y\n", "lacks the column person"),
        (b"", "lacks the column file"),
        (b"file,person\n0_0.png,\n0_1.png, \n", "names no person: fill its column person"),
        (b"file,person\n", "names no person"),
        (b"file,person\n0_0.jpg,Ada\n", r"there one is called '0_0.jpg', here '0_0.png': correct the columns"),
        (b"file,person\n0_0.png,Ada\n0_0.png,Bo\n", "is both 'Ada' and 'Bo'"),
        (b"file,person\n0_0.png,\xff\xfe\n", "cannot read the persons .*: give a CSV file in UTF-8"),
        (b'file,person\n"0_0.png"x,"\n', "cannot read the persons"),
        (b"file,person\n0_0.png,Ada\n0_1.png,Bo\n", r"no person has two photos among these faces \(2 have one\)"),
        (b"file,person\n0_0.png,Ada\n1_0.png,Ada\n", "1 persons have two different photos .*: give 10 or more"),
    ],
)
@pytest.mark.usefixtures("light")
def test_a_table_that_makes_no_sense_is_an_error(content: bytes, message: str, folder: Path) -> None:
    (folder / "who.csv").write_bytes(content)
    with pytest.raises(LaaError, match=message):
        run(request_of(folder), QUIET, "table")


@pytest.mark.usefixtures("light")
def test_a_table_that_is_not_there_is_an_error(folder: Path) -> None:
    with pytest.raises(LaaError, match=r"cannot read the persons .*gone.csv.*No such file"):
        run(request_of(folder, persons=folder / "gone.csv"), QUIET, "table")
