"""Fits the error bars of restored faces to trained weights: the coefficients by which 90 % of the errors are within them."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from models.protocol import reduce

from ..interfaces import FaceCrop
from ..restore.doubt import measure_features
from ..restore.doubt_features import COVERAGE, LEVELS, SIDES_PX
from ..restore.restorer import NetworkRestorer
from ..utils.tensor_ops import rgb_to_grayscale
from .corruptions import compress_jpeg, uniform
from .face_data import FaceSamples
from .face_views import random_crops, random_flips

Draw = Callable[[Tensor, torch.Generator], FaceSamples]  # faces (n, 3, s, s) uint8 RGB -> samples

FACES = 240
PIXELS = 512  # of each face
CLEAN_SHARE, JPEG_SHARE = 0.4, 0.4  # of the crops; the others are as `BlindTask` draws them
JPEG_QUALITY = (50, 95)
MIN_ERROR = 0.25  # levels; smaller ones have no meaning in a truth of whole levels
SOFTNESS = 0.05  # of the pinball loss's kink, so that it has a second derivative
PENALTY = 1e-4  # on the squares of the coefficients of standardized features


def calibrate_doubt(restorer: NetworkRestorer, faces: Tensor, make_samples: Draw, seed: int = 0) -> tuple[float, ...]:
    """Fits coefficients, (FEATURES,). `faces`: (n, 3, s, s) uint8 RGB, s from 128 to 144; FACES of the sharper half count.

    Returns none where the restorer would leave all of them as they are.
    """
    random = torch.Generator().manual_seed(seed)
    cases: list[tuple[Tensor, Tensor]] = []
    for face in sharper_half(faces[torch.randperm(len(faces), generator=random)[: 4 * FACES]].cpu()):
        if len(cases) == FACES:
            break
        truth, crop = draw_pair(face[None], make_samples, random)
        places = torch.randperm(truth[0].numel(), generator=random)[:PIXELS]
        cases += measure_case(restorer, truth, FaceCrop(crop), places)
    if not cases:
        return ()
    return fit_quantile(torch.cat([features for features, _ in cases]), torch.cat([errors for _, errors in cases]))


def sharper_half(faces: Tensor) -> Tensor:
    """Selects the sharper half of faces (n, 3, s, s) uint8 RGB, in their order: by the variance of the luma's Laplacian.

    A soft face is no truth for the finest detail: what it lacks cannot be missed, and error bars fitted to it are too narrow.
    """
    sharpness = torch.cat([laplacian(rgb_to_grayscale(part.float())).var((1, 2, 3)) for part in faces.split(64)])
    return faces[sharpness.argsort(descending=True)[: (len(faces) + 1) // 2].sort().values]


def laplacian(images: Tensor) -> Tensor:
    """Computes the Laplacian of (n, 1, h, w), without the rim: (n, 1, h - 2, w - 2)."""
    kernel = images.new_tensor([[0, 1, 0], [1, -4, 1], [0, 1, 0]])
    return F.conv2d(images, kernel[None, None])


def draw_pair(face: Tensor, make_samples: Draw, random: torch.Generator) -> tuple[Tensor, Tensor]:
    """Draws a truth (3, 128, 128) and its crop (3, e, e), both RGB in [0, 1], of a face (1, 3, s, s) uint8 RGB."""
    chance = uniform(random, 0, 1)
    if chance >= CLEAN_SHARE + JPEG_SHARE:
        samples = make_samples(face, random)
        return samples.truth[0], samples.crops[0]
    truth = random_flips(random_crops(face, random), random).float().div(LEVELS)
    side = round(math.exp(uniform(random, math.log(SIDES_PX[0]), math.log(SIDES_PX[1]))))
    crop = reduce(truth, side)[0]
    return truth[0], crop if chance < CLEAN_SHARE else compress_jpeg(crop, JPEG_QUALITY, random)


def measure_case(restorer: NetworkRestorer, truth: Tensor, crop: FaceCrop, places: Tensor) -> list[tuple[Tensor, Tensor]]:
    """Measures pixels of a face, by their places (p,): features (p, FEATURES), and errors in levels (p, 3), both float64.

    Nothing where the face would be left as the photo has it.
    """
    (restored,) = restorer([crop])
    if not restored.worthwhile:
        return []
    features = measure_features(restorer, crop, restored)
    errors = LEVELS * (restored.face - truth).abs()
    return [(features.flatten(1)[:, places].T.double(), errors.flatten(1)[:, places].T.double())]


def fit_quantile(features: Tensor, errors: Tensor, quantile: float = COVERAGE) -> tuple[float, ...]:
    """Fits a quantile regression of the logarithm of errors (n, 3), in levels, on features (n, f), the first of them one.

    By the pinball loss (Koenker & Bassett 1978), by L-BFGS on standardized features.
    """
    logarithms = errors.clamp_min(MIN_ERROR).log()
    mean, scale = features[:, 1:].mean(0), features[:, 1:].std(0).clamp_min(1e-9)
    standardized = (features[:, 1:] - mean) / scale
    weights = torch.zeros(features.shape[1], dtype=torch.float64)
    weights[0] = logarithms.mean()
    weights.requires_grad_()
    optimizer = torch.optim.LBFGS([weights], max_iter=200, history_size=20, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimizer.zero_grad()
        rest = logarithms - (weights[0] + standardized @ weights[1:])[:, None]
        value = (quantile * rest + SOFTNESS * F.softplus(-rest / SOFTNESS)).mean() + PENALTY * weights[1:].square().mean()
        value.backward()
        return value

    with torch.inference_mode(False), torch.enable_grad():
        optimizer.step(loss)
    found = weights.detach()
    slopes = found[1:] / scale
    return tuple(round(value, 5) for value in ((found[0] - slopes @ mean).item(), *slopes.tolist()))
