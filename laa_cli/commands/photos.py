"""`laa upscale` and `laa detect`: photos named on the command line."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from ..errors import UsageError
from ..options import DEFAULTS, MODEL_DEFAULTS, FaceChoice, ModelOptions, Options, PlacedFace, parse_numbers
from .group import examples
from .parameters import (
    DEFAULT_SCALE,
    Background,
    Confidence,
    Debug,
    DeviceName,
    Feather,
    Fidelity,
    Json,
    ListFaces,
    Margin,
    MaxFace,
    MaxPixels,
    MinFace,
    NoMark,
    Overwrite,
    PathOption,
    Persons,
    Photos,
    Precision,
    Quiet,
    RuntimeName,
    ScaleFactor,
    Sign,
    SignKey,
    StripMetadata,
    Weights,
    stdin,
)

EXAMPLES = {
    "upscale": examples(
        "laa upscale photo.jpg # writes photo_x4.jpg beside it",
        "laa upscale *.jpg -o RESULTS -s 2 # several, twice as large, into a folder",
        "laa upscale group.jpg --faces 2,5 --proof proof.html",
    ),
    "detect": examples(
        "laa detect photo.jpg -o faces.png # the faces drawn, too",
        "laa detect *.jpg --json # a record for each photo",
        "laa detect *.jpg --write-tags -o TAGGED/ # tagged copies",
    ),
}


def upscale(
    photos: Photos,
    output: Annotated[
        str | None,
        typer.Option(
            "--output",
            "-o",
            metavar="PATH",
            help="A file for one photo, a folder (for several, or with a / at its end), - for stdout.",
            show_default="beside it",
        ),
    ] = None,
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
    faces: Annotated[
        str | None, typer.Option(metavar="1,3", help="Only these faces, as `laa detect` numbers them.", show_default=False)
    ] = None,
    excluded: Annotated[
        str | None, typer.Option("--except", metavar="2", help="All faces but these.", show_default=False)
    ] = None,
    placed: Annotated[
        list[str] | None,
        typer.Option(
            "--at",
            metavar="X,Y,W,H[,DEGREES]",
            help="A face's box in the upright photo, px, and its roll, clockwise (repeatable).",
            show_default=False,
        ),
    ] = None,
    persons: Persons = None,
    faces_dir: Annotated[Path | None, PathOption(help="Folder for each face before and after.", show_default=False)] = None,
    compare: Annotated[
        str | None, typer.Option(metavar="PATH", help="A before/after picture (a folder for several).", show_default=False)
    ] = None,
    layers: Annotated[
        str | None,
        typer.Option(
            metavar="PATH", help="Photo and faces as layers: an .ora file (a folder for several).", show_default=False
        ),
    ] = None,
    proof: Annotated[
        str | None,
        typer.Option(metavar="PATH", help="A page of what each face rests on and how sure it is, .html.", show_default=False),
    ] = None,
    list_faces: ListFaces = False,
    json: Json = False,
    overwrite: Overwrite = False,
    strip_metadata: StripMetadata = False,
    no_mark: NoMark = False,
    sign: Sign = None,
    sign_key: SignKey = None,
    require_face: Annotated[bool, typer.Option("--require-face", help="No face in a photo is an error (exit code 4).")] = False,
    max_pixels: MaxPixels = DEFAULTS.max_pixels,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Runs `laa upscale`."""
    from ..console import Screen
    from ..photo.signing import load_signer
    from ..single.output_paths import STREAM, parse_path
    from ..single.plan import UpscaleRequest
    from ..single.run import run
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
    choice = FaceChoice(
        numbers=parse_numbers(faces, "faces"),
        excluded=parse_numbers(excluded, "except"),
        persons=tuple(persons or ()),
        placed=tuple(map(PlacedFace.parse, placed or ())),
    )
    request = UpscaleRequest(
        options=options,
        choice=choice,
        output=output,
        faces_dir=faces_dir,
        compare=compare,
        layers=layers,
        proof=proof,
        json=json,
        overwrite=overwrite,
        strip_metadata=strip_metadata,
        require_face=require_face,
        mark=not no_mark,
        list_faces=list_faces,
        signer=load_signer(sign, sign_key),
        model_files=tuple(models.files),
    )
    inputs = [parse_path(photo) for photo in photos]
    streamed = output == "-" or (output is None and STREAM in inputs)
    if streamed and (json or (sys.stdout is not None and sys.stdout.isatty())):
        raise UsageError(
            "stdout carries the JSON records: give --output a file" if json else "stdout is a terminal: redirect it"
        )
    screen = Screen(quiet=quiet, data_on_stdout=json or streamed)
    raise typer.Exit(run(inputs, request, lambda: Upscaler.from_options(models, screen.notice), screen, stdin))


def detect(
    photos: Photos,
    output: Annotated[
        str | None,
        typer.Option("--output", "-o", metavar="PATH", help="Write the photo with boxes drawn (a folder for several)."),
    ] = None,
    device: DeviceName = MODEL_DEFAULTS.device,
    min_face: MinFace = MODEL_DEFAULTS.min_face_px,
    confidence: Confidence = MODEL_DEFAULTS.confidence,
    write_tags: Annotated[
        bool, typer.Option("--write-tags", help="Write a copy with tags for the faces instead (--output), for photo libraries.")
    ] = False,
    list_faces: ListFaces = False,
    json: Json = False,
    overwrite: Overwrite = False,
    max_pixels: MaxPixels = DEFAULTS.max_pixels,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Runs `laa detect`."""
    from ..console import Screen
    from ..single.detect import run
    from ..single.output_paths import parse_path
    from ..upscale import build_detector

    screen = Screen(quiet=quiet, data_on_stdout=json)
    models = ModelOptions(device=device, min_face_px=min_face, confidence=confidence)
    load = lambda: build_detector(models)  # noqa: E731
    inputs = [parse_path(photo) for photo in photos]
    code = run(
        inputs,
        output,
        load,
        screen,
        stdin,
        as_json=json,
        overwrite=overwrite,
        max_pixels=max_pixels,
        list_faces=list_faces,
        write_tags=write_tags,
    )
    raise typer.Exit(code)
