"""Skip connection and Wavelet Fusion Module for inference, on one face: Eq. 19's convolution is folded into what it reads.

It is linear and works on each pixel by itself, so it may come before the inverse wavelet transform, which works on each channel
by itself, and there it joins the bands' convolutions. Maps are (h, w, c), contiguous.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from .fast_layers import channels_last, converted, convolve
from .network import WFM, SkipConnection

BANDS = 3  # LL, LH and HL: the skip connection's


class FastFusion:
    """Runs a SkipConnection (`bands`) and the WFM it leads to (`fuse`), of the paper's kind, "wfm"."""

    def __init__(self, skip: SkipConnection, fusion: WFM, dtype: torch.dtype) -> None:
        assert skip.bands is not None  # as `fast_network.is_supported` says
        assert fusion.up is not None
        self.high = fusion.wavelet_channels
        (merge, merge_bias), (up, up_bias) = (converted(layer, torch.float64) for layer in (fusion.merge, fusion.up))
        wavelet, rest = merge[:, : self.high, 0, 0], merge[:, self.high :, 0, 0]
        weights, biases = zip(*(converted(band, torch.float64) for band in skip.bands), strict=True)
        # `haar` and its inverse halve the sums that are left whole here.
        merged = torch.cat([torch.einsum("ok,kcyx->ocyx", wavelet, weight) for weight in weights]) / 4
        self.band_weight, self.band_bias = channels_last(merged, dtype), torch.cat([wavelet @ b / 2 for b in biases]).to(dtype)
        self.high_weight = (wavelet / 2).to(dtype)
        self.up_weight = channels_last(torch.einsum("ok,ckyx->coyx", rest, up), dtype)
        self.up_bias = (rest @ up_bias + merge_bias).to(dtype)

    def bands(self, x: Tensor) -> Tensor:
        """Computes the convolved bands: (h, w, c) -> (h/2, w/2, 3, c')."""
        height, width, channels = x.shape[0] // 2, x.shape[1] // 2, x.shape[2]
        pairs = x.view(height, 2, 2 * width, channels)
        sums = (pairs[:, 0] + pairs[:, 1]).view(height, width, 2, channels)
        differences = (pairs[:, 1] - pairs[:, 0]).view(height, width, 2, channels)
        bands = x.new_empty(height, width, BANDS, channels)
        torch.add(sums[:, :, 0], sums[:, :, 1], out=bands[:, :, 0])
        torch.sub(sums[:, :, 1], sums[:, :, 0], out=bands[:, :, 1])
        torch.add(differences[:, :, 0], differences[:, :, 1], out=bands[:, :, 2])
        return convolve(bands.flatten(2), self.band_weight, self.band_bias, groups=BANDS).unflatten(2, (BANDS, -1))

    def fuse(self, x: Tensor, bands: Tensor) -> Tensor:
        """Upsamples a map (h, w, c) and fuses it with the bands (h, w, 3, c/2) -> (2h, 2w, c/2)."""
        ll, lh, hl = bands.unbind(2)
        hh = F.linear(x[..., : self.high], self.high_weight)
        rest = x[..., self.high :].permute(2, 0, 1)[None]
        out = F.conv_transpose2d(rest, self.up_weight, self.up_bias, 2, 1)[0].permute(1, 2, 0).contiguous()
        quads = out.view(x.shape[0], 2, x.shape[1], 2, -1)
        for row, (total, slope) in enumerate(((ll - hl, lh - hh), (ll + hl, lh + hh))):
            quads[:, row, :, 0].add_(total - slope)
            quads[:, row, :, 1].add_(total + slope)
        return out
