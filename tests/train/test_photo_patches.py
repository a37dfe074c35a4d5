"""Samples of the background's task: where they come from, and their faults."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from fakes import detailed_picture
from hypothesis import given, settings
from hypothesis import strategies as st
from photo_sets import coordinates, photo_folder, photo_set

from laa_cli.train import corruptions, photo_patches
from laa_cli.train.corruptions import SMALL_FACES, Faults, add_faults
from laa_cli.train.photo_data import PhotoSet
from laa_cli.train.photo_patches import PHOTO_FAULTS, degrade, enlarge_before, make_photo_samples, random_patch
from models.protocol import to_8_bits


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([2, 3, 4]), st.integers(48, 60), st.integers(48, 60))
def test_a_patch_is_from_anywhere_and_its_truth_lies_over_it(seed: int, scale: int, height: int, width: int) -> None:
    photo = coordinates(height, width, scale)
    lr, truth = random_patch(photo, 48, torch.Generator().manual_seed(seed))
    assert torch.equal(truth[:, ::scale, ::scale], lr)
    assert torch.equal(truth[:, scale - 1 :: scale, scale - 1 :: scale], lr)
    rows, columns = lr[:2].mul(255).round().int()
    for values, room in ((rows, height), (columns, width)):
        assert values.max() - values.min() == 47
        assert 0 <= values.min() <= values.max() < room


def test_all_places_and_orientations_are_drawn() -> None:
    photo, random = coordinates(49, 50, 2), torch.Generator().manual_seed(0)
    seen = set()
    for _ in range(200):
        rows, columns = random_patch(photo, 48, random)[0][:2].mul(255).round().int()
        orientation = (
            rows[0, 0] < rows[1, 0],
            rows[0, 0] > rows[1, 0],
            rows[0, 0] < rows[0, 1],
            columns[0, 0] < columns[-1, -1],
        )
        seen.add((int(rows.min()), int(columns.min()), *map(bool, orientation)))
    assert len(seen) == 2 * 3 * 8


def test_half_of_the_samples_are_clean_and_some_were_enlarged_before(monkeypatch: pytest.MonkeyPatch) -> None:
    lr, random, enlarged = detailed_picture(48), torch.Generator().manual_seed(0), list[float]()

    def keeping(lr: torch.Tensor, times: float) -> torch.Tensor:
        enlarged.append(times)
        return enlarge_before(lr, times)

    monkeypatch.setattr(photo_patches, "enlarge_before", keeping)
    found = [degrade(lr, random) for _ in range(600)]
    assert 250 < sum(torch.equal(one, lr) for one in found) < 380  # of those with faults, a few have none
    assert 25 < len(enlarged) < 75
    assert 1.5 <= min(enlarged) < 1.7
    assert 2.8 < max(enlarged) <= 3
    assert all(torch.equal(one, to_8_bits(one)) for one in found)


@pytest.mark.parametrize("faults", [PHOTO_FAULTS, SMALL_FACES])
def test_faults_are_as_strong_as_said(faults: Faults, monkeypatch: pytest.MonkeyPatch) -> None:
    qualities, sigmas = list[int](), list[float]()
    random, grey = torch.Generator().manual_seed(0), torch.full((3, 48, 48), 0.5)

    def coded(rgb: torch.Tensor, quality: int) -> torch.Tensor:
        qualities.append(quality)
        return rgb

    monkeypatch.setattr(corruptions, "jpeg", coded)
    monkeypatch.setattr(corruptions, "blur", lambda crop, random: crop)
    monkeypatch.setattr(corruptions, "sharpen", lambda crop, random: crop)
    sigmas = [255 * add_faults(grey, faults, random).std().item() for _ in range(300)]
    low, high = faults.jpeg_quality
    assert low <= min(qualities) <= low + 2 < high - 2 <= max(qualities) <= high
    assert 0.8 * faults.max_noise < max(sigmas) < 1.2 * faults.max_noise
    assert 100 < sum(sigma < 0.1 for sigma in sigmas) < 200


def test_a_photo_that_was_enlarged_has_lost_its_detail() -> None:
    lr = detailed_picture(48)
    found = enlarge_before(lr, 2)
    assert (found[:, 1:] - found[:, :-1]).square().mean() < 0.4 * (lr[:, 1:] - lr[:, :-1]).square().mean()
    assert torch.equal(found, to_8_bits(found))


def test_samples_follow_from_their_generator(tmp_path: Path) -> None:
    items = photo_set(photo_folder(tmp_path / "photos", [(130, 100), (97, 140)]))
    one, again, other = (make_photo_samples(items, 32, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2))
    count = len(items)
    assert one.lr.shape == (count, 3, 32, 32)
    assert one.truth.shape == (count, 3, 64, 64)
    assert len(set(one.seeds.tolist())) == count
    for name in ("lr", "truth", "seeds"):
        assert torch.equal(getattr(one, name), getattr(again, name))
        assert not torch.equal(getattr(one, name), getattr(other, name))


def test_processes_share_a_batch_of_patches() -> None:
    items = PhotoSet([coordinates(50, 60, 2)], [0] * 6)
    samples = make_photo_samples(items, 48, torch.Generator().manual_seed(0))
    parts = [samples.shard(rank, 3) for rank in range(3)]
    for name in ("lr", "truth", "seeds"):
        assert torch.equal(torch.cat([getattr(part, name) for part in parts]), getattr(samples, name))
    assert samples.shard(0, 1).network_inputs()[1] is not None
