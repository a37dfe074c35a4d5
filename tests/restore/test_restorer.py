"""The restorer: crop sizes, fidelity, and what it reports of both."""

from __future__ import annotations

import pytest
import torch
from fakes import portrait

from laa_cli.errors import UsageError
from laa_cli.interfaces import FaceCrop
from laa_cli.restore.back_projection import rmse_at_crop_resolution
from laa_cli.restore.fidelity import FEATURES, estimate_fidelity
from laa_cli.restore.restorer import NetworkRestorer
from models.protocol import network_input, reduce, resize


@pytest.mark.parametrize("fidelity", [0.0, 0.5, 1.0, None])
def test_the_restorer_says_how_true_it_stayed(fidelity: float | None) -> None:
    crop = reduce(portrait(4), 30)
    coefficients = tuple(0.01 * number for number in range(FEATURES))
    restorer = NetworkRestorer(lambda inputs: inputs * 0.9, torch.device("cpu"), (10, 96), fidelity, coefficients)
    (restored,) = restorer([FaceCrop(crop[0])])
    found = estimate_fidelity(coefficients, resize(crop, 128).clamp(0, 1) * 0.9, crop)
    expected = (found if found < 0.5 else 1.0) if fidelity is None else fidelity
    assert restored.fidelity == pytest.approx(expected)
    assert restored.consistency == pytest.approx(rmse_at_crop_resolution(restored.face[None], crop))


@pytest.mark.parametrize(("bias", "fidelity"), [(-1.0, None), (1.0, None), (-1.0, 0.0)])
@pytest.mark.parametrize("side", [64, 65])
def test_large_noisy_crops_are_left_unless_a_fidelity_is_asked_for(bias: float, fidelity: float | None, side: int) -> None:
    crop = reduce(portrait(7), side)
    coefficients = (bias, *[0.0] * (FEATURES - 1))
    (restored,) = NetworkRestorer(lambda inputs: inputs * 0.5, torch.device("cpu"), (10, 96), fidelity, coefficients)(
        [FaceCrop(crop[0])]
    )
    left = side == 65 and bias < 0 and fidelity is None
    assert restored.worthwhile == (not left)
    assert torch.equal(restored.face, network_input(crop)[0]) == left


def test_a_crop_through_a_smaller_input_is_wholly_the_photos() -> None:
    """Weights for 16x16 drop what a larger crop shows, which is no noise."""
    crop = reduce(portrait(5), 40)
    (restored,) = NetworkRestorer(lambda inputs: inputs, torch.device("cpu"))([FaceCrop(crop[0])])
    assert restored.fidelity == 1
    assert restored.consistency < 1 / 255


def test_weights_get_crops_of_the_sizes_they_know() -> None:
    seen: list[torch.Tensor] = []

    def network(inputs: torch.Tensor) -> torch.Tensor:
        seen.append(inputs)
        return inputs

    crops = [reduce(portrait(6), side) for side in (8, 40, 120)]
    NetworkRestorer(network, torch.device("cpu"), (10, 96))([FaceCrop(crop[0]) for crop in crops])
    expected = [resize(reduce(crops[0], 10), 128), resize(crops[1], 128), resize(reduce(crops[2], 96), 128)]
    torch.testing.assert_close(torch.cat(seen), torch.cat(expected).clamp(0, 1))


@pytest.mark.parametrize("fidelity", [-0.1, 1.5, float("nan")])
def test_a_senseless_fidelity_is_refused(fidelity: float) -> None:
    with pytest.raises(UsageError, match="fidelity must be from 0 to 1"):
        NetworkRestorer(lambda inputs: inputs, torch.device("cpu"), fidelity=fidelity)
