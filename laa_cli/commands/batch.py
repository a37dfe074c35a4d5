"""`laa batch`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .parameters import (
    Confidence,
    Debug,
    DeviceName,
    Feather,
    Fidelity,
    Json,
    Margin,
    MaxFace,
    MaxPixels,
    MinFace,
    Overwrite,
    Quiet,
    Scale,
    ScaleFactor,
    StripMetadata,
    Weights,
)


def batch(
    source: Annotated[Path, typer.Argument(metavar="IN", help="Folder of photos.", show_default=False)],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Folder for the results.", show_default=False)],
    include: Annotated[
        list[str] | None, typer.Option(help="Only photos whose name, or path below IN, fits the pattern.", show_default=False)
    ] = None,
    exclude: Annotated[list[str] | None, typer.Option(help="No photos that fit the pattern.", show_default=False)] = None,
    scale: ScaleFactor = Scale.FOUR,
    device: DeviceName = "auto",
    weights: Weights = None,
    min_face: MinFace = 12,
    max_face: MaxFace = 96,
    confidence: Confidence = None,
    margin: Margin = 1.25,
    feather: Feather = 0.2,
    fidelity: Fidelity = None,
    memory: Annotated[
        str | None, typer.Option(help="What the photos under way may take, such as 4G.", show_default="half the machine's")
    ] = None,
    retry_failed: Annotated[bool, typer.Option("--retry-failed", help="Do only the photos that failed before.")] = False,
    watched: Annotated[bool, typer.Option("--watch", help="Go on as photos arrive in IN, until Ctrl-C.")] = False,
    report: Annotated[
        bool, typer.Option("--report", help="Write index.html: a gallery of the photos before and after.")
    ] = False,
    json: Json = False,
    overwrite: Overwrite = False,
    strip_metadata: StripMetadata = False,
    require_face: Annotated[bool, typer.Option("--require-face", help="A photo without faces fails.")] = False,
    max_pixels: MaxPixels = 700_000_000,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Enlarges all photos of a folder; run again, it goes on where it stopped."""
    from models.checkpoint import DEFAULT_WEIGHTS

    from ..batch.executor import parse_size
    from ..batch.manifest import Recipe, hash_weights
    from ..batch.run import Batch, BatchRequest, run
    from ..batch.scan import NameFilter
    from ..batch.watch import watch
    from ..console import Screen
    from ..upscale import Options, Upscaler

    options = Options(int(scale.value), max_face, margin, feather, max_pixels)
    loading = {"min_face": min_face, "confidence": confidence, "fidelity": fidelity}
    recipe = Recipe(options, hash_weights(weights or DEFAULT_WEIGHTS), loading, strip_metadata, require_face)
    selection = NameFilter(tuple(include or ()), tuple(exclude or ()))
    job = BatchRequest(
        source=source,
        out=out,
        recipe=recipe,
        memory_bytes=parse_size(memory),
        selection=selection,
        overwrite=overwrite,
        retry_failed=retry_failed,
        report=report,
        json=json,
    )
    load = lambda: Upscaler.load(device, weights, min_face, confidence, fidelity)  # noqa: E731
    screen = Screen(quiet=quiet, data_on_stdout=json)
    raise typer.Exit(run(job, load, screen, watch if watched else Batch.run_once))
