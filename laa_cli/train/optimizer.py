"""The optimiser: the paper's AdamW (Sec. 4.2), or Muon for the weights that are matrices and AdamW for the rest.

Muon (Jordan et al., 2024) steps along the orthogonalised momentum of each weight matrix; torch.optim has it.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .schedule import TrainConfig

BETAS = (0.9, 0.99)  # of AdamW, Sec. 4.2
MOMENTUM = 0.95  # of Muon, its author's
LEARNING_RATE_BESIDE_MUON = 6e-4  # of AdamW, for what is not a matrix: docs/training-trials.md
STEP = "step"  # AdamW's count of its steps, the one kind of state that has no parameter's shape
SECOND_MOMENT = "exp_avg_sq"  # AdamW's, never below 0
NOT_MATRICES = ("head", "tail")  # parts that are convolutions from and to pixels, which Muon's author leaves to AdamW, too


class RunOptimizer:
    """Updates a network's parameters from their gradients; its state has their names.

    Muon works on views of the kernels as matrices (`as_matrix`) in the kernels' own channels-last memory, so the network must
    stay in that memory format (ValueError otherwise), and its tensors must be filled in place.
    """

    def __init__(self, network: nn.Module, config: TrainConfig) -> None:
        self.parameters = dict(network.named_parameters())
        names = matrix_names(network) if config.optimizer == "muon" else []
        self.matrices = {name: as_matrix(self.parameters[name].detach()) for name in names}
        for name, matrix in self.matrices.items():
            if matrix.data_ptr() != self.parameters[name].data_ptr():
                raise ValueError(f"{name} is not in channels-last memory: Muon would update a copy")
        rest = [parameter for name, parameter in self.parameters.items() if name not in self.matrices]
        rest_rate = LEARNING_RATE_BESIDE_MUON if names else config.learning_rate
        adamw = torch.optim.AdamW(rest, rest_rate, BETAS, weight_decay=config.weight_decay, fused=True)
        self.optimizers: list[torch.optim.Optimizer] = [adamw]
        if names:
            matrices = list(self.matrices.values())
            self.optimizers.append(
                torch.optim.Muon(matrices, config.learning_rate, config.weight_decay, MOMENTUM, adjust_lr_fn="match_rms_adamw")
            )
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["initial_lr"] = group["lr"]

    def step(self, factor: float) -> None:
        """Updates the parameters at `factor` times the highest learning rates, and clears the gradients."""
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = factor * group["initial_lr"]
        for name, matrix in self.matrices.items():
            gradient = self.parameters[name].grad
            matrix.grad = None if gradient is None else as_matrix(gradient)
        for optimizer in self.optimizers:
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        for parameter in self.parameters.values():
            parameter.grad = None

    def state(self) -> dict[str, Tensor]:
        """Collects the optimisers' tensors by `kind.parameter`; none before the first step."""
        tensors: dict[str, Tensor] = {}
        for optimizer, parameters in zip(self.optimizers, self.by_optimizer(), strict=True):
            for name, parameter in parameters.items():
                tensors |= {f"{kind}.{name}": value for kind, value in optimizer.state[parameter].items()}
        return tensors

    def expected_state(self) -> dict[str, Tensor]:
        """Returns a tensor on the meta device for each that `state` collects after a step."""
        return {
            f"{kind}.{name}": torch.empty(() if kind == STEP else parameter.shape, device="meta")
            for optimizer, parameters in zip(self.optimizers, self.by_optimizer(), strict=True)
            for name, parameter in parameters.items()
            for kind in state_kinds(optimizer)
        }

    def load_state(self, tensors: dict[str, Tensor]) -> None:
        """Loads the tensors that `state` collected: all of `expected_state`, or none, which was saved before the first step."""
        for optimizer, parameters in zip(self.optimizers, self.by_optimizer(), strict=True):
            kinds = state_kinds(optimizer)
            for name, parameter in parameters.items():
                if f"{kinds[0]}.{name}" not in tensors:
                    continue
                # The fused AdamW walks through memory: the moments must lie there in the weights' own order.
                state = {kind: torch.empty_like(parameter).copy_(tensors[f"{kind}.{name}"]) for kind in kinds if kind != STEP}
                if STEP in kinds:
                    state[STEP] = tensors[f"{STEP}.{name}"].to(parameter.device, copy=True)  # not the mapped file
                optimizer.state[parameter] = state

    def by_optimizer(self) -> list[dict[str, Tensor]]:
        """Lists the tensors that each optimiser updates, by the parameters' names."""
        rest: dict[str, Tensor] = {name: value for name, value in self.parameters.items() if name not in self.matrices}
        return [rest, self.matrices] if self.matrices else [rest]


def state_kinds(optimizer: torch.optim.Optimizer) -> tuple[str, ...]:
    """Lists what an optimiser keeps of a parameter."""
    return ("momentum_buffer",) if isinstance(optimizer, torch.optim.Muon) else ("exp_avg", SECOND_MOMENT, STEP)


def matrix_names(network: nn.Module) -> list[str]:
    """Lists the weights of linear layers and of convolutions over all channels, except those from and to pixels."""
    names = []
    for name, module in network.named_modules():
        dense = isinstance(module, nn.Conv2d | nn.ConvTranspose2d) and module.groups == 1
        if (dense and name.partition(".")[0] not in NOT_MATRICES) or isinstance(module, nn.Linear):
            names.append(f"{name}.weight")
    return names


def as_matrix(weight: Tensor) -> Tensor:
    """Reshapes a kernel (a, b, h, w) to a matrix (a, h * w * b), a view where it is channels-last; (a, b) stays as it is.

    `a`: output channels, in transposed convolutions input channels; Muon's step does not depend on which.
    """
    return weight if weight.ndim == 2 else weight.permute(0, 2, 3, 1).flatten(1)
