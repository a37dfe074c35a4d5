"""Runs small networks on squares of a photo, in batches, on all cores: MTCNN's second and third, and the face classifier."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from models.mtcnn.proposals import fold_normalization
from models.worker_pool import Workers

from .sampling import sample_patches

BATCH = 16  # patches at once: a core's cache holds their feature maps; 128 take half as much time again
GPU_BATCH = 1024


class Search(NamedTuple):
    """A photo that is searched: its image pyramid, (h, w, 3) uint8 each, and the threads that search it."""

    pyramid: list[np.ndarray]
    workers: Workers


class PatchNetwork:
    """A network for squares of `size_px` that are sampled from the photo; its `conv1` has no padding. `widths`: of outputs."""

    def __init__(self, network: nn.Module, size_px: int, widths: tuple[int, ...], device: torch.device) -> None:
        fold_normalization(network.conv1)  # type: ignore[arg-type]
        self.network = network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.size_px = size_px
        self.widths = widths
        self.device = device
        self.batch = BATCH if device.type == "cpu" else GPU_BATCH

    def __call__(self, search: Search, squares: Tensor, rolls: Tensor | None = None, *, mirrored: bool = False) -> list[Tensor]:
        """Runs the network on squares (n, 4) in photo pixels, n > 0, rotated clockwise by `rolls` (n,) degrees.

        Returns its outputs on the CPU: box offsets (n, 4) of RNet and ONet, landmarks (n, 10) of ONet, and the probability of a
        face (n,).
        """
        # filled in place: small results kept between large temporaries would fragment the heap, by gigabytes on large photos
        outputs = [torch.empty(len(squares), width) for width in self.widths]
        places, angles = squares.tolist(), [0.0] * len(squares) if rolls is None else rolls.tolist()

        def run_batch(first: int) -> None:
            batch = slice(first, first + self.batch)
            patches = sample_patches(search.pyramid, places[batch], self.size_px, angles[batch])
            predictions = self.network(self.to_input(patches[:, :, ::-1] if mirrored else patches))
            for output, prediction in zip(outputs, predictions, strict=True):
                output[batch] = prediction

        search.workers.run(run_batch, range(0, len(squares), self.batch))
        return [*outputs[:-1], outputs[-1][:, 1]]

    def to_input(self, patches: np.ndarray) -> Tensor:
        """Converts (n, h, w, 3) uint8 RGB into what the network takes since `fold_normalization`: (n, 3, h, w), 0..255."""
        return torch.from_numpy(np.ascontiguousarray(patches)).to(self.device).permute(0, 3, 1, 2).float()
