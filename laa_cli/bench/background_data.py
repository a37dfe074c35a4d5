"""Test pictures with a known truth for `laa bench background`: photos of any size, cropped to a multiple of the scale."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ..console import Screen
from ..errors import LaaError
from ..faceset.format import encoded_pictures
from ..options import Options
from ..photo.decode import decode
from ..photo.pixels import to_8bit, without_alpha
from .degradation import Degradation, Levels, degrade_picture

MIN_SIDE_PX = 48  # of the truth: below, the metrics' windows and LPIPS's strides have nothing left


@dataclass(frozen=True)
class BenchPicture:
    """A picture file by its name. It is decoded when it is used, so that a folder of large photos needs little memory."""

    name: str
    content: bytes
    scale: int

    def truth(self) -> Levels:
        """Decodes to (h, w, 1 or 3) uint8, grey or RGB, h and w multiples of the scale. LaaError where it cannot be used."""
        pixels = without_alpha(to_8bit(decode(self.content, self.name, Options.max_pixels)[0]))
        height, width = (side // self.scale * self.scale for side in pixels.shape[:2])
        if min(height, width) < MIN_SIDE_PX:
            raise LaaError(f"{self.name} is {pixels.shape[1]}x{pixels.shape[0]}, no picture of {MIN_SIDE_PX} px or more")
        return np.ascontiguousarray(pixels[:height, :width])

    def degrade(self, truth: Levels, degradation: Degradation) -> Levels:
        """Makes the low resolution (LR) that methods are given, (h / scale, w / scale, c) uint8."""
        return degrade_picture(truth, (truth.shape[0] // self.scale, truth.shape[1] // self.scale), degradation)


@dataclass
class BenchPictures:
    """The usable pictures of a folder or tar file, by name. `left_out`: why each of the others is missing."""

    source: Path
    pictures: list[BenchPicture] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        missing = f" ({len(self.left_out)} left out)" if self.left_out else ""
        return f"{len(self.pictures)} pictures of {self.source.resolve().name}{missing}"


def read_pictures(source: Path, scale: int, limit: int | None, screen: Screen) -> BenchPictures:
    """Reads the pictures of a folder or tar file, the first `limit` of them. One that cannot be used is left out and named.

    LaaError where the source cannot be read or no picture is left.
    """
    result = BenchPictures(source)
    for name, content in screen.track(encoded_pictures(source), "pictures"):
        if limit is not None and len(result.pictures) >= limit:
            break
        picture = BenchPicture(name, content, scale)
        try:
            picture.truth()
        except LaaError as error:
            result.left_out.append(str(error))
            screen.notice(f"left out: {error}")
        else:
            result.pictures.append(picture)
    if not result.pictures:
        reason = f"; the first: {result.left_out[0]}" if result.left_out else ": it holds no pictures"
        raise LaaError(f"no usable pictures in {source}{reason}")
    return result
