"""Back-projection of a whole enlarged photo, strip by strip and in place: see `back_projection`, which does it with faces.

One step only, over-relaxed: on the validation pictures it gives what two or three plain ones give, at the cost of one.
"""

from __future__ import annotations

from collections.abc import Generator

import torch

from models.protocol import resize
from models.worker_pool import Workers

from ..photo.pixels import Pixels
from ..photo.resample import HALO_PX
from .back_projection import RELAXATION, coarse_size
from .picture_strips import strips, to_integers, to_planes, with_rim


def hold_to_photo(canvas: Pixels, photo: Pixels, fidelity: float, workers: Workers) -> Generator[float, None, None]:
    """Corrects an enlarged photo, in place, by what it shows otherwise than the photo does at the photo's resolution.

    The coarse part (colours and large structure) wholly, the fine part by `fidelity`, 0..1. `canvas`: (scale h, scale w, c),
    `photo`: (h, w, c), both uint8 or both uint16, without alpha. Yields the share done.
    """
    height, width, channels = photo.shape
    scale = canvas.shape[0] // height
    difference = torch.empty(channels, height, width)

    def compare(strip: slice) -> None:
        rim, inside = with_rim(strip, HALO_PX, height)
        shown = resize(to_planes(canvas[rim.start * scale : rim.stop * scale]), (rim.stop - rim.start, width))
        difference[:, strip] = to_planes(photo[strip])[0] - shown[0, :, inside]

    def weigh(channel: int) -> None:
        plane = difference[channel][None, None]
        coarse = resize(resize(plane, coarse_size(height, width)), (height, width))
        plane.sub_(coarse).mul_(RELAXATION * fidelity).add_(coarse)

    def correct(strip: slice) -> None:
        rim, inside = with_rim(strip, HALO_PX, height)
        correction = resize(difference[None, :, rim], ((rim.stop - rim.start) * scale, width * scale))
        rows = slice(strip.start * scale, strip.stop * scale)
        total = to_planes(canvas[rows]) + correction[:, :, inside.start * scale : inside.stop * scale]
        canvas[rows] = to_integers(total, canvas.dtype)

    every = list(strips(height, width, scale))
    for number, _ in enumerate(workers.map(compare, every)):
        yield number / (2 * len(every))
    workers.run(weigh, range(channels))
    for number, _ in enumerate(workers.map(correct, every)):
        yield 0.5 + number / (2 * len(every))
