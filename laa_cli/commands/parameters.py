"""Typer parameters that several commands share."""

from __future__ import annotations

import sys
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Annotated, BinaryIO

import typer

from ..errors import UsageError
from ..options import CONFIDENCE, DEFAULTS
from ..utils.precision import PRECISIONS


class Scale(StrEnum):
    """options.SCALES, as Typer wants them (a test holds them together)."""

    ONE, TWO, FOUR, EIGHT = "1", "2", "4", "8"


# What cannot be read is said by whoever reads it, and others go on; typer would end everything there (exit code 2).
PathArgument = partial(typer.Argument, readable=False)
PathOption = partial(typer.Option, readable=False)

DEFAULT_SCALE = Scale(str(DEFAULTS.scale))

# as text, for a Path would not know "./-", a file, from "-"
Photos = Annotated[list[str], typer.Argument(help="Photos; - reads one from stdin.", show_default=False)]
DeviceName = Annotated[str, typer.Option("--device", help="auto, cpu, cuda or mps.")]
RuntimeName = Annotated[
    str, typer.Option("--device", help="auto, cpu, cuda, mps, openvino or openvino:GPU (pip install 'laa[openvino]').")
]
Precision = Annotated[
    str, typer.Option(metavar="|".join(PRECISIONS), help="Of the face network; auto: bfloat16 where the device is made for it.")
]
Weights = Annotated[Path | None, PathOption(help="Weights to use instead of the shipped ones.", show_default=False)]
Background = Annotated[
    str, typer.Option(metavar="auto|hpinet|plain|FILE", help="What enlarges the photo outside the faces; FILE: a model's.")
]
ScaleFactor = Annotated[Scale, typer.Option("--scale", "-s", help="Size of the whole output.")]
MaxFace = Annotated[float, typer.Option(help="Faces whose crop is larger (px) are left as they are.")]
Margin = Annotated[float, typer.Option(help="Crop side over the longer side of the face's box.")]
Fidelity = Annotated[
    float | None,
    typer.Option(help="How far a face is held to what the photo shows, 0 to 1.", show_default="by the photo's noise"),
]
Feather = Annotated[float, typer.Option(help="Soft rim of a pasted face, as a share of the crop's side.")]
Persons = Annotated[
    list[str] | None,
    typer.Option(
        "--person", metavar="NAME", help="Only faces with this name in the photo's face tags (repeatable).", show_default=False
    ),
]
StripMetadata = Annotated[bool, typer.Option("--strip-metadata", help="Leave all metadata out (colours stay).")]
Sign = Annotated[
    Path | None,
    PathOption(
        metavar="CERTIFICATE", help="Sign with content credentials: a chain, PEM (pip install 'laa[c2pa]').", show_default=False
    ),
]
SignKey = Annotated[Path | None, PathOption(metavar="KEY", help="The certificate's private key, PEM.", show_default=False)]
NoMark = Annotated[bool, typer.Option("--no-mark", help="Do not say in the photo's metadata that faces in it were restored.")]
MinFace = Annotated[float, typer.Option(help="Smallest face looked for, in px across its crop (1.25 x the box).")]
Confidence = Annotated[
    float | None, typer.Option(help="Detector confidence a face needs, 0 to 1.", show_default=f"{CONFIDENCE}, measured")
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print errors only.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON record per photo on stdout, everything else on stderr.")]
ListFaces = Annotated[
    bool, typer.Option("--list-faces", help="List the faces of several photos, too, rather than a line a photo.")
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Allow replacing files that exist.")]
MaxPixels = Annotated[
    int | None, typer.Option(help="Largest picture to read or make, in pixels.", show_default="as many as memory suffices for")
]
Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an unexpected failure.")]


def stdin() -> BinaryIO:
    """Standard input, for the photo "-"."""
    if sys.stdin is None:
        raise UsageError("there is no standard input: name a photo")
    return sys.stdin.buffer
