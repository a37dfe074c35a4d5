"""The photos of a run: their reductions, their shares of an epoch, and what is refused."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from photo_sets import photo_folder, photo_folders, photo_set, picture
from PIL import Image

from laa_cli.errors import LaaError, OutOfMemoryError
from laa_cli.train.photo_data import VALIDATION_PX, PhotoSet, decode_photo, read_photo_splits, read_photos
from models.protocol import reduce, resize, to_8_bits


def png(image: Image.Image) -> bytes:
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


@settings(max_examples=20, deadline=None)
@given(st.integers(12, 90), st.integers(12, 90), st.sampled_from([2, 3, 4]))
def test_the_reduction_is_pillows_of_the_whole_photo(width: int, height: int, scale: int) -> None:
    whole = picture(width, height, width)
    photo = decode_photo("it", png(whole), scale=scale)
    cropped = whole.crop((0, 0, width // scale * scale, height // scale * scale))
    assert np.array_equal(photo.hr.permute(1, 2, 0).numpy(), np.asarray(cropped))
    size = (width // scale, height // scale)
    assert np.array_equal(photo.lr.permute(1, 2, 0).numpy(), np.asarray(cropped.resize(size, Image.Resampling.BICUBIC)))
    protocol = to_8_bits(resize(photo.hr[None].float().div(255), size[::-1]))[0]
    assert (protocol.mul(255) - photo.lr).abs().max() <= 1.01
    assert photo.scale == scale


def test_a_photo_has_patches_by_its_area(tmp_path: Path) -> None:
    photos = photo_set(photo_folder(tmp_path / "photos", [(96, 96), (192, 288), (100, 100)]))
    assert photos.places == [0, *[1] * 6, 2]
    chosen = photos[[7, 0, 3]]
    assert len(chosen) == 3
    assert [photo.name for photo in chosen.photos] == [photos.photos[index].name for index in (2, 0, 1)]
    assert [chosen.photos[index] for index in chosen.places] == chosen.photos
    assert photos.nbytes == sum(photo.hr.numel() + photo.lr.numel() for photo in photos.photos)
    assert photos.to(torch.device("meta")).photos[0].lr.is_meta


def test_small_photos_are_left_out_and_said_to_be(tmp_path: Path) -> None:
    folder, said = photo_folder(tmp_path / "photos", [(200, 95), (96, 96), (1, 1), (300, 40)]), list[str]()
    (photo,) = read_photos([folder], 2, said.append)
    assert photo.name.endswith("001.png")
    assert said == [f"3 of 4 photos in {folder} are left out: they are smaller than 96x96 px"]
    with pytest.raises(LaaError, match=r"no photos in .*: expected a folder or tar file of photos of at least 144x144 px"):
        read_photos([folder], 3, said.append)


def test_a_damaged_photo_is_named(tmp_path: Path) -> None:
    folder = photo_folder(tmp_path / "photos", [(100, 100), (100, 100)])
    content = (folder / "001.png").read_bytes()
    (folder / "001.png").write_bytes(content[: len(content) // 2])
    with pytest.raises(LaaError, match=r"cannot read the photo .*001\.png: "):
        read_photos([folder], 2, print)
    (folder / "cut.tar").write_bytes(b"no tar file")
    with pytest.raises(LaaError, match=r"cannot read photos from .*cut\.tar: "):
        read_photos([folder / "cut.tar"], 2, print)


def test_tar_files_are_read_as_folders_are(tmp_path: Path) -> None:
    training, validation = photo_folders(tmp_path)
    with tarfile.open(tmp_path / "training.tar", "w") as tar:
        tar.add(training, ".")
    one, other = (read_photo_splits([data], [validation], 2, print).training for data in (training, tmp_path / "training.tar"))
    assert isinstance(one, PhotoSet)
    assert one.places == other.places
    assert all(torch.equal(left.hr, right.hr) for left, right in zip(one.photos, other.photos, strict=True))


def test_of_a_large_photo_the_middle_is_validated_on(tmp_path: Path) -> None:
    training, validation = photo_folders(tmp_path)
    whole = picture(VALIDATION_PX + 31, 101, 7)
    whole.save(validation / "wide.png")
    photo = read_photo_splits([training], [validation], 2, print).validation[-1]
    expected = whole.crop((15, 0, 15 + VALIDATION_PX, 100))
    assert np.array_equal(photo.hr.permute(1, 2, 0).numpy(), np.asarray(expected))


def test_validation_photos_among_the_training_photos_are_refused(tmp_path: Path) -> None:
    training, validation = photo_folders(tmp_path)
    Image.open(training / "002.png").resize((150, 110)).save(validation / "copy.jpg", quality=80)
    expected = r"1 of 3 validation photos are among the training photos: .*copy\.jpg is like .*002\.png"
    with pytest.raises(LaaError, match=expected):
        read_photo_splits([training], [validation], 2, print)


def test_photos_that_memory_does_not_hold_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    training, _ = photo_folders(tmp_path)
    monkeypatch.setattr("laa_cli.train.photo_data.available_bytes", lambda: 100_000)
    with pytest.raises(OutOfMemoryError, match="take more memory than is free: give fewer or smaller ones"):
        read_photos([training], 2, print)


def test_a_patch_and_its_truth_are_of_one_place(tmp_path: Path) -> None:
    (photo, *_) = photo_set(photo_folder(tmp_path / "photos", [(200, 160)]), 4).photos
    lr, truth = photo.cut(8, 16, 24)
    assert lr.shape == (3, 24, 24)
    assert torch.equal(lr, photo.lr[:, 8:32, 16:40])
    inner = reduce(truth[None].float().div(255), 24)[0, :, 2:-2, 2:-2]  # at its edge a patch lacks what is beside it
    assert (inner.mul(255) - lr[:, 2:-2, 2:-2]).abs().max() <= 1.01
