"""The command line as a whole; each command is a module of `commands`."""

from __future__ import annotations

from typing import Annotated

import typer

from .. import __version__
from .batch import batch
from .bench import bench
from .photos import detect, upscale
from .prepare import prepare
from .train import train

# The commands import everything heavier than typer only when they run, so that `laa --help` answers at once.

app = typer.Typer(
    help="Brings small faces in photos back into focus with the LAA-Transformer.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # rich's help takes longer to import than all the rest
    context_settings={"help_option_names": ["-h", "--help"]},
)
for command in (upscale, batch, detect, prepare, train):
    app.command()(command)
app.add_typer(bench, name="bench")


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
