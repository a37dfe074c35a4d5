"""Training tasks of faces: what their draws promise, and their losses."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from fakes import CPU, TINY, detailed_picture, pictures
from hypothesis import given, settings
from hypothesis import strategies as st

from laa_cli.restore.back_projection import back_project
from laa_cli.restore.doubt_features import FEATURES as DOUBT_FEATURES
from laa_cli.restore.fidelity import FEATURES
from laa_cli.train.canvas_samples import CanvasSamples, back_project_canvases, enlarge
from laa_cli.train.crop_draws import CROP_PX
from laa_cli.train.face_tasks import BlindTask, ProtocolTask
from laa_cli.train.face_views import GREY_SHARE, MAX_SHIFT_PX, random_affine, random_crops
from models.laa.network import LAATransformer
from models.protocol import network_input, reduce, to_8_bits


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6), room=st.sampled_from([0, 7, 16]))
def test_any_draw_gives_crops_on_8_bit_levels(seed: int, room: int) -> None:
    faces = torch.stack([detailed_picture(128 + room, seed % 7), detailed_picture(128 + room, 8)]).mul(255).byte()
    samples = BlindTask().make_samples(faces, torch.Generator().manual_seed(seed))
    again = BlindTask().make_samples(faces, torch.Generator().manual_seed(seed))
    assert samples.truth.shape == (2, 3, 128, 128)
    assert torch.equal(samples.truth, again.truth)
    assert torch.equal(samples.canvases, again.canvases)
    assert torch.equal(samples.canvases, to_8_bits(samples.canvases))
    for face, canvas, side, chosen in zip(samples.truth, samples.canvases, samples.sides, samples.back_projected, strict=True):
        assert CROP_PX[0] <= side <= CROP_PX[1]
        assert not canvas[:, side:].any()
        assert not canvas[:, :, side:].any()
        if chosen:
            difference = (canvas[:, :side, :side] - reduce(face[None], int(side))[0]).abs()
            assert difference.max() < 1.01 / 255  # where rounding falls differently
            assert (difference > 0).float().mean() < 0.005


@pytest.mark.parametrize("make_samples", [BlindTask().make_samples, BlindTask().make_single_samples])
def test_draws_keep_their_shares(make_samples: Any) -> None:
    faces = torch.stack([detailed_picture(144).mul(255).byte()] * 400)
    samples = make_samples(faces, torch.Generator().manual_seed(1))
    sides = samples.sides if isinstance(samples, CanvasSamples) else torch.tensor([crop.shape[-1] for crop in samples.crops])
    assert 0.25 < (sides == 16).float().mean() < 0.42
    assert 0.37 < torch.as_tensor(samples.back_projected).float().mean() < 0.53
    assert sides.min() < 12
    assert sides.max() > 80
    grey = (samples.truth[:, 0] == samples.truth[:, 2]).flatten(1).all(1).float().mean()
    assert GREY_SHARE / 3 < grey < GREY_SHARE * 2


def test_random_crops_are_slices() -> None:
    faces = pictures(6, 140)
    found = random_crops(faces, torch.Generator().manual_seed(0))
    corners = 6 + torch.randint(-4, 5, (6, 2), generator=torch.Generator().manual_seed(0))
    for face, view, (top, left) in zip(faces, found, corners.tolist(), strict=True):
        assert torch.equal(view, face[:, top : top + 128, left : left + 128])


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


def plain_loss(output: torch.Tensor, samples: CanvasSamples) -> torch.Tensor:
    """The loss face by face: half of it after back-projection, where a face is to be back-projected."""
    losses = []
    for face, truth, canvas, side, chosen in zip(
        output, samples.truth, samples.canvases, samples.sides, samples.back_projected, strict=True
    ):
        before = (face - truth).abs().mean()
        after = (back_project(face[None], canvas[None, :, :side, :side])[0] - truth).abs().mean()
        losses.append((before + after) / 2 if chosen else before)
    return torch.stack(losses).mean()


def test_the_loss_of_a_batch_is_that_of_its_faces() -> None:
    samples = BlindTask(0.3).make_samples(pictures(12, 144), torch.Generator().manual_seed(4))
    assert 0 < samples.back_projected.sum() < 12
    noise = 0.05 * torch.randn(samples.truth.shape, generator=torch.Generator().manual_seed(0))
    outputs = [(samples.network_inputs()[0] + noise).requires_grad_() for _ in range(2)]
    one, other = BlindTask().loss(outputs[0], samples), plain_loss(outputs[1], samples)
    assert one.item() == pytest.approx(other.item(), abs=1e-5)
    gradients = [torch.autograd.grad(loss, output)[0] for loss, output in zip((one, other), outputs, strict=True)]
    difference = (gradients[0] - gradients[1]).norm() / gradients[1].norm()
    assert difference < 0.01  # the signs of differences near 0 are chance


def test_back_projection_and_enlargement_on_canvases_are_the_plain_ones() -> None:
    samples = BlindTask().make_samples(pictures(12, 144), torch.Generator().manual_seed(5))
    faces = pictures(12, 128).float().div(255)
    together = back_project_canvases(faces, samples.canvases, samples.sides)
    enlarged = enlarge(samples.canvases, samples.sides)
    for index, side in enumerate(samples.sides.tolist()):
        crop = samples.canvases[index, None, :, :side, :side]
        assert (together[index] - back_project(faces[index, None], crop)[0]).abs().max() < 1e-5
        assert (enlarged[index] - network_input(crop)[0]).abs().max() < 1e-5


def test_a_step_never_waits_for_its_device() -> None:
    """The meta device has no values: reading one, or a shape that depends on one, is an error there."""
    faces = torch.empty(5, 3, 144, 144, dtype=torch.uint8, device="meta")
    samples = BlindTask(0.3).make_samples(faces, torch.Generator().manual_seed(0))
    output = samples.network_inputs()[0].clone().requires_grad_()
    loss = BlindTask().loss(output, samples.shard(0, 1))
    loss.backward()
    assert (loss.device.type, output.grad.shape) == ("meta", (5, 3, 128, 128))  # type: ignore[union-attr]
    for wait in (
        loss.item,
        samples.sides.tolist,
        samples.back_projected.nonzero,
        lambda: samples.truth[samples.back_projected],
    ):
        with pytest.raises((RuntimeError, NotImplementedError)):
            wait()


def test_only_the_task_for_photos_measures_more_and_calibrates() -> None:
    faces, network = pictures(2, 128), LAATransformer(TINY)
    assert ProtocolTask().validate(network, faces, CPU) == {}
    assert ProtocolTask().calibrate(network, faces, CPU) == ()
    assert BlindTask().validate(network, faces, CPU).keys() == BlindTask().gain_labels.keys()
    assert len(BlindTask().calibrate(network, faces, CPU)) == FEATURES
    assert ProtocolTask().calibrate_doubt(network, (), faces, CPU) == ()
    assert len(BlindTask().calibrate_doubt(network, (), faces, CPU)) == DOUBT_FEATURES
