"""Corruptions of a batch against those of one crop after the other, and the draws of both."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from fakes import textured_faces

from laa_cli.train import corruptions
from laa_cli.train.batched_corruptions import CorruptionParameters, compress_jpeg, corrupt_batch, expose
from laa_cli.train.corruptions import KERNELS, apply_noise, gaussian_blur, resample, shifted_jpeg, unsharp_mask
from laa_cli.train.crop_draws import draw_noise, draw_parameters
from laa_cli.train.face_tasks import BlindTask
from laa_cli.train.resize_matrices import enlargement_matrices, reduction_matrices
from models.protocol import resize, to_8_bits

SIDES = torch.tensor([10, 16, 37, 64, 95, 96])


def drawn(count: int, seed: int) -> CorruptionParameters:
    return draw_parameters(count, 0.1, torch.Generator().manual_seed(seed))


def exposed_alone(face: torch.Tensor, chosen: CorruptionParameters, index: int) -> torch.Tensor:
    """A crop, (3, e, e), by the functions for one crop."""
    side, blur, sharpening = (values[index].item() for values in (chosen.sides, chosen.blur_px, chosen.sharpening))
    crop = resample(face, int(side), list(KERNELS.values())[chosen.kernels[index]])
    if blur:
        crop = gaussian_blur(crop, blur)
    noise = chosen.unit_noise[index, :, : int(side), : int(side)]
    crop = apply_noise(crop, noise, chosen.noise[index].item(), chosen.shot[index].item())
    return unsharp_mask(crop, sharpening, chosen.mask_px[index].item()) if sharpening else crop


def coded_alone(crop: torch.Tensor, chosen: CorruptionParameters, index: int) -> torch.Tensor:
    quality, top, left = (int(values[index]) for values in (chosen.quality, chosen.top, chosen.left))
    return shifted_jpeg(crop, quality, top, left) if quality else crop


def test_matrices_resample_as_the_protocol_does() -> None:
    faces = textured_faces(len(SIDES))
    reductions = reduction_matrices(SIDES, torch.zeros_like(SIDES), 96)
    enlargements = enlargement_matrices(SIDES, 96)
    for face, side, down, up in zip(faces, SIDES.tolist(), reductions, enlargements, strict=True):
        crop = resize(face[None], side)[0]
        assert (down @ face @ down.mT - torch.nn.functional.pad(crop, (0, 96 - side) * 2)).abs().max() < 1e-5
        assert (up[:, :side] @ crop @ up[:, :side].mT - resize(crop[None], 128)[0]).abs().max() < 1e-5
        assert not up[:, side:].any()


@pytest.mark.parametrize("seed", range(4))
def test_crops_of_a_batch_are_as_they_come_out_alone(seed: int) -> None:
    truth, chosen = textured_faces(32), drawn(32, seed)
    crops, corrupted = expose(truth, chosen), corrupt_batch(truth, chosen)
    different = []
    for index, (face, side) in enumerate(zip(truth, chosen.sides.tolist(), strict=True)):
        alone = exposed_alone(face, chosen, index)
        assert (crops[index, :, :side, :side] - alone).abs().max() < 1e-5
        coded = coded_alone(to_8_bits(alone), chosen, index)
        different.append(((corrupted[index, :, :side, :side] - coded).abs() > 1e-6).flatten())
        assert corrupted[index].count_nonzero() == corrupted[index, :, :side, :side].count_nonzero()
    assert torch.cat(different).float().mean() < 0.005  # rounding falls differently


def test_jpeg_of_a_batch_is_that_of_its_crops() -> None:
    chosen = drawn(48, 9)
    crops = to_8_bits(expose(textured_faces(48), replace(chosen, noise=torch.zeros(48))))
    quality = torch.arange(48) * 2 + 5
    coded = compress_jpeg(crops, chosen.sides, quality, chosen.top, chosen.left)
    different = []
    for index, side in enumerate(chosen.sides.tolist()):
        alone = coded_alone(crops[index, :, :side, :side], replace(chosen, quality=quality), index)
        different.append(((coded[index, :, :side, :side] - alone).abs() > 1e-6).flatten())
    assert torch.cat(different).float().mean() < 0.005


def drawn_alone(count: int, monkeypatch: pytest.MonkeyPatch) -> dict[str, list[float]]:
    """The parameters that the functions for one crop draw: of those that a crop does not have, nothing."""
    found: dict[str, list[float]] = {}

    def note(**values: float) -> None:
        for name, value in values.items():
            found.setdefault(name, []).append(value)

    def fake_resample(face: Any, side: int, kernel: Any) -> torch.Tensor:
        note(kernels=list(KERNELS.values()).index(kernel))
        return torch.zeros(3, side, side)

    def fake_blur(crop: torch.Tensor, sigma_px: float) -> torch.Tensor:
        note(blur_px=sigma_px)
        return crop

    def fake_noise(crops: torch.Tensor, noise: Any, sigma: float, shot: float) -> torch.Tensor:
        note(noise=sigma, shot=shot)
        return crops

    def fake_mask(crop: torch.Tensor, amount: float, sigma_px: float) -> torch.Tensor:
        note(sharpening=amount, mask_px=sigma_px)
        return crop

    def fake_jpeg(crop: torch.Tensor, quality: int, top: int, left: int) -> torch.Tensor:
        note(quality=quality, top=top, left=left)
        return crop

    fakes = {"resample": fake_resample, "gaussian_blur": fake_blur, "apply_noise": fake_noise}
    for name, fake in (fakes | {"unsharp_mask": fake_mask, "shifted_jpeg": fake_jpeg}).items():
        monkeypatch.setattr(corruptions, name, fake)
    samples = BlindTask(0.2).corrupt_batch(torch.zeros(1, 3, 128, 128).expand(count, -1, -1, -1), torch.Generator())
    found["sides"] = [crop.shape[-1] for crop in samples.crops]
    found["clean"] = [index for index, clean in enumerate(samples.back_projected) if clean]
    return found


def test_a_batch_is_drawn_as_its_crops_are_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    count = 1500
    alone = drawn_alone(count, monkeypatch)
    monkeypatch.setattr("laa_cli.train.crop_draws.draw_noise", lambda share, canvas, random: share)
    together = draw_parameters(count, 0.2, torch.Generator().manual_seed(1))
    has = {name: getattr(together, name) > 0 for name in ("blur_px", "noise", "sharpening", "quality")}
    has |= {"kernels": ~together.clean, "shot": has["noise"], "mask_px": has["sharpening"], "clean": together.clean}
    has |= {"top": has["quality"], "left": has["quality"], "sides": together.sides > 0}
    assert alone.keys() == has.keys()
    for name, mask in has.items():
        one, other = torch.tensor(alone[name]).double(), getattr(together, name)[mask].double()
        assert abs(len(one) - len(other)) < 0.06 * count, name
        if name != "clean":
            assert kolmogorov_smirnov(one, other) < 0.1, name


def kolmogorov_smirnov(one: torch.Tensor, other: torch.Tensor) -> float:
    """The largest difference between two samples' cumulative distributions."""
    values = torch.cat((one, other))
    below = [torch.searchsorted(part.sort().values, values, right=True) / len(part) for part in (one, other)]
    return (below[0] - below[1]).abs().max().item()


def test_noise_has_unit_variance_and_a_common_share() -> None:
    share = torch.tensor([0.0, 0.3, 1.0])
    noise = draw_noise(share, 96, torch.Generator().manual_seed(0))
    assert (noise.square().mean((1, 2, 3)) - 1).abs().max() < 0.05
    assert ((noise[:, 0] * noise[:, 2]).mean((1, 2)) - share).abs().max() < 0.05
