"""`laa prepare`: the options."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..options import ModelOptions
from ..prepare.settings import PrepareRequest
from .group import examples
from .parameters import Confidence, Debug, DeviceName, PathArgument, PathOption, Quiet

DEFAULT = PrepareRequest()
EXAMPLES = {
    "prepare": examples(
        "laa prepare PHOTOS FACES # all photos below a folder",
        "laa prepare img.zip more.tar.gz FACES # archives as they are",
        "laa prepare PHOTOS FACES --identities people.csv --min-crop 100",
    )
}


def prepare(
    photos: Annotated[
        list[Path], PathArgument(help="Photos, folders of them, tar (.gz, .bz2, .xz) and zip files.", show_default=False)
    ],
    out: Annotated[Path, PathArgument(help="Folder for the faces, which `laa train` takes.", show_default=False)],
    min_crop: Annotated[int, typer.Option(help="Least side of a face's crop in its photo, px.")] = DEFAULT.min_crop,
    min_sharpness: Annotated[
        float, typer.Option(help="Least variance of a face's Laplacian at 128x128.")
    ] = DEFAULT.min_sharpness,
    identities: Annotated[
        Path | None,
        PathOption(help="Lines of photo,person: no person is in both sets; other faces are left out.", show_default=False),
    ] = None,
    validation_share: Annotated[
        float, typer.Option(help="Share of photos, or people, for validation.")
    ] = DEFAULT.validation_share,
    format_: Annotated[str, typer.Option("--format", help="Of training faces: webp (quality 92) or png.")] = DEFAULT.format,
    shard_size: Annotated[int, typer.Option(help="Faces in a tar file.")] = DEFAULT.shard_size,
    confidence: Confidence = None,
    device: DeviceName = "auto",
    max_pixels: Annotated[int, typer.Option(help="Largest photo to read, in pixels.")] = DEFAULT.max_pixels,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Runs `laa prepare`."""
    from ..console import Screen
    from ..prepare.run import run
    from ..upscale import build_detector

    request = PrepareRequest(
        min_crop=min_crop,
        min_sharpness=min_sharpness,
        validation_share=validation_share,
        format=format_,
        shard_size=shard_size,
        max_pixels=max_pixels,
    )
    # faces down to half the least size are looked for, so that those refused are counted
    models = ModelOptions(device=device, min_face_px=max(ModelOptions.min_face_px, min_crop / 2), confidence=confidence)
    load = lambda: build_detector(models)  # noqa: E731
    raise typer.Exit(run(photos, out, request, identities, load, Screen(quiet=quiet)))
