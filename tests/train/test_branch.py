"""Branches: a run goes on from another one's state, as that would have, while its rate falls."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from fakes import TINY, laa, one_line
from torch import Tensor

from laa_cli.console import Screen
from laa_cli.errors import Exit, LaaError, UsageError
from laa_cli.train.branch import branch_config
from laa_cli.train.face_data import FaceSamples
from laa_cli.train.run import TrainRequest, start
from laa_cli.train.schedule import TrainConfig
from laa_cli.train.trainer import Trainer
from models.checkpoint import ModelCard, load, save_bytes
from models.laa.network import LAATransformer

HELD = TrainConfig(faces=8, batch_size=2, schedule="hold", warmup=0.1, optimizer="muon", learning_rate=1e-3, seed=5)


def run(data: tuple[Path, Path], name: str, config: TrainConfig, **values: Any) -> Path:
    folder = data[0].parent / name
    request = TrainRequest(data=[data[0]], validation=data[1], folder=folder, device="cpu", **values)
    start(request, TINY, config, Screen(quiet=True))
    return folder


def branch(data: tuple[Path, Path], trunk: Path, name: str, faces: int, **values: Any) -> Path:
    return run(data, name, branch_config(trunk, minutes=None, faces=faces, save_minutes=0), branch_from=trunk, **values)


def weights(folder: Path) -> dict[str, Tensor]:
    return load(folder / "weights.safetensors")[0].state_dict()


def test_a_branch_is_its_trunk_going_on(data: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """With the rate kept up, steps, order and moments are bit for bit those of one longer run."""
    trunk = run(data, "trunk", HELD)
    whole = run(data, "whole", replace(HELD, faces=14, warmup=0.1 * 8 / 14))
    with monkeypatch.context() as patch:
        patch.setattr("laa_cli.train.trainer.learning_rate_factor", lambda config, fraction: 1.0)
        on = branch(data, trunk, "on", 6)
    assert all(torch.equal(value, weights(whole)[name]) for name, value in weights(on).items())
    before = weights(trunk)
    branch(data, trunk, "other", 2)
    assert all(torch.equal(value, before[name]) for name, value in weights(trunk).items())


def test_its_rate_falls_over_its_own_budget(data: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    trunk = run(data, "trunk", HELD)
    factors: list[float] = []
    keep = Trainer.step

    def step(self: Trainer, samples: FaceSamples) -> Tensor:
        loss = keep(self, samples)
        factors.append(self.optimizer.optimizers[1].param_groups[0]["lr"] / 1e-3)
        return loss

    monkeypatch.setattr(Trainer, "step", step)
    folder = branch(data, trunk, "branch", 8)
    assert factors == pytest.approx([1, 0.75, 0.5, 0.25])
    card = load(folder / "weights.safetensors")[1]
    assert (card.training["faces"], card.training["step"], card.training["schedule"]) == (16, 8, "decay")
    assert card.training["init_from"]["faces"] == 8
    assert (card.training["seed"], card.training["learning_rate"], card.training["optimizer"]) == (5, 1e-3, "muon")


def test_a_branch_that_was_interrupted_resumes_to_the_same_bits(data: tuple[Path, Path]) -> None:
    trunk = run(data, "trunk", HELD)
    whole = branch(data, trunk, "whole", 8)

    def interrupt(self: Trainer, samples: FaceSamples) -> Tensor:
        if self.progress.step == 6:
            raise KeyboardInterrupt
        return keep(self, samples)

    keep = Trainer.step
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Trainer, "step", interrupt)
        with pytest.raises(KeyboardInterrupt):
            branch(data, trunk, "parts", 8)
    parts = branch(data, trunk, "parts", 8, resume=True)
    assert all(torch.equal(value, weights(whole)[name]) for name, value in weights(parts).items())


def test_a_card_names_the_state_that_a_branch_began_with(data: tuple[Path, Path]) -> None:
    """Also where its trunk went on before the branch was resumed."""
    trunk = run(data, "trunk", HELD)
    known = load(branch(data, trunk, "first", 2) / "weights.safetensors")[1].training["init_from"]
    assert (known["faces"], "init_from" in known) == (8, False)
    branch(data, trunk, "parts", 2)
    run(data, "trunk", replace(HELD, faces=16), resume=True)
    parts = branch(data, trunk, "parts", 6, resume=True)
    card = load(parts / "weights.safetensors")[1].training
    assert (card["faces"], card["init_from"]) == (14, known)


def test_a_card_keeps_its_origins_through_resumes_and_branches(data: tuple[Path, Path], tmp_path: Path) -> None:
    origin = tmp_path / "known.safetensors"

    def write(faces: int) -> None:
        origin.write_bytes(save_bytes(LAATransformer(TINY), ModelCard(TINY, training={"faces": faces, "minutes": 1.5})))

    write(3)
    trunk = run(data, "trunk", HELD, init_from=origin)
    write(4)  # another version of the file
    run(data, "trunk", replace(HELD, faces=12), init_from=origin, resume=True)
    run(data, "trunk", replace(HELD, faces=16), resume=True)
    grown = load(branch(data, trunk, "branch", 4) / "weights.safetensors")[1].training["init_from"]
    assert (grown["faces"], grown["init_from"]) == (16, {"faces": 3, "minutes": 1.5, "name": "unnamed", "base_channels": 2})


def test_what_is_no_run_is_no_trunk(tmp_path: Path, data: tuple[Path, Path]) -> None:
    with pytest.raises(LaaError, match="cannot read the weights"):
        branch_config(tmp_path / "none", minutes=1, faces=None, save_minutes=1)
    (tmp_path / "foreign").mkdir()
    (tmp_path / "foreign" / "weights.safetensors").write_bytes(save_bytes(LAATransformer(TINY), ModelCard(TINY)))
    with pytest.raises(LaaError, match="does not tell how it was trained"):
        branch_config(tmp_path / "foreign", minutes=1, faces=None, save_minutes=1)
    trunk = run(data, "trunk", HELD)
    with pytest.raises(UsageError, match="needs a budget"):
        branch_config(trunk, minutes=None, faces=None, save_minutes=1)
    before = (trunk / "state.safetensors").read_bytes()
    for resume in (False, True):
        with pytest.raises(UsageError, match="a branch has a folder of its own"):
            branch(data, trunk, "trunk", 4, resume=resume)
    assert (trunk / "state.safetensors").read_bytes() == before
    (trunk / "state.safetensors").unlink()
    with pytest.raises(LaaError, match="there is no such file"):
        branch(data, trunk, "branch", 4)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--schedule", "decay"], "--schedule decay is for a branch: name its run with --branch-from"),
        (
            ["--branch-from", "trunk", "--seed", "1"],
            "--seed has no meaning with --branch-from: a branch goes on as its run did",
        ),
        (["--branch-from", "trunk", "--schedule", "hold"], "--schedule has no meaning with --branch-from"),
        (["--branch-from", "trunk", "--init-from", "x"], "--init-from has no meaning with --branch-from"),
        (
            ["--set", "blocks=1", "--init-from", "x"],
            "--set has no meaning with --init-from: the network is that of the weights",
        ),
    ],
)
def test_what_does_not_go_with_a_branch_is_refused(
    options: list[str], message: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert laa(monkeypatch, "train", "gone", "-o", "run", "--faces", "4", *options) == Exit.USAGE
    assert message in one_line(capsys)
