"""Upscaling the background by a network: from a photo's pixels to the enlarged photo's, in the photo's own bit depth."""

from __future__ import annotations

import math
from collections.abc import Generator, Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from models.hpinet.chunked import weighted
from models.protocol import resize
from models.worker_pool import Workers, one_thread_workers

from ..interfaces import EnlargedPhoto
from ..options import ModelOptions
from ..photo.pixels import Pixels, has_alpha
from ..photo.resample import HALO_PX, enlarge
from .hidden_colours import fill_hidden_colours
from .photo_back_projection import hold_to_photo
from .photo_fidelity import estimate_photo_fidelity
from .picture_interface import PictureNetwork, Rows
from .picture_network import load_picture_network
from .picture_strips import strips, to_integers, to_planes, to_rgb, with_rim
from .picture_tiles import Tile, divide_into_tiles
from .restorer import Notice, silent

STRIP_BYTES = 100 << 20  # that a worker takes for a strip
CORRECTION_BYTES = 32  # that back-projection takes for each pixel of the photo
CORRECTION_SHARE = 0.08  # of all work, roughly


class PictureUpscaler:
    """A BackgroundUpscaler: a network, in tiles where the photo is large, then back-projection onto the photo.

    `fidelity`: how far the network's detail is held to what the photo shows, 0..1; None: estimated by the network's
    coefficients, and not at all of a network without.
    """

    def __init__(self, network: PictureNetwork, fidelity: float | None = None) -> None:
        ModelOptions(fidelity=fidelity)  # checks the range
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
        photo = fill_hidden_colours(pixels)
        with one_thread_workers() as workers:
            canvas = yield from weighted(self.enlarge_by_network(photo, scale, workers), 0, 1 - CORRECTION_SHARE)
            fidelity = self.choose_fidelity(canvas, photo, workers)
            yield from weighted(hold_to_photo(canvas, photo, fidelity, workers), 1 - CORRECTION_SHARE, CORRECTION_SHARE)
        if has_alpha(pixels):
            canvas = np.dstack([canvas, enlarge(pixels[..., -1:], scale)])
        return EnlargedPhoto(canvas, self.network.name, fidelity)

    def choose_fidelity(self, canvas: Pixels, photo: Pixels, workers: Workers) -> float:
        """Returns the fidelity that was asked for, or else an estimate."""
        if self.fidelity is not None:
            return self.fidelity
        return estimate_photo_fidelity(self.network.coefficients, canvas, photo, workers)

    def enlarge_by_network(self, photo: Pixels, scale: int, workers: Workers) -> Generator[float, None, Pixels]:
        """Enlarges (h, w, 1 or 3) `scale` times: by the network as often as it goes, and what is left plainly.

        The network instead of the plain rest is no better: 8x by a 4x network on its own picture, reduced, stands within 0.1 dB
        of 4x and plainly 2x, and takes 15 times as long.
        """
        picture, passes = photo, list(network_passes(self.network.scale, scale))
        work = [math.prod(passes[:number]) ** 2 for number in range(len(passes))]
        for number, factor in enumerate(passes):
            steps = self.run_network(picture, factor, workers)
            picture = yield from weighted(steps, sum(work[:number]) / sum(work), work[number] / sum(work))
        return picture if len(picture) == scale * len(photo) else stretch(picture, photo.shape[:2], scale, workers)

    def run_network(self, picture: Pixels, factor: int, workers: Workers) -> Generator[float, None, Pixels]:
        """Runs the network over a picture (h, w, 1 or 3), and reduces its output to `factor`: (factor h, factor w, c)."""
        height, width, channels = picture.shape
        canvas = np.empty((height * factor, width * factor, channels), picture.dtype)
        tiles = divide_into_tiles(height, width, self.network.tiling)
        sources = (to_rgb(picture[tile.rows.start : tile.rows.stop, tile.columns.start : tile.columns.stop]) for tile in tiles)
        remaining = iter(tiles)
        for share, rows in self.network.run(sources, len(tiles), workers):
            for _ in () if rows is None else self.draw_tile(canvas, rows, next(remaining), factor, workers):
                yield share
            yield share
        return canvas

    def draw_tile(self, canvas: Pixels, rows: Rows, tile: Tile, factor: int, workers: Workers) -> Iterator[None]:
        """Draws a tile's output into the canvas, strip by strip, over what is already there. Yields after each strip."""
        left, right = tile.columns.start * factor, tile.columns.stop * factor
        place = canvas[tile.rows.start * factor : tile.rows.stop * factor, left:right]
        down, across = tile.rows.weights(factor), tile.columns.weights(factor)

        def draw(strip: slice) -> None:
            large = slice(strip.start * factor, strip.stop * factor)
            output = reduced_rows(rows, strip, tile.size, self.network.scale, factor)[None]
            output = output if canvas.shape[2] == 3 else output.mean(1, keepdim=True)
            weights = down[large, None] * across
            if bool((weights < 1).any()):
                output = torch.lerp(to_planes(place[large]), output.clamp(0, 1), weights)
            place[large] = to_integers(output, canvas.dtype)

        yield from workers.map(draw, strips(*tile.size, factor))

    def peak_bytes(self, height: int, width: int, scale: int) -> int:
        """Estimates what it takes beside the photo and the result: see `interfaces.BackgroundUpscaler`."""
        if scale == 1:
            return 0
        *earlier, last = network_passes(self.network.scale, scale)
        before = math.prod(earlier)
        drafts = {before, before * last} - {1, scale}  # pictures on the way, of 16 bits at most
        tile = divide_into_tiles(height * before, width * before, self.network.tiling)[0].size
        workers = torch.get_num_threads()
        working = max(self.network.tile_bytes(*tile, workers), height * width * CORRECTION_BYTES)
        return working + sum(height * width * 6 * factor**2 for factor in drafts) + workers * STRIP_BYTES


def network_passes(network_scale: int, scale: int) -> Iterator[int]:
    """Yields by how much each application of a network enlarges: by its own scale, or less if that is too much."""
    factor = 1
    while factor == 1 or factor * network_scale <= scale:
        yield min(network_scale, scale)
        factor *= network_scale


def reduced_rows(rows: Rows, strip: slice, size: tuple[int, int], scale: int, factor: int) -> Tensor:
    """Computes a strip of a tile's output, (3, factor rows, factor w), reduced from the network's scale.

    `strip`: rows of the tile, whose `size` is (height, width).
    """
    if factor == scale:
        return rows(strip.start * scale, strip.stop * scale)
    rim, inside = with_rim(strip, HALO_PX, size[0])
    output = rows(rim.start * scale, rim.stop * scale)[None]
    reduced = resize(output, ((rim.stop - rim.start) * factor, size[1] * factor))
    return reduced[0, :, inside.start * factor : inside.stop * factor]


def stretch(picture: Pixels, size: tuple[int, int], scale: int, workers: Workers) -> Pixels:
    """Enlarges a picture plainly to `scale` times the size (h, w) of the photo that it was made of, strip by strip."""
    height, width = size
    factor = len(picture) // height
    stretched = np.empty((height * scale, width * scale, picture.shape[2]), picture.dtype)

    def stretch_strip(strip: slice) -> None:
        rim, inside = with_rim(strip, HALO_PX, height)
        source = to_planes(picture[rim.start * factor : rim.stop * factor])
        large = resize(source, ((rim.stop - rim.start) * scale, width * scale))
        rows = slice(inside.start * scale, inside.stop * scale)
        stretched[strip.start * scale : strip.stop * scale] = to_integers(large[:, :, rows], picture.dtype)

    workers.run(stretch_strip, strips(height, width, scale))
    return stretched
