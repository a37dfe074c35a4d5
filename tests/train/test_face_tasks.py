"""Training tasks of faces: what their draws promise, and their losses."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from fakes import CPU, TINY, detailed_picture, pictures
from hypothesis import given, settings
from hypothesis import strategies as st

from laa_cli.restore.back_projection import back_project
from laa_cli.restore.fidelity import FEATURES
from laa_cli.train.face_data import FaceSamples
from laa_cli.train.face_tasks import CROP_PX, GREY_SHARE, MAX_SHIFT_PX, BlindTask, ProtocolTask, random_affine
from models.laa.network import LAATransformer
from models.protocol import reduce, to_8_bits


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6), room=st.sampled_from([0, 7, 16]))
def test_any_draw_gives_crops_on_8_bit_levels(seed: int, room: int) -> None:
    faces = torch.stack([detailed_picture(128 + room, seed % 7), detailed_picture(128 + room, 8)]).mul(255).byte()
    samples = BlindTask().make_samples(faces, torch.Generator().manual_seed(seed))
    again = BlindTask().make_samples(faces, torch.Generator().manual_seed(seed))
    assert samples.truth.shape == (2, 3, 128, 128)
    assert torch.equal(samples.truth, again.truth)
    for face, crop, same, chosen in zip(samples.truth, samples.crops, again.crops, samples.back_projected, strict=True):
        assert torch.equal(crop, same)
        side = crop.shape[-1]
        assert crop.shape == (3, side, side)
        assert CROP_PX[0] <= side <= CROP_PX[1]
        assert torch.equal(crop, to_8_bits(crop))
        if chosen:
            assert torch.equal(crop, reduce(face[None], side)[0])


def test_draws_keep_their_shares() -> None:
    faces = torch.stack([detailed_picture(144).mul(255).byte()] * 400)
    samples = BlindTask().make_samples(faces, torch.Generator().manual_seed(1))
    sides = torch.tensor([crop.shape[-1] for crop in samples.crops])
    assert 0.25 < (sides == 16).float().mean() < 0.42
    assert 0.37 < np.mean(samples.back_projected) < 0.53
    assert sides.min() < 12
    assert sides.max() > 80
    grey = (samples.truth[:, 0] == samples.truth[:, 2]).flatten(1).all(1).float().mean()
    assert GREY_SHARE / 3 < grey < GREY_SHARE * 2


def test_the_papers_task_shifts_and_mirrors_and_nothing_else() -> None:
    column = torch.arange(144, dtype=torch.uint8).expand(64, 3, 144, 144).contiguous()
    samples = ProtocolTask().make_samples(column, torch.Generator().manual_seed(0))
    assert torch.equal(torch.stack(samples.crops), reduce(samples.truth))
    truth = samples.truth.mul(255).round().int()
    starts = truth[:, 0, 0, 0]
    unflipped = starts[truth[:, 0, 0, 1] > starts]
    assert 10 < len(unflipped) < 54
    assert unflipped.min() == 8 - MAX_SHIFT_PX
    assert unflipped.max() == 8 + MAX_SHIFT_PX


def test_turned_views_look_at_the_middle() -> None:
    """A blob in the middle stays within the reach of shift and zoom, and the picture's scale stays the faces'."""
    faces = torch.zeros(32, 3, 144, 144)
    faces[:, :, 62:82, 62:82] = 1
    views = random_affine(faces, torch.Generator().manual_seed(0))
    place = torch.arange(128) + 0.5
    mass = views[:, 0].sum((1, 2))
    for axis in (1, 2):
        centre = (views[:, 0].sum(3 - axis) * place).sum(1) / mass
        assert (centre - 64).abs().max() < MAX_SHIFT_PX / 0.88 + 0.5
    assert 400 / 1.1**2 * 0.95 < mass.min() < 400 < mass.max() < 400 / 0.88**2 * 1.05


def test_the_loss_of_back_projected_faces_is_half_before_and_half_after() -> None:
    truth = pictures(2, 128).float().div(255)
    crops = list(reduce(truth, 40))
    answers = truth + 0.1  # wrong by a shift of brightness alone, which back-projection mends
    plain, half, whole = (
        BlindTask().loss(answers, FaceSamples(truth, crops, chosen)).item()
        for chosen in ([False] * 2, [True, False], [True] * 2)
    )
    assert plain == pytest.approx(0.1, abs=1e-5)
    first, second = (back_project(answers, reduce(truth, 40)) - truth).abs().mean((1, 2, 3)).tolist()
    assert max(first, second) < 0.05
    assert half == pytest.approx(0.075 + first / 4, abs=1e-5)
    assert whole == pytest.approx(0.05 + (first + second) / 4, abs=1e-5)


def test_only_the_task_for_photos_measures_more_and_calibrates() -> None:
    faces, network = pictures(2, 128), LAATransformer(TINY)
    assert ProtocolTask().validate(network, faces, CPU) == {}
    assert ProtocolTask().calibrate(network, faces, CPU) == ()
    assert BlindTask().validate(network, faces, CPU).keys() == BlindTask().gain_labels.keys()
    assert len(BlindTask().calibrate(network, faces, CPU)) == FEATURES
