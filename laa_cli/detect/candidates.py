"""The candidates of MTCNN's three networks (PNet, RNet, ONet), whose weights come from facenet-pytorch.

Its `MTCNN.detect` is not used. It samples crops by area, which makes blocks of small faces, cuts boxes to whole pixels, and
sees small faces only in a photo enlarged beforehand. Here each network gets patches sampled bicubically from the photo itself.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from models.mtcnn.networks import load_networks
from models.mtcnn.proposals import CELL_PX, TILE_CELLS, FastPNet, Proposals
from models.worker_pool import Workers, one_thread_workers

from ..errors import LaaError
from .boxes import box_sides, estimate_rolls_deg, suppress_overlaps, to_squares
from .patch_network import PatchNetwork, Search
from .sampling import build_pyramid, resize_from_pyramid

RNET_PX = 24  # input size of RNet
ONET_PX = 48  # input size of ONet
PYRAMID_STEP = 0.709  # MTCNN's own; 0.794 found as many faces for half as much work again
# Each network only drops what surely is no face; all of them decide, see `confidence`. Of 106 faces in photos, 12 and 16 px
# across the crop, 93 and 99 % come that far. PNet's 0.8 leaves RNet less than half the work of its own 0.6, and no face less.
PNET_THRESHOLD, PNET_MAX_IOU = 0.8, 0.5
RNET_THRESHOLD, RNET_MAX_IOU = 0.3, 0.7
ONET_THRESHOLD, ONET_MAX_IOU = 0.02, 0.6
MAX_UPRIGHT_ROLL_DEG = 12.0  # heads that are rolled less count as upright

# Largest pyramid level, reached by photos of 52 megapixels with min_face_px 12; in larger ones the smallest face grows with the
# square root of their area. It bounds memory and time.
LEVEL_PX = 100_000_000
GPU_TILE_CELLS = 1024  # of PNet's tiles, where cores have no cache to stay in


class Candidates(NamedTuple):
    """Squares (n, 4) that may hold faces, in photo pixels, and how sure RNet and ONet are at their first look (n,), 0..1.

    `rolls`: the heads' (n,), in degrees clockwise.
    """

    squares: Tensor
    rolls: Tensor
    rnet: Tensor
    onet: Tensor

    def where(self, keep: Tensor) -> Candidates:
        """Selects candidates by a mask (n,)."""
        return Candidates(*(column[keep] for column in self))


class CandidateFinder:
    """MTCNN's networks, loaded once, as they find candidates.

    `min_cell_px`: the side of the smallest cell in which PNet looks for a face, in photo pixels; `dtype`: of its convolutions,
    most of the work, which only proposes. LaaError where the weights are not there.
    """

    def __init__(self, device: torch.device, min_cell_px: float, dtype: torch.dtype = torch.float32) -> None:
        self.device = device
        self.min_cell_px = min_cell_px
        try:
            pnet, rnet, onet = load_networks(find_weights())
        except (OSError, ValueError) as error:
            raise LaaError(
                f"cannot detect faces ({error}): install facenet-pytorch, which has MTCNN's weights, again"
            ) from error
        # channels_last: three times PNet's speed on a CPU
        pnet = pnet.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        tile_cells = TILE_CELLS if device.type == "cpu" else GPU_TILE_CELLS
        self.proposer = FastPNet(pnet, PNET_THRESHOLD, tile_cells, dtype)
        self.rnet = PatchNetwork(rnet, RNET_PX, (4, 2), device)
        self.onet = PatchNetwork(onet, ONET_PX, (4, 10, 2), device)

    @contextmanager
    def searching(self, rgb: np.ndarray) -> Iterator[Search]:
        """Begins a search of a photo (h, w, 3) uint8 RGB, and its threads, which end with it."""
        pyramid = build_pyramid(np.ascontiguousarray(rgb), CELL_PX)
        with one_thread_workers() if self.device.type == "cpu" else nullcontext(Workers(None, 1, 1)) as workers:
            yield Search(pyramid, workers)

    def __call__(self, search: Search) -> Candidates | None:
        """Finds the candidates of a photo; None where there are none."""
        return self.refine(search, self.propose(search))

    def look_at(self, search: Search, squares: Tensor) -> Candidates:
        """Makes squares (n, 4), n > 0, candidates, whatever the networks say of them."""
        rnet = self.rnet(search, squares)[1]
        offsets, points, onet = self.onet(search, squares)
        refined = to_squares(squares + offsets * box_sides(squares))
        return Candidates(refined, estimate_rolls_deg(points, MAX_UPRIGHT_ROLL_DEG), rnet, onet)

    def propose(self, search: Search) -> Tensor:
        """Runs PNet on the photo at many sizes: proposals, (n, 4) squares in photo pixels."""
        proposals = [torch.zeros(0, 4)]
        height, width = search.pyramid[0].shape[:2]
        for level in self.pnet_pyramid(search.pyramid):
            scale = torch.tensor([width / level.shape[1], height / level.shape[0]] * 2)
            for row in self.proposer.rows(torch.from_numpy(level).to(self.device), search.workers):
                proposals.append(to_boxes(row) * scale)
        return to_squares(torch.cat(proposals))

    def pnet_pyramid(self, pyramid: list[np.ndarray]) -> Iterator[np.ndarray]:
        """Yields the photo in PNet's sizes, (h', w', 3) uint8: faces of growing size fill its cell."""
        height, width = pyramid[0].shape[:2]
        cell = max(self.min_cell_px, CELL_PX * math.sqrt(height * width / LEVEL_PX))
        while cell <= min(height, width):
            yield resize_from_pyramid(pyramid, *(max(CELL_PX, round(side * CELL_PX / cell)) for side in (width, height)))
            cell /= PYRAMID_STEP

    def refine(self, search: Search, proposals: Tensor) -> Candidates | None:
        """Runs RNet on proposals (n, 4), and ONet on what it leaves; each refines the squares by its regression."""
        if not len(proposals):
            return None
        offsets, rnet = self.rnet(search, proposals)
        keep = rnet > RNET_THRESHOLD
        squares, rnet = to_squares(proposals[keep] + offsets[keep] * box_sides(proposals[keep])), rnet[keep]
        keep = suppress_overlaps(squares, rnet, RNET_MAX_IOU)
        squares, rnet = squares[keep], rnet[keep]
        if not len(squares):
            return None
        offsets, points, onet = self.onet(search, squares)
        keep = onet > ONET_THRESHOLD
        boxes, rolls = (
            squares[keep] + offsets[keep] * box_sides(squares[keep]),
            estimate_rolls_deg(points[keep], MAX_UPRIGHT_ROLL_DEG),
        )
        rnet, onet = rnet[keep], onet[keep]
        keep = suppress_overlaps(boxes, onet, ONET_MAX_IOU)
        return Candidates(to_squares(boxes[keep]), rolls[keep], rnet[keep], onet[keep]) if len(keep) else None


def find_weights() -> Path:
    """Finds facenet-pytorch's weights without importing it, which takes seconds. FileNotFoundError where it is not there."""
    package = find_spec("facenet_pytorch")
    if package is None or not package.submodule_search_locations:
        raise FileNotFoundError("facenet-pytorch is not installed")
    return Path(package.submodule_search_locations[0]) / "data"


def to_boxes(proposals: Proposals) -> Tensor:
    """Refines the cells of proposals by their offsets, those that others overlap left out: (n, 4) boxes in pixels."""
    corners, offsets, scores = (column.cpu() for column in proposals)
    cells = torch.cat([corners, corners + CELL_PX], 1)
    keep = suppress_overlaps(cells, scores, PNET_MAX_IOU)
    return cells[keep] + offsets[keep] * CELL_PX
