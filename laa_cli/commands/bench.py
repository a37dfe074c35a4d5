"""`laa bench` and what it measures."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .options import Debug, DeviceName, Json, Weights

bench = typer.Typer(help="Measures the weights on faces of known truth.", no_args_is_help=True)


@bench.command()
def faces(
    data: Annotated[Path, typer.Argument(help="Folder or tar file of 128x128 faces.", show_default=False)],
    weights: Weights = None,
    device: DeviceName = "auto",
    sizes: Annotated[bool, typer.Option("--sizes", help="Also measure over the size of the face in the photo.")] = False,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """PSNR and SSIM on faces of known truth, of the weights and of bicubic."""
    from ..console import Screen
    from ..learn.bench import run

    run(data, weights, device, Screen(data_on_stdout=json), as_json=json, sizes=sizes)
