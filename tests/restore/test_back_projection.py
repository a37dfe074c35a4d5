"""Back-projection: the coarse part wholly, the fine part by fidelity."""

from __future__ import annotations

import torch
from fakes import portrait

from laa_cli.restore.back_projection import back_project, back_project_partially
from models.protocol import reduce, resize


def test_the_coarse_part_is_always_the_photos() -> None:
    truth = portrait()
    crop = reduce(truth, 40)
    tinted = truth * 0.8 + 0.1
    found = back_project_partially(tinted, crop, 0.0)
    before, after = (resize(resize(face, 40) - crop, 10).abs().mean() for face in (tinted, found))
    assert after < 0.1 * before
    assert (found - back_project(tinted, crop)).abs().mean() > 0.001  # and the fine part is not


def test_full_fidelity_is_back_projection() -> None:
    truth, crop = portrait(1), reduce(portrait(2), 24)
    torch.testing.assert_close(back_project_partially(truth, crop, 1.0), back_project(truth, crop))
