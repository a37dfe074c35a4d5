"""Colours under transparent pixels: filled from the visible ones around, so that a network does not draw what nobody sees."""

from __future__ import annotations

import numpy as np

from ..photo.pixels import Floats, Pixels, has_alpha, without_alpha


def fill_hidden_colours(pixels: Pixels) -> Pixels:
    """Replaces the colours of wholly transparent pixels, (h, w, c) -> (h, w, 1 or 3), by those of visible ones nearby.

    Push-pull (Gortler et al. 1996): averages of the visible, on grids ever coarser, until one covers each hidden pixel.
    """
    colours = without_alpha(pixels)
    if not has_alpha(pixels) or bool(pixels[..., -1].all()) or not bool(pixels[..., -1].any()):
        return colours
    visible = pixels[..., -1:] > 0
    weights = visible.astype(np.float32)
    filled = np.rint(push_pull(colours.astype(np.float32) * weights, weights))
    return np.where(visible, colours, filled.astype(pixels.dtype))


def push_pull(sums: Floats, weights: Floats) -> Floats:
    """Computes (h, w, c) averages everywhere from sums (h, w, c) and their weights (h, w, 1), some of which are above 0."""
    known = weights > 0
    average = (sums / np.maximum(weights, 1)).astype(np.float32)
    if bool(known.all()):
        return average
    coarse = push_pull(halve(sums), halve(weights))
    fine = coarse.repeat(2, 0).repeat(2, 1)[: sums.shape[0], : sums.shape[1]]
    filled: Floats = np.where(known, average, fine)
    return filled


def halve(values: Floats) -> Floats:
    """Sums squares of 2x2 of (h, w, c), with zeros beyond the borders -> (h/2, w/2, c)."""
    padded = np.pad(values, ((0, values.shape[0] % 2), (0, values.shape[1] % 2), (0, 0)))
    return padded[::2, ::2] + padded[1::2, ::2] + padded[::2, 1::2] + padded[1::2, 1::2]
