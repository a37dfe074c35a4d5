"""Haar wavelet transform and its inverse (Eq. 13-16), orthonormal: `haar_inverse(*haar(x))` is `x`."""

from __future__ import annotations

from torch import Tensor


def haar(x: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """LL, LH, HL, HH of Eq. 14-15. `x`: (n, c, h, w), h and w even -> four (n, c, h/2, w/2).

    Assumption: the orthonormal 1/2 of Eq. 14 is kept, so LL doubles in scale; the 3x3 convolution behind it absorbs that.
    """
    a, b = x[..., 0::2, 0::2], x[..., 0::2, 1::2]
    c, d = x[..., 1::2, 0::2], x[..., 1::2, 1::2]
    return (a + b + c + d) / 2, (b + d - a - c) / 2, (c + d - a - b) / 2, (a + d - b - c) / 2


def haar_inverse(ll: Tensor, lh: Tensor, hl: Tensor, hh: Tensor) -> Tensor:
    """Eq. 16: four (n, c, h, w) -> (n, c, 2h, 2w)."""
    a, b = (ll - lh - hl + hh) / 2, (ll + lh - hl - hh) / 2
    c, d = (ll - lh + hl - hh) / 2, (ll + lh + hl + hh) / 2
    n, channels, h, w = ll.shape
    quads = a.new_empty(n, h, 2, w, 2, channels)
    for quad, (row, column) in zip((a, b, c, d), ((0, 0), (0, 1), (1, 0), (1, 1)), strict=True):
        quads[:, :, row, :, column] = quad.permute(0, 2, 3, 1)
    return quads.view(n, 2 * h, 2 * w, channels).permute(0, 3, 1, 2)
