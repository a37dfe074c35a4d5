"""Muon and AdamW side by side: what each steps, and how, against plain formulas."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from laa_cli.train.optimizer import LEARNING_RATE_BESIDE_MUON, RunOptimizer, as_matrix, matrix_names
from laa_cli.train.schedule import TrainConfig
from models.hpinet.config import sized
from models.hpinet.network import HPINet
from models.laa.config import LAAConfig
from models.laa.network import LAATransformer

MUON = TrainConfig(faces=100, optimizer="muon", learning_rate=0.01)


def network(width: int = 4) -> nn.Module:
    torch.manual_seed(0)
    return LAATransformer(LAAConfig(base_channels=width, blocks=1)).to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def with_gradients(network: nn.Module, seed: int) -> dict[str, Tensor]:
    """Sets made-up gradients and returns them by name."""
    random = torch.Generator().manual_seed(seed)
    gradients = {}
    for name, parameter in network.named_parameters():
        gradients[name] = torch.randn(parameter.shape, generator=random)
        parameter.grad = torch.empty_like(parameter).copy_(gradients[name])
    return gradients


def test_muon_has_every_matrix_but_those_of_pixels_and_depthwise_kernels() -> None:
    ours = network()
    parameters, names = dict(ours.named_parameters()), matrix_names(ours)
    assert not {"head.weight", "tail.weight"} & set(names)
    assert "extract.0.0.mlp.0.weight" in names
    assert "down.0.weight" in names
    depthwise = [name for name in parameters if "depthwise.weight" in name]
    assert depthwise
    assert not set(depthwise) & set(names)
    for name in names:
        matrix = as_matrix(parameters[name].detach())
        assert matrix.ndim == 2
        assert matrix.data_ptr() == parameters[name].data_ptr(), f"{name} would be stepped as a copy"


@pytest.mark.parametrize("size", ["T", "S"])
def test_of_the_backgrounds_network_the_tail_is_pixels_too(size: str) -> None:
    ours = HPINet(sized(size)).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    parameters, names = dict(ours.named_parameters()), matrix_names(ours)
    others = {name.partition(".")[0] for name in set(parameters) - set(names) if parameters[name].ndim > 1}
    assert others == {"head", "tail"}
    assert {"stages.0.conv.weight", "stages.3.block.layers.1.attention.to_v.weight"} <= set(names)
    assert all(as_matrix(parameters[name].detach()).data_ptr() == parameters[name].data_ptr() for name in names)


def test_a_step_of_muon_goes_along_the_orthogonalised_gradient() -> None:
    """The first step's momentum is the gradient: its singular vectors stay, its singular values come near one."""
    ours = network(8)
    before = {name: value.detach().clone() for name, value in ours.named_parameters()}
    after = dict(ours.named_parameters())
    frames = {}
    gradients = with_gradients(ours, 1)
    for name in matrix_names(ours):
        matrix = as_matrix(gradients[name])
        u, values, vh = frames[name] = torch.linalg.svd(matrix, full_matrices=False)
        spread = u * torch.linspace(1, 0.1, len(values)) @ vh  # what is far smaller comes near one only in later steps
        gradient = after[name].grad
        assert gradient is not None
        as_matrix(gradient).copy_(spread)
    RunOptimizer(ours, MUON).step(1.0)
    for name in matrix_names(ours):
        old, new = (as_matrix(value.detach()) for value in (before[name], after[name]))
        rate = MUON.learning_rate * 0.2 * max(old.shape) ** 0.5  # the size of AdamW's steps
        step = (old * (1 - MUON.learning_rate * MUON.weight_decay) - new) / rate
        u, _, vh = frames[name]
        inner = u.T @ step @ vh.T
        assert 0.4 < inner.diagonal().min() <= inner.diagonal().max() < 1.6, name
        assert (inner - inner.diagonal().diag()).norm() < 0.1 * inner.norm(), name
        assert (step - u @ inner @ vh).norm() < 0.1 * step.norm(), name


def newton_schulz(matrix: Tensor) -> Tensor:
    """Five steps of the quintic iteration, in bfloat16 as torch has it."""
    x = matrix.bfloat16() / matrix.bfloat16().norm().clamp(min=1e-7)
    wide = x.T if x.shape[0] > x.shape[1] else x
    for _ in range(5):
        gram = wide @ wide.T
        wide = 3.4445 * wide + (-4.7750 * gram + 2.0315 * gram @ gram) @ wide
    return (wide.T if x.shape[0] > x.shape[1] else wide).float()


def test_two_steps_equal_the_plain_formulas() -> None:
    ours, rate_share = network(), 0.5
    expected = {name: value.detach().clone() for name, value in ours.named_parameters()}
    matrices, optimizer = set(matrix_names(ours)), RunOptimizer(ours, MUON)
    momentum = {name: torch.zeros_like(value) for name, value in expected.items()}
    square = {name: torch.zeros_like(value) for name, value in expected.items()}
    for step in (1, 2):
        gradients = with_gradients(ours, step)
        optimizer.step(rate_share)
        for name, gradient in gradients.items():
            rate = rate_share * (MUON.learning_rate if name in matrices else LEARNING_RATE_BESIDE_MUON)
            value = expected[name] * (1 - rate * MUON.weight_decay)
            if name in matrices:
                momentum[name] = 0.95 * momentum[name] + 0.05 * gradient
                matrix = as_matrix(0.05 * gradient + 0.95 * momentum[name])
                direction = newton_schulz(matrix).mul(0.2 * max(matrix.shape) ** 0.5)
                shape = value.permute(0, 2, 3, 1).shape if value.ndim == 4 else value.shape
                direction = direction.view(shape)
                expected[name] = value - rate * (direction.permute(0, 3, 1, 2) if value.ndim == 4 else direction)
            else:
                momentum[name] = 0.9 * momentum[name] + 0.1 * gradient
                square[name] = 0.99 * square[name] + 0.01 * gradient**2
                scale = (square[name] / (1 - 0.99**step)).sqrt() + 1e-8
                expected[name] = value - rate * momentum[name] / (1 - 0.9**step) / scale
    moved = dict(network().named_parameters())
    for name, value in ours.named_parameters():
        apart, way = (expected[name] - value).norm(), (moved[name] - value).norm()
        assert apart < (0.1 if name in matrices else 1e-3) * way, name  # ours rounds to bfloat16 at other places
        assert value.grad is None


def test_adamw_alone_has_every_parameter() -> None:
    ours = network()
    optimizer = RunOptimizer(ours, TrainConfig(faces=100, learning_rate=0.25))
    (adamw,) = optimizer.optimizers
    assert isinstance(adamw, torch.optim.AdamW)
    assert sum(len(group["params"]) for group in adamw.param_groups) == len(list(ours.parameters()))
    assert adamw.param_groups[0]["lr"] == 0.25


def test_kernels_outside_channels_last_memory_are_refused() -> None:
    ours = LAATransformer(LAAConfig(base_channels=4, blocks=1))
    with pytest.raises(ValueError, match=r"is not in channels-last memory"):
        RunOptimizer(ours, MUON)
