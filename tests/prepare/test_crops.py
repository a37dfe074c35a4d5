"""How faces are cropped: what lies where in a training face."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from laa_cli.prepare.crops import crop_with_margin
from laa_cli.restore.alignment import Square


@given(side=st.integers(16, 300), x=st.integers(-50, 200), y=st.integers(-50, 200))
@settings(max_examples=20, deadline=None)
def test_room_lies_around_the_crop(side: int, x: int, y: int) -> None:
    """On a ramp every pixel tells its place: the 144 px reach from 1/16 of the crop before it to 1/16 behind it."""
    ramp = np.broadcast_to(np.arange(1000, dtype=np.float32)[None, :, None] / 4, (1000, 1000, 3)).astype(np.uint8)
    face = crop_with_margin(ramp, Square(400 + x, 400 + y, side))[72, :, 0].astype(float)
    places = 400 + x - side / 16 + (np.arange(144) + 0.5) * side / 128
    assert np.abs(face - (places - 0.5) / 4).max() <= 1.3
