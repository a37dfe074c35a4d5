"""`laa train`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .options import Debug, DeviceName, usage


def train(
    data: Annotated[list[Path], typer.Argument(help="Folders or tar files of 144x144 faces.", show_default=False)],
    validation: Annotated[Path, typer.Option(help="Folder or tar file of 128x128 faces that training never sees.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for the weights, the log and the state.")],
    task: Annotated[
        str, typer.Option(help="protocol: clean 16x16 as in the paper; photo: any size, with photos' faults.")
    ] = "protocol",
    minutes: Annotated[float, typer.Option(help="Training time in minutes; the learning rate falls to zero at its end.")] = 60,
    width: Annotated[int, typer.Option(help="Base channels; the paper's network has 32.")] = 32,
    batch_size: Annotated[int, typer.Option(help="Faces per step.")] = 8,
    learning_rate: Annotated[float, typer.Option(help="Peak learning rate.")] = 1.2e-3,
    init_from: Annotated[Path | None, typer.Option(help="Weights to start from; --width is theirs then.")] = None,
    about: Annotated[str, typer.Option(help="What the weights' card should say of the data.")] = "",
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the state in the output folder.")] = False,
    device: DeviceName = "auto",
    seed: Annotated[int, typer.Option(help="Of the initial weights and the order of the faces.")] = 0,
    debug: Debug = False,
) -> None:
    """Trains a network on faces within a budget of minutes."""
    from models.config import LAAConfig

    from ..console import Screen
    from ..learn.run import start
    from ..learn.trainer import TrainConfig

    try:
        model = LAAConfig(base_channels=width)
    except ValueError as error:
        raise usage(f"--width: {error}") from error
    config = TrainConfig(minutes, task, batch_size, learning_rate, seed=seed)
    start(data, validation, output, model, config, device, about=about, resume=resume, init_from=init_from, screen=Screen())
