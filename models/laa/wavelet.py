"""Haar wavelet transform and its inverse (Eq. 13-16), orthonormal: `haar_inverse(*haar(x))` is `x`."""

from __future__ import annotations

from torch import Tensor


def haar(x: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """LL, LH, HL, HH of Eq. 14-15. `x`: (n, c, h, w), h and w even -> four (n, c, h/2, w/2).

    Assumption: the orthonormal 1/2 of Eq. 14 is kept, so LL doubles in scale; the 3x3 convolution behind it absorbs that.
    """
    quads = x.permute(0, 2, 3, 1).unflatten(2, (-1, 2)).unflatten(1, (-1, 2))  # (n, h/2, 2, w/2, 2, c)
    parts = [part.permute(0, 3, 1, 2) for row in quads.unbind(2) for part in row.unbind(3)]
    a, b, c, d = parts  # unbound, since the gradient of a slice is a map of mostly zeros
    outer, inner, falling, rising = (a + d) / 2, (b + c) / 2, (d - a) / 2, (b - c) / 2
    return outer + inner, falling + rising, falling - rising, outer - inner


def haar_inverse(ll: Tensor, lh: Tensor, hl: Tensor, hh: Tensor) -> Tensor:
    """Eq. 16: four (n, c, h, w) -> (n, c, 2h, 2w)."""
    outer, inner, falling, rising = (ll + hh) / 2, (ll - hh) / 2, (lh + hl) / 2, (lh - hl) / 2
    a, b, c, d = outer - falling, inner + rising, inner - rising, outer + falling
    n, channels, h, w = ll.shape
    quads = a.new_empty(n, h, 2, w, 2, channels)
    for quad, (row, column) in zip((a, b, c, d), ((0, 0), (0, 1), (1, 0), (1, 1)), strict=True):
        quads[:, :, row, :, column] = quad.permute(0, 2, 3, 1)
    return quads.view(n, 2 * h, 2 * w, channels).permute(0, 3, 1, 2)
