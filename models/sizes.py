"""Sizes of the measurement protocol, importable without torch."""

from __future__ import annotations

HR_SIZE, LR_SIZE = 128, 16
CROP_MARGIN = 1.25
