"""`laa bench identity`: is a restored face still the same person? 1:1 verification on faces of known persons."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from models.protocol import HR_SIZE, network_input, reduce, to_8_bits

from ..console import Screen
from ..errors import Exit, LaaError
from ..faceset.format import source_files
from ..restore.restorer import read_weights
from ..utils.hardware import choose_device, machine_info
from ..utils.inputs import Inputs
from .evaluate import BATCH, BICUBIC, Restore, our_restorers, restore_batches
from .identity_faces import DistinctFaces, read_contents
from .identity_judges import Judge, load_judges
from .identity_pairs import Pairs, draw_pairs, shuffle_persons
from .identity_result import TRUTH, IdentityResult, IdentityRow
from .outputs import check_outputs, write_outputs
from .peers import load_peer
from .perceptual import Embedding
from .persons import list_sources, read_persons
from .report import tables_page
from .requests import IdentityRequest, OutputFormat
from .table import emit
from .verification import Scores

SIZES_PX = (12, 16, 24, 32, 48)  # sides of the probe's crop in the photo

Point = tuple[int, str]  # side of the crop and method


def run(request: IdentityRequest, screen: Screen, output_format: OutputFormat) -> Exit:
    """Measures, prints and writes. What cannot be written, loaded or paired is an error before anything is measured."""
    sources = list_sources(request.data)
    files = [file for source in sources for file in source_files(source)]
    inputs = Inputs.of([*files, request.persons, *request.weights, *request.peers])
    check_outputs(request.outputs, inputs, overwrite=request.overwrite)
    judges = at_hand(load_judges(fetch=request.fetch))
    for weights in request.weights:
        read_weights(weights, screen.notice)
    device = choose_device(request.device)
    methods = list_methods(request, device)
    machine = machine_info()
    pairs, faces = read_pairs(request, sources, screen)
    embeddings = embed_pairs(judges, methods, pairs, faces, screen)
    rows = [IdentityRow(*point, compare(found, pairs)) for point, found in embeddings.items()]
    result = IdentityResult(request.data, request.persons, pairs, faces.left_out, faces.repeated, machine, judges, rows)
    emit(result.tables(), result.record, result.csv, output_format, screen)
    if request.report is not None:
        page = tables_page(f"laa bench identity: {result}", result.tables())
        write_outputs({request.report: page.encode()}, inputs, overwrite=request.overwrite)
    return Exit.PARTLY if faces.left_out else Exit.OK


def at_hand(judges: list[Judge]) -> list[Judge]:
    """Returns the judges. LaaError where none is at hand."""
    if all(judge.embed is None for judge in judges):
        reasons = "; ".join(f"{judge.title}: {judge.unavailable}" for judge in judges)
        raise LaaError(f"there is nobody to judge who is who: {reasons}")
    return judges


def list_methods(request: IdentityRequest, device: torch.device) -> dict[str, Restore]:
    """Lists the methods that take crops of any size, by name: bicubic, laa as `upscale` runs it, and the peers."""
    restorers = our_restorers(list(request.weights), device)
    peers = [load_peer(path, device) for path in request.peers]
    ours = {name: restore_batches(restorer) for name, restorer in restorers.items()}
    return {BICUBIC: network_input} | ours | {peer.name: peer.restore for peer in peers}


def read_pairs(request: IdentityRequest, sources: list[Path], screen: Screen) -> tuple[Pairs, DistinctFaces]:
    """Reads the faces of known persons, and draws pairs of them."""
    persons, missing = read_persons(request.persons, sources)
    if missing:
        screen.notice(f"{missing} faces that {request.persons} names are not there; {sum(map(len, persons.values()))} are")
    shuffled = shuffle_persons(persons)
    faces = DistinctFaces(read_contents(sources, {name for names in shuffled.values() for name in names}), screen)
    pairs = draw_pairs(shuffled, request.pairs, faces.accept)
    if len(pairs.genuine) < request.pairs:
        screen.notice(f"{len(pairs.genuine)} of {request.pairs} pairs: for more, add persons, or photos of each")
    return pairs, faces


@torch.inference_mode()
def embed_pairs(
    judges: list[Judge], methods: dict[str, Restore], pairs: Pairs, faces: DistinctFaces, screen: Screen
) -> dict[Point, dict[str, tuple[Tensor, Tensor]]]:
    """Embeds references and probes by each judge: {point: {judge: (references, probes)}}, (n, d) each."""
    embedders = {judge.key: judge.embed for judge in judges if judge.embed is not None}
    parts: dict[Point, dict[str, list[Tensor]]] = {}
    references: dict[str, list[Tensor]] = {key: [] for key in embedders}
    for start in screen.track(range(0, len(pairs.genuine), BATCH), "pairs"):
        batch = pairs.genuine[start : start + BATCH]
        embed_each(embedders, faces.stack([pair.reference for pair in batch]), references)
        for point, probes in restore_probes(methods, faces.stack([pair.probe for pair in batch])):
            embed_each(embedders, probes, parts.setdefault(point, {key: [] for key in embedders}))
    return {
        point: {key: (torch.cat(references[key]), torch.cat(found)) for key, found in by_judge.items()}
        for point, by_judge in parts.items()
    }


def restore_probes(methods: dict[str, Restore], probes: Tensor) -> list[tuple[Point, Tensor]]:
    """Reduces probes (n, 3, 128, 128) in [0, 1] to each size, and brings them back by each method, on 8-bit levels."""
    points = [((HR_SIZE, TRUTH), probes)]
    for side_px in SIZES_PX:
        crops = reduce(probes, side_px)
        points += [((side_px, name), to_8_bits(restore(crops))) for name, restore in methods.items()]
    return points


def embed_each(embedders: dict[str, Embedding], faces: Tensor, parts: dict[str, list[Tensor]]) -> None:
    """Appends each judge's embeddings of faces (n, 3, 128, 128) to its part."""
    for key, embed in embedders.items():
        parts[key].append(embed(faces).double())


def compare(found: dict[str, tuple[Tensor, Tensor]], pairs: Pairs) -> dict[str, Scores]:
    """Scores genuine and impostor pairs by each judge: the negative distance of the embeddings."""
    return {
        key: Scores(score(references, probes), score(references[pairs.impostors], probes))
        for key, (references, probes) in found.items()
    }


def score(references: Tensor, probes: Tensor) -> np.ndarray:
    """Computes the negative Euclidean distances of (n, d) embeddings: (n,)."""
    return -(references - probes).norm(dim=1).numpy()
