"""`laa upscale`."""

from __future__ import annotations

import sys
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
    Photos,
    Quiet,
    Scale,
    ScaleFactor,
    StripMetadata,
    Weights,
    stdin,
    usage,
)


def upscale(
    photos: Photos,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", help="A file for one photo, a folder for several, - for stdout.", show_default="beside it"
        ),
    ] = None,
    scale: ScaleFactor = Scale.FOUR,
    device: DeviceName = "auto",
    weights: Weights = None,
    min_face: MinFace = 12,
    max_face: MaxFace = 96,
    confidence: Confidence = None,
    margin: Margin = 1.25,
    feather: Feather = 0.2,
    fidelity: Fidelity = None,
    faces_dir: Annotated[Path | None, typer.Option(help="Folder for each face before and after.", show_default=False)] = None,
    compare: Annotated[
        Path | None, typer.Option(help="A before/after picture (a folder for several).", show_default=False)
    ] = None,
    json: Json = False,
    overwrite: Overwrite = False,
    strip_metadata: StripMetadata = False,
    require_face: Annotated[bool, typer.Option("--require-face", help="No face in a photo is an error (exit code 4).")] = False,
    max_pixels: MaxPixels = 700_000_000,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Enlarges photos and super-resolves the small faces in them."""
    from ..console import Screen
    from ..single.output_paths import STREAM
    from ..single.run import UpscaleRequest, run
    from ..upscale import Options, Upscaler

    options = Options(int(scale.value), max_face, margin, feather, max_pixels)
    job = UpscaleRequest(
        options=options,
        output=output,
        faces_dir=faces_dir,
        compare=compare,
        json=json,
        overwrite=overwrite,
        strip_metadata=strip_metadata,
        require_face=require_face,
    )
    streamed = output == STREAM or (output is None and STREAM in photos)
    if streamed and (json or (sys.stdout is not None and sys.stdout.isatty())):
        raise usage("stdout carries the JSON records: give --output a file" if json else "stdout is a terminal: redirect it")
    screen = Screen(quiet=quiet, data_on_stdout=json or streamed)
    load = lambda: Upscaler.load(device, weights, min_face, confidence, fidelity)  # noqa: E731
    raise typer.Exit(run(photos, job, load, screen, stdin))


# `laa detect`.


def detect(
    photos: Photos,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write the photo with boxes drawn (a folder for several).")
    ] = None,
    device: DeviceName = "auto",
    min_face: MinFace = 12,
    confidence: Confidence = None,
    json: Json = False,
    overwrite: Overwrite = False,
    max_pixels: MaxPixels = 700_000_000,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Lists the faces in photos."""
    from ..console import Screen
    from ..single.detect import run
    from ..upscale import load_detector
    from ..utils.hardware import choose_device

    screen = Screen(quiet=quiet, data_on_stdout=json)
    load = lambda: load_detector(choose_device(device), min_face, confidence)  # noqa: E731
    code = run(photos, output, load, screen, stdin, as_json=json, overwrite=overwrite, max_pixels=max_pixels)
    raise typer.Exit(code)
