"""Partners of patches: the most similar other one, or random ones in training, the same for each seed."""

from __future__ import annotations

import pytest
import torch

from models.hpinet.matching import PatchMatching, similarity


def test_the_partner_is_the_most_similar_other_patch() -> None:
    kinds = torch.tensor([0, 1, 2, 0, 1, 2])
    patches = torch.eye(3)[kinds][None, :, None, :].expand(1, 6, 4, 3) + 0.01 * torch.rand(1, 6, 4, 3)
    partners = PatchMatching(3).eval()(patches)
    assert torch.equal(partners, patches[:, [3, 4, 5, 0, 1, 2]])


def test_a_single_patch_is_its_own_partner() -> None:
    patches = torch.rand(2, 1, 9, 4)
    assert torch.equal(PatchMatching(4).eval()(patches), patches)


def test_every_picture_takes_its_partners_from_itself() -> None:
    matching, patches = PatchMatching(4).eval(), torch.rand(3, 7, 9, 4)
    alone = torch.cat([matching(picture[None]) for picture in patches])
    assert torch.equal(matching(patches), alone)


def test_random_partners_follow_from_each_pictures_seed() -> None:
    matching, patches = PatchMatching(4).train(), torch.rand(3, 7, 9, 4)
    seeds = torch.tensor([5, 6, 7])
    together = matching(patches, seeds)
    alone = [matching(picture[None], seed[None]) for picture, seed in zip(patches, seeds, strict=True)]
    torch.testing.assert_close(together, torch.cat(alone))
    assert not torch.equal(together, matching(patches, seeds + 1))


def test_random_partners_are_whole_patches_and_let_gradients_through() -> None:
    matching, patches = PatchMatching(4).train(), torch.rand(1, 7, 9, 4, requires_grad=True)
    partners = matching(patches, torch.tensor([1]))
    distances = (partners[0, :, None] - patches[0, None]).abs().amax((2, 3))
    assert bool((distances.min(1).values < 1e-6).all())
    partners.square().sum().backward()
    assert matching.norm.weight.grad is not None
    assert bool(matching.norm.weight.grad.abs().sum() > 0)


def test_similar_patches_are_drawn_more_often() -> None:
    kinds = torch.tensor([0, 1, 0, 1, 1])
    patches = torch.eye(2)[kinds][None, :, None, :].repeat(400, 1, 4, 1)
    matching = PatchMatching(2).train()
    drawn = matching(patches, torch.arange(400))[:, 0, 0].argmax(1)
    odds = torch.exp(similarity(matching.embed(patches[:1]))[0, 0])
    assert (drawn == 0).float().mean().item() == pytest.approx((odds[2] / odds.sum()).item(), abs=0.08)
