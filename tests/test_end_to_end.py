"""The shipped weights on a real face: better than bicubic, no seam, nothing touched that is not a face."""

from __future__ import annotations

import io
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from skimage.data import astronaut

from laa_cli.detect.face import Face
from laa_cli.interfaces import FaceCrop
from laa_cli.photo import read_photo
from laa_cli.restore.back_projection import back_project
from laa_cli.restore.restorer import NetworkRestorer, run_in_batches
from laa_cli.upscale import Options, Upscaled, Upscaler
from models.metrics import psnr_db
from models.protocol import HR_SIZE, network_input, reduce, resize

SAMPLE = Path(__file__).parent.parent / "docs" / "astronaut.jpg"


@cache
def upscaler() -> Upscaler:
    return Upscaler.load("cpu", background="plain")


@cache
def sample() -> tuple[NDArray[np.uint8], Upscaled]:
    photo = read_photo(SAMPLE, max_pixels=10**6)
    return photo.pixels, upscaler()(photo.pixels, Options(scale=4))


def plainly(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The enlargement without faces."""
    return Upscaler(lambda rgb: [], lambda crops: [])(pixels, Options(scale=4)).pixels


def real_face() -> torch.Tensor:
    """The astronaut's face by the protocol, (1, 3, 128, 128)."""
    photo = astronaut()
    (face,) = upscaler().detect(photo)
    x0, y0, x1, y1 = face.box_xyxy
    side = round(1.25 * max(x1 - x0, y1 - y0))
    x, y = round((x0 + x1 - side) / 2), round((y0 + y1 - side) / 2)
    crop = torch.from_numpy(photo[y : y + side, x : x + side].copy()).permute(2, 0, 1)[None] / 255
    return resize(crop, HR_SIZE).clamp(0, 1)


def step_across(pixels: NDArray[np.uint8], x: int, y: int, side: int) -> float:
    """Mean absolute colour step between the pixels just inside and just outside a square, in levels."""
    values = pixels.astype(float)
    inside, outside = slice(y, y + side), slice(x, x + side)
    steps = [
        values[y, outside] - values[y - 1, outside],
        values[y + side - 1, outside] - values[y + side, outside],
        values[inside, x] - values[inside, x - 1],
        values[inside, x + side - 1] - values[inside, x + side],
    ]
    return float(np.mean([np.abs(step).mean() for step in steps]))


def test_the_network_beats_bicubic_on_a_real_face() -> None:
    truth = real_face()
    restorer = upscaler().restore
    assert isinstance(restorer, NetworkRestorer)
    bicubic = network_input(reduce(truth))
    assert psnr_db(restorer.network_only(reduce(truth)), truth) > psnr_db(bicubic, truth) + 1.0


def error_left(pixels: NDArray[np.uint8], result: Upscaled) -> float:
    """Squared error where the portrait's face was put, over that of the plain enlargement."""
    (report,) = result.restored
    size = (4 * pixels.shape[1], 4 * pixels.shape[0])
    truth = np.asarray(Image.fromarray(astronaut()).resize(size, Image.Resampling.LANCZOS))
    x, y, side = (4 * value for value in (report.square.x, report.square.y, report.square.side))
    place = np.s_[y + side // 5 : y + side - side // 5, x + side // 5 : x + side - side // 5]  # where the mask is full
    errors = [np.square(picture[place].astype(float) - truth[place]).mean() for picture in (result.pixels, plainly(pixels))]
    return float(errors[0] / errors[1])


def coded_portrait(width: int, quality: int) -> NDArray[np.uint8]:
    file = io.BytesIO()
    Image.fromarray(astronaut()).resize((width, width), Image.Resampling.LANCZOS).save(file, "JPEG", quality=quality)
    return np.array(Image.open(file))


@pytest.mark.parametrize("width", [80, 96, 160, 240])
def test_a_clean_photo_gets_closer_to_the_truth(width: int) -> None:
    """Crops of 21, 25, 44 and 65 px."""
    pixels = np.array(Image.fromarray(astronaut()).resize((width, width), Image.Resampling.BICUBIC))
    assert error_left(pixels, upscaler()(pixels, Options(scale=4))) < 0.85


@pytest.mark.parametrize("quality", [60, 85])
@pytest.mark.parametrize("width", [80, 128, 200])
def test_a_coded_photo_gets_closer_to_the_truth(width: int, quality: int) -> None:
    """Whatever the file has lost: a reduction by Lanczos, and JPEG with 4:2:0 chroma."""
    pixels = coded_portrait(width, quality)
    assert error_left(pixels, upscaler()(pixels, Options(scale=4))) < 1


def test_a_larger_coded_face_is_left() -> None:
    (report,) = upscaler()(coded_portrait(260, 75), Options(scale=1)).faces
    assert not report.restored
    assert "noisy for its size" in report.reason


def test_the_sample_photo_gets_closer_to_the_truth() -> None:
    assert error_left(*sample()) < 0.9


def test_nothing_is_touched_but_the_face_and_no_seam_shows() -> None:
    pixels, result = sample()
    (report,) = result.restored
    plain = plainly(pixels)
    x, y, side = report.square.x * 4, report.square.y * 4, report.square.side * 4
    outside = np.ones(plain.shape[:2], bool)
    outside[max(y, 0) : y + side, max(x, 0) : x + side] = False
    assert np.array_equal(result.pixels[outside], plain[outside])
    assert not np.array_equal(result.pixels, plain)
    assert step_across(result.pixels, x, y, side) <= step_across(plain, x, y, side) + 1
    shift = result.pixels.astype(float).mean((0, 1)) - plain.mean((0, 1))
    assert np.abs(shift).max() < 0.5


def test_with_full_fidelity_the_result_reduced_is_the_photo_again() -> None:
    photo, _ = sample()
    result = Upscaler.load("cpu", fidelity=1, background="plain")(photo, Options(scale=4))
    assert len(result.restored) == 1
    assert all(report.consistency is not None and report.consistency < 1 / 255 for report in result.restored)


def test_runs_are_repeatable() -> None:
    pixels, result = sample()
    again = upscaler()(pixels, Options(scale=4))
    assert np.array_equal(again.pixels, result.pixels)


def test_a_grey_photo_stays_grey_and_its_face_is_restored() -> None:
    grey = np.asarray(Image.open(SAMPLE).convert("L"))[..., None]
    result = upscaler()(np.ascontiguousarray(grey), Options(scale=2))
    assert result.pixels.shape == (192, 192, 1)
    assert len(result.restored) == 1


def test_back_projection_keeps_a_faithful_face() -> None:
    """What already shows the photo is not changed, and what does not is brought to it."""
    torch.manual_seed(0)
    crops = reduce(resize(torch.rand(2, 3, 6, 6), 128), 24)
    faces = resize(crops, 128) + 0.1
    before = (resize(faces, 24) - crops).square().mean().sqrt()
    after = (resize(back_project(faces, crops), 24) - crops).square().mean().sqrt()
    assert after < 0.1 * before


@pytest.mark.parametrize("fits", [1, 3, 16])
def test_batches_shrink_until_they_fit(fits: int) -> None:
    sizes = []

    def run(batch: torch.Tensor) -> torch.Tensor:
        sizes.append(len(batch))
        if len(batch) > fits:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return batch * 2

    inputs = torch.arange(40.0).view(40, 1)
    assert torch.equal(run_in_batches(run, inputs, 16), inputs * 2)
    assert max(sizes[-3:]) <= fits


def test_faces_of_all_sizes_in_one_call() -> None:
    restorer = upscaler().restore
    crops = [torch.rand(3, side, side) for side in (1, 9, 16, 33, 128, 150)]
    restored = [answer.face for answer in restorer([FaceCrop(crop) for crop in crops])]
    assert [tuple(face.shape) for face in restored] == [(3, 128, 128)] * 6
    assert all(face.min() >= 0 and face.max() <= 1 for face in restored)


def test_a_face_hanging_over_the_edge() -> None:
    pixels, _ = sample()
    cropped = np.ascontiguousarray(pixels[:, 38:])  # cuts through the face
    detected = Face((-4.0, 12.0, 16.0, 36.0), 0.99, ((0.0, 20.0),) * 5)
    result = Upscaler(lambda rgb: [detected], upscaler().restore)(cropped, Options(scale=4))
    assert len(result.restored) == 1
    assert np.array_equal(result.pixels[:, 200:], plainly(cropped)[:, 200:])


def test_faces_on_their_own_and_together_agree() -> None:
    restorer = upscaler().restore
    crops = [reduce(real_face(), side)[0] for side in (20, 33, 90)]
    together = [answer.face for answer in restorer([FaceCrop(crop) for crop in crops])]
    for crop, face in zip(crops, together, strict=True):
        torch.testing.assert_close(restorer([FaceCrop(crop)])[0].face, face, rtol=0, atol=1e-3)
