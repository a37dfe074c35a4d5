"""Which faces a step sees, and that prefetching changes nothing."""

from __future__ import annotations

from pathlib import Path

import torch
from fakes import ALONE, CPU, pictures

from laa_cli.train.face_tasks import BlindTask
from laa_cli.train.loader import EpochSampler, PrefetchLoader


def test_every_epoch_sees_every_face_once() -> None:
    batches = EpochSampler(pictures(12, 144), batch_size=4, seed=3)
    epochs = [[place for step in range(first, first + 3) for place in batches.indices(step)] for first in (0, 3)]
    assert sorted(epochs[0]) == sorted(epochs[1]) == list(range(12))
    assert epochs[0] != epochs[1]


def test_batches_follow_from_seed_and_step() -> None:
    batches = EpochSampler(pictures(12, 144), batch_size=4, seed=3)
    (faces, random), (again, same), (_, other) = batches(5), batches(5), batches(6)
    assert torch.equal(faces, again)
    assert torch.equal(torch.rand(3, generator=random), torch.rand(3, generator=same))
    assert not torch.equal(torch.rand(3, generator=random), torch.rand(3, generator=other))


def test_samples_made_ahead_are_the_same(tmp_path: Path) -> None:
    plain, ahead = (PrefetchLoader(EpochSampler(pictures(6, 144), 2, 0), BlindTask(), CPU, ALONE) for _ in range(2))
    ahead.pool = PrefetchLoader(EpochSampler(pictures(6, 144), 2, 0), BlindTask(), torch.device("meta"), ALONE).pool
    for step in (0, 1, 2, 7, 8):  # 7: after a jump
        one, other = plain(step), ahead(step)
        assert torch.equal(one.truth, other.truth)
        assert torch.equal(one.canvases, other.canvases)
