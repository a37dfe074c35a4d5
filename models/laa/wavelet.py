"""Haar wavelet transform (DWT) and its inverse (Eq. 13-16), orthonormal: `haar_inverse(*haar(x))` is `x`."""

from __future__ import annotations

from torch import Tensor


def haar(x: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Computes the Haar wavelet transform of Eq. 14-15: the bands LL, LH, HL, HH.

    `x`: (n, c, h, w), h and w even -> four (n, c, h/2, w/2).
    Assumption: the orthonormal 1/2 of Eq. 14 is kept, so LL doubles in scale; the 3x3 convolution behind it absorbs that.
    """
    quads = x.permute(0, 2, 3, 1).unflatten(2, (-1, 2)).unflatten(1, (-1, 2))  # (n, h/2, 2, w/2, 2, c)
    parts = [part.permute(0, 3, 1, 2) for row in quads.unbind(2) for part in row.unbind(3)]
    a, b, c, d = parts  # [[a, b], [c, d]]; unbound, since the gradient of a slice is a map of mostly zeros
    main_sum, main_difference = (a + d) / 2, (d - a) / 2  # along the main diagonal
    anti_sum, anti_difference = (b + c) / 2, (b - c) / 2  # along the other one
    ll, hh = main_sum + anti_sum, main_sum - anti_sum
    return ll, main_difference + anti_difference, main_difference - anti_difference, hh


def haar_inverse(ll: Tensor, lh: Tensor, hl: Tensor, hh: Tensor) -> Tensor:
    """Computes the inverse Haar wavelet transform of Eq. 16: four bands (n, c, h, w) -> (n, c, 2h, 2w)."""
    main_sum, anti_sum = (ll + hh) / 2, (ll - hh) / 2
    main_difference, anti_difference = (lh + hl) / 2, (lh - hl) / 2
    a, d = main_sum - main_difference, main_sum + main_difference
    b, c = anti_sum + anti_difference, anti_sum - anti_difference
    n, channels, h, w = ll.shape
    quads = a.new_empty(n, h, 2, w, 2, channels)
    for quad, (row, column) in zip((a, b, c, d), ((0, 0), (0, 1), (1, 0), (1, 1)), strict=True):
        quads[:, :, row, :, column] = quad.permute(0, 2, 3, 1)
    return quads.view(n, 2 * h, 2 * w, channels).permute(0, 3, 1, 2)
