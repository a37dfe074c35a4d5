"""Loads the photos of a training run, for training and for validation: whole, each beside its reduction."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ..errors import LaaError, OutOfMemoryError
from ..faceset.format import encoded_pictures
from ..faceset.hashing import Hashes, difference_hashes, find_duplicates
from ..utils.memory import available_bytes
from .training_task import Notice, Splits

PATCH_PX = 48  # side of a sample's LR patch, which every photo has room for
VALIDATION_PX = 1024  # of a larger photo its middle is validated on
USABLE_SHARE = 0.8  # of the free memory
DECODED_AT_ONCE = 64


@dataclass(frozen=True)
class TrainingPhoto:
    """A photo: `hr` (3, s h, s w) and its reduction `lr` (3, h, w), both uint8 RGB."""

    name: str
    hr: Tensor
    lr: Tensor

    @property
    def scale(self) -> int:
        """How many times larger `hr` is."""
        return self.hr.shape[-1] // self.lr.shape[-1]

    @property
    def patches(self) -> int:
        """How many patches an epoch takes from it: as many as fill its area."""
        return round(self.lr[0].numel() / PATCH_PX**2)

    @property
    def nbytes(self) -> int:
        """The memory that it takes."""
        return self.hr.nbytes + self.lr.nbytes

    def to(self, device: torch.device) -> TrainingPhoto:
        """Moves it to a device."""
        return TrainingPhoto(self.name, self.hr.to(device), self.lr.to(device))

    def cut(self, top: int, left: int, side: int) -> tuple[Tensor, Tensor]:
        """Cuts a patch (3, side, side), whose place is in px of `lr`, and its truth (3, s side, s side), uint8."""
        rows, columns = (slice(start, start + side) for start in (top, left))
        large = (slice(self.scale * part.start, self.scale * part.stop) for part in (rows, columns))
        return self.lr[:, rows, columns], self.hr[:, *large]


class PhotoSet:
    """Photos as a TrainingSet: an item is a patch anywhere in a photo, of which a larger photo has more.

    `places`: the index of each item's photo.
    """

    def __init__(self, photos: list[TrainingPhoto], places: list[int]) -> None:
        self.photos = photos
        self.places = places

    @classmethod
    def of(cls, photos: list[TrainingPhoto]) -> PhotoSet:
        """Gives each photo as many items as it has patches."""
        return cls(photos, [index for index, photo in enumerate(photos) for _ in range(photo.patches)])

    @property
    def nbytes(self) -> int:
        """The memory that the photos take."""
        return sum(photo.nbytes for photo in self.photos)

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, indices: list[int]) -> PhotoSet:
        return PhotoSet([self.photos[self.places[index]] for index in indices], list(range(len(indices))))

    def to(self, device: torch.device) -> PhotoSet:
        """Moves the photos to a device."""
        return PhotoSet([photo.to(device) for photo in self.photos], self.places)


def read_photo_splits(data: list[Path], validation: list[Path], scale: int, notice: Notice) -> Splits:
    """Reads a PhotoSet for training, and a list of TrainingPhotos for validation. LaaError, also for photos in both."""
    training = read_photos(data, scale, notice)
    held_out = read_photos(validation, scale, notice, VALIDATION_PX)
    check_no_common_photos(training, held_out)
    return Splits(PhotoSet.of(training), held_out)


def read_photos(sources: list[Path], scale: int, notice: Notice, limit_px: int | None = None) -> list[TrainingPhoto]:
    """Decodes all photos of folders and tar files, in the order of the names within each source.

    Those too small for a patch are left out, and `notice` is called with a line about them. `limit_px`: side of the middle
    that is taken of a larger one. LaaError where a source or a photo cannot be read, or none is large enough.
    """
    where, least = ", ".join(map(str, sources)), f"{PATCH_PX * scale}x{PATCH_PX * scale} px"
    photos, taken, small, free = [], 0, 0, available_bytes()
    for photo in decode_photos(sources, scale, limit_px):
        if min(photo.lr.shape[1:]) < PATCH_PX:
            small += 1
            continue
        photos.append(photo)
        taken += photo.nbytes
        if free is not None and taken > USABLE_SHARE * free:
            raise OutOfMemoryError(f"the photos in {where} take more memory than is free: give fewer or smaller ones")
    if not photos:
        raise LaaError(f"no photos in {where}: expected a folder or tar file of photos of at least {least}")
    if small:
        notice(f"{small} of {small + len(photos)} photos in {where} are left out: they are smaller than {least}")
    return photos


def decode_photos(sources: list[Path], scale: int, limit_px: int | None) -> Iterator[TrainingPhoto]:
    """Yields the decoded photos of folders and tar files; few are decoded ahead."""
    items = (item for source in sources for item in encoded_pictures(source, "photos"))
    with ThreadPoolExecutor() as pool:
        while batch := list(islice(items, DECODED_AT_ONCE)):
            yield from pool.map(lambda item: decode_photo(*item, scale=scale, limit_px=limit_px), batch)


def decode_photo(name: str, content: bytes, *, scale: int, limit_px: int | None = None) -> TrainingPhoto:
    """Decodes a photo, its sides cut to multiples of the scale, and reduces it by Pillow's bicubic, antialiased.

    `name` is what errors call it. LaaError.
    """
    try:
        with Image.open(io.BytesIO(content)) as picture:
            whole = picture.convert("RGB")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise LaaError(f"cannot read the photo {name}: {error}") from error
    hr = crop_to_scale(whole, scale, limit_px)
    size = (hr.width // scale, hr.height // scale)
    lr = hr.resize(size, Image.Resampling.BICUBIC) if min(size) > 0 else hr
    return TrainingPhoto(name, to_tensor(hr), to_tensor(lr))


def crop_to_scale(picture: Image.Image, scale: int, limit_px: int | None) -> Image.Image:
    """Crops a picture's sides to multiples of the scale, and one that has more than `limit_px` around its middle to that."""
    width, height = (min(side, limit_px or side) // scale * scale for side in picture.size)
    left, top = (0, 0) if limit_px is None else ((picture.width - width) // 2, (picture.height - height) // 2)
    return picture.crop((left, top, left + width, top + height))


def to_tensor(picture: Image.Image) -> Tensor:
    """Copies an RGB picture to (3, h, w) uint8."""
    return torch.from_numpy(np.array(picture)).permute(2, 0, 1).contiguous()


def check_no_common_photos(training: list[TrainingPhoto], validation: list[TrainingPhoto]) -> None:
    """Raises LaaError where validation photos are training photos too, even in another size or coding."""
    pairs = find_duplicates(hash_photos(validation), hash_photos(training))
    if pairs:
        index, other = pairs[0]
        count = len({index for index, _ in pairs})
        example = f"{validation[index].name} is like {training[other].name}"
        raise LaaError(f"{count} of {len(validation)} validation photos are among the training photos: {example}")


def hash_photos(photos: Iterable[TrainingPhoto]) -> Hashes:
    """Computes the difference hash of each whole photo, by its reduction: (n, 4) uint64."""
    return np.concatenate([difference_hashes(photo.lr[None]) for photo in photos])
