"""Which faces are for validation, and who is in which photo."""

from __future__ import annotations

from pathlib import Path

import pytest

from laa_cli.errors import LaaError
from laa_cli.faceset.format import TRAIN, VALIDATION
from laa_cli.prepare.split import Identities, split_of


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
