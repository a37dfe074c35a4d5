"""`laa batch`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import UsageError
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

if TYPE_CHECKING:
    from ..batch.scan import NameFilter
    from ..cluster.ray_executor import RayOptions
    from ..cluster.worker_settings import WorkerSettings
    from ..console import Screen
    from ..errors import Exit

EXAMPLES = {
    "batch": examples(
        "laa batch PHOTOS RESULTS # all photos of a folder",
        "laa batch PHOTOS RESULTS --report # with a page, index.html",
        "laa batch PHOTOS RESULTS --include '*.jpg' # only these; *.JPG, too",
    )
}


def batch(
    source: Annotated[str, typer.Argument(metavar="IN", help="Folder of photos, or its URL: s3://...", show_default=False)],
    out: Annotated[str, typer.Argument(metavar="OUT", help="Folder for the results, or its URL.", show_default=False)],
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
    ray: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS", help="Ray cluster to use: auto, its address, or local.", show_default=False),
    ] = None,
    actors: Annotated[int | None, typer.Option(help="Workers on the cluster.", show_default="all there is room for")] = None,
    actor_cpus: Annotated[int | None, typer.Option(help="CPUs of each.", show_default="up to 4")] = None,
    actor_gpus: Annotated[float | None, typer.Option(help="GPUs of each, or a part of one.", show_default="1 if any")] = None,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Runs `laa batch`."""
    from ..batch.scan import NameFilter
    from ..cluster.worker_settings import WorkerSettings
    from ..console import Screen
    from ..utils.url_storage import is_url

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
    settings = WorkerSettings(
        source=source,
        out=out,
        options=options,
        models=models,
        strip_metadata=strip_metadata,
        require_face=require_face,
        persons=FaceChoice(persons=tuple(persons or ())).persons,
        mark=not no_mark,
        certificate=sign,
        key=sign_key,
        overwrite=overwrite,
        report=report,
        prove=proof,
        memory=memory,
    )
    selection = NameFilter(tuple(include or ()), tuple(exclude or ()))
    screen = Screen(quiet=quiet, data_on_stdout=json)
    cluster = ray_options(ray, actors, actor_cpus, actor_gpus)
    if cluster is None and not is_url(source) and not is_url(out):
        code = run_folder(settings, selection, screen, retry_failed=retry_failed, watched=watched, json=json)
    elif watched:
        raise UsageError("watch is for folders of this machine, without ray", "watch", "ray")
    else:
        code = run_storages(settings, selection, screen, cluster, retry_failed=retry_failed, json=json)
    raise typer.Exit(code)


def ray_options(ray: str | None, actors: int | None, actor_cpus: int | None, actor_gpus: float | None) -> RayOptions | None:
    """Gathers what concerns a cluster; None where there is to be none. Raises UsageError."""
    if ray is None:
        for name, value in (("actors", actors), ("actor_cpus", actor_cpus), ("actor_gpus", actor_gpus)):
            if value is not None:
                raise UsageError(f"{name} is for a cluster: add ray, such as --ray auto", name, "ray")
        return None
    from ..cluster.ray_executor import RayOptions

    return RayOptions(address=ray, actors=actors, cpus=actor_cpus, gpus=actor_gpus)


def run_folder(
    settings: WorkerSettings, selection: NameFilter, screen: Screen, *, retry_failed: bool, watched: bool, json: bool
) -> Exit:
    """Does a folder of this machine."""
    from ..batch.executor import parse_size
    from ..batch.openvino_choice import settle_device
    from ..batch.run import Batch, BatchRequest, run
    from ..batch.watch import watch
    from ..upscale import Upscaler

    source, out = Path(settings.source), Path(settings.out)
    signer = settings.signer()
    settled = settle_device(settings.models, source, out, selection)
    request = BatchRequest(
        source=source,
        out=out,
        recipe=replace(settings, models=settled).recipe(),
        signer=signer,
        memory_bytes=parse_size(settings.memory),
        selection=selection,
        overwrite=settings.overwrite,
        retry_failed=retry_failed,
        report=settings.report,
        prove=settings.prove,
        json=json,
    )
    if settled != settings.models:
        why = "the folder is large, or was begun so"
        screen.notice(f"OpenVINO runs the face network in {request.recipe.precision}: {why}; --device cpu has torch do it")
    load = lambda: Upscaler.from_options(settled, screen.notice)  # noqa: E731
    return run(request, load, screen, watch if watched else Batch.run_once)


def run_storages(
    settings: WorkerSettings,
    selection: NameFilter,
    screen: Screen,
    cluster: RayOptions | None,
    *,
    retry_failed: bool,
    json: bool,
) -> Exit:
    """Does a place of photos, be it elsewhere, here or on a cluster."""
    from ..cluster.run import ClusterRequest, run

    request = ClusterRequest(settings=settings, selection=selection, retry_failed=retry_failed, json=json, ray=cluster)
    return run(request, screen)
