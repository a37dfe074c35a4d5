"""HPINet over a whole picture of any size: exactly what the network computes, with two feature maps in memory and no more.

Only the similarity of patches is global. So each stage embeds all patches, finds their partners by blocks of R, and integrates
the patches in chunks, which are added to the merged map in their order. Every chunk, block and strip has a fixed size and is
computed by one thread: the bytes depend neither on the number of workers nor on how many chunks wait.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator
from typing import TypeVar

import torch
from torch import Tensor

from ..laa.maps import conv_nhwc
from ..worker_pool import Workers
from .config import HPINetConfig
from .fast_block import FastBlock
from .matching import SELF_PENALTY
from .network import HPINet, PatchStage, pad_to
from .patches import overlap_weights, patch_starts

CHUNK_PX = 2048  # of a chunk's patches together: their features stay in a core's cache
BLOCK = 512  # rows and columns of a block of R
STRIP_PX = 1 << 15  # of a strip of rows, for the convolutions
CONV_RIM, TAIL_RIM = 1, 2  # rows beside a strip that reach into it
TAIL_VALUES = 1 << 24  # of a strip's largest map in the tail

Result = TypeVar("Result")
Rows = Callable[[int, int], Tensor]
Chunk = tuple[int, int, int]  # the top of a row of patches, the first and the last + 1 of its columns


class ChunkedHPINet:
    """Runs an HPINet, in evaluation mode, over whole pictures, one at a time."""

    def __init__(self, network: HPINet) -> None:
        self.network = network.eval()
        self.config = network.config
        self.stages = [stage for stage in network.stages if isinstance(stage, PatchStage)]

    def steps(self, lr: Tensor, workers: Workers) -> Generator[float, None, Rows]:
        """Computes the trunk; yields the share done, 0..1, and returns what computes rows of the output on demand.

        `lr`: (3, h, w) RGB in [0, 1]. The returned function gives rows [a, b) of the output, (3, b - a, scale w), not clamped.
        """
        width = lr.shape[2] * self.config.scale
        padded = pad_to(lr[None], self.config.min_side_px)
        x = self.extract(padded, workers)
        merged = torch.empty_like(x)
        macs = [stage_macs(self.config, patch, *x.shape[:2]) for patch in self.config.patch_sizes]
        total, done = sum(map(sum, macs)), 0.0
        for stage, (matching, integration) in zip(self.stages, macs, strict=True):
            partners = yield from weighted(find_partners(stage, x, workers), done / total, matching / total)
            done += matching
            yield from weighted(integrate(stage, x, partners, merged, workers), done / total, integration / total)
            convolve(stage, x, merged, workers)
            done += integration

        @torch.inference_mode()  # as the map was computed
        def rows(top: int, bottom: int) -> Tensor:
            return self.tail_rows(padded, x, top, bottom)[..., :width]

        return rows

    def extract(self, lr: Tensor, workers: Workers) -> Tensor:
        """Computes the head's feature map: (1, 3, h, w) -> (h, w, d)."""
        picture = lr[0].permute(1, 2, 0).contiguous()
        x = lr.new_empty(*picture.shape[:2], self.config.dim)

        def extract_strip(strip: slice) -> None:
            rim, inside = with_rim(strip, CONV_RIM, len(x))
            x[strip] = conv_nhwc(self.network.head, picture[None, rim])[0, inside]

        workers.run(extract_strip, strips(x))
        return x

    def tail_rows(self, lr: Tensor, x: Tensor, top: int, bottom: int) -> Tensor:
        """Computes rows [top, bottom) of the output, (3, bottom - top, scale w), from picture and feature map."""
        scale = self.config.scale
        strip = slice(top // scale, -(-bottom // scale))
        step = max(1, TAIL_VALUES // (x.shape[1] * tail_values(self.config)))
        output = [
            self.tail_strip(lr, x, slice(first, min(first + step, strip.stop)))
            for first in range(strip.start, strip.stop, step)
        ]
        return torch.cat(output, 1)[:, top - strip.start * scale : bottom - strip.start * scale]

    def tail_strip(self, lr: Tensor, x: Tensor, strip: slice) -> Tensor:
        """Computes the output of a strip of rows of the picture, (3, scale rows, scale w)."""
        scale = self.config.scale
        rim, inside = with_rim(strip, TAIL_RIM, len(x))
        output = self.network.enlarge(lr[:, :, rim]) + self.network.tail(x[None, rim].permute(0, 3, 1, 2))
        return output[0, :, inside.start * scale : inside.stop * scale]


def weighted(steps: Generator[float, None, Result], start: float, share: float) -> Generator[float, None, Result]:
    """Runs steps that are a `share` of a larger whole, of which `start` is done; yields what is done of that."""
    try:
        while True:
            yield start + share * next(steps)
    except StopIteration as end:
        result: Result = end.value
        return result


def embed_patches(stage: PatchStage, x: Tensor, workers: Workers) -> Tensor:
    """Computes what patches are compared by: the map (h, w, d) -> (patches, d)."""
    starts = torch.tensor(patch_starts(x.shape[1], stage.patch), device=x.device)
    columns = starts[:, None] + torch.arange(stage.patch, device=x.device)

    def embed_row(top: int) -> Tensor:
        return stage.matching.norm(x[top : top + stage.patch].mean(0)[columns].mean(1))

    return torch.cat(list(workers.map(embed_row, patch_starts(x.shape[0], stage.patch))))


def find_partners(stage: PatchStage, x: Tensor, workers: Workers) -> Generator[float, None, Tensor]:
    """Finds for each patch of the map the most similar other one, (patches,) int64. Yields the share done.

    First the block of columns of R that holds a row's maximum, then the column: R is never whole, and maxima are quick.
    """
    embedded = embed_patches(stage, x, workers)
    blocks = list(embedded.split(BLOCK))
    best = torch.empty(len(embedded), dtype=torch.int64, device=x.device)
    partners = torch.empty_like(best)

    def find_block(row: int) -> None:
        peaks = [block_scores(blocks[row], block, 0 if row == column else None).amax(1) for column, block in enumerate(blocks)]
        best[row * BLOCK : (row + 1) * BLOCK] = torch.stack(peaks).argmax(0)

    def find_column(column: int) -> None:
        rows = (best == column).nonzero()[:, 0]
        for some in rows.split(BLOCK):
            scores = embedded[some] @ blocks[column].T
            own = some - column * BLOCK
            inside = ((own >= 0) & (own < len(blocks[column]))).nonzero()[:, 0]
            scores[inside, own[inside]] -= SELF_PENALTY * math.sqrt(embedded.shape[1])
            partners[some] = scores.argmax(1) + column * BLOCK

    for number, _ in enumerate(workers.map(find_block, range(len(blocks)))):
        yield number / len(blocks)
    workers.run(find_column, range(len(blocks)))
    return partners


def block_scores(rows: Tensor, columns: Tensor, diagonal: int | None) -> Tensor:
    """Computes a block of R times sqrt(d), (rows, columns), less the penalty of its diagonal where it has one."""
    scores = rows @ columns.T
    if diagonal is not None:
        scores.diagonal(diagonal).sub_(SELF_PENALTY * math.sqrt(rows.shape[1]))
    return scores


def integrate(stage: PatchStage, x: Tensor, partners: Tensor, merged: Tensor, workers: Workers) -> Generator[float, None, None]:
    """Runs the block on all patches of the map x, and adds them up in `merged`. Yields the share done."""
    tops, lefts = (patch_starts(side, stage.patch) for side in x.shape[:2])
    step = max(1, CHUNK_PX // stage.patch**2)
    chunks = [(row, left, min(left + step, len(lefts))) for row in range(len(tops)) for left in range(0, len(lefts), step)]
    origins = torch.tensor([top * x.shape[1] + left for top in tops for left in lefts], device=x.device)
    offsets = torch.arange(stage.patch, device=x.device)
    places = (offsets[:, None] * x.shape[1] + offsets).flatten()
    pixels, block = x.view(-1, x.shape[2]), FastBlock(stage.block)

    def gather(chosen: Tensor) -> Tensor:
        return pixels.index_select(0, (origins[chosen][:, None] + places).flatten()).view(len(chosen), len(places), -1)

    def integrate_chunk(chunk: Chunk) -> Tensor:
        row, first, last = chunk
        chosen = torch.arange(row * len(lefts) + first, row * len(lefts) + last, device=x.device)
        return block(gather(chosen), gather(partners[chosen]))

    merged.zero_()
    for number, (chunk, patches) in enumerate(zip(chunks, workers.map(integrate_chunk, chunks), strict=True)):
        row, first, last = chunk
        add_row(merged[tops[row] : tops[row] + stage.patch], patches, lefts[first:last])
        yield number / len(chunks)


def add_row(strip: Tensor, patches: Tensor, lefts: list[int]) -> None:
    """Adds patches (m, p^2, d) that start at `lefts` to rows of the merged map, (p, w, d): every other one at once."""
    patch = len(strip)
    squares = patches.unflatten(1, (patch, patch))
    step = lefts[1] - lefts[0] if len(lefts) > 2 else 0
    regular = len(lefts) - 1  # the last one may be pulled back
    for parity in (0, 1):
        some = squares[:regular][parity::2]
        if len(some):
            windows = strip[:, lefts[parity] :].unfold(1, patch, max(1, 2 * step))[:, : len(some)]
            windows += some.permute(1, 0, 3, 2)
    strip[:, lefts[-1] : lefts[-1] + patch] += squares[-1]


def convolve(stage: PatchStage, x: Tensor, merged: Tensor, workers: Workers) -> None:
    """Weights the merged sums and adds their convolution to the map x, in place."""
    rows, columns = (overlap_weights(side, stage.patch).to(x) for side in x.shape[:2])

    def convolve_strip(strip: slice) -> None:
        rim, inside = with_rim(strip, CONV_RIM, len(x))
        weighted = merged[rim] * (rows[rim, None] * columns)[..., None]
        x[strip] += conv_nhwc(stage.conv, weighted[None])[0, inside]

    workers.run(convolve_strip, strips(x))


def strips(x: Tensor) -> list[slice]:
    """Divides the rows of a map (h, w, d) into strips."""
    step = max(1, STRIP_PX // x.shape[1])
    return [slice(top, min(top + step, len(x))) for top in range(0, len(x), step)]


def with_rim(strip: slice, rim: int, height: int) -> tuple[slice, slice]:
    """Widens a strip of rows by `rim`, within the map; returns it, and where the strip lies in it."""
    first, last = max(0, strip.start - rim), min(height, strip.stop + rim)
    return slice(first, last), slice(strip.start - first, strip.stop - first)


def stage_macs(config: HPINetConfig, patch: int, height: int, width: int) -> tuple[float, float]:
    """Counts a stage's multiply-adds (MAC) on a map (height, width): of matching, and of integration with its convolution."""
    patches = len(patch_starts(height, patch)) * len(patch_starts(width, patch))
    dim, qk_dim = config.dim, config.qk_dim
    linear = dim * (2 * qk_dim + dim) + 2 * dim * config.mlp_dim
    attention = patch**2 * (qk_dim + dim)
    integration = patches * config.layers * patch**2 * (linear + attention)
    return patches**2 * dim, integration + height * width * 9 * dim**2


def tail_values(config: HPINetConfig) -> int:
    """Counts the values of the tail's largest map for each pixel of the picture."""
    return (3 if config.tail == "one_step" else config.dim) * config.scale**2
