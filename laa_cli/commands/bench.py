"""The commands of `laa bench`: faces, doubt, identity, background, speed and compare."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..bench.requests import (
    CURVE_FACES,
    BackgroundRequest,
    BatchSpeedRequest,
    DoubtRequest,
    FacesRequest,
    IdentityRequest,
    OutputFormat,
    SpeedRequest,
)
from ..errors import UsageError
from .group import CommandGroup, examples
from .parameters import Debug, DeviceName, Overwrite, PathArgument, PathOption, Weights

bench = typer.Typer(
    cls=CommandGroup,
    epilog=examples(
        "laa bench faces FACES # quality, in figures",
        "laa bench background PHOTOS # the same of the whole photo",
        "laa bench speed photo.jpg # time and memory, stage by stage",
    ),
    add_completion=False,
    rich_markup_mode=None,
)

Json = Annotated[bool, typer.Option("--json", help="One JSON record on stdout, everything else on stderr.")]
Csv = Annotated[bool, typer.Option("--csv", help="The same as CSV, a line for each figure.")]
Markdown = Annotated[bool, typer.Option("--markdown", help="The tables as Markdown on stdout.")]
Fetch = Annotated[bool, typer.Option("--fetch", help="Download weights that metrics need where they are missing.")]
Peers = Annotated[list[Path] | None, PathOption(help="A network that spandrel can load; again for more.", show_default=False)]
Report = Annotated[Path | None, PathOption(help="One HTML page with everything.", show_default=False)]


def choose_format(*, json: bool, csv: bool, markdown: bool) -> OutputFormat:
    """Returns the format of stdout; an error where two are asked for."""
    formats: tuple[tuple[OutputFormat, bool], ...] = (("json", json), ("csv", csv), ("markdown", markdown))
    chosen = [name for name, given in formats if given]
    if len(chosen) > 1:
        raise UsageError(f"stdout takes one form: --{chosen[0]} or --{chosen[1]}")
    return chosen[0] if chosen else "table"


@bench.command(
    epilog=examples(
        "laa bench faces FACES --report faces.html # a page to look at",
        "laa bench faces FACES --faults --curve curve.png",
        "laa bench faces FACES --weights RUN/weights.safetensors --json",
    )
)
def faces(
    data: Annotated[Path, PathArgument(help="Folder or tar file of faces: crops of 128x128 px or more.", show_default=False)],
    weights: Annotated[
        list[Path] | None, PathOption(help="Weights beside the shipped ones; again for more.", show_default=False)
    ] = None,
    peer: Peers = None,
    prepare: Annotated[bool, typer.Option("--prepare", help="DATA are photos: find and cut the faces first.")] = False,
    sizes: Annotated[bool, typer.Option("--sizes", help="Also measure over the size of the face in the photo.")] = False,
    faults: Annotated[bool, typer.Option("--faults", help="The same with JPEG, noise and blur.")] = False,
    limit: Annotated[
        int | None, typer.Option(min=1, help="Only the first faces.", show_default=f"all; curves: {CURVE_FACES}")
    ] = None,
    sheet: Annotated[Path | None, PathOption(help="A PNG of faces by every method.", show_default=False)] = None,
    curve: Annotated[Path | None, PathOption(help="A PNG of the curve of --sizes or --faults.", show_default=False)] = None,
    report: Report = None,
    fetch: Fetch = False,
    device: DeviceName = FacesRequest.device,
    json: Json = False,
    csv: Csv = False,
    markdown: Markdown = False,
    overwrite: Overwrite = False,
    debug: Debug = False,
) -> None:
    """Quality on faces of known truth: bicubic, our weights, and the peers."""
    output_format = choose_format(json=json, csv=csv, markdown=markdown)
    from ..bench.faces import run
    from ..console import Screen

    request = FacesRequest(
        data=data,
        weights=tuple(weights or ()),
        peers=tuple(peer or ()),
        device=device,
        prepare=prepare,
        sizes=sizes,
        faults=faults,
        limit=limit,
        fetch=fetch,
        sheet=sheet,
        curve=curve,
        report=report,
        overwrite=overwrite,
    )
    raise typer.Exit(run(request, Screen(data_on_stdout=output_format != "table"), output_format))


@bench.command(
    epilog=examples(
        "laa bench doubt FACES # does the truth lie within the error bars?",
        "laa bench doubt FACES --limit 40 --report doubt.html",
        "laa bench doubt FACES --weights RUN/weights.safetensors --json",
    )
)
def doubt(
    data: Annotated[Path, PathArgument(help="Folder or tar file of faces: crops of 128x128 px or more.", show_default=False)],
    weights: Weights = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Only the first faces.", show_default="all")] = None,
    report: Report = None,
    device: DeviceName = DoubtRequest.device,
    json: Json = False,
    csv: Csv = False,
    markdown: Markdown = False,
    overwrite: Overwrite = False,
    debug: Debug = False,
) -> None:
    """How sure laa is of a face: its error bars beside the true errors."""
    output_format = choose_format(json=json, csv=csv, markdown=markdown)
    from ..bench.coverage import run
    from ..console import Screen

    request = DoubtRequest(data=data, weights=weights, device=device, limit=limit, report=report, overwrite=overwrite)
    raise typer.Exit(run(request, Screen(data_on_stdout=output_format != "table"), output_format))


@bench.command(
    epilog=examples(
        "laa bench identity FACES --persons FACES/manifest.csv",
        "laa bench identity a.tar b.tar --persons WHO.csv --pairs 1000",
        "laa bench identity FOLDER --persons WHO.csv --peer FILE.pth --json",
    )
)
def identity(
    data: Annotated[
        list[Path], PathArgument(help="Folders or tar files of faces: crops of 128x128 px or more.", show_default=False)
    ],
    persons: Annotated[Path, PathOption(help="A CSV file: file, person and, of several tars, shard.", show_default=False)],
    pairs: Annotated[
        int, typer.Option(min=1, help="Pairs of the same person at most, and as many of two persons.")
    ] = IdentityRequest.pairs,
    weights: Annotated[
        list[Path] | None, PathOption(help="Weights in place of the shipped ones; again for more.", show_default=False)
    ] = None,
    peer: Peers = None,
    report: Report = None,
    fetch: Fetch = False,
    device: DeviceName = IdentityRequest.device,
    json: Json = False,
    csv: Csv = False,
    markdown: Markdown = False,
    overwrite: Overwrite = False,
    debug: Debug = False,
) -> None:
    """Is a restored face still the same person? Bicubic, laa, and the peers."""
    output_format = choose_format(json=json, csv=csv, markdown=markdown)
    from ..bench.identity import run
    from ..console import Screen

    request = IdentityRequest(
        data=tuple(data),
        persons=persons,
        weights=tuple(weights or ()),
        peers=tuple(peer or ()),
        device=device,
        pairs=pairs,
        fetch=fetch,
        report=report,
        overwrite=overwrite,
    )
    raise typer.Exit(run(request, Screen(data_on_stdout=output_format != "table"), output_format))


@bench.command(
    epilog=examples(
        "laa bench background PHOTOS --report background.html # a page to look at",
        "laa bench background PHOTOS --faults # JPEG, noise, blur",
        "laa bench background PHOTOS --scale 2 --background FILE.pth --json",
    )
)
def background(
    data: Annotated[Path, PathArgument(help="Folder or tar file of sharp photos.", show_default=False)],
    scale: Annotated[int, typer.Option("--scale", "-s", help="2, 3, 4 or 8: photos are reduced, and enlarged again.")] = (
        BackgroundRequest.scale
    ),
    background: Annotated[
        list[Path] | None, PathOption(help="A network beside the shipped one; again for more.", show_default=False)
    ] = None,
    faults: Annotated[bool, typer.Option("--faults", help="The same with JPEG, noise, blur and enlargement.")] = False,
    limit: Annotated[int | None, typer.Option(min=1, help="Only the first photos.", show_default="all")] = None,
    report: Report = None,
    fetch: Fetch = False,
    device: DeviceName = BackgroundRequest.device,
    json: Json = False,
    csv: Csv = False,
    markdown: Markdown = False,
    overwrite: Overwrite = False,
    debug: Debug = False,
) -> None:
    """Quality and cost of what enlarges the photo outside the faces."""
    output_format = choose_format(json=json, csv=csv, markdown=markdown)
    request = BackgroundRequest(
        data=data,
        scale=scale,
        backgrounds=tuple(background or ()),
        device=device,
        faults=faults,
        limit=limit,
        fetch=fetch,
        report=report,
        overwrite=overwrite,
    )
    from ..bench.background_run import run
    from ..console import Screen

    raise typer.Exit(run(request, Screen(data_on_stdout=output_format != "table"), output_format))


@bench.command(
    epilog=examples(
        "laa bench speed photo.jpg --save before.json # for laa bench compare",
        "laa bench speed --device cpu --seconds 10 # the networks alone",
        "laa bench speed --batch PHOTOS # laa batch beside other ways",
    )
)
def speed(
    photo: Annotated[
        Path | None, PathArgument(help="A photo to upscale, stage by stage; without it, networks only.", show_default=False)
    ] = None,
    weights: Weights = None,
    device: Annotated[str, typer.Option(help="all, cpu, cuda or mps.")] = SpeedRequest.device,
    seconds: Annotated[
        float, typer.Option(help="Time for each measurement; three rounds are made at least.")
    ] = SpeedRequest.seconds,
    batch: Annotated[
        Path | None,
        PathOption(help="Instead: laa batch on photos of this folder, the Python API and single commands.", show_default=False),
    ] = None,
    photos: Annotated[int, typer.Option(min=1, help="Photos for --batch.")] = BatchSpeedRequest.photos,
    save: Annotated[Path | None, PathOption(help="Keep the run as JSON, for compare.", show_default=False)] = None,
    report: Report = None,
    json: Json = False,
    csv: Csv = False,
    markdown: Markdown = False,
    overwrite: Overwrite = False,
    debug: Debug = False,
) -> None:
    """Time and memory: the network beside the peers' networks, and the whole program."""
    output_format = choose_format(json=json, csv=csv, markdown=markdown)
    from ..bench.speed import run
    from ..console import Screen

    if batch is not None:
        measure_batch(BatchSpeedRequest(folder=batch, photos=photos, device=device), output_format)
        return
    request = SpeedRequest(
        photo=photo, weights=weights, device=device, seconds=seconds, save=save, report=report, overwrite=overwrite
    )
    run(request, Screen(data_on_stdout=output_format != "table"), output_format)


def measure_batch(request: BatchSpeedRequest, output_format: OutputFormat) -> None:
    """Measures photos per second and peak memory of `laa batch`, of a loop over the Python API, and of a command per photo."""
    if output_format not in ("table", "json"):
        raise UsageError("--batch has a table and --json")
    from ..bench.batch_speed import run
    from ..console import Screen

    as_json = output_format == "json"
    run(request, Screen(data_on_stdout=as_json), as_json=as_json)


@bench.command(
    epilog=examples(
        "laa bench compare before.json after.json",
        "laa bench compare before.json after.json --markdown",
        "laa bench compare before.json after.json --json",
    )
)
def compare(
    first: Annotated[Path, PathArgument(help="A run kept by laa bench speed --save.", show_default=False)],
    second: Annotated[Path, PathArgument(help="Another one.", show_default=False)],
    json: Json = False,
    csv: Csv = False,
    markdown: Markdown = False,
    debug: Debug = False,
) -> None:
    """Ratios between two kept runs."""
    output_format = choose_format(json=json, csv=csv, markdown=markdown)
    from ..bench import speed_result
    from ..console import Screen

    speed_result.compare(first, second, Screen(data_on_stdout=output_format != "table"), output_format)
