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
    sizes: Annotated[bool, typer.Option("--sizes", help="Also measure over the size of the face in the photo.")] = False,
    faults: Annotated[bool, typer.Option("--faults", help="The same with JPEG, noise and blur.")] = False,
    limit: Annotated[int | None, typer.Option(min=1, help="Only the first faces.", show_default="all; for curves 96")] = None,
    fetch: Annotated[bool, typer.Option("--fetch", help="Download weights that metrics need where they are missing.")] = False,
    device: DeviceName = "auto",
    json: Json = False,
    debug: Debug = False,
) -> None:
    """PSNR and SSIM on faces of known truth, of the weights and of bicubic."""
    from ..bench.faces import Request, run
    from ..console import Screen

    request = Request(data, weights, device, sizes, faults, limit, fetch)
    run(request, Screen(data_on_stdout=json), as_json=json)
