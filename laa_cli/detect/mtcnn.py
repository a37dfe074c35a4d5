"""Face detection with MTCNN's three networks (PNet, RNet, ONet), whose weights come from facenet-pytorch.

Its `MTCNN.detect` is not used. It samples crops by area, which makes blocks of small faces, cuts boxes to whole pixels, and
sees small faces only in a photo enlarged beforehand. Here each network gets patches sampled bicubically from the photo itself.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
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
from ..options import CONFIDENCE, ModelOptions
from .boxes import box_sides, estimate_rolls_deg, longer_sides, suppress_overlaps, to_squares
from .confidence import Evidence, face_logits, mean_probability
from .face import Box, Face
from .filtering import is_plausible, non_max_suppression
from .patch_network import PatchNetwork, Search
from .sampling import build_pyramid, resize_from_pyramid

RNET_PX = 24  # input size of RNet
ONET_PX = 48  # input size of ONet
PYRAMID_STEP = 0.709  # MTCNN's own; 0.794 found as many faces for half as much work again
# Each network only drops what surely is no face; all of them decide, see `confidence`. Of 106 faces in photos, 12 and 16 px
# across the crop, 91 and 98 % came that far. PNet's 0.8 leaves RNet less than half the work of its own 0.6, and no face less.
PNET_THRESHOLD, PNET_MAX_IOU = 0.8, 0.5
RNET_THRESHOLD, RNET_MAX_IOU = 0.5, 0.7
ONET_THRESHOLD, ONET_MAX_IOU = 0.05, 0.6
MAX_UPRIGHT_ROLL_DEG = 12.0  # heads that are rolled less count as upright

# A face whose crop (1.25 times its box) is min_face_px wide is still looked for, and small boxes come out up to 15 % short:
# of faces 12 px across the crop, 98 % have a box of 8.2 px or more. PNet's smallest cell is smaller than the smallest box: so
# 91 % of faces 12 px across the crop came through the networks, and 87 % where it was as large.
CROP_PER_BOX = 1.25
MIN_BOX_RATIO = 0.85
CELL_PER_BOX = 0.9

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


class MTCNNDetector:
    """MTCNN, loaded once. Call with a photo (h, w, 3) uint8 RGB -> its faces, in photo pixels.

    `min_face_px`: the smallest face to look for; a box may be up to a third smaller, see MIN_BOX_RATIO. `confidence`: the least
    confidence of a face; `dtype`: of PNet's convolutions, most of the work, which only proposes. Raises UsageError where one is
    out of range, see ModelOptions.
    """

    def __init__(
        self,
        device: torch.device,
        *,
        min_face_px: float = ModelOptions.min_face_px,
        confidence: float = CONFIDENCE,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        ModelOptions(min_face_px=min_face_px, confidence=confidence)  # checks the ranges
        self.device = device
        self.min_face_px = float(min_face_px)
        self.min_box_px = min_face_px / CROP_PER_BOX * MIN_BOX_RATIO
        self.confidence = confidence
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

    @torch.inference_mode()
    def __call__(self, rgb: np.ndarray) -> list[Face]:
        """Detects the faces of a photo, (h, w, 3) uint8 RGB, by falling confidence; none in one smaller than their boxes."""
        if min(rgb.shape[:2]) < self.min_box_px:
            return []
        pyramid = build_pyramid(np.ascontiguousarray(rgb), CELL_PX)
        with one_thread_workers() if self.device.type == "cpu" else nullcontext(Workers(None, 1, 1)) as workers:
            search = Search(pyramid, workers)
            candidates = self.find_candidates(search, self.run_pnet(search))
            return self.filter(*self.look_again(search, candidates)) if candidates else []

    @torch.inference_mode()
    def look_at(self, rgb: np.ndarray, boxes: Sequence[Box]) -> list[Face | None]:
        """Frames the faces that are said to be in boxes: see `interfaces.FaceDetector`. Neither confidence nor size counts."""
        squares = to_squares(torch.tensor(boxes, dtype=torch.float32).view(-1, 4))
        if not len(squares):
            return []
        with one_thread_workers() if self.device.type == "cpu" else nullcontext(Workers(None, 1, 1)) as workers:
            search = Search(build_pyramid(np.ascontiguousarray(rgb), CELL_PX), workers)
            rnet = self.rnet(search, squares)[1]
            offsets, points, onet = self.onet(search, squares)
            refined = to_squares(squares + offsets * box_sides(squares))
            candidates = Candidates(refined, estimate_rolls_deg(points, MAX_UPRIGHT_ROLL_DEG), rnet, onet)
            faces = to_faces(*self.look_again(search, candidates))
        return [face if is_plausible(face.box_xyxy, face.landmarks_xy) else None for face in faces]

    def run_pnet(self, search: Search) -> Tensor:
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
        cell = max(self.min_face_px / CROP_PER_BOX * CELL_PER_BOX, CELL_PX * math.sqrt(height * width / LEVEL_PX))
        while cell <= min(height, width):
            yield resize_from_pyramid(pyramid, *(max(CELL_PX, round(side * CELL_PX / cell)) for side in (width, height)))
            cell /= PYRAMID_STEP

    def find_candidates(self, search: Search, proposals: Tensor) -> Candidates | None:
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

    def look_again(self, search: Search, candidates: Candidates) -> tuple[Tensor, Tensor, Tensor]:
        """Runs both networks on the refined squares, rotated upright by the heads' rolls.

        Returns boxes (n, 4), as large as those of the heads upright, confidences (n,), and landmarks (n, 5, 2). This look cures
        boxes half a pixel too far left; rotation raised recall of heads rolled by 45 degrees, 16 px across the crop, from 42 to
        83 %.
        """
        squares, rolls = candidates.squares, candidates.rolls
        offsets, points, onet = self.run_onet_mirrored(search, squares, rolls)
        rnet = mean_probability(*(self.rnet(search, squares, rolls, mirrored=mirrored)[1] for mirrored in (False, True)))
        # from the middle of the square, in its sides: five landmarks and the box's centre
        places = torch.cat([points - 0.5, (offsets[:, None, :2] + offsets[:, None, 2:]) / 2], 1)
        angles = rolls.deg2rad()
        rotation = torch.stack([angles.cos(), angles.sin(), -angles.sin(), angles.cos()], 1).view(-1, 2, 2)
        places = (squares[:, None, :2] + squares[:, None, 2:]) / 2 + places @ rotation * box_sides(squares)[:, None]
        half = (1 + offsets[:, 2:] - offsets[:, :2]) / 2 * box_sides(squares)
        boxes = torch.cat([places[:, 5] - half, places[:, 5] + half], 1)
        logits = face_logits(Evidence(candidates.rnet, candidates.onet, rnet, onet), longer_sides(boxes))
        return boxes, logits.sigmoid(), places[:, :5]

    def run_onet_mirrored(self, search: Search, squares: Tensor, rolls: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Averages ONet over each rotated square and its mirror image (test-time augmentation).

        Returns box offsets (n, 4) and landmarks (n, 5, 2), both in sides of the square, and probabilities (n,).
        """
        offsets, points, scores = self.onet(search, squares, rolls)
        mirrored = self.onet(search, squares, rolls, mirrored=True)
        offsets = (offsets + mirrored[0][:, [2, 1, 0, 3]] * torch.tensor([-1.0, 1, -1, 1])) / 2
        other = mirrored[1].view(-1, 2, 5)[:, :, [1, 0, 2, 4, 3]]
        other = torch.stack([1 - other[:, 0], other[:, 1]], 1)
        return offsets, (points.view(-1, 2, 5) + other).transpose(1, 2) / 2, mean_probability(scores, mirrored[2])

    def filter(self, boxes: Tensor, confidences: Tensor, landmarks: Tensor) -> list[Face]:
        """Filters detections by confidence, size and plausibility, and applies non-maximum suppression.

        `boxes` (n, 4), `confidences` (n,), `landmarks` (n, 5, 2).
        """
        found = zip(to_faces(boxes, confidences, landmarks), confidences.tolist(), strict=True)
        sure = [(face, value) for face, value in found if value >= self.confidence and face.size_px >= self.min_box_px]
        plausible = [(face, value) for face, value in sure if is_plausible(face.box_xyxy, face.landmarks_xy)]
        keep = non_max_suppression([face.box_xyxy for face, _ in plausible], [value for _, value in plausible])
        return [plausible[index][0] for index in keep]


def to_faces(boxes: Tensor, confidences: Tensor, landmarks: Tensor) -> list[Face]:
    """Makes boxes (n, 4) with confidences (n,) and landmarks (n, 5, 2) faces."""
    columns = zip(boxes.tolist(), confidences.tolist(), landmarks.tolist(), strict=True)
    return [Face(tuple(box), confidence, tuple(map(tuple, points))) for box, confidence, points in columns]


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
