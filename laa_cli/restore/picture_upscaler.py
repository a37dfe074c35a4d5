"""Upscaling the background by a network: from a photo's pixels to the enlarged photo's, in the photo's own bit depth."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from models.protocol import resize
from models.worker_pool import Workers, one_thread_workers

from ..interfaces import EnlargedPhoto
from ..photo.pixels import Pixels, has_alpha, to_floats, without_alpha
from ..photo.resample import enlarge
from .picture_network import PictureNetwork, Rows, load_picture_network
from .picture_tiles import Span, tiles_of
from .restorer import Notice, silent

STRIP_PX = 1 << 16  # of the photo, in a strip of rows
RIM = 2  # rows of the photo beside a strip that reach into it when it is reduced


class PictureUpscaler:
    """A BackgroundUpscaler: a network, in tiles where the photo is large.

    `fidelity`: how far the picture is held to what the photo shows, 0..1; None: estimated by the network's coefficients.
    """

    def __init__(self, network: PictureNetwork, fidelity: float | None = None) -> None:
        self.network = network
        self.fidelity = fidelity

    @classmethod
    def load(cls, path: Path, device: torch.device, fidelity: float | None = None, notice: Notice = silent) -> PictureUpscaler:
        """Loads a model file: see `load_picture_network`."""
        return cls(load_picture_network(path, device, notice), fidelity)

    def steps(self, pixels: Pixels, scale: int) -> Generator[float, None, EnlargedPhoto]:
        """Enlarges (h, w, c) uint8 or uint16 -> (scale h, scale w, c): see `interfaces.BackgroundUpscaler`."""
        if scale == 1:
            return EnlargedPhoto(pixels.copy(), self.network.name)
        factor = min(scale, self.network.scale)
        with one_thread_workers() as workers:
            colours = yield from self.enlarge_once(without_alpha(pixels), factor, workers)
        if factor < scale:
            colours = enlarge(colours, scale // factor)
        if has_alpha(pixels):
            colours = np.dstack([colours, enlarge(pixels[..., -1:], scale)])
        return EnlargedPhoto(colours, self.network.name, 0.0)

    def enlarge_once(self, pixels: Pixels, factor: int, workers: Workers) -> Generator[float, None, Pixels]:
        """Applies the network once to (h, w, 1 or 3), and reduces its picture to `factor`."""
        height, width, channels = pixels.shape
        canvas = np.empty((height * factor, width * factor, channels), pixels.dtype)
        tiles = tiles_of(height, width, self.network.tiling)
        sources = (to_tensor(pixels[row.start : row.stop, column.start : column.stop]) for row, column in tiles)
        places = iter(tiles)
        for share, rows in self.network.run(sources, len(tiles), workers):
            if rows is not None:
                self.draw_tile(canvas, rows, next(places), factor, workers)
            yield share
        return canvas

    def draw_tile(self, canvas: Pixels, rows: Rows, place: tuple[Span, Span], factor: int, workers: Workers) -> None:
        """Draws a tile's output into the canvas, strip by strip, over what is already there."""
        row, column = place
        height, width = row.stop - row.start, column.stop - column.start
        across, down = column.weights(factor), row.weights(factor)

        def draw(strip: slice) -> None:
            colours = self.strip_of(rows, strip, (height, width), factor)
            inside = slice(strip.start * factor, strip.stop * factor)
            target = canvas[row.start * factor :, column.start * factor : column.stop * factor][inside]
            weights = down[inside, None] * across
            blend_into(target, colours, weights)

        for _ in workers.map(draw, strips(height, width)):
            pass

    def strip_of(self, rows: Rows, strip: slice, size: tuple[int, int], factor: int) -> Tensor:
        """Computes a strip of a tile's output, (3, factor rows, factor w), reduced from the network's scale."""
        scale = self.network.scale
        if factor == scale:
            return rows(strip.start * scale, strip.stop * scale)
        first, last = max(0, strip.start - RIM), min(size[0], strip.stop + RIM)
        whole = rows(first * scale, last * scale)
        reduced = resize(whole[None], ((last - first) * factor, size[1] * factor))[0]
        return reduced[:, (strip.start - first) * factor : (strip.stop - first) * factor]

    def peak_bytes(self, height: int, width: int, scale: int) -> int:
        """Estimates what it takes beside the photo and the result."""
        return max(
            self.network.peak_bytes(row.stop - row.start, column.stop - column.start)
            for row, column in tiles_of(height, width, self.network.tiling)
        )


def to_tensor(pixels: Pixels) -> Tensor:
    """Converts (h, w, 1 or 3) to (3, h, w) RGB in [0, 1]."""
    return torch.from_numpy(to_floats(pixels)).permute(2, 0, 1).expand(3, -1, -1)


def blend_into(target: Pixels, colours: Tensor, weights: Tensor) -> None:
    """Blends colours (3, h, w) over pixels (h, w, 1 or 3), in place; `weights`: (h, w)."""
    top = np.iinfo(target.dtype).max
    if target.shape[2] == 1:
        colours = colours.mean(0, keepdim=True)
    new = colours.clamp(0, 1).mul(top).permute(1, 2, 0)
    if bool((weights < 1).any()):
        old = torch.from_numpy(target.astype(np.float32))
        new = torch.lerp(old, new, weights[..., None])
    target[:] = new.round().numpy().astype(target.dtype)


def strips(height: int, width: int) -> Iterator[slice]:
    """Yields strips of rows of about STRIP_PX pixels."""
    step = max(8, STRIP_PX // width)
    for top in range(0, height, step):
        yield slice(top, min(top + step, height))
