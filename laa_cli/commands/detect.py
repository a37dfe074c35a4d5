"""`laa detect`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .options import Confidence, Debug, DeviceName, Json, MaxPixels, MinFace, Overwrite, Photos, Quiet, stdin


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
    from ..device import choose_device
    from ..find import run
    from ..upscale import load_detector

    screen = Screen(quiet=quiet, data_on_stdout=json)
    load = lambda: load_detector(choose_device(device), min_face, confidence)  # noqa: E731
    code = run(photos, output, load, screen, stdin, as_json=json, overwrite=overwrite, max_pixels=max_pixels)
    raise typer.Exit(code)
