"""Mines training crops for the face classifier: what MTCNN's candidates show, on faces and where there are none."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import torch
from torch import Tensor

from models.sizes import CROP_MARGIN

from ...detect.boxes import box_sides
from ...detect.candidates import CandidateFinder
from ...detect.classifier import context_squares
from ...detect.sampling import sample_patches
from .fit import CROP_JITTER_PX
from .pictures import draw_view, paste_face

MAX_OFFSET, MAX_RATIO = 0.4, 2.0  # of a candidate on a face: from its middle in its boxes, and of their sides


class Miner:
    """Finds MTCNN's candidates in pictures, and cuts their crops with room for shifts. `image_px`: of the classifier."""

    def __init__(self, finder: CandidateFinder, image_px: int) -> None:
        self.finder = finder
        self.stored_px = image_px + 2 * CROP_JITTER_PX
        self.room = self.stored_px / image_px

    @torch.inference_mode()
    def candidates(self, picture: Tensor) -> tuple[Tensor, Tensor]:
        """Finds the candidates in (3, h, w) uint8 RGB: squares (n, 4) xyxy in pixels, and crops (n, 3, s, s) uint8."""
        rgb = picture.permute(1, 2, 0).contiguous().numpy()
        with self.finder.searching(rgb) as search:
            found = self.finder(search)
        if found is None:
            return torch.zeros(0, 4), torch.zeros(0, 3, self.stored_px, self.stored_px, dtype=torch.uint8)
        places = context_squares(found.squares, self.room).tolist()
        crops = sample_patches(search.pyramid, places, self.stored_px, found.rolls.tolist())
        return found.squares, torch.from_numpy(crops).permute(0, 3, 1, 2)

    def on_faces(self, faces: Iterable[Tensor], photos: list[Tensor], random: torch.Generator) -> Iterator[Tensor]:
        """Yields the crops (n, 3, s, s) of candidates on each face (3, 144, 144), pasted into one of the photos."""
        for face in faces:
            photo = photos[int(torch.randint(len(photos), (), generator=random))]
            picture, crop_px = paste_face(face, photo, random)
            squares, crops = self.candidates(picture)
            yield crops[is_on_face(squares, picture.shape[-1] / 2, crop_px / CROP_MARGIN)]

    def without_faces(self, photos: Iterable[Tensor], views: int, random: torch.Generator) -> Iterator[Tensor]:
        """Yields the crops (n, 3, s, s) of all candidates in each photo (3, h, w) without faces and in `views` of it."""
        for photo in photos:
            pictures = (photo, *(draw_view(photo, random) for _ in range(views)))
            yield torch.cat([self.candidates(picture)[1] for picture in pictures])


def is_on_face(squares: Tensor, middle_px: float, box_px: float) -> Tensor:
    """Tells which squares (n, 4) frame a face in the middle of a picture whose box has this side: (n,) bool."""
    sides = box_sides(squares)[:, 0]
    offsets = ((squares[:, :2] + squares[:, 2:]) / 2 - middle_px).norm(dim=1)
    return (offsets < MAX_OFFSET * box_px) & (sides > box_px / MAX_RATIO) & (sides < box_px * MAX_RATIO)
