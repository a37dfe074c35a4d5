"""`laa prepare`: which photos are found, which faces come out, and that a killed run goes on. The detector is a fake."""

from __future__ import annotations

import csv
import io
import re
import tarfile
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from fakes import MIDDLE, POINTS, Killed, contents, dying_after
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from laa_cli.console import Screen
from laa_cli.detect.face import Face
from laa_cli.errors import Exit, LaaError
from laa_cli.faceset.hashing import find_duplicates, perceptual_hashes
from laa_cli.faceset.reading import read_faces
from laa_cli.prepare.crops import crop_with_margin, resize_face, sharpness
from laa_cli.prepare.run import run
from laa_cli.prepare.settings import PrepareRequest
from laa_cli.prepare.sources import find_photos
from laa_cli.prepare.split import TRAIN, VALIDATION, Identities, split_of
from laa_cli.restore.alignment import Square, crop_square
from laa_cli.train.data import read


def noise(seed: int, side: int = 180) -> Image.Image:
    """A photo of structure at all scales, and no two alike."""
    random = np.random.default_rng(seed)
    coarse = Image.fromarray(random.integers(0, 256, (18, 18, 3), np.uint8)).resize((side, side), Image.Resampling.BICUBIC)
    fine = random.integers(0, 60, (side, side, 3))
    return Image.fromarray(np.clip(np.asarray(coarse).astype(int) + fine - 30, 0, 255).astype(np.uint8))


def photos(folder: Path, count: int) -> Path:
    folder.mkdir()
    for number in range(count):
        noise(number).save(folder / f"{number:02}.png")
    return folder


def detector(*faces: Face) -> Callable[[], Any]:
    return lambda: lambda rgb: list(faces)


def prepare(source: Path | list[Path], out: Path, *faces: Face, people: Path | None = None, **values: Any) -> Exit:
    inputs = source if isinstance(source, list) else [source]
    return run(inputs, out, PrepareRequest(**values), people, detector(*(faces or (MIDDLE,))), Screen())


def manifest(out: Path) -> list[dict[str, str]]:
    return list(csv.DictReader((out / "manifest.csv").read_text().splitlines()))


