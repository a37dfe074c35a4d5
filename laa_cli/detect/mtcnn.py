"""Finding faces with MTCNN's three networks; the only module that touches facenet-pytorch.

Its own `MTCNN.detect` is not used. It samples crops by area, which makes blocks of small faces, cuts boxes to whole pixels, and
sees small faces only in a photo enlarged beforehand. Here each network gets crops sampled bicubically from the photo itself.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch import Tensor, nn

from ..errors import Exit, LaaError
from .filtering import Box, is_plausible, longer_side, non_max_suppression
from .sampling import build_pyramid, sample_patch

CELL_PX = 12  # side of what PNet, MTCNN's first network, judges; it does so every 2 pixels
RNET_PX, ONET_PX = 24, 48  # sides of what the second and third network judge
PYRAMID_STEP = 0.709  # MTCNN's own; 0.794 found as many faces for half as much work again
PNET_THRESHOLD, RNET_THRESHOLD = (
    0.6,
    0.7,
)  # MTCNN's own thresholds for its first and second network; 0.5 and 0.6 found no more faces
ONET_FIRST_THRESHOLD = 0.25  # least ONet confidence for the second look, which settles it
# Least confidence of a face. Measured at 0.94: found of faces pasted into photos, 12 px across the crop, 95.7 %; 16 px, 99.2 %;
# 20 to 48 px, 99.2 % or more; 96 px, 98.3 %; and 7 false faces in 160 face-free pictures. At 0.9: 95.9, 99.4, 99.6 % and 12.
CONFIDENCE = 0.94
MAX_LEVEL_ROLL_DEG = 12.0  # heads that are rolled less are looked at as they are
CONFIDENCE_CLAMP = 1e-4  # a view's confidence counts at most as this near to 0 or 1

# A face whose crop (1.25 times its box) is min_face_px wide is still looked for, and small boxes come out up to 15 % short:
# of faces 12 px across the crop, 98 % have a box of 8.2 px or more.
CROP_PER_BOX = 1.25
MIN_BOX_RATIO = 0.85

# Largest pyramid level, reached by photos of 64 megapixels with min_face_px 12; in larger ones the smallest face grows with the
# square root of their area. It bounds memory (0.3 GB over what torch takes for 12 megapixels, 0.6 GB for 40) and time: 3 to 8 s
# for 12, 14 to 23 s for 40 on one busy core, where facenet-pytorch's own `detect` took 11 to 19 s for 12 with min_face_size 12.
LEVEL_PX = 100_000_000
BATCH = 256  # squares that RNet or ONet see at once
STRIP_PX = 1 << 19  # pixels of a level that PNet sees at once: about 100 MB of activations


@dataclass(frozen=True)
class Face:
    """One face in photo pixels, continuous: pixel 0 reaches from 0 to 1. The box can reach a little over the photo's edge.

    `landmarks_xy`: left eye, right eye, nose, left and right mouth corner, left and right as seen in the photo.
    """

    box_xyxy: Box
    confidence: float
    landmarks_xy: tuple[tuple[float, float], ...]

    @property
    def size_px(self) -> float:
        """The longer side of the box."""
        return longer_side(self.box_xyxy)


class MTCNNDetector:
    """MTCNN, loaded once.

    `min_face_px`: the smallest face to look for, 8 or more; a box may be up to a third smaller, see SHORTEST.
    `confidence`: the least to believe, in 0..1. Raises LaaError where one of them makes no sense.
    """

    def __init__(self, device: torch.device, *, min_face_px: float = 12, confidence: float = CONFIDENCE) -> None:
        if not 8 <= min_face_px < math.inf:
            raise LaaError(f"--min-face must be 8 px or more, not {min_face_px:g}", Exit.USAGE)
        if not 0 <= confidence <= 1:
            raise LaaError(f"--confidence must be from 0 to 1, not {confidence:g}", Exit.USAGE)
        from facenet_pytorch import MTCNN  # here, because it is slow
        from torchvision.ops import nms

        self.device, self.min_face_px, self.confidence, self.nms = device, float(min_face_px), confidence, nms
        mtcnn = MTCNN(device=device).eval()
        # channels_last: three times PNet's speed on a CPU
        self.pnet, self.rnet, self.onet = (
            network.to(memory_format=torch.channels_last) for network in (mtcnn.pnet, mtcnn.rnet, mtcnn.onet)
        )

    @torch.inference_mode()
    def __call__(self, rgb: np.ndarray) -> list[Face]:
        """Faces of a photo, (h, w, 3) uint8 RGB, by falling confidence. None in a photo smaller than the smallest face."""
        if min(rgb.shape[:2]) < self.min_face_px:
            return []
        rgb = np.ascontiguousarray(rgb)
        photo, boxes = build_pyramid(rgb, ONET_PX), self.run_pnet(rgb)
        boxes = self.run_rnet(photo, boxes) if len(boxes) else boxes
        boxes, rolls = self.run_onet(photo, boxes) if len(boxes) else (boxes, boxes)
        return self.filter(*self.refine_upright(photo, boxes, rolls)) if len(boxes) else []

    def run_pnet(self, rgb: np.ndarray) -> Tensor:
        """PNet on a pyramid of the photo, in strips: (n, 4) squares in photo pixels."""
        found = [torch.zeros(0, 4)]
        height, width = rgb.shape[:2]
        for level in self.pnet_pyramid(rgb):
            scale = torch.tensor([width / level.shape[1], height / level.shape[0]] * 2)
            rows = max(CELL_PX, STRIP_PX // level.shape[1] // 2 * 2)
            # strips overlap by a cell less its stride, so that every cell is judged once and no border shows
            for top in range(0, max(1, level.shape[0] - CELL_PX + 1), rows):
                boxes = self.run_pnet_on_strip(level[top : top + rows + CELL_PX - 2])
                found.append((boxes + torch.tensor([0, top, 0, top])) * scale)
        return to_squares(torch.cat(found))

    def pnet_pyramid(self, rgb: np.ndarray) -> Iterator[np.ndarray]:
        """The photo resized so that faces of rising size fill PNet's cell."""
        height, width = rgb.shape[:2]
        cell = max(self.min_face_px / CROP_PER_BOX, CELL_PX * math.sqrt(height * width / LEVEL_PX))
        while cell <= min(height, width):
            size = tuple(max(CELL_PX, round(side * CELL_PX / cell)) for side in (width, height))
            yield cv2.resize(rgb, size, interpolation=cv2.INTER_CUBIC if cell < CELL_PX else cv2.INTER_AREA)
            cell /= PYRAMID_STEP

    def run_pnet_on_strip(self, strip: np.ndarray) -> Tensor:
        """PNet on one strip: (n, 4) boxes in its pixels."""
        shifts, scores = self.pnet(self.normalize(strip[None]))
        rows, columns = (scores[0, 1] > PNET_THRESHOLD).nonzero(as_tuple=True)
        shift, score = shifts[0, :, rows, columns].T.cpu(), scores[0, 1, rows, columns].cpu()
        corner = torch.stack([columns, rows], 1).cpu().float() * 2
        cells = torch.cat([corner, corner + CELL_PX], 1)
        keep = self.nms(cells, score, 0.5)
        return cells[keep] + shift[keep] * CELL_PX

    def run_rnet(self, photo: list[np.ndarray], boxes: Tensor) -> Tensor:
        """RNet's choice of squares, moved."""
        shifts, scores = self.run_on_patches(self.rnet, photo, boxes)
        keep = scores[:, 1] > RNET_THRESHOLD
        boxes, scores = boxes[keep] + shifts[keep] * box_sides(boxes[keep]), scores[keep, 1]
        return to_squares(boxes)[self.nms(to_squares(boxes), scores, 0.7)]

    def run_onet(self, photo: list[np.ndarray], boxes: Tensor) -> tuple[Tensor, Tensor]:
        """ONet's choice of squares, moved: what may be a face, and how far each is rolled (n,), in degrees clockwise."""
        shifts, points, scores = self.run_on_patches(self.onet, photo, boxes)
        keep = scores[:, 1] > ONET_FIRST_THRESHOLD
        boxes, scores, rolls = (
            boxes[keep] + shifts[keep] * box_sides(boxes[keep]),
            scores[keep, 1],
            estimate_rolls_deg(points[keep]),
        )
        kept = self.nms(boxes, scores, 0.6)
        return to_squares(boxes[kept]), rolls[kept]

    def refine_upright(self, photo: list[np.ndarray], boxes: Tensor, rolls: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """ONet's second look, at moved squares turned upright and their mirror images.

        Returns boxes (n, 4), as large as those of the heads upright, confidences (n,), and landmarks (n, 5, 2). At 4 false
        faces in 80 photos the second look raises recall at 12 px from 81 to 95 %, and it cures boxes half a pixel too far left;
        turning raises recall of heads rolled by 45 degrees, 16 px across the crop, from 42 to 83 %.
        """
        shifts, points, scores = self.run_on_patches(self.onet, photo, boxes, rolls)
        mirrored = self.run_on_patches(self.onet, photo, boxes, rolls, mirrored=True)
        shifts = (shifts + mirrored[0][:, [2, 1, 0, 3]] * torch.tensor([-1.0, 1, -1, 1])) / 2
        points, other = points.view(-1, 2, 5), mirrored[1].view(-1, 2, 5)[:, :, [1, 0, 2, 4, 3]]
        other = torch.stack([1 - other[:, 0], other[:, 1]], 1)
        odds = (scores[:, 1].logit(CONFIDENCE_CLAMP) + mirrored[2][:, 1].logit(CONFIDENCE_CLAMP)) / 2
        # from the middle of the square, in its sides
        places = torch.cat([(points + other).transpose(1, 2) / 2 - 0.5, (shifts[:, None, :2] + shifts[:, None, 2:]) / 2], 1)
        angles = rolls.deg2rad()
        turn = torch.stack([angles.cos(), angles.sin(), -angles.sin(), angles.cos()], 1).view(-1, 2, 2)
        places = (boxes[:, None, :2] + boxes[:, None, 2:]) / 2 + places @ turn * box_sides(boxes)[:, None]
        half = (1 + shifts[:, 2:] - shifts[:, :2]) / 2 * box_sides(boxes)
        return torch.cat([places[:, 5] - half, places[:, 5] + half], 1), odds.sigmoid(), places[:, :5]

    def filter(self, boxes: Tensor, confidences: Tensor, landmarks: Tensor) -> list[Face]:
        """The detections that are sure, large and plausible enough, each face once."""
        columns = zip(boxes.tolist(), confidences.tolist(), landmarks.tolist(), strict=True)
        faces = [Face(tuple(box), confidence, tuple(map(tuple, points))) for box, confidence, points in columns]
        least_px = self.min_face_px / CROP_PER_BOX * MIN_BOX_RATIO
        faces = [face for face in faces if face.confidence >= self.confidence and face.size_px >= least_px]
        faces = [face for face in faces if is_plausible(face.box_xyxy, face.landmarks_xy)]
        return [
            faces[index]
            for index in non_max_suppression([face.box_xyxy for face in faces], [face.confidence for face in faces])
        ]

    def run_on_patches(
        self, network: nn.Module, photo: list[np.ndarray], boxes: Tensor, rolls: Tensor | None = None, *, mirrored: bool = False
    ) -> list[Tensor]:
        """What RNet or ONet says of one or more squares of the photo, turned clockwise by `rolls` degrees, on the CPU."""
        size_px, widths = (RNET_PX, (4, 2)) if network is self.rnet else (ONET_PX, (4, 10, 2))
        # filled in place: small results kept between large temporaries would fragment the heap, by gigabytes on large photos
        outputs = [torch.empty(len(boxes), width) for width in widths]
        angles = torch.zeros(len(boxes)) if rolls is None else rolls
        for first in range(0, len(boxes), BATCH):
            chosen = slice(first, first + BATCH)
            places = zip(boxes[chosen].tolist(), angles[chosen].tolist(), strict=True)
            pictures = np.stack([sample_patch(photo, box, size_px, roll_deg) for box, roll_deg in places])
            said = network(self.normalize(pictures[:, :, ::-1] if mirrored else pictures))
            for output, part in zip(outputs, said, strict=True):
                output[chosen] = part
        return outputs

    def normalize(self, pictures: np.ndarray) -> Tensor:
        """(n, h, w, 3) uint8 as the networks want it: (n, 3, h, w) in [-1, 1)."""
        tensor = torch.from_numpy(np.ascontiguousarray(pictures)).to(self.device)
        return tensor.permute(0, 3, 1, 2).float().sub(127.5).mul(1 / 128)


def estimate_rolls_deg(points: Tensor) -> Tensor:
    """How far heads are rolled (n,), in degrees clockwise, by ONet's landmarks (n, 10); zero where it hardly matters."""
    left, right, _, *mouth = points.view(-1, 2, 5).unbind(2)
    across, down = right - left, (mouth[0] + mouth[1] - left - right) / 2
    rolls = (torch.atan2(across[:, 1], across[:, 0]) + torch.atan2(-down[:, 0], down[:, 1])).rad2deg() / 2
    return torch.where(rolls.abs() < MAX_LEVEL_ROLL_DEG, 0, rolls)


def box_sides(boxes: Tensor) -> Tensor:
    """Side of each square: (n, 1)."""
    return boxes[:, 2:3] - boxes[:, :1]


def to_squares(boxes: Tensor) -> Tensor:
    """The squares around the boxes' centres with their longer sides."""
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2
    half = (boxes[:, 2:] - boxes[:, :2]).amax(1, keepdim=True) / 2
    return torch.cat([centres - half, centres + half], 1)
