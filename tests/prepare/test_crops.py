"""How faces are cropped: what lies where in a training face."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from laa_cli.errors import LaaError
from laa_cli.faceset.format import TRAIN, VALIDATION
from laa_cli.prepare.crops import Identities, crop_with_margin, split_of
from laa_cli.restore.alignment import Square


@given(side=st.integers(16, 300), x=st.integers(-50, 200), y=st.integers(-50, 200))
@settings(max_examples=20, deadline=None)
def test_room_lies_around_the_crop(side: int, x: int, y: int) -> None:
    """On a ramp every pixel tells its place: the 144 px reach from 1/16 of the crop before it to 1/16 behind it."""
    ramp = np.broadcast_to(np.arange(1000, dtype=np.float32)[None, :, None] / 4, (1000, 1000, 3)).astype(np.uint8)
    face = crop_with_margin(ramp, Square(400 + x, 400 + y, side))[72, :, 0].astype(float)
    places = 400 + x - side / 16 + (np.arange(144) + 0.5) * side / 128
    assert np.abs(face - (places - 0.5) / 4).max() <= 1.3


def test_sides_stay_and_keep_their_share() -> None:
    sides = [split_of(str(number), 0.1) for number in range(4000)]
    assert 300 < sides.count(VALIDATION) < 500
    assert sides == [split_of(str(number), 0.1) for number in range(4000)]
    more = [split_of(str(number), 0.2) for number in range(4000)]
    assert all(after == VALIDATION for before, after in zip(sides, more, strict=True) if before == VALIDATION)
    assert {split_of("x", 0), split_of("x", 1)} == {TRAIN, VALIDATION}


@pytest.mark.parametrize("text", ["a/1.jpg,Ann\n2.jpg,Bob Li\n", "a/1.jpg Ann\n2.jpg\tBob Li", "a/1.jpg ; Ann\n\n2.jpg;Bob Li"])
def test_identities_are_read_as_people_write_them(tmp_path: Path, text: str) -> None:
    (tmp_path / "people").write_text(text)
    who = Identities(tmp_path / "people")
    photos = ("/data/a/1.jpg", "b/1.jpg", "photos.tar:2.jpg", "x/2.jpg")
    assert [who.find_person(photo) for photo in photos] == ["Ann", None, "Bob Li", "Bob Li"]


@pytest.mark.parametrize("text", ["", "1.jpg,Ann\n2.jpg\n"])
def test_unusable_identities_are_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "people").write_text(text)
    with pytest.raises(LaaError, match=r"people: line \d is not"):
        Identities(tmp_path / "people")
    with pytest.raises(LaaError, match="cannot read the identities"):
        Identities(tmp_path / "missing")
