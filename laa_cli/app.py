"""The command line: options in, one call into the module that does the work, an exit code out."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, BinaryIO

import typer

from . import __version__

# Everything heavier than typer is imported inside the commands, so that `laa --help` answers at once.

app = typer.Typer(
    help="Brings small faces in photos back into focus with the LAA-Transformer.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # rich's help takes longer to import than all the rest
    context_settings={"help_option_names": ["-h", "--help"]},
)
bench = typer.Typer(help="Measures the weights on faces of known truth.", no_args_is_help=True)
app.add_typer(bench, name="bench")


class Scale(StrEnum):
    """Enlargement of the whole photo."""

    ONE, TWO, FOUR, EIGHT = "1", "2", "4", "8"


Photos = Annotated[list[Path], typer.Argument(help="Photos; - reads one from stdin.", show_default=False)]
DeviceName = Annotated[str, typer.Option("--device", help="auto, cpu, cuda or mps.")]
Weights = Annotated[Path | None, typer.Option(help="Weights to use instead of the shipped ones.", show_default=False)]
MinFace = Annotated[float, typer.Option(help="Smallest face looked for, in px across its crop (1.25 x the box).")]
Confidence = Annotated[
    float | None, typer.Option(help="Detector confidence a face needs, 0 to 1.", show_default="0.94, measured")
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print errors only.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON record per photo on stdout, everything else on stderr.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Allow replacing files that exist.")]
MaxPixels = Annotated[int, typer.Option(help="Largest picture to read or make, in pixels.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an unexpected failure.")]


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


@app.command()
def upscale(
    photos: Photos,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", help="A file for one photo, a folder for several, - for stdout.", show_default="beside it"
        ),
    ] = None,
    scale: Annotated[Scale, typer.Option("--scale", "-s", help="Size of the whole output.")] = Scale.FOUR,
    device: DeviceName = "auto",
    weights: Weights = None,
    min_face: MinFace = 12,
    max_face: Annotated[float, typer.Option(help="Faces whose crop is larger (px) are left as they are.")] = 56,
    confidence: Confidence = None,
    margin: Annotated[float, typer.Option(help="Crop side over the longer side of the face's box.")] = 1.25,
    feather: Annotated[float, typer.Option(help="Soft rim of a pasted face, as a share of the crop's side.")] = 0.2,
    faces_dir: Annotated[Path | None, typer.Option(help="Folder for each face before and after.", show_default=False)] = None,
    compare: Annotated[
        Path | None, typer.Option(help="A before/after picture (a folder for several).", show_default=False)
    ] = None,
    json: Json = False,
    overwrite: Overwrite = False,
    strip_metadata: Annotated[bool, typer.Option("--strip-metadata", help="Leave EXIF, XMP and DPI out (ICC stays).")] = False,
    require_face: Annotated[bool, typer.Option("--require-face", help="No face in a photo is an error (exit code 4).")] = False,
    max_pixels: MaxPixels = 700_000_000,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Enlarges photos and super-resolves the small faces in them."""
    from .console import Screen
    from .jobs import Job, run
    from .outputs import STREAM
    from .upscale import Options, Upscaler

    options = Options(int(scale.value), max_face, margin, feather, max_pixels)
    job = Job(options, output, faces_dir, compare, json, overwrite, strip_metadata, require_face)
    streamed = output == STREAM or (output is None and STREAM in photos)
    if streamed and (json or (sys.stdout is not None and sys.stdout.isatty())):
        raise usage("stdout carries the JSON records: give --output a file" if json else "stdout is a terminal: redirect it")
    screen = Screen(quiet=quiet, data_on_stdout=json or streamed)
    load = lambda: Upscaler.load(device, weights, min_face, confidence)  # noqa: E731
    raise typer.Exit(run(photos, job, load, screen, stdin))


@app.command()
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
    from .console import Screen
    from .device import choose_device
    from .find import run
    from .upscale import load_detector

    screen = Screen(quiet=quiet, data_on_stdout=json)
    load = lambda: load_detector(choose_device(device), min_face, confidence)  # noqa: E731
    code = run(photos, output, load, screen, stdin, as_json=json, overwrite=overwrite, max_pixels=max_pixels)
    raise typer.Exit(code)


@app.command()
def train(
    data: Annotated[list[Path], typer.Argument(help="Folders or tar files of 144x144 faces.", show_default=False)],
    validation: Annotated[Path, typer.Option(help="Folder or tar file of 128x128 faces that training never sees.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for the weights, the log and the state.")],
    minutes: Annotated[float, typer.Option(help="Training time in minutes; the learning rate falls to zero at its end.")] = 60,
    width: Annotated[int, typer.Option(help="Base channels; the paper's network has 32.")] = 32,
    batch_size: Annotated[int, typer.Option(help="Faces per step.")] = 8,
    learning_rate: Annotated[float, typer.Option(help="Peak learning rate.")] = 1.2e-3,
    about: Annotated[str, typer.Option(help="What the weights' card should say of the data.")] = "",
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the state in the output folder.")] = False,
    device: DeviceName = "auto",
    seed: Annotated[int, typer.Option(help="Of the initial weights and the order of the faces.")] = 0,
    debug: Debug = False,
) -> None:
    """Trains a network on faces within a budget of minutes."""
    from models.config import LAAConfig

    from .console import Screen
    from .learn.run import start
    from .learn.trainer import TrainConfig

    try:
        model = LAAConfig(base_channels=width)
    except ValueError as error:
        raise usage(f"--width: {error}") from error
    config = TrainConfig(minutes, batch_size, learning_rate, seed=seed)
    start(data, validation, output, model, config, device, about=about, resume=resume, screen=Screen())


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
    from .console import Screen
    from .learn.bench import run

    run(data, weights, device, Screen(data_on_stdout=json), as_json=json, sizes=sizes)


def stdin() -> BinaryIO:
    """Standard input, for the photo "-"."""
    if sys.stdin is None:
        raise usage("there is no standard input: name a photo")
    return sys.stdin.buffer


def usage(message: str) -> Exception:
    """An error in the command line itself."""
    from .errors import Exit, LaaError

    return LaaError(message, Exit.USAGE)
