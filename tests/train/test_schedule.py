"""The settings of a run and its learning rate."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from fakes import CPU, ROOT, TINY

from laa_cli.errors import LaaError, UsageError
from laa_cli.train.schedule import (
    Progress,
    TrainConfig,
    cosine_with_warmup,
    face_defaults,
    learning_rate_factor,
    progress_fraction,
)
from laa_cli.train.trainer import Trainer


def defaults(*, on_cpu: bool, minutes: float | None = None, faces: int | None = None, **values: Any) -> TrainConfig:
    """The settings of a run for faces, 16 base channels wide."""
    usual = face_defaults(16, on_cpu=on_cpu, has_budget=(minutes, faces) != (None, None))
    return TrainConfig.with_defaults(usual=usual, minutes=minutes, faces=faces, **values)


def test_schedule_warms_up_and_ends_at_zero() -> None:
    values = [cosine_with_warmup(done / 1000, 0.03) for done in range(1001)]
    assert 0 < values[0] < 0.1
    assert max(values) == pytest.approx(1, abs=1e-3)
    assert values[1000] == pytest.approx(0, abs=1e-6)
    assert all(later <= earlier for earlier, later in pairwise(values[31:]))


def test_the_papers_rate_is_halved_every_20_epochs() -> None:
    paper = defaults(on_cpu=True)
    assert (paper.batch_size, paper.learning_rate) == (32, 4e-4)
    trainer = Trainer(TINY, paper, CPU, set_size=320)
    for epoch, expected in ((0, 4e-4), (19.9, 4e-4), (20, 2e-4), (59.9, 1e-4), (99.9, 2.5e-5)):
        trainer.progress.faces = round(320 * epoch)
        assert paper.learning_rate * learning_rate_factor(paper, trainer.progress_fraction) == pytest.approx(expected)
    trainer.progress.faces = 32000
    assert trainer.progress_fraction == 1


def test_a_budget_has_its_own_batch_and_rate() -> None:
    for minutes, faces in ((5.0, None), (None, 1000)):
        config = defaults(minutes=minutes, faces=faces, task="photo", seed=1, save_minutes=2, on_cpu=True)
        assert (config.batch_size, config.optimizer, config.save_minutes, config.seed) == (4, "muon", 2, 1)
        assert config.learning_rate == 3.5e-3
        assert learning_rate_factor(config, 0.03) == pytest.approx(1)
        assert learning_rate_factor(config, 1.0) == pytest.approx(0, abs=1e-9)
        config = defaults(minutes=minutes, faces=faces, learning_rate=1e-4, task="photo", on_cpu=False)
        assert (config.batch_size, config.learning_rate) == (64, 1e-4)
    with pytest.raises(LaaError, match="two budgets"):
        TrainConfig(minutes=1, faces=1)


def test_a_rate_that_is_held_stays_up_after_its_warm_up() -> None:
    config = defaults(faces=20_000, task="photo", on_cpu=True, schedule="hold")
    factors = [learning_rate_factor(config, faces / 20_000) for faces in (300, 600, 601, 19_999)]
    assert factors == pytest.approx([0.5, 1, 1, 1])
    config = replace(config, faces=1_000_000, warmup=0.002)
    assert [learning_rate_factor(config, faces / 1_000_000) for faces in (1000, 2000, 999_999)] == pytest.approx([0.5, 1, 1])


def test_a_branchs_rate_falls_evenly_from_where_it_began() -> None:
    config = TrainConfig(faces=1000, schedule="decay", warmup=0)
    for start in (0, 5000):
        shares = [progress_fraction(config, Progress(9, start + done, 0, start), 1) for done in (0, 250, 1000, 1004)]
        assert [learning_rate_factor(config, share) for share in shares] == pytest.approx([1, 0.75, 0, 0])
    config = replace(config, faces=None, minutes=10)
    assert progress_fraction(config, Progress(9, 9, 25, 3, 20), 1) == 0.5


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"minutes": 0}, "--minutes must be above 0, not 0"),
        ({"batch_size": 0}, "--batch-size must be above 0, not 0"),
        ({"learning_rate": float("nan")}, "--learning-rate must be above 0, not nan"),
        ({"save_minutes": -1}, "--save-minutes must not be below 0, not -1"),
        ({"minutes": 1, "faces": 1}, "--minutes and --faces are two budgets: choose one"),
        ({"task": "video"}, "--task must be one of protocol, photo, background, not 'video'"),
        ({"optimizer": "sgd"}, "--optimizer must be one of muon, adamw, not 'sgd'"),
        ({"schedule": "linear"}, "--schedule must be one of cosine, hold, decay, not 'linear'"),
        ({"schedule": "hold"}, "--schedule hold needs a budget: --minutes or --faces"),
        ({"schedule": "decay"}, "--schedule decay needs a budget: --minutes or --faces"),
    ],
)
def test_senseless_training_is_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError) as refused:
        TrainConfig(**values)
    assert refused.value.for_command_line() == message
    assert "--" not in str(refused.value)


def test_defaults_are_known_without_torch() -> None:
    code = "import sys, laa_cli.train.schedule, laa_cli.commands.train\nprint({'torch', 'numpy', 'PIL'} & set(sys.modules))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert result.stdout == "set()\n"


def test_a_held_rate_needs_a_budget_above_zero() -> None:
    with pytest.raises(UsageError, match="faces must be above 0"):
        defaults(faces=0, on_cpu=True, schedule="hold")
