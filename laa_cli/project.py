"""Keeping a restored face true to the photo: reduced to the photo's resolution, it should be what the photo shows.

The paper has no such step. It costs little beside the network, keeps colours, pose and large structure from drifting, and gives
a crop larger than 16 px the detail back that a network's answer lacks. What the photo shows is not only the face, though: noise
and JPEG's blocks are in it too, so the finer part of the correction is only as strong as the photo is clean.
"""

from __future__ import annotations

import math

from torch import Tensor

from models.protocol import resize

ROUNDS = 5  # of back-projection; more change PSNR by less than 0.01 dB
COARSE = 4  # the coarse part of a crop has a pixel for every 4x4
LUMA = (0.299, 0.587, 0.114)  # BT.601
# See `measured`: logistic regression of the fidelity that comes closest to the truth, on training faces with all faults.
OFFSET, BY_DIFFERENCE, BY_SHARE = 0.37, -2.65, -2.30


def true_to_photo(faces: Tensor, crops: Tensor, rounds: int = ROUNDS) -> Tensor:
    """Corrects faces until they show, reduced to the photo's resolution, what the photo shows.

    Iterative back-projection (Irani & Peleg 1991): `faces` (n, 3, s, s), `crops` (n, 3, e, e) -> (n, 3, s, s) in [0, 1].
    """
    for _ in range(rounds):
        faces = faces + resize(crops - resize(faces, crops.shape[-1]), faces.shape[-1])
    return faces.clamp(0, 1)


def projected(faces: Tensor, crops: Tensor, fidelity: float) -> Tensor:
    """Faces as near to what the photo shows as `fidelity` says, 0..1; colours and large structure always are.

    `faces` (n, 3, s, s), `crops` (n, 3, e, e) -> (n, 3, s, s) in [0, 1].
    """
    change = true_to_photo(faces, crops) - faces
    coarse = coarsened(change, crops.shape[-1] // COARSE)
    return (faces + coarse + fidelity * (change - coarse)).clamp(0, 1)


def measured(face: Tensor, crop: Tensor) -> float:
    """The fidelity that a crop (1, 3, e, e) deserves, seen what the network made of it, (1, 3, s, s).

    Where the crop is a clean reduction of a sharp face, both differ little at the photo's resolution. The difference grows with
    noise and JPEG's blocks; with blur, that of a photo enlarged before, say, it grows beside the finest detail that the network
    draws.
    """
    side = crop.shape[-1]
    drawn = resize(face, side)
    difference = grey(crop - drawn)
    detail = grey(drawn - coarsened(drawn, side // 2))
    apart, fine = (255 * part.square().mean().sqrt().item() + 0.05 for part in (difference, detail))
    odds = OFFSET + BY_DIFFERENCE * math.log(apart) + BY_SHARE * math.log(apart / fine)
    return 1 / (1 + math.exp(-odds))


def coarsened(images: Tensor, side: int) -> Tensor:
    """Images without what `side` pixels across cannot hold, (n, c, s, s) -> the same shape."""
    return resize(resize(images, max(COARSE, side)), images.shape[-1])


def grey(images: Tensor) -> Tensor:
    """(n, 3, h, w) -> (n, h, w)."""
    return (images * images.new_tensor(LUMA).view(3, 1, 1)).sum(1)


def difference(faces: Tensor, crops: Tensor) -> float:
    """RMSE between faces (n, 3, s, s), reduced to the photo's resolution, and crops (n, 3, e, e); 0..1."""
    return (resize(faces, crops.shape[-1]) - crops).square().mean().sqrt().item()
