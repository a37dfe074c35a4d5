"""Upscaling the background: what becomes of the photo outside the faces."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch

from models import checkpoint

from ..interfaces import BackgroundUpscaler, EnlargedPhoto
from ..options import AUTO, AUTO_MAX_PIXELS, HPINET, PLAIN, ModelOptions
from ..photo.pixels import Pixels
from ..photo.resample import enlarge
from ..utils.steps import Steps

FILE = "file"  # the rule of a model file that was named
HOW_TO_HAVE_IT = f"--background {HPINET} does them, too, and takes its time"  # photos too large for AUTO


def background_rule(options: ModelOptions, device: torch.device) -> str:
    """Names the rule that holds on this device: AUTO is by size on a CPU only, and HPINET on an accelerator.

    FILE where a model file was named; PLAIN where no network may run.
    """
    if background_weights(options) is None:
        return PLAIN
    if options.background_file is not None:
        return FILE
    return options.background if device.type == "cpu" else HPINET


def background_weights(options: ModelOptions) -> Path | None:
    """Returns the file of the network that may enlarge the background; None where none does."""
    if options.background == PLAIN:
        return None
    return options.background_file or checkpoint.BACKGROUND_WEIGHTS


class PlainUpscaler:
    """Enlarges by bicubic interpolation: a BackgroundUpscaler without a network."""

    def steps(self, pixels: Pixels, scale: int) -> Steps[EnlargedPhoto]:
        """Enlarges at once: see `interfaces.BackgroundUpscaler`."""
        yield from ()
        return EnlargedPhoto(enlarge(pixels, scale), PLAIN)

    def peak_bytes(self, height: int, width: int, scale: int) -> int:
        """Takes nothing worth counting."""
        return 0


class AutoUpscaler:
    """Enlarges by `network` where the enlarged picture has at most `max_pixels`, plainly otherwise: a BackgroundUpscaler.

    A rule of size alone, never of speed or of free memory, so that a photo's result does not depend on what else goes on.
    """

    def __init__(self, network: BackgroundUpscaler, max_pixels: int = AUTO_MAX_PIXELS) -> None:
        self.network = network
        self.plain = PlainUpscaler()
        self.max_pixels = max_pixels

    def too_large(self, height: int, width: int, scale: int) -> str:
        """Says why a photo of this size is enlarged plainly, and how to have it otherwise; empty where the network does it."""
        pixels = height * width * scale**2
        if pixels <= self.max_pixels:
            return ""
        size = f"{round(pixels / 1e6, 3):g} megapixels are more than {self.max_pixels / 1e6:g}"
        return f"{size}; {HOW_TO_HAVE_IT}"

    def steps(self, pixels: Pixels, scale: int) -> Steps[EnlargedPhoto]:
        """Enlarges: see `interfaces.BackgroundUpscaler`."""
        height, width = pixels.shape[:2]
        reason = self.too_large(height, width, scale)
        enlarged = yield from (self.plain if reason else self.network).steps(pixels, scale)
        return replace(enlarged, reason=reason) if reason else enlarged

    def peak_bytes(self, height: int, width: int, scale: int) -> int:
        """Estimates the bytes of whichever enlarges a photo of this size."""
        chosen = self.plain if self.too_large(height, width, scale) else self.network
        return chosen.peak_bytes(height, width, scale)
