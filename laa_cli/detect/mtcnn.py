"""Face detection: MTCNN's candidates, looked at again upright, and judged by all networks together."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from models.sizes import CROP_MARGIN

from ..options import CONFIDENCE, ModelOptions
from .boxes import box_sides, to_squares
from .candidates import CandidateFinder, Candidates
from .classifier import CandidateClassifier
from .confidence import Evidence, face_logits, mean_probability
from .face import Box, Face
from .filtering import is_plausible, non_max_suppression
from .patch_network import Search

# A face whose crop (1.25 times its box) is min_face_px wide is still looked for, and small boxes come out up to 22 % short:
# where 8.2 px was the smallest, 2 of 100 faces 12 px across the crop were lost. PNet's smallest cell is smaller than the box:
# of those faces 93 % come through MTCNN's networks; 4 of 100 fewer did where it was as large.
MIN_BOX_RATIO = 0.78
CELL_PER_BOX = 0.9


class MTCNNDetector:
    """MTCNN, loaded once. Call with a photo (h, w, 3) uint8 RGB -> its faces, in photo pixels.

    `min_face_px`: the smallest face to look for; a box may be up to two fifths smaller, see MIN_BOX_RATIO. `confidence`: the
    least confidence of a face; `dtype`: of PNet's convolutions, most of the work, which only proposes. Raises UsageError where
    one is out of range, see ModelOptions.
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
        self.min_box_px = min_face_px / CROP_MARGIN * MIN_BOX_RATIO
        self.confidence = confidence
        self.finder = CandidateFinder(device, smallest_cell_px(min_face_px), dtype)
        self.classifier = CandidateClassifier.load(device)

    @torch.inference_mode()
    def __call__(self, rgb: np.ndarray) -> list[Face]:
        """Detects the faces of a photo, (h, w, 3) uint8 RGB, by falling confidence; none in one smaller than their boxes."""
        if min(rgb.shape[:2]) < self.min_box_px:
            return []
        with self.finder.searching(rgb) as search:
            candidates = self.finder(search)
            if candidates is None:
                return []
            likely = self.classifier(search, candidates.squares, candidates.rolls)
            keep = self.may_be_faces(candidates, likely)
            return self.filter(*self.look_again(search, candidates.where(keep), likely[keep])) if keep.any() else []

    @torch.inference_mode()
    def look_at(self, rgb: np.ndarray, boxes: Sequence[Box]) -> list[Face | None]:
        """Frames the faces that are said to be in boxes: see `interfaces.FaceDetector`. Neither confidence nor size counts."""
        squares = to_squares(torch.tensor(boxes, dtype=torch.float32).view(-1, 4))
        if not len(squares):
            return []
        with self.finder.searching(rgb) as search:
            candidates = self.finder.look_at(search, squares)
            likely = self.classifier(search, candidates.squares, candidates.rolls)
            faces = to_faces(*self.look_again(search, candidates, likely))
        return [face if is_plausible(face.box_xyxy, face.landmarks_xy) else None for face in faces]

    def may_be_faces(self, candidates: Candidates, likely: Tensor) -> Tensor:
        """Tells which candidates (n,) a certain second answer of ONet's would make sure enough; `likely`: see `look_again`."""
        best = Evidence(candidates.rnet, candidates.onet, torch.ones_like(likely), likely)
        return face_logits(best).sigmoid() >= self.confidence

    def look_again(self, search: Search, candidates: Candidates, likely: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Runs ONet and the face classifier on the refined squares, rotated upright by the heads' rolls.

        `likely`: what the classifier says of them unmirrored (n,). Returns boxes (n, 4), as large as those of the heads
        upright, confidences (n,), and landmarks (n, 5, 2). This look cures boxes half a pixel too far left; rotation raised
        recall of heads rolled by 45 degrees, 16 px across the crop, from 42 to 83 %.
        """
        squares, rolls = candidates.squares, candidates.rolls
        offsets, points, onet = self.run_onet_mirrored(search, squares, rolls)
        classifier = mean_probability(likely, self.classifier(search, squares, rolls, mirrored=True))
        # from the middle of the square, in its sides: five landmarks and the box's centre
        places = torch.cat([points - 0.5, (offsets[:, None, :2] + offsets[:, None, 2:]) / 2], 1)
        angles = rolls.deg2rad()
        rotation = torch.stack([angles.cos(), angles.sin(), -angles.sin(), angles.cos()], 1).view(-1, 2, 2)
        places = (squares[:, None, :2] + squares[:, None, 2:]) / 2 + places @ rotation * box_sides(squares)[:, None]
        half = (1 + offsets[:, 2:] - offsets[:, :2]) / 2 * box_sides(squares)
        boxes = torch.cat([places[:, 5] - half, places[:, 5] + half], 1)
        logits = face_logits(Evidence(candidates.rnet, candidates.onet, onet, classifier))
        return boxes, logits.sigmoid(), places[:, :5]

    def run_onet_mirrored(self, search: Search, squares: Tensor, rolls: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Averages ONet over each rotated square and its mirror image (test-time augmentation).

        Returns box offsets (n, 4) and landmarks (n, 5, 2), both in sides of the square, and probabilities (n,).
        """
        offsets, points, scores = self.finder.onet(search, squares, rolls)
        mirrored = self.finder.onet(search, squares, rolls, mirrored=True)
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


def smallest_cell_px(min_face_px: float) -> float:
    """Computes the side of PNet's smallest cell, in photo pixels, for the smallest face to look for."""
    return min_face_px / CROP_MARGIN * CELL_PER_BOX


def to_faces(boxes: Tensor, confidences: Tensor, landmarks: Tensor) -> list[Face]:
    """Makes boxes (n, 4) with confidences (n,) and landmarks (n, 5, 2) faces."""
    columns = zip(boxes.tolist(), confidences.tolist(), landmarks.tolist(), strict=True)
    return [Face(tuple(box), confidence, tuple(map(tuple, points))) for box, confidence, points in columns]
