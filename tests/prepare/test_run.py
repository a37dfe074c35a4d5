"""`laa prepare`: which faces come out, and that a killed run goes on. The detector is a fake."""

from __future__ import annotations

import csv
import errno
import os
import re
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fakes import MIDDLE, POINTS, Killed, contents, dying_after, lock_folders, photo_of_noise
from PIL import Image

from laa_cli.console import Screen
from laa_cli.detect.face import Face
from laa_cli.errors import Exit, FileError, LaaError
from laa_cli.faceset.format import TRAIN, VALIDATION, read_faces
from laa_cli.prepare import writer
from laa_cli.prepare.crops import crop_with_margin, resize_face, sharpness
from laa_cli.prepare.run import run
from laa_cli.prepare.settings import PrepareRequest
from laa_cli.restore.alignment import Square, crop_square
from laa_cli.train.face_data import read_splits


def photos(folder: Path, count: int) -> Path:
    folder.mkdir()
    for number in range(count):
        photo_of_noise(number).save(folder / f"{number:02}.png")
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


def test_small_blurred_and_repeated_faces_are_dropped_and_counted(tmp_path: Path, capsys: Any) -> None:
    folder = photos(tmp_path / "in", 6)
    photo_of_noise(0).resize((181, 181)).save(folder / "copy.jpg", quality=80)
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
    faces = read_splits([out], None)
    splits = [row["split"] for row in manifest(out)]
    assert (len(faces.training), len(faces.validation)) == (splits.count(TRAIN), splits.count(VALIDATION))
    (out / "unfinished").mkdir()
    with pytest.raises(LaaError, match="is not finished"):
        read_splits([out], None)


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
        patch.setattr("laa_cli.prepare.writer.draw_contact_sheet", killed)
        with pytest.raises(Killed):
            prepare(folder, out)
    assert prepare(folder, out) == Exit.OK
    assert contents(out) == contents(tmp_path / "whole")


def test_nothing_that_is_read_lies_where_the_faces_go(tmp_path: Path) -> None:
    folder, out = photos(tmp_path / "in", 3), tmp_path / "out"
    with pytest.raises(LaaError, match="no faces"):
        prepare(folder, out, min_sharpness=1e8)
    with tarfile.open(out / "train-0.tar", "w") as tar:
        tar.add(folder / "00.png", "00.png")
    os.symlink(out / "train-0.tar", tmp_path / "link.tar")
    before = contents(out)
    for path in (out / "train-0.tar", tmp_path / "link.tar"):
        with pytest.raises(LaaError, match=r"lies in .*out, where the faces are to go") as error:
            prepare([folder, path], out, min_sharpness=1e8)
        assert error.value.code == Exit.USAGE
    assert contents(out) == before


@pytest.mark.parametrize("link", [os.symlink, os.link])
def test_no_face_set_replaces_a_name_of_a_photo(tmp_path: Path, link: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, out = photos(tmp_path / "in", 3), tmp_path / "out"
    before = contents(folder)
    write = writer.write_face_set

    def linking(*arguments: Any) -> None:
        link(folder / "01.png", out / "manifest.csv")
        write(*arguments)

    monkeypatch.setattr("laa_cli.prepare.run.write_face_set", linking)
    with pytest.raises(LaaError, match=r"manifest\.csv is an input of this run"):
        prepare(folder, out)
    assert contents(folder) == before
    assert (out / "manifest.csv").samefile(folder / "01.png")


def test_a_link_in_the_place_of_the_journal_is_not_followed(tmp_path: Path) -> None:
    folder, out = photos(tmp_path / "in", 3), tmp_path / "out"
    (folder / "unpacked").mkdir()
    (folder / "unpacked" / "precious").touch()
    out.mkdir()
    os.symlink(folder, out / "unfinished")
    with pytest.raises(LaaError, match="unfinished is a link"):
        prepare(folder, out)
    (out / "unfinished").unlink()
    (out / "unfinished").mkdir()
    for name in ("journal.jsonl", "pictures.bin"):
        os.link(folder / "00.png", out / "unfinished" / name)
        before = contents(folder)
        with pytest.raises(LaaError, match=rf"cannot write .*{name}: .*hard link"):
            prepare(folder, out)
        assert contents(folder) == before
        (out / "unfinished" / name).unlink()
        (out / "unfinished" / "settings.json").unlink()
    assert prepare(folder, out) == Exit.OK
    assert (folder / "unpacked" / "precious").exists()


def test_a_full_disk_is_partly_once_there_are_faces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, out = photos(tmp_path / "in", 3), tmp_path / "out"

    def full(*_: Any, **__: Any) -> None:
        raise FileError("cannot write", OSError(errno.ENOSPC, "No space left on device"))

    with monkeypatch.context() as patch:
        patch.setattr("laa_cli.prepare.writer.write_atomically", full)
        with pytest.raises(LaaError, match="cannot write") as error:
            prepare(folder, out)
    assert error.value.code == Exit.PARTLY
    assert prepare(folder, out) == Exit.OK


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


def test_the_contact_sheet_shows_the_faces(tmp_path: Path) -> None:
    prepare(photos(tmp_path / "in", 5), tmp_path / "out", validation_share=0)
    with Image.open(tmp_path / "out" / "contact-sheet.png") as sheet:
        assert sheet.size[0] > 5 * 96
        assert np.asarray(sheet).std() > 20


def test_folders_that_cannot_be_read_are_named_and_the_rest_is_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    locked = photos(tmp_path / "in", 3) / "locked"
    photos(locked, 2)
    lock_folders(monkeypatch, locked)
    assert prepare(tmp_path / "in", tmp_path / "out") == Exit.PARTLY
    assert len(manifest(tmp_path / "out")) == 3
    captured = capsys.readouterr()
    assert captured.err.count(f"error: cannot read {locked}: Permission denied") == 1
    assert re.search(r"folders that could not be read +│ +1", captured.out)
    with pytest.raises(LaaError, match="no photos in"):
        prepare(locked, tmp_path / "other")
    assert f"cannot read {locked}: Permission denied" in capsys.readouterr().err
