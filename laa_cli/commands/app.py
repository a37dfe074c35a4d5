"""The command line as a whole; each command is a module of `commands`."""

from __future__ import annotations

import sys
from typing import Annotated, ClassVar

import typer

from .. import __version__
from ..errors import Exit, LaaError
from .group import CommandGroup, LazyCommand, usage_message

# Commands are imported when they are called, and import everything heavier than typer only when they run.
COMMANDS = {
    "upscale": LazyCommand("photos", "Enlarges photos and super-resolves the small faces in them."),
    "batch": LazyCommand("batch", "Enlarges all photos of a folder; run again, it goes on where it stopped."),
    "detect": LazyCommand("photos", "Lists the faces in photos."),
    "prepare": LazyCommand(
        "prepare", "Makes training and validation faces of photos; the same command goes on with a run that was stopped."
    ),
    "train": LazyCommand(
        "train", "Trains a network on faces, or on photos: by the paper's schedule, or by one that fits a budget."
    ),
    "bench": LazyCommand("bench", "Measures what laa is worth and what it costs, on your machine."),
}


class LaaGroup(CommandGroup):
    """All commands."""

    lazy: ClassVar[dict[str, LazyCommand]] = COMMANDS


app = typer.Typer(
    cls=LaaGroup,
    epilog="laa COMMAND --help shows a command's options and examples.",
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # rich's help takes longer to import than all the rest
    context_settings={"help_option_names": ["-h", "--help"]},
)


def version(asked: bool) -> None:
    """Prints the version and ends."""
    if asked:
        typer.echo(f"laa {__version__}")
        raise typer.Exit


@app.callback()
def root(
    show_version: Annotated[
        bool, typer.Option("--version", callback=version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Brings small faces in photos back into focus with the LAA-Transformer."""


def run() -> int:
    """Runs the command line and returns its exit code. Raises LaaError where the command line is wrong."""
    try:
        code = app(prog_name="laa", standalone_mode=False)
    except typer.TyperException as error:
        command = " ".join(["laa", *(name for name in sys.argv[1:2] if name in COMMANDS)])
        raise LaaError(usage_message(error, command), Exit(error.exit_code)) from error
    if code == Exit.INTERRUPTED:  # what typer makes of Ctrl-C
        raise KeyboardInterrupt
    return code if isinstance(code, int) else Exit.OK  # what a command returns that says nothing is None