def test_faces_come_out_as_the_protocol_has_them(tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert prepare(photos(tmp_path / "in", 20), out, validation_share=0.3, format="png", shard_size=8) == Exit.OK
    rows = manifest(out)
    assert sorted(path.name for path in out.iterdir()) == ["contact-sheet.png", "manifest.csv", *shards(rows)]
    for shard, size, split in (("train-0.tar", 144, TRAIN), ("val.tar", 128, VALIDATION)):
        faces = read_faces([out / shard], size)
        chosen = [row for row in rows if row["shard"] == shard]
        assert len(faces) == len(chosen) > 3
        for face, row in zip(faces, chosen, strict=True):
            pixels = np.asarray(Image.open(row["source"]))
            expected = resize_face(crop_square(pixels, Square(3, 3, 175)), 128)
            middle = face.permute(1, 2, 0).numpy()[(size - 128) // 2 :][:128, (size - 128) // 2 :][:, :128]
            assert (row["split"], row["crop_side_px"], row["person"]) == (split, "175", "")
            assert float(row["sharpness"]) == pytest.approx(sharpness(expected), abs=0.06)
            rim = 0 if split == VALIDATION else 3  # at its edge the protocol's crop knows nothing of what is beyond
            assert np.abs(middle.astype(int) - expected)[rim : 128 - rim, rim : 128 - rim].max() <= rim // 3


def shards(rows: list[dict[str, str]]) -> list[str]:
    return sorted({row["shard"] for row in rows})


def test_webp_is_close_to_the_face(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    smooth = Image.fromarray(np.random.default_rng(0).integers(0, 256, (20, 20, 3), np.uint8)).resize((180, 180))
    smooth.save(folder / "0.png")
    prepare(folder, tmp_path / "out", validation_share=0, min_sharpness=0)
    face = read_faces([tmp_path / "out" / "train-0.tar"], 144)[0].permute(1, 2, 0).numpy()
    assert manifest(tmp_path / "out")[0]["file"] == "train_000000.webp"
    assert np.abs(face.astype(int) - crop_with_margin(np.asarray(smooth), Square(3, 3, 175))).mean() < 6


@given(side=st.integers(16, 300), x=st.integers(-50, 200), y=st.integers(-50, 200))
@settings(max_examples=20, deadline=None)
def test_room_lies_around_the_crop(side: int, x: int, y: int) -> None:
    """On a ramp every pixel tells its place: the 144 px reach from 1/16 of the crop before it to 1/16 behind it."""
    ramp = np.broadcast_to(np.arange(1000, dtype=np.float32)[None, :, None] / 4, (1000, 1000, 3)).astype(np.uint8)
    face = crop_with_margin(ramp, Square(400 + x, 400 + y, side))[72, :, 0].astype(float)
    places = 400 + x - side / 16 + (np.arange(144) + 0.5) * side / 128
    assert np.abs(face - (places - 0.5) / 4).max() <= 1.3


def test_small_blurred_and_repeated_faces_are_dropped_and_counted(tmp_path: Path, capsys: Any) -> None:
    folder = photos(tmp_path / "in", 6)
    noise(0).resize((181, 181)).save(folder / "copy.jpg", quality=80)
    Image.new("RGB", (180, 180), (90, 90, 90)).save(folder / "flat.png")
    small = Face((0.0, 0.0, 60.0, 60.0), 0.99, POINTS)
    assert prepare(folder, tmp_path / "out", MIDDLE, small) == Exit.OK
    table = capsys.readouterr().out
    for what, count in (("smaller than --min-crop", 8), ("blurred", 1), ("duplicates", 1), ("without a face", 0)):
        assert re.search(rf"│ +{what} +│ +{count} │", table), table
    assert len(manifest(tmp_path / "out")) == 6


def test_damaged_photos_are_listed_and_the_others_used(tmp_path: Path, capsys: Any) -> None:
    folder = photos(tmp_path / "in", 3)
    (folder / "broken.jpg").write_bytes(b"\xff\xd8 broken")
    (folder / "empty.png").write_bytes(b"")
    assert prepare(folder, tmp_path / "out") == Exit.PARTLY
    errors = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    assert len(errors) == 2
    assert "broken.jpg" in errors[0]
    assert "empty.png" in errors[1]
    assert len(manifest(tmp_path / "out")) == 3


def test_nothing_to_do_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(LaaError, match="no photos in"):
        prepare(tmp_path / "empty", tmp_path / "out")
    with pytest.raises(LaaError, match="there is no such"):
        prepare(tmp_path / "missing", tmp_path / "out")
    with pytest.raises(LaaError, match=r"no faces came out of 2 photos: 2 faces were found, 2 of them too small"):
        prepare(photos(tmp_path / "in", 2), tmp_path / "out", min_crop=500)


def test_photos_are_found_in_files_folders_and_tar_files(tmp_path: Path) -> None:
    deep = tmp_path / "in" / "b"
    deep.mkdir(parents=True)
    for name in ("z.JPG", "a.webp", ".hidden.png", "notes.txt"):
        (deep / name).write_bytes(b"x")
    with tarfile.open(tmp_path / "in" / "a.tar", "w") as tar:
        for name, content in (("two.png", b"22"), ("folder/one.jpg", b"1"), ("readme.md", b"no")):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    out = tmp_path / "in" / "out"
    out.mkdir()
    (out / "contact-sheet.png").write_bytes(b"x")
    found = find_photos([tmp_path / "in", deep / "z.JPG"], out)
    names = [source.name.removeprefix(f"{(tmp_path / 'in').as_posix()}/") for source in found]
    assert names == ["a.tar:two.png", "a.tar:folder/one.jpg", "b/a.webp", "b/z.JPG"]
    assert [source.content(100) for source in found] == [b"22", b"1", b"x", b"x"]
    (tmp_path / "in" / "c.tar").write_bytes(b"no tar file")
    with pytest.raises(LaaError, match=r"cannot read .*c\.tar"):
        find_photos([tmp_path / "in"], out)


def test_a_photo_in_a_tar_file_is_named_where_it_is_damaged(tmp_path: Path, capsys: Any) -> None:
    folder = photos(tmp_path / "in", 2)
    (folder / "bad.png").write_bytes(b"\x89PNG broken")
    with tarfile.open(tmp_path / "photos.tar", "w") as tar:
        tar.add(folder, "photos")
    assert prepare(tmp_path / "photos.tar", tmp_path / "out", validation_share=0) == Exit.PARTLY
    assert "photos.tar:photos/bad.png" in capsys.readouterr().err.replace("\n", "")
    assert len(manifest(tmp_path / "out")) == 2


def test_a_finished_folder_is_left_alone(tmp_path: Path) -> None:
    folder, out = photos(tmp_path / "in", 3), tmp_path / "out"
    prepare(folder, out)
    before = contents(out)
    with pytest.raises(LaaError, match="holds finished faces"):
        prepare(folder, out)
    assert contents(out) == before
    other = tmp_path / "other"
    other.mkdir()
    (other / "mine.txt").write_text("keep")
    with pytest.raises(LaaError, match="is not empty"):
        prepare(folder, other)


def test_training_takes_the_folder(tmp_path: Path) -> None:
    out = tmp_path / "out"
    prepare(photos(tmp_path / "in", 12), out, validation_share=0.3, shard_size=3)
    faces = read([out], None)
    splits = [row["split"] for row in manifest(out)]
    assert (len(faces.training), len(faces.validation)) == (splits.count(TRAIN), splits.count(VALIDATION))
    (out / "unfinished").mkdir()
    with pytest.raises(LaaError, match="is not finished"):
        read([out], None)


def test_two_runs_do_not_work_in_one_folder(tmp_path: Path) -> None:
    folder, out = photos(tmp_path / "in", 2), tmp_path / "out"
    refused: list[str] = []

    def nested(rgb: Any) -> list[Face]:
        with pytest.raises(LaaError, match="another run is working in") as error:
            prepare(folder, out)
        refused.append(str(error.value))
        return [MIDDLE]

    run([folder], out, PrepareRequest(), None, lambda: nested, Screen(quiet=True))  # type: ignore[arg-type, return-value]
    assert len(refused) == 2
    assert len(manifest(out)) == 2


def test_an_interrupted_run_says_how_to_go_on(tmp_path: Path, capsys: Any) -> None:
    def interrupted(rgb: Any) -> list[Face]:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run([photos(tmp_path / "in", 3)], tmp_path / "out", PrepareRequest(), None, lambda: interrupted, Screen())  # type: ignore[arg-type, return-value]
    assert "0 of 3 photos are done: the same command goes on" in capsys.readouterr().err


@pytest.mark.parametrize("calls", [0, 1, 5, 9])
def test_a_killed_run_goes_on_and_gives_the_same_files(tmp_path: Path, calls: int) -> None:
    folder = photos(tmp_path / "in", 9)
    (folder / "broken.jpg").write_bytes(b"broken")
    values = {"validation_share": 0.3, "shard_size": 3}
    assert prepare(folder, tmp_path / "whole", **values) == Exit.PARTLY
    out = tmp_path / "out"
    if calls < 9:
        with pytest.raises(Killed):
            run([folder], out, PrepareRequest(**values), None, lambda: dying_after(calls), Screen(quiet=True))  # type: ignore[arg-type, return-value]
    torn(out / "unfinished")
    assert prepare(folder, out, **values) == Exit.PARTLY
    assert contents(out) == contents(tmp_path / "whole")


def torn(unfinished: Path) -> None:
    """What a kill in the middle of writing can leave behind the last whole record."""
    if unfinished.exists():
        for name in ("journal.jsonl", "pictures.bin"):
            with (unfinished / name).open("ab") as file:
                file.write(b'{"photo": "half a rec')
        (unfinished.parent / ".laa-x.part").write_bytes(b"half a shard")


def test_pictures_lost_with_the_machine_are_made_again(tmp_path: Path) -> None:
    folder, out = photos(tmp_path / "in", 5), tmp_path / "out"
    prepare(folder, tmp_path / "whole")
    with pytest.raises(LaaError, match="no faces"):
        prepare(folder, out, min_sharpness=1e8)
    with pytest.raises(LaaError, match="was begun with min_sharpness"):
        prepare(folder, out)
    (out / "unfinished" / "settings.json").unlink()
    record = '{"photo": "%s", "end": 9, "start": 0, "sizes": [], "crops": []}\n' % (folder / "00.png")
    (out / "unfinished" / "journal.jsonl").write_text(record)
    prepare(folder, out)
    assert contents(out) == contents(tmp_path / "whole")


def test_a_run_killed_while_it_writes_shards_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, out = photos(tmp_path / "in", 5), tmp_path / "out"
    prepare(folder, tmp_path / "whole")

    def killed(*_: Any) -> bytes:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr("laa_cli.prepare.run.contact_sheet", killed)
        with pytest.raises(Killed):
            prepare(folder, out)
    assert prepare(folder, out) == Exit.OK
    assert contents(out) == contents(tmp_path / "whole")


def test_sides_stay_and_keep_their_share() -> None:
    sides = [split_of(str(number), 0.1) for number in range(4000)]
    assert 300 < sides.count(VALIDATION) < 500
    assert sides == [split_of(str(number), 0.1) for number in range(4000)]
    more = [split_of(str(number), 0.2) for number in range(4000)]
    assert all(after == VALIDATION for before, after in zip(sides, more, strict=True) if before == VALIDATION)
    assert {split_of("x", 0), split_of("x", 1)} == {TRAIN, VALIDATION}


def test_a_photos_side_follows_its_content_not_its_name(tmp_path: Path) -> None:
    folder = photos(tmp_path / "in", 12)
    prepare(folder, tmp_path / "out", validation_share=0.4)
    before = {Path(row["source"]).name: row["split"] for row in manifest(tmp_path / "out")}
    assert set(before.values()) == {TRAIN, VALIDATION}
    moved = tmp_path / "moved" / "deep"
    moved.mkdir(parents=True)
    for path in list(folder.iterdir())[3:]:
        path.rename(moved / f"other-{path.name}")
    prepare([moved, folder], tmp_path / "again", validation_share=0.4)
    after = {Path(row["source"]).name.removeprefix("other-"): row["split"] for row in manifest(tmp_path / "again")}
    assert after == before


def test_no_person_is_on_both_sides(tmp_path: Path) -> None:
    folder, people = photos(tmp_path / "in", 24), tmp_path / "people.csv"
    people.write_text("".join(f"{number:02}.png,somebody {number % 8}\n" for number in range(22)))
    aside = Face((0.0, 0.0, 130.0, 130.0), 0.99, POINTS)
    prepare(folder, tmp_path / "out", aside, MIDDLE, people=people, validation_share=0.5)
    rows = manifest(tmp_path / "out")
    assert len(rows) == 22  # the largest face is the person's; two photos show nobody who is known
    assert {row["crop_side_px"] for row in rows} == {"175"}
    sides = {(row["person"], row["split"]) for row in rows}
    assert len(sides) == len({person for person, _ in sides}) == 8
    assert len({split for _, split in sides}) == 2


@pytest.mark.parametrize("text", ["a/1.jpg,Ann\n2.jpg,Bob Li\n", "a/1.jpg Ann\n2.jpg\tBob Li", "a/1.jpg ; Ann\n\n2.jpg;Bob Li"])
def test_identities_are_read_as_people_write_them(tmp_path: Path, text: str) -> None:
    (tmp_path / "people").write_text(text)
    who = Identities(tmp_path / "people")
    assert (who("/data/a/1.jpg"), who("b/1.jpg"), who("photos.tar:2.jpg"), who("x/2.jpg")) == ("Ann", None, "Bob Li", "Bob Li")


@pytest.mark.parametrize("text", ["", "1.jpg,Ann\n2.jpg\n"])
def test_unusable_identities_are_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "people").write_text(text)
    with pytest.raises(LaaError, match=r"people: line \d is not"):
        Identities(tmp_path / "people")
    with pytest.raises(LaaError, match="cannot read the identities"):
        Identities(tmp_path / "missing")


@pytest.mark.parametrize("values", [{"format": "gif"}, {"min_crop": 0}, {"validation_share": 1}, {"shard_size": 0}])
def test_senseless_settings_are_refused(values: dict[str, Any]) -> None:
    with pytest.raises(LaaError, match=r"--(format|min-crop|validation-share|shard-size) must"):
        PrepareRequest(**values)


def test_copies_are_alike_and_others_are_not() -> None:
    originals = [noise(seed, 128) for seed in range(30)]
    copies = []
    for image in originals:
        file = io.BytesIO()
        image.resize((80, 80), Image.Resampling.BICUBIC).resize((128, 128)).save(file, "JPEG", quality=60)
        copies.append(Image.open(file))
    first, second = (
        perceptual_hashes(torch.stack([torch.from_numpy(np.array(image)).permute(2, 0, 1) for image in images]))
        for images in (originals, copies)
    )
    assert find_duplicates(second, first) == [(place, place) for place in range(30)]
    assert all(one < other for one, other in pairwise(find_duplicates(first, first)))


def test_the_contact_sheet_shows_the_faces(tmp_path: Path) -> None:
    prepare(photos(tmp_path / "in", 5), tmp_path / "out", validation_share=0)
    with Image.open(tmp_path / "out" / "contact-sheet.png") as sheet:
        assert sheet.size[0] > 5 * 96
        assert np.asarray(sheet).std() > 20
