"""The network against the paper's table, its fast paths against slow ones, and every ablation."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from models.laa.attention import RSA, SelfAttention
from models.laa.config import LAAConfig, Stage
from models.laa.integration import FIM, Positions, shifted_sums
from models.laa.maps import gather_pixels, patchify_conv, pixel_index, unpatchify_conv
from models.laa.network import LAATransformer, Norm
from models.laa.wavelet import haar, haar_inverse

TINY = LAAConfig(base_channels=2, image_size=64, blocks=1)  # 64 px: the first and last stage have key regions


def randomised(module: nn.Module) -> nn.Module:
    """All weights random, so that nothing is hidden by a zero."""
    torch.manual_seed(1)
    for parameter in module.parameters():
        nn.init.normal_(parameter, std=0.3)
    return module


def test_stages_are_the_papers() -> None:
    config = LAAConfig()
    assert config.extraction == (Stage(32, 128, 1, 4), Stage(64, 64, 2, 4), Stage(128, 32, 4, 1), Stage(256, 16, 8, 1))
    assert config.transformation == Stage(256, 16, 16, 1)
    assert config.recovery == (Stage(512, 16, 8, 1), Stage(256, 32, 4, 1), Stage(128, 64, 2, 4), Stage(64, 128, 1, 4))


def test_size() -> None:
    with torch.device("meta"):
        network = LAATransformer(LAAConfig())
    assert sum(parameter.numel() for parameter in network.parameters()) == pytest.approx(19.38e6, rel=1e-3)


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"attention": "csa"},
        {"integration": "first"},
        {"integration": "second"},
        {"integration": "dwconv"},
        {"integration": "position"},
        {"fusion": "concat"},
        {"fusion": "wfm_unsplit"},
    ],
)
def test_every_ablation_trains(change: dict[str, str]) -> None:
    network = LAATransformer(replace(TINY, **change))  # type: ignore[arg-type]
    nn.init.normal_(network.tail.weight)
    faces = torch.rand(2, 3, 64, 64)
    network(faces).square().sum().backward()
    without = [name for name, parameter in network.named_parameters() if parameter.grad is None]
    assert without == []


def test_training_starts_at_the_plain_enlargement() -> None:
    faces = torch.rand(1, 3, 64, 64)
    assert torch.equal(LAATransformer(TINY)(faces), faces)


def test_the_input_shape_is_checked() -> None:
    with pytest.raises(ValueError, match=r"\(n, 3, 64, 64\), not \(1, 3, 32, 32\)"):
        LAATransformer(TINY)(torch.rand(1, 3, 32, 32))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"attention": "full"}, "attention must be one of rsa, csa"),
        ({"base_channels": 3}, "must be even"),
        ({"image_size": 100}, "multiple of 32"),
        ({"blocks": 0}, "blocks must be a positive"),
        ({"leaky_slope": 1.0}, "leaky_slope"),
    ],
)
def test_impossible_configurations_are_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        LAAConfig(**change)  # type: ignore[arg-type]


def test_faces_of_a_batch_do_not_touch_each_other() -> None:
    network = randomised(LAATransformer(TINY)).eval()
    faces = torch.rand(3, 3, 64, 64)
    alone = torch.cat([network(face[None]) for face in faces])
    torch.testing.assert_close(network(faces), alone, rtol=1e-3, atol=1e-3 * alone.abs().max().item())


def slow_fim(fim: FIM, x: torch.Tensor) -> torch.Tensor:
    """Fig. 3 drawn out: x + CA(DW(x)) + DW(CA(x)) on a map (n, c, h, w)."""
    out = x
    if fim.first is not None:
        branch = fim.first(x)
        if fim.first_attention is not None:
            branch = branch * fim.first_attention(branch.mean((2, 3)))[..., None, None]
        out = out + branch
    if fim.second is not None and fim.second_attention is not None:
        out = out + fim.second(x * fim.second_attention(x.mean((2, 3)))[..., None, None])
    return out


@pytest.mark.parametrize("kind", ["both", "first", "second", "dwconv"])
def test_folded_fim_equals_its_two_branches(kind: str) -> None:
    fim = randomised(FIM(6, kind, reduction=2))
    x = torch.randn(3, 8, 12, 6)
    expected = slow_fim(fim, x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)  # type: ignore[arg-type]
    torch.testing.assert_close(fim(x), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("size", [(5, 7), (2, 2)])
def test_shifted_sums_are_those_of_shifted_maps(size: tuple[int, int]) -> None:
    x = torch.randn(2, *size, 3, dtype=torch.float64, requires_grad=True)
    padded = F.pad(x, (0, 0, 1, 1, 1, 1))
    views = [padded[:, r : r + size[0], c : c + size[1]].sum((1, 2)) for r in range(3) for c in range(3)]
    expected = torch.stack(views, 1).unflatten(1, (3, 3))
    found = shifted_sums(x).double()
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)
    seen = torch.randn_like(expected)
    for one, other in zip(torch.autograd.grad(found, x, seen), torch.autograd.grad(expected, x, seen), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("module", [FIM(6, "both", 2), Positions(6, 16)], ids=["fim", "positions"])
def test_regions_equal_the_whole_map(module: FIM | Positions) -> None:
    randomised(module)
    x = torch.randn(2, 16, 16, 6)
    index = torch.tensor([[0, 5, 15], [3, 7, 12]])  # corners and rims too, where the padding shows
    whole = gather_pixels(module(x), pixel_index(index, grid=4, stride=4, rim=0)).flatten(1, 3)
    torch.testing.assert_close(module.regions(x, index, grid=4, stride=4), whole, rtol=1e-4, atol=1e-4)


def test_pixel_index_walks_through_each_region() -> None:
    pixels = torch.arange(8 * 8).view(8, 8)
    index = pixel_index(torch.tensor([[1, 6]]), grid=4, stride=2, rim=0)
    assert torch.equal(index[0, 0], pixels[0:2, 2:4])
    assert torch.equal(index[0, 1], pixels[2:4, 4:6])


def test_both_attentions_agree() -> None:
    attention = randomised(SelfAttention(8, heads=2))
    x = torch.randn(2, 10, 8)
    output, received = attention.with_received(x)
    with torch.no_grad():
        fused = attention(x)  # where gradients are wanted the CPU takes the steps one by one
    torch.testing.assert_close(fused, output, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(attention(x), fused, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(received.sum(1), torch.full((2,), 20.0))  # every query of every head hands out 1


@pytest.mark.parametrize("stride", [1, 4])
def test_convolutions_of_separate_patches_are_products(stride: int) -> None:
    x = torch.randn(2, 8, 12, 6)
    down, up = randomised(nn.Conv2d(6, 5, stride, stride)), randomised(nn.ConvTranspose2d(6, 5, stride, stride))
    for fast, layer in ((patchify_conv, down), (unpatchify_conv, up)):
        expected = layer(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
        torch.testing.assert_close(fast(layer, x), expected, rtol=1e-4, atol=1e-4)


def test_the_layer_norm_of_a_bfloat16_map_is_that_of_autocast() -> None:
    norm = randomised(Norm(64))
    x = torch.randn(2, 4, 4, 64, dtype=torch.bfloat16, requires_grad=True)
    seen = torch.randn(2, 4, 4, 64)
    results = []
    for layer in (norm, lambda x: nn.LayerNorm.forward(norm, x)):  # type: ignore[arg-type]
        with torch.autocast("cpu", torch.bfloat16):
            output = layer(x)
        gradients = torch.autograd.grad((output.float() * seen).sum(), (x, norm.weight, norm.bias))
        results.append((output.bfloat16(), *gradients))
    assert results[0][0].dtype == torch.bfloat16
    for found, expected in zip(*results, strict=True):
        torch.testing.assert_close(found, expected, rtol=2e-2, atol=2e-2)


def test_rsa_refines_the_regions_that_receive_most_attention() -> None:
    """Eq. 9-12 drawn out with loops."""
    config = replace(TINY, base_channels=4)
    rsa = randomised(RSA(config, config.extraction[0]))
    x = torch.randn(2, 64, 64, 4)
    n_c, k = 16, 16
    maps = x.permute(0, 3, 1, 2)
    coarse = slow_fim(rsa.integration, rsa.down(maps))
    fine = slow_fim(rsa.integration, maps)
    output = maps.clone()
    for image in range(2):
        tokens = coarse[image : image + 1].flatten(2).transpose(1, 2)
        attended, received = rsa.coarse.with_received(tokens)
        places = received[0].argsort(descending=True)[:k].tolist()
        squares = [(slice(p // n_c * 4, p // n_c * 4 + 4), slice(p % n_c * 4, p % n_c * 4 + 4)) for p in places]
        pixels = torch.cat([fine[image][:, rows, columns].flatten(1) for rows, columns in squares], 1)
        details = rsa.fine(pixels.T[None])[0].T
        for number, (rows, columns) in enumerate(squares):
            output[image, :, rows, columns] += details[:, number * 16 : number * 16 + 16].view(4, 4, 4)
        output[image] += rsa.up(attended.transpose(1, 2).view(1, 4, n_c, n_c))[0]
    expected = rsa.depthwise(output).permute(0, 2, 3, 1)
    torch.testing.assert_close(rsa(x), expected, rtol=1e-3, atol=1e-3 * expected.abs().max().item())


def test_haar_is_the_papers_and_inverts() -> None:
    x = torch.randn(2, 3, 8, 6)
    kernels = torch.tensor([[[1, 1], [1, 1]], [[-1, 1], [-1, 1]], [[-1, -1], [1, 1]], [[1, -1], [-1, 1]]]) / 2  # Eq. 14
    bands = haar(x)
    for band, kernel in zip(bands, kernels, strict=True):
        torch.testing.assert_close(band, F.conv2d(x, kernel.expand(3, 1, 2, 2), stride=2, groups=3))
    torch.testing.assert_close(haar_inverse(*bands), x)


def test_gradients_of_both_transforms_are_those_of_their_kernels() -> None:
    assert torch.autograd.gradcheck(haar, torch.randn(1, 2, 4, 6, dtype=torch.float64, requires_grad=True))
    bands = [torch.randn(1, 2, 2, 3, dtype=torch.float64, requires_grad=True) for _ in range(4)]
    assert torch.autograd.gradcheck(haar_inverse, bands)
