"""Averages the weights of several runs that grew from one (a model soup), and fits anew what hangs on the network's answers.

    python -m laa_cli.train.average WEIGHTS... --data FACES... --validation HELD_OUT --output FILE

The first weights are the newest: the card of the result is theirs. A single file keeps its weights, and gets a new fit.
FACES and HELD_OUT are what `laa train` takes.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from models.checkpoint import ModelCard, save_bytes

from ..errors import LaaError
from ..utils.amx import avoid_undescribed_amx
from ..utils.atomic import write_atomically
from ..utils.hardware import choose_device
from ..utils.inputs import Inputs
from .initial import read_trained, training_history
from .tasks import TASKS

AVERAGED = "averaged_with"  # the entry of a card with the histories of the other weights


@dataclass(frozen=True)
class Soup:
    """Weights of runs that grew from one: the network with their mean, and the card of the first without what is fitted."""

    network: nn.Module
    card: ModelCard[Any]


def average(weights: Sequence[Path]) -> Soup:
    """Averages the weights of one or more files, evenly. LaaError where they are not of one network and one task."""
    (network, card), *others = (read_trained(path) for path in weights)
    if card.training.get("task") not in TASKS:
        raise LaaError(f"{weights[0]} does not say for which task it was trained: choose weights of laa train")
    for path, (_, other) in zip(weights[1:], others, strict=True):
        for name in ("architecture", "config", "crop_px"):
            if getattr(other, name) != getattr(card, name):
                message = f"{path} cannot be averaged with {weights[0]}: its {name} is {getattr(other, name)}"
                raise LaaError(f"{message}, not {getattr(card, name)}")
    network.load_state_dict(mean_state([network.state_dict(), *(other.state_dict() for other, _ in others)]))
    histories = [training_history(other) | {"name": other.name} for _, other in others]
    training = card.training | ({AVERAGED: histories} if histories else {})
    return Soup(network, replace(card, training=training, validation={}, fidelity_coefficients=(), doubt_coefficients=()))


def mean_state(states: Sequence[dict[str, Tensor]]) -> dict[str, Tensor]:
    """Computes the mean of each tensor over state dicts with the same names and shapes."""
    return {
        name: torch.stack([state[name].double() for state in states]).mean(0).to(states[0][name].dtype) for name in states[0]
    }


def calibrate_and_measure(soup: Soup, data: list[Path], validation: Path | None, device: torch.device) -> ModelCard[Any]:
    """Fits fidelity and error bars to training data, and measures on the held-out: the whole card, as `laa train` ends with."""
    task = TASKS[soup.card.training["task"]]
    splits = task.read(data, validation, soup.card.config, print)
    network = soup.network.to(device).eval()
    fidelity = task.calibrate(network, splits.training, device)
    doubt = task.calibrate_doubt(network, fidelity, splits.training, device)
    figures = task.measure(network, splits.validation, device, quick=False)
    return replace(soup.card, validation=figures, fidelity_coefficients=fidelity, doubt_coefficients=doubt)


def run(arguments: argparse.Namespace, say: Callable[[str], None] = print) -> None:
    """Writes the average with its card. LaaError."""
    soup = average(arguments.weights)
    sources = TASKS[soup.card.training["task"]].sources(arguments.data, arguments.validation)
    inputs = Inputs.of([*arguments.weights, *sources])
    if arguments.output.exists():  # said before the work, not after it
        inputs.check_file(arguments.output.stat(), arguments.output)
    card = calibrate_and_measure(soup, arguments.data, arguments.validation, choose_device())
    content = save_bytes(soup.network, replace(card, name=arguments.output.stem))
    write_atomically(arguments.output, content, inputs=inputs, overwrite=True)
    say(f"{arguments.output}: {card.validation['gain_db']:+.3f} dB over bicubic, the mean of {len(arguments.weights)}")


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Parses the command line."""
    parser = argparse.ArgumentParser(prog="python -m laa_cli.train.average", description=__doc__.splitlines()[0])
    parser.add_argument("weights", type=Path, nargs="+")
    parser.add_argument("--data", type=Path, nargs="+", required=True, metavar="FACES")
    parser.add_argument("--validation", type=Path, metavar="HELD_OUT")
    parser.add_argument("--output", type=Path, required=True, metavar="FILE")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    avoid_undescribed_amx()
    try:
        run(parse())
    except LaaError as error:
        raise SystemExit(f"error: {error}") from None
