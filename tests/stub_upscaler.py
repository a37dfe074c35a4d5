"""A quick stand-in for the models, which Ray's workers import: enlarges plainly, and ends its process on a poisoned photo."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from fakes import brighter

from laa_cli.detect.face import Face
from laa_cli.options import ModelOptions
from laa_cli.upscale import Upscaler

POISON_RGB = (255, 0, 254)  # of the first pixel
SLOW_S = 0.05


def is_poisoned(rgb: Any) -> bool:
    return tuple(int(value) for value in np.asarray(rgb)[0, 0, :3]) == POISON_RGB


def load(models: ModelOptions, notice: Callable[[str], None]) -> Upscaler:
    def detect(rgb: Any) -> list[Face]:
        if is_poisoned(rgb):
            os._exit(3)
        time.sleep(SLOW_S)
        return []

    return Upscaler(detect, brighter, None)
