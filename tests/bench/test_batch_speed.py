"""`laa bench speed --batch`: the photos it takes and the figures it makes of its rounds."""

from __future__ import annotations

from pathlib import Path

import pytest
from fakes import write_photo_of_noise

from laa_cli.bench.batch_speed import WayRun, copy_sample, summarize_way
from laa_cli.errors import LaaError


def test_the_measurement_copies_only_sound_photos(tmp_path: Path) -> None:
    for number in range(6):
        write_photo_of_noise(tmp_path / "in" / f"{number}.png", number)
    (tmp_path / "in" / "0.png").write_bytes(b"no photo")
    (tmp_path / "scratch").mkdir()
    place = copy_sample(tmp_path / "in", tmp_path / "scratch", 3)
    assert len(list(place.iterdir())) == 3
    with pytest.raises(LaaError, match="too few"):
        copy_sample(tmp_path / "in", tmp_path / "scratch", 7)


def test_the_measurements_ratios_are_those_of_their_rounds() -> None:
    batch_runs, api_runs = [WayRun(1.0, 500.0), WayRun(2.0, 700.0)], [WayRun(2.0, 900.0), WayRun(3.0, 800.0)]
    figure = summarize_way("Python API", 4, api_runs, batch_runs)
    assert figure["times_batch"] == [2.0, 1.5]
    assert figure["peak_mb"] == 900
    assert figure["photos_per_s"] == pytest.approx((2 + 4 / 3) / 2)
