"""The layout of a face set: what its files are called and how they are ordered."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import numpy as np
import pytest
import torch
from fakes import folder_of, pictures
from PIL import Image

from laa_cli.errors import LaaError
from laa_cli.faceset.format import (
    MANIFEST,
    MANIFEST_COLUMNS,
    TRAIN,
    TRAINING_FACE_PX,
    UNFINISHED,
    VALIDATION,
    VALIDATION_FACE_PX,
    face_name,
    is_face_set,
    is_unfinished,
    list_training_shards,
    read_faces,
    shard_name,
)


def test_names_and_sizes_are_those_of_sets_that_exist() -> None:
    assert (TRAINING_FACE_PX, VALIDATION_FACE_PX) == (144, 128)
    assert ",".join(MANIFEST_COLUMNS) == "shard,file,source,crop_side_px,sharpness,split,person"
    assert [shard_name(TRAIN, index, 4096) for index in (0, 4095, 4096)] == ["train-0.tar", "train-0.tar", "train-1.tar"]
    assert shard_name(VALIDATION, 5000, 4096) == "val.tar"
    assert face_name(TRAIN, 7, "webp") == "train_000007.webp"
    assert face_name(VALIDATION, 1234567, "png") == "val_1234567.png"


def test_shards_come_by_number_and_nothing_else_does(tmp_path: Path) -> None:
    for name in ("train-10.tar", "train-2.tar", "train-0.tar", "val.tar", "contact-sheet.png"):
        (tmp_path / name).touch()
    assert [shard.name for shard in list_training_shards(tmp_path)] == ["train-0.tar", "train-2.tar", "train-10.tar"]


def test_a_set_is_told_by_its_manifest_and_an_unfinished_one_by_its_journal(tmp_path: Path) -> None:
    assert (is_face_set(tmp_path), is_unfinished(tmp_path)) == (False, False)
    (tmp_path / UNFINISHED).mkdir()
    (tmp_path / MANIFEST).touch()
    assert (is_face_set(tmp_path), is_unfinished(tmp_path)) == (True, True)


def tar_of(folder: Path, path: Path) -> Path:
    with tarfile.open(path, "w") as tar:
        for picture in sorted(folder.iterdir()):
            tar.add(picture, picture.name)
    return path


def test_faces_come_from_folders_and_tar_files_alike(tmp_path: Path) -> None:
    faces = pictures(5, 144)
    folder = folder_of(faces, tmp_path / "faces")
    (folder / "notes.txt").write_text("not a picture")
    assert torch.equal(read_faces([folder], 144), faces)
    assert torch.equal(read_faces([tar_of(folder, tmp_path / "faces.tar"), folder], 144), torch.cat([faces, faces]))


def test_unusable_faces_are_named(tmp_path: Path) -> None:
    folder = folder_of(pictures(2, 144), tmp_path / "faces")
    with pytest.raises(LaaError, match=r"000.png is 144x144, not 128x128"):
        read_faces([folder], 128)
    (folder / "001.png").write_bytes(b"\x89PNG broken")
    with pytest.raises(LaaError, match=r"cannot read the face .*001.png"):
        read_faces([folder], 144)
    (tmp_path / "empty").mkdir()
    with pytest.raises(LaaError, match="no pictures in"):
        read_faces([tmp_path / "empty"], 144)
    (tmp_path / "broken.tar").write_bytes(b"no tar")
    with pytest.raises(LaaError, match=r"cannot read faces from .*broken\.tar: .*: give a folder or a whole tar file of faces"):
        read_faces([tmp_path / "broken.tar"], 144)
    with pytest.raises(LaaError, match=r"cannot read .*missing\.tar: there is no such file or folder"):
        read_faces([tmp_path / "missing.tar"], 144)


def test_what_a_tar_file_of_faces_should_not_hold(tmp_path: Path) -> None:
    """A link that leads nowhere is passed over, and a picture that is too large is not read."""
    header = tarfile.TarInfo("0.png")
    header.type, header.linkname = tarfile.SYMTYPE, "nowhere.png"
    (tmp_path / "link.tar").write_bytes(header.tobuf() + bytes(1024))
    with pytest.raises(LaaError, match="no pictures in"):
        read_faces([tmp_path / "link.tar"], 144)
    header = tarfile.TarInfo("0.png")
    header.size = 2 << 30
    with (tmp_path / "large.tar").open("wb") as file:
        file.write(header.tobuf(tarfile.GNU_FORMAT))
        file.truncate(512 + (2 << 30) + 1024)
    with pytest.raises(LaaError, match=r"large\.tar: 0\.png has 2147483648 bytes"):
        read_faces([tmp_path / "large.tar"], 144)


@pytest.mark.parametrize("share", [0.3, 0.9])
def test_a_truncated_tar_file_is_named(tmp_path: Path, share: float) -> None:
    whole = tar_of(folder_of(pictures(4, 144), tmp_path / "faces"), tmp_path / "faces.tar").read_bytes()
    (tmp_path / "short.tar").write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(LaaError, match=r"cannot read (the face|faces from) .*short.tar"):
        read_faces([tmp_path / "short.tar"], 144)


def test_a_damaged_header_is_not_the_end_of_a_tar_file(tmp_path: Path) -> None:
    shard = tar_of(folder_of(pictures(4, 144), tmp_path / "faces"), tmp_path / "faces.tar")
    with tarfile.open(shard) as tar:
        second = tar.getmembers()[2].offset
    content = bytearray(shard.read_bytes())
    content[second] ^= 1
    shard.write_bytes(content)
    with pytest.raises(LaaError, match=r"cannot read faces from .*faces.tar: a damaged header"):
        read_faces([shard], 144)


@pytest.mark.parametrize("packing", ["gz", "bz2", "xz"])
@pytest.mark.parametrize("share", [1.0, 0.9, 0.3])
def test_compressed_tar_files_are_read_and_truncated_ones_named(tmp_path: Path, packing: str, share: float) -> None:
    faces, shard = folder_of(pictures(3, 128), tmp_path / "faces"), tmp_path / f"faces.tar.{packing}"
    with tarfile.open(shard, f"w:{packing}") as tar:  # type: ignore[call-overload]
        tar.add(faces)
    shard.write_bytes(shard.read_bytes()[: int(share * shard.stat().st_size)])
    if share == 1:
        assert torch.equal(read_faces([shard], 128), read_faces([faces], 128))
        return
    with pytest.raises(LaaError, match=shard.name):
        read_faces([shard], 128)


def test_a_picture_bomb_is_no_face(tmp_path: Path) -> None:
    file = io.BytesIO()
    Image.fromarray(np.zeros((300, 300), np.uint8)).save(file, "PNG")
    (tmp_path / "big.png").write_bytes(file.getvalue())
    with pytest.raises(LaaError, match="300x300"):
        read_faces([tmp_path], 128)
