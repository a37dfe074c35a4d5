"""`laa batch`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..options import DEFAULTS, MODEL_DEFAULTS, FaceChoice, ModelOptions, Options
from .group import examples
from .parameters import (
    DEFAULT_SCALE,
    Background,
    Confidence,
    Debug,
    Feather,
    Fidelity,
    Json,
    Margin,
    MaxFace,
    MaxPixels,
    MinFace,
    NoMark,
    Overwrite,
    PathArgument,
    Persons,
    Precision,
    Quiet,
    RuntimeName,
    ScaleFactor,
    Sign,
    SignKey,
    StripMetadata,
    Weights,
)

EXAMPLES = {
    "batch": examples(
        "laa batch PHOTOS RESULTS # all photos of a folder",
        "laa batch PHOTOS RESULTS --report # with a page, index.html",
        "laa batch PHOTOS RESULTS --include '*.jpg' # only these; *.JPG, too",
    )
}


def batch(
    source: Annotated[Path, PathArgument(metavar="IN", help="Folder of photos.", show_default=False)],
    out: Annotated[Path, PathArgument(metavar="OUT", help="Folder for the results.", show_default=False)],
    include: Annotated[
        list[str] | None,
        typer.Option(help="Only photos whose name, or path below IN, fits; '*.jpg' fits .JPG, too.", show_default=False),
    ] = None,
    exclude: Annotated[list[str] | None, typer.Option(help="No photos that fit the pattern.", show_default=False)] = None,
    scale: ScaleFactor = DEFAULT_SCALE,
    background: Background = MODEL_DEFAULTS.background,
    device: RuntimeName = MODEL_DEFAULTS.device,
    precision: Precision = MODEL_DEFAULTS.precision,
    weights: Weights = MODEL_DEFAULTS.weights,
    min_face: MinFace = MODEL_DEFAULTS.min_face_px,
    max_face: MaxFace = DEFAULTS.max_face_px,
    confidence: Confidence = MODEL_DEFAULTS.confidence,
    margin: Margin = DEFAULTS.margin,
    feather: Feather = DEFAULTS.feather,
    fidelity: Fidelity = MODEL_DEFAULTS.fidelity,
    persons: Persons = None,
    memory: Annotated[
        str | None, typer.Option(help="What the photos under way may take, such as 4G.", show_default="half the machine's")
    ] = None,
    retry_failed: Annotated[bool, typer.Option("--retry-failed", help="Do only the photos that failed before.")] = False,
    watched: Annotated[bool, typer.Option("--watch", help="Go on as photos arrive in IN, until Ctrl-C.")] = False,
    report: Annotated[
        bool, typer.Option("--report", help="Write index.html: a gallery of the photos before and after.")
    ] = False,
    proof: Annotated[
        bool, typer.Option("--proof", help="With --report: a page for each photo that shows what its faces rest on.")
    ] = False,
    json: Json = False,
    overwrite: Overwrite = False,
    strip_metadata: StripMetadata = False,
    no_mark: NoMark = False,
    sign: Sign = None,
    sign_key: SignKey = None,
    require_face: Annotated[bool, typer.Option("--require-face", help="A photo without faces fails.")] = False,
    max_pixels: MaxPixels = DEFAULTS.max_pixels,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Runs `laa batch`."""
    from ..batch.executor import parse_size
    from ..batch.manifest import Recipe
    from ..batch.openvino_choice import settle_device
    from ..batch.run import Batch, BatchRequest, run
    from ..batch.scan import NameFilter
    from ..batch.watch import watch
    from ..console import Screen
    from ..photo.signing import load_signer
    from ..upscale import Upscaler

    options = Options(scale=int(scale.value), max_face_px=max_face, margin=margin, feather=feather, max_pixels=max_pixels)
    models = ModelOptions(
        device=device,
        precision=precision,
        weights=weights,
        min_face_px=min_face,
        confidence=confidence,
        fidelity=fidelity,
        background=background,
    )
    choice = FaceChoice(persons=tuple(persons or ()))
    selection = NameFilter(tuple(include or ()), tuple(exclude or ()))
    signer = load_signer(sign, sign_key)
    settled = settle_device(models, source, out, selection)
    request = BatchRequest(
        source=source,
        out=out,
        recipe=Recipe.of(
            options,
            settled,
            strip_metadata=strip_metadata,
            require_face=require_face,
            persons=choice.persons,
            mark=not no_mark,
            signer=signer.identity.digest if signer else "",
        ),
        signer=signer,
        memory_bytes=parse_size(memory),
        selection=selection,
        overwrite=overwrite,
        retry_failed=retry_failed,
        report=report,
        prove=proof,
        json=json,
    )
    screen = Screen(quiet=quiet, data_on_stdout=json)
    if settled != models:
        why = "the folder is large, or was begun so"
        screen.notice(f"OpenVINO runs the face network in {request.recipe.precision}: {why}; --device cpu has torch do it")
    load = lambda: Upscaler.from_options(settled, screen.notice)  # noqa: E731
    raise typer.Exit(run(request, load, screen, watch if watched else Batch.run_once))
