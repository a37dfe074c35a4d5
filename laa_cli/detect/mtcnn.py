"""Face detection with MTCNN's three networks (PNet, RNet, ONet), whose weights come from facenet-pytorch.

Its `MTCNN.detect` is not used. It samples crops by area, which makes blocks of small faces, cuts boxes to whole pixels, and
sees small faces only in a photo enlarged beforehand. Here each network gets patches sampled bicubically from the photo itself.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import nullcontext
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import torch
from torch import Tensor, nn

from models.mtcnn.networks import load_networks
from models.mtcnn.proposals import CELL_PX, TILE_CELLS, FastPNet, Proposals
from models.worker_pool import Workers, one_thread_workers

from ..errors import LaaError
from ..options import CONFIDENCE, ModelOptions
from .face import Face
from .filtering import is_plausible, non_max_suppression
from .sampling import build_pyramid, sample_patch

RNET_PX = 24  # input size of RNet
ONET_PX = 48  # input size of ONet
PYRAMID_STEP = 0.709  # MTCNN's own; 0.794 found as many faces for half as much work again
# MTCNN's own thresholds for its first and second network; 0.5 and 0.6 found no more faces
PNET_THRESHOLD = 0.6
PNET_MAX_IOU = 0.5
RNET_THRESHOLD = 0.7
ONET_FIRST_THRESHOLD = 0.25  # least ONet confidence for its second, upright pass, which decides
MAX_UPRIGHT_ROLL_DEG = 12.0  # heads that are rolled less count as upright
CONFIDENCE_CLAMP = 1e-4  # a pass's confidence counts at most as this near to 0 or 1

# A face whose crop (1.25 times its box) is min_face_px wide is still looked for, and small boxes come out up to 15 % short:
# of faces 12 px across the crop, 98 % have a box of 8.2 px or more.
CROP_PER_BOX = 1.25
MIN_BOX_RATIO = 0.85

# Largest pyramid level, reached by photos of 64 megapixels with min_face_px 12; in larger ones the smallest face grows with the
# square root of their area. It bounds memory (0.3 GB over what torch takes for 12 megapixels, 0.6 GB for 40) and time: 3 to 8 s
# for 12, 14 to 23 s for 40 on one busy core, where facenet-pytorch's own `detect` took 11 to 19 s for 12 with min_face_size 12.
LEVEL_PX = 100_000_000
BATCH = 128  # patches in a batch of RNet or ONet
GPU_TILE_CELLS = 1024  # of PNet's tiles, where cores have no cache to stay in


class Search(NamedTuple):
    """A photo that is searched: its image pyramid, (h, w, 3) uint8 each, and the threads that search it."""

    pyramid: list[np.ndarray]
    workers: Workers


class MTCNNDetector:
    """MTCNN, loaded once. Call with a photo (h, w, 3) uint8 RGB -> its faces, in photo pixels.

    `min_face_px`: the smallest face to look for; a box may be up to a third smaller, see MIN_BOX_RATIO. `confidence`: the least
    confidence of a face. Raises UsageError where one of them is out of range, see ModelOptions.
    """

    def __init__(
        self, device: torch.device, *, min_face_px: float = ModelOptions.min_face_px, confidence: float = CONFIDENCE
    ) -> None:
        ModelOptions(min_face_px=min_face_px, confidence=confidence)  # checks the ranges
        self.device = device
        self.min_face_px = float(min_face_px)
        self.confidence = confidence
        # channels_last: three times PNet's speed on a CPU
        try:
            self.pnet, self.rnet, self.onet = load_networks(find_weights())
        except (OSError, ValueError) as error:
            raise LaaError(
                f"cannot detect faces ({error}): install facenet-pytorch, which has MTCNN's weights, again"
            ) from error
        for network in (self.pnet, self.rnet, self.onet):
            network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        tile_cells = TILE_CELLS if device.type == "cpu" else GPU_TILE_CELLS
        self.proposer = FastPNet(self.pnet, PNET_THRESHOLD, tile_cells)

    @torch.inference_mode()
    def __call__(self, rgb: np.ndarray) -> list[Face]:
        """Detects the faces of a photo, (h, w, 3) uint8 RGB, by falling confidence; none in one smaller than `min_face_px`."""
        if min(rgb.shape[:2]) < self.min_face_px:
            return []
        rgb = np.ascontiguousarray(rgb)
        with one_thread_workers() if self.device.type == "cpu" else nullcontext(Workers(None, 1, 1)) as workers:
            boxes = self.run_pnet(rgb, workers)
            search = Search(build_pyramid(rgb, ONET_PX), workers)
            boxes = self.run_rnet(search, boxes) if len(boxes) else boxes
            boxes, rolls = self.run_onet(search, boxes) if len(boxes) else (boxes, boxes)
            return self.filter(*self.refine_upright(search, boxes, rolls)) if len(boxes) else []

    def run_pnet(self, rgb: np.ndarray, workers: Workers) -> Tensor:
        """Runs PNet on an image pyramid of the photo (h, w, 3) uint8: proposals, (n, 4) squares in photo pixels."""
        proposals = [torch.zeros(0, 4)]
        height, width = rgb.shape[:2]
        for level in self.pnet_pyramid(rgb):
            scale = torch.tensor([width / level.shape[1], height / level.shape[0]] * 2)
            for row in self.proposer.rows(torch.from_numpy(level).to(self.device), workers):
                proposals.append(to_boxes(row) * scale)
        return to_squares(torch.cat(proposals))

    def pnet_pyramid(self, rgb: np.ndarray) -> Iterator[np.ndarray]:
        """Yields the levels of PNet's pyramid, (h', w', 3) uint8: faces of growing size fill its cell."""
        height, width = rgb.shape[:2]
        cell = max(self.min_face_px / CROP_PER_BOX, CELL_PX * math.sqrt(height * width / LEVEL_PX))
        while cell <= min(height, width):
            size = tuple(max(CELL_PX, round(side * CELL_PX / cell)) for side in (width, height))
            yield cv2.resize(rgb, size, interpolation=cv2.INTER_CUBIC if cell < CELL_PX else cv2.INTER_AREA)
            cell /= PYRAMID_STEP

    def run_rnet(self, search: Search, boxes: Tensor) -> Tensor:
        """Runs RNet on squares (n, 4): those it keeps, refined by its regression, (m, 4)."""
        offsets, scores = self.run_on_patches(self.rnet, search, boxes)
        keep = scores[:, 1] > RNET_THRESHOLD
        boxes = to_squares(boxes[keep] + offsets[keep] * box_sides(boxes[keep]))
        return boxes[suppress_overlaps(boxes, scores[keep, 1], 0.7)]

    def run_onet(self, search: Search, boxes: Tensor) -> tuple[Tensor, Tensor]:
        """Runs ONet on squares (n, 4): candidates, refined, (m, 4), and the roll of each (m,), in degrees clockwise."""
        offsets, points, scores = self.run_on_patches(self.onet, search, boxes)
        keep = scores[:, 1] > ONET_FIRST_THRESHOLD
        boxes = boxes[keep] + offsets[keep] * box_sides(boxes[keep])
        rolls = estimate_rolls_deg(points[keep])
        kept = suppress_overlaps(boxes, scores[keep, 1], 0.6)
        return to_squares(boxes[kept]), rolls[kept]

    def refine_upright(self, search: Search, boxes: Tensor, rolls: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Runs ONet a second time, on the refined squares (n, 4) rotated upright by their rolls (n,).

        Returns boxes (n, 4), as large as those of the heads upright, confidences (n,), and landmarks (n, 5, 2). At 4 false
        faces in 80 photos this pass raises recall at 12 px from 81 to 95 %, and it cures boxes half a pixel too far left;
        rotation raises recall of heads rolled by 45 degrees, 16 px across the crop, from 42 to 83 %.
        """
        offsets, points, logits = self.run_onet_mirrored(search, boxes, rolls)
        # from the middle of the square, in its sides: five landmarks and the box's centre
        places = torch.cat([points - 0.5, (offsets[:, None, :2] + offsets[:, None, 2:]) / 2], 1)
        angles = rolls.deg2rad()
        rotation = torch.stack([angles.cos(), angles.sin(), -angles.sin(), angles.cos()], 1).view(-1, 2, 2)
        places = (boxes[:, None, :2] + boxes[:, None, 2:]) / 2 + places @ rotation * box_sides(boxes)[:, None]
        half = (1 + offsets[:, 2:] - offsets[:, :2]) / 2 * box_sides(boxes)
        return torch.cat([places[:, 5] - half, places[:, 5] + half], 1), logits.sigmoid(), places[:, :5]

    def run_onet_mirrored(self, search: Search, boxes: Tensor, rolls: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Averages ONet over each rotated square and its mirror image (test-time augmentation).

        Returns box offsets (n, 4) and landmarks (n, 5, 2), both in sides of the square, and confidences as logits (n,).
        """
        offsets, points, scores = self.run_on_patches(self.onet, search, boxes, rolls)
        mirrored = self.run_on_patches(self.onet, search, boxes, rolls, mirrored=True)
        offsets = (offsets + mirrored[0][:, [2, 1, 0, 3]] * torch.tensor([-1.0, 1, -1, 1])) / 2
        other = mirrored[1].view(-1, 2, 5)[:, :, [1, 0, 2, 4, 3]]
        other = torch.stack([1 - other[:, 0], other[:, 1]], 1)
        logits = (scores[:, 1].logit(CONFIDENCE_CLAMP) + mirrored[2][:, 1].logit(CONFIDENCE_CLAMP)) / 2
        return offsets, (points.view(-1, 2, 5) + other).transpose(1, 2) / 2, logits

    def filter(self, boxes: Tensor, confidences: Tensor, landmarks: Tensor) -> list[Face]:
        """Filters detections by confidence, size and plausibility, and applies non-maximum suppression.

        `boxes` (n, 4), `confidences` (n,), `landmarks` (n, 5, 2).
        """
        columns = zip(boxes.tolist(), confidences.tolist(), landmarks.tolist(), strict=True)
        faces = [Face(tuple(box), confidence, tuple(map(tuple, points))) for box, confidence, points in columns]
        min_box_px = self.min_face_px / CROP_PER_BOX * MIN_BOX_RATIO
        faces = [face for face in faces if face.confidence >= self.confidence and face.size_px >= min_box_px]
        faces = [face for face in faces if is_plausible(face.box_xyxy, face.landmarks_xy)]
        keep = non_max_suppression([face.box_xyxy for face in faces], [face.confidence for face in faces])
        return [faces[index] for index in keep]

    def run_on_patches(
        self,
        network: nn.Module,
        search: Search,
        boxes: Tensor,
        rolls: Tensor | None = None,
        *,
        mirrored: bool = False,
    ) -> list[Tensor]:
        """Runs RNet or ONet in batches on squares (n, 4) of the photo, n > 0, rotated clockwise by `rolls` (n,) degrees.

        Returns box offsets (n, 4), of ONet landmarks (n, 10), and scores (n, 2), on the CPU.
        """
        size_px, widths = (RNET_PX, (4, 2)) if network is self.rnet else (ONET_PX, (4, 10, 2))
        # filled in place: small results kept between large temporaries would fragment the heap, by gigabytes on large photos
        outputs = [torch.empty(len(boxes), width) for width in widths]
        angles = torch.zeros(len(boxes)) if rolls is None else rolls

        def run_batch(first: int) -> None:
            batch = slice(first, first + BATCH)
            squares = zip(boxes[batch].tolist(), angles[batch].tolist(), strict=True)
            patches = np.stack([sample_patch(search.pyramid, box, size_px, roll_deg) for box, roll_deg in squares])
            predictions = network(self.normalize(patches[:, :, ::-1] if mirrored else patches))
            for output, prediction in zip(outputs, predictions, strict=True):
                output[batch] = prediction

        search.workers.run(run_batch, range(0, len(boxes), BATCH))
        return outputs

    def normalize(self, patches: np.ndarray) -> Tensor:
        """Converts (n, h, w, 3) uint8 RGB into the networks' input: (n, 3, h, w) in [-1, 1)."""
        tensor = torch.from_numpy(np.ascontiguousarray(patches)).to(self.device)
        return tensor.permute(0, 3, 1, 2).float().sub(127.5).mul(1 / 128)


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


def suppress_overlaps(boxes: Tensor, scores: Tensor, max_iou: float) -> Tensor:
    """Applies non-maximum suppression (NMS) to boxes (n, 4) with scores (n,) above 0: the indices to keep, by falling score."""
    corners = boxes.double().numpy()
    sides = corners[:, 2:] - corners[:, :2]
    kept = cv2.dnn.NMSBoxes(np.hstack([corners[:, :2], sides]), scores.numpy(), 0.0, max_iou)  # type: ignore[arg-type]
    return torch.from_numpy(np.asarray(kept, np.int64).ravel())


def estimate_rolls_deg(points: Tensor) -> Tensor:
    """Estimates heads' rolls (n,), in degrees clockwise, from ONet's landmarks (n, 10); zero for heads that count as upright.

    The batched form of `face.estimate_roll_deg`, in float32.
    """
    left, right, _, *mouth = points.view(-1, 2, 5).unbind(2)
    across, down = right - left, (mouth[0] + mouth[1] - left - right) / 2
    rolls = (torch.atan2(across[:, 1], across[:, 0]) + torch.atan2(-down[:, 0], down[:, 1])).rad2deg() / 2
    return torch.where(rolls.abs() < MAX_UPRIGHT_ROLL_DEG, 0, rolls)


def box_sides(boxes: Tensor) -> Tensor:
    """Returns the sides of squares (n, 4): (n, 1)."""
    return boxes[:, 2:3] - boxes[:, :1]


def to_squares(boxes: Tensor) -> Tensor:
    """Squares boxes (n, 4): same centres, their longer sides."""
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2
    half = (boxes[:, 2:] - boxes[:, :2]).amax(1, keepdim=True) / 2
    return torch.cat([centres - half, centres + half], 1)
