"""The command `laa train`: options in, one call."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from ..errors import UsageError
from ..train.schedule import TrainConfig
from .group import examples
from .parameters import Debug, DeviceName, PathArgument, PathOption, Quiet

EXAMPLES = {
    "train": examples(
        "laa train FACES -o RUN --minutes 60 # an hour of training",
        "laa train FACES -o RUN --minutes 60 --resume # go on with it after Ctrl-C",
        "laa train PHOTOS --validation OTHERS -o RUN --task background --scale 4",
    )
}


def train(
    data: Annotated[
        list[Path],
        PathArgument(
            help="Folders that `laa prepare` made, or folders or tar files of 144x144 faces; for the background of photos.",
            show_default=False,
        ),
    ],
    output: Annotated[Path, PathOption("--output", "-o", help="Folder for the weights, the log and the state.")],
    validation: Annotated[
        Path | None,
        PathOption(help="128x128 faces, or photos, that training never sees.", show_default="those of the prepared folders"),
    ] = None,
    task: Annotated[
        str | None,
        typer.Option(
            help="protocol: faces at a clean 16x16, as in the paper; photo: faces of any size, with photos' faults; "
            "background: whole photos.",
            show_default=TrainConfig.task,
        ),
    ] = None,
    minutes: Annotated[
        float | None, typer.Option(help="Budget of training time.", show_default="the paper's 100 epochs")
    ] = None,
    faces: Annotated[
        int | None, typer.Option(help="Budget of faces, or patches of photos, seen, instead.", show_default=False)
    ] = None,
    width: Annotated[
        int | None,
        typer.Option(
            help="Base channels, of networks for faces.", show_default="32, the paper's; with --init-from those of the weights"
        ),
    ] = None,
    scale: Annotated[
        int | None,
        typer.Option(
            help="How many times the background's network enlarges: 2, 3 or 4.",
            show_default="4; with --init-from that of the weights",
        ),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set", help="NAME=VALUE of the network, as attention=csa, or for the background size=S.", show_default=False
        ),
    ] = None,
    batch_size: Annotated[
        int | None,
        typer.Option(
            help="Faces or patches per step.", show_default="32, the paper's; with a budget 4, on a GPU 64; background 8"
        ),
    ] = None,
    learning_rate: Annotated[
        float | None,
        typer.Option(
            help="Highest learning rate; with muon that of the matrices.",
            show_default="muon 3.5e-3 at width 16, less for more, background 3.5e-3; "
            "adamw 4e-4, the paper's, with a budget 6e-4, on a GPU 1.2e-3, background 1e-3",
        ),
    ] = None,
    optimizer: Annotated[
        str | None,
        typer.Option(help="muon or adamw.", show_default="the paper's adamw; with a budget, or for the background, muon"),
    ] = None,
    schedule: Annotated[
        str | None,
        typer.Option(
            help="Of a budget: cosine falls to zero; hold keeps the learning rate up after its warm-up; decay is that of "
            "--branch-from, and falls evenly to zero.",
            show_default=TrainConfig.schedule,
        ),
    ] = None,
    init_from: Annotated[
        Path | None,
        PathOption(
            help="Weights to start from, whose network it will be; a larger --width widens it, another --scale keeps its trunk."
        ),
    ] = None,
    branch_from: Annotated[
        Path | None,
        PathOption(
            help="The --output of a run with --schedule hold: goes on from its state, with its settings, in another folder, "
            "while the learning rate falls to zero over the budget.",
        ),
    ] = None,
    about: Annotated[str, typer.Option(help="What the weights' card should say of the data.")] = "",
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the state in the output folder.")] = False,
    save_minutes: Annotated[
        float, typer.Option(help="Minutes between validations, when everything is saved.")
    ] = TrainConfig.save_minutes,
    device: DeviceName = "auto",
    seed: Annotated[
        int | None,
        typer.Option(help="Of the initial weights and the order of the data.", show_default=str(TrainConfig.seed)),
    ] = None,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Runs `laa train`."""
    from ..console import Screen
    from ..train.branch import branch_config
    from ..train.run import TrainRequest, network_config, start
    from ..train.tasks import find_task
    from ..utils.hardware import choose_device

    own = {
        "task": task, "width": width, "scale": scale, "set": settings or None, "batch_size": batch_size, "seed": seed,
        "learning_rate": learning_rate, "optimizer": optimizer, "init_from": init_from,
        "schedule": None if schedule == "decay" else schedule,
    }  # fmt: skip
    check_start(own, is_branch=branch_from is not None, is_decay=schedule == "decay")
    request = TrainRequest(
        data=data, validation=validation, folder=output, about=about, resume=resume, init_from=init_from,
        branch_from=branch_from, width=width, scale=scale, device=device,
    )  # fmt: skip
    if branch_from is not None:
        config = branch_config(branch_from, minutes=minutes, faces=faces, save_minutes=save_minutes)
        task = config.task
    chosen = find_task(task or TrainConfig.task)
    model = network_config(request, chosen.parse_network(width, scale, settings or []), chosen)
    if branch_from is None:
        has_budget = minutes is not None or faces is not None
        usual = chosen.defaults(model, on_cpu=choose_device(device).type == "cpu", has_budget=has_budget)
        config = TrainConfig.with_defaults(
            usual=usual, minutes=minutes, faces=faces, batch_size=batch_size, learning_rate=learning_rate,
            optimizer=optimizer, task=chosen.name, seed=TrainConfig.seed if seed is None else seed,
            save_minutes=save_minutes, schedule=schedule or TrainConfig.schedule,
        )  # fmt: skip
    start(request, model, config, Screen(quiet=quiet))


def check_start(own: Mapping[str, object], *, is_branch: bool, is_decay: bool) -> None:
    """Raises UsageError where settings do not go with what a run starts from. `own`: by parameter, None if not given."""
    given = [name for name, value in own.items() if value is not None]
    if is_branch and given:
        reason = "a branch goes on as its run did"
        raise UsageError(f"{given[0]} has no meaning with branch_from: {reason}", given[0], "branch_from")
    if is_decay and not is_branch:
        raise UsageError("schedule decay is for a branch: name its run with branch_from", "schedule", "branch_from")
    if "init_from" in given and "set" in given:
        raise UsageError("set has no meaning with init_from: the network is that of the weights", "set", "init_from")
