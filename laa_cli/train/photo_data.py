"""Loads the photos of a training run whole, each beside its reduction; and the samples, patches of them."""

from __future__ import annotations

import io
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ..errors import LaaError
from ..faceset.format import encoded_pictures
from ..faceset.hashing import Hashes, difference_hashes, find_duplicates
from .training_task import Notice, Splits

PATCH_PX = 48  # side of a sample's LR patch
VALIDATION_PX = 1024  # of a larger photo its middle is validated on


@dataclass(frozen=True)
class PhotoSamples:
    """A training batch: patches `lr` (n, 3, p, p) and `truth` (n, 3, s p, s p), RGB in [0, 1].

    `seeds`: (n,) int64, of the network's own random draws for each of them.
    """

    truth: Tensor
    lr: Tensor
    seeds: Tensor

    def network_inputs(self) -> tuple[Tensor, Tensor]:
        """Returns the patches and their seeds."""
        return self.lr, self.seeds

    def shard(self, rank: int, world_size: int) -> PhotoSamples:
        """Takes the slice of the batch that belongs to one of `world_size` processes or threads."""
        count = len(self.truth) // world_size
        part = slice(rank * count, (rank + 1) * count)
        return PhotoSamples(self.truth[part], self.lr[part], self.seeds[part])


@dataclass(frozen=True)
class Photo:
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
        return max(1, round(self.lr[0].numel() / PATCH_PX**2))

    def to(self, device: torch.device) -> Photo:
        """Moves it to a device."""
        return Photo(self.name, self.hr.to(device), self.lr.to(device))


class PhotoSet:
    """Photos as a training set: an item is a patch anywhere in a photo, which has items by its area. `places`: their photos."""

    def __init__(self, photos: list[Photo], places: list[int] | None = None) -> None:
        self.photos = photos
        self.places = [index for index, photo in enumerate(photos) for _ in range(photo.patches)] if places is None else places

    @property
    def nbytes(self) -> int:
        """The memory that the photos take."""
        return sum(photo.hr.nbytes + photo.lr.nbytes for photo in self.photos)

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, indices: list[int]) -> PhotoSet:
        """Selects items."""
        return PhotoSet([self.photos[self.places[index]] for index in indices], list(range(len(indices))))

    def to(self, device: torch.device) -> PhotoSet:
        """Moves the photos to a device."""
        return PhotoSet([photo.to(device) for photo in self.photos], self.places)


def read_photo_splits(data: list[Path], validation: list[Path], scale: int, notice: Notice) -> Splits:
    """Reads a PhotoSet for training, and a list of `Photo` for validation. LaaError, also for photos in both."""
    training = read_photos(data, scale, notice)
    held_out = read_photos(validation, scale, notice, VALIDATION_PX)
    check_no_overlap(training, held_out)
    return Splits(PhotoSet(training), held_out)


def read_photos(sources: list[Path], scale: int, notice: Notice, limit_px: int | None = None) -> list[Photo]:
    """Decodes all photos of folders and tar files, in the order of the names within each source.

    Those too small for a patch are left out, and `notice` is called with a line about them. `limit_px`: side of the middle
    that is taken of a larger one. LaaError where a source or a photo cannot be read, or none is large enough.
    """
    with ThreadPoolExecutor() as pool:
        items = (item for source in sources for item in encoded_pictures(source, "photos"))
        photos = list(pool.map(lambda item: decode_photo(item[0], item[1], scale, limit_px), items))
    large = [photo for photo in photos if min(photo.lr.shape[1:]) >= PATCH_PX]
    where, least = ", ".join(map(str, sources)), f"{PATCH_PX * scale}x{PATCH_PX * scale} px"
    if not large:
        raise LaaError(f"no photos in {where}: expected a folder or tar file of photos of at least {least}")
    if small := len(photos) - len(large):
        notice(f"{small} of {len(photos)} photos in {where} are left out: they are smaller than {least}")
    return large


def decode_photo(name: str, content: bytes, scale: int, limit_px: int | None) -> Photo:
    """Decodes a photo, its sides cut to multiples of the scale, and reduces it. `name` is what errors call it. LaaError."""
    try:
        with Image.open(io.BytesIO(content)) as picture:
            whole = picture.convert("RGB")
    except (OSError, ValueError, Image.DecompressionBombError) as error:
        raise LaaError(f"cannot read the photo {name}: {error}") from error
    hr = crop_middle(whole, scale, limit_px)
    size = (hr.width // scale, hr.height // scale)
    lr = hr.resize(size, Image.Resampling.BICUBIC) if min(size) > 0 else hr
    return Photo(name, to_tensor(hr), to_tensor(lr))


def crop_middle(picture: Image.Image, scale: int, limit_px: int | None) -> Image.Image:
    """Crops a picture to multiples of the scale; one beyond `limit_px` to that, around its middle."""
    width, height = (min(side, limit_px or side) // scale * scale for side in picture.size)
    left, top = ((picture.width - width) // 2, (picture.height - height) // 2) if limit_px else (0, 0)
    return picture.crop((left, top, left + width, top + height))


def to_tensor(picture: Image.Image) -> Tensor:
    """Copies an RGB picture to (3, h, w) uint8."""
    return torch.from_numpy(np.array(picture)).permute(2, 0, 1).contiguous()


def check_no_overlap(training: list[Photo], validation: list[Photo]) -> None:
    """Raises LaaError where validation photos are training photos too, even in another size or coding."""
    pairs = find_duplicates(hash_photos(validation), hash_photos(training))
    if pairs:
        index, other = pairs[0]
        count = len({index for index, _ in pairs})
        example = f"{validation[index].name} is like {training[other].name}"
        raise LaaError(f"{count} of {len(validation)} validation photos are among the training photos: {example}")


def hash_photos(photos: Iterable[Photo]) -> Hashes:
    """Computes the difference hash of each whole photo, by its reduction: (n, 4) uint64."""
    return np.concatenate([difference_hashes(photo.lr[None]) for photo in photos])
