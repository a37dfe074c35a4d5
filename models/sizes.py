"""Sizes of the paper's task, 8x face super-resolution. Imports nothing, so that options and help texts need no torch."""

from __future__ import annotations

LR_SIZE = 16  # side of a low-resolution face, px
HR_SIZE = 128  # side of a high-resolution face, px: the network's input and output
CROP_MARGIN = 1.25  # crop side = 1.25 x the longer side of the detector's box
