"""The stages of the paper's table, and what cannot be built."""

from __future__ import annotations

import pytest

from models.laa.config import LAAConfig, Stage


def test_stages_are_the_papers() -> None:
    config = LAAConfig()
    assert config.extraction == (Stage(32, 128, 1, 4), Stage(64, 64, 2, 4), Stage(128, 32, 4, 1), Stage(256, 16, 8, 1))
    assert config.transformation == Stage(256, 16, 16, 1)
    assert config.recovery == (Stage(512, 16, 8, 1), Stage(256, 32, 4, 1), Stage(128, 64, 2, 4), Stage(64, 128, 1, 4))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"attention": "full"}, "attention must be one of rsa, csa"),
        ({"base_channels": 3}, "must be even"),
        ({"image_size": 100}, "multiple of 32"),
        ({"blocks": 0}, "blocks must be a positive"),
        ({"leaky_slope": 1.0}, "leaky_slope"),
    ],
)
def test_impossible_configurations_are_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        LAAConfig(**change)  # type: ignore[arg-type]
