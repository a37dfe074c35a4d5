"""Whole runs of a tiny network: what they write, and what they refuse."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from fakes import CPU, ROOT, TINY, free_port, pictures
from photo_sets import TINY_HPINET, TINY_SETTINGS, photo_folders
from PIL import Image
from torch import Tensor

from laa_cli.console import Screen
from laa_cli.errors import LaaError, UsageError
from laa_cli.faceset.format import read_faces
from laa_cli.restore.doubt_features import FEATURES as DOUBT_FEATURES
from laa_cli.restore.fidelity import FEATURES
from laa_cli.train.face_data import FaceSamples
from laa_cli.train.face_tasks import BlindTask, ProtocolTask, parse_laa_config
from laa_cli.train.log import read_rows
from laa_cli.train.recorder import Recorder
from laa_cli.train.run import TrainRequest, start
from laa_cli.train.schedule import TrainConfig
from laa_cli.train.tasks import TASKS
from laa_cli.train.trainer import Trainer
from laa_cli.train.validation import validate
from models.checkpoint import ModelCard, load, save_bytes
from models.laa.config import LAAConfig
from models.laa.network import LAATransformer
from models.protocol import reduce


def started(data: tuple[Path, Path], config: TrainConfig, screen: Screen | None = None, **values: Any) -> Path:
    run = TrainRequest(data=[data[0]], validation=data[1], folder=data[0].parent / "run", device="cpu", **values)
    return start(run, TINY, config, screen or Screen(quiet=True))


def test_train_writes_weights_that_load(data: tuple[Path, Path], capsys: Any) -> None:
    config = TrainConfig(minutes=0.02, batch_size=2, save_minutes=0.001)
    weights = started(data, config, Screen(), about="made up")
    network, card = load(weights)
    assert (card.name, card.config, card.training["about"]) == ("run", TINY, "made up")
    assert card.training["faces"] == 2 * card.training["step"] > 0
    faces = read_faces([data[1]], 128)
    assert validate(network, faces, CPU).summary()["gain_db"] == pytest.approx(card.validation["gain_db"], abs=0.02)
    lines = list(csv.DictReader((weights.parent / "log.csv").read_text().splitlines()))
    assert int(lines[-1]["faces"]) == card.training["faces"]
    assert 0 < float(lines[-1]["data_share"]) < 1
    assert float(lines[-1]["faces_per_s"]) > 0
    assert 0 < float(lines[-1]["matrix_share"]) < 1
    with pytest.raises(LaaError, match="--resume"):
        started(data, config)
    (weights.parent / ".laa-x.part").write_bytes(b"half a state")
    longer = replace(config, minutes=card.training["minutes"] + 0.02)
    assert load(started(data, longer, resume=True))[1].training["step"] > card.training["step"]
    assert not list(weights.parent.glob(".laa-*"))
    assert "over bicubic" in capsys.readouterr().out


def test_training_for_photos_starts_from_weights(data: tuple[Path, Path], tmp_path: Path) -> None:
    known = LAATransformer(replace(TINY, base_channels=4))
    (tmp_path / "known.safetensors").write_bytes(save_bytes(known, ModelCard(known.config)))
    config = TrainConfig(faces=6, task="photo", batch_size=2, learning_rate=1e-6)
    network, card = load(started(data, config, init_from=tmp_path / "known.safetensors"))
    assert (card.config, card.crop_px, card.training["task"]) == (known.config, BlindTask.crop_px, "photo")
    assert card.training["faces"] == 6
    assert "photo_gain_db" in card.validation
    assert len(card.fidelity_coefficients) == FEATURES
    assert len(card.doubt_coefficients) == DOUBT_FEATURES
    moved = network.state_dict()["head.weight"]
    torch.testing.assert_close(moved, known.state_dict()["head.weight"], atol=1e-3, rtol=1e-3)


def test_a_run_can_be_used_and_watched_before_it_ends(data: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[set[str]] = []
    keep = Recorder.save_and_record

    def keeping(self: Recorder, *arguments: Any) -> None:
        keep(self, *arguments)
        load(self.folder / "weights.safetensors")
        seen.append({path.name for path in self.folder.iterdir()})

    monkeypatch.setattr(Recorder, "save_and_record", keeping)
    folder = started(data, TrainConfig(faces=4, batch_size=2, save_minutes=0)).parent
    assert {"weights.safetensors", "state.safetensors", "log.csv", "curve.png", "preview.png"} <= seen[0]
    with Image.open(folder / "preview.png") as sheet:
        assert sheet.size == (3 * 128, 3 * 144)
        truth = np.asarray(sheet)[2 * 144 + 16 :, :128]
    assert np.abs(truth.astype(int) - pictures(3, 128)[0].permute(1, 2, 0).numpy()).max() <= 1
    with Image.open(folder / "curve.png") as drawn:
        assert np.asarray(drawn).std() > 5


def test_out_of_memory_names_the_batch(data: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    def step(self: Trainer, samples: FaceSamples) -> Tensor:
        raise RuntimeError("CUDA out of memory. Tried to allocate")

    monkeypatch.setattr(Trainer, "step", step)
    with pytest.raises(LaaError, match="not enough memory for --batch-size 2"):
        started(data, TrainConfig(faces=4, batch_size=2))


def test_no_face_and_no_weights_are_written_over(data: tuple[Path, Path], tmp_path: Path) -> None:
    """Named at the start, rather than when the first of them is to be written."""
    config = TrainConfig(faces=4, batch_size=2)
    network = LAATransformer(TINY)
    before = save_bytes(network, ModelCard(TINY))
    for folder, name in ((data[1], "curve.png"), (tmp_path / "run", "log.csv")):
        folder.mkdir(exist_ok=True)
        (folder / name).write_bytes(before)
    os.link(data[1] / "000.png", data[1] / "preview.png")
    (data[1] / "curve.png").unlink()
    with pytest.raises(LaaError, match=r"preview\.png is an input of this run"):
        start(TrainRequest(data=[data[0]], validation=data[1], folder=data[1], device="cpu"), TINY, config, Screen(quiet=True))
    with pytest.raises(LaaError, match=r"log\.csv is an input of this run"):
        started(data, config, init_from=tmp_path / "run" / "log.csv")
    assert (tmp_path / "run" / "log.csv").read_bytes() == before
    assert (data[1] / "preview.png").samefile(data[1] / "000.png")


def train_in_two_processes(data: tuple[Path, Path], options: str) -> Path:
    """Trains in the environment that torchrun gives, on gloo; returns the weights."""
    folder = data[0].parent / "two"
    command = [sys.executable, "-m", "laa_cli", "train", data[0], "--validation", data[1], "--output", folder]
    command += f"--device cpu --faces 6 --batch-size 2 {options}".split()
    environment = os.environ | {"OMP_NUM_THREADS": "1", "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1"}
    environment["MASTER_PORT"] = str(free_port())
    ranks = [
        subprocess.Popen(
            [*map(str, command)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=ROOT,
            env=environment | {"RANK": str(rank), "LOCAL_RANK": str(rank)},
        )
        for rank in range(2)
    ]  # fmt: skip
    said = [rank.communicate(timeout=300)[0] for rank in ranks]
    assert [rank.returncode for rank in ranks] == [0, 0], said
    assert "in 2 processes" in said[0]
    assert not said[1]
    return folder / "weights.safetensors"


def share_apart(one: Path, two: Path, first: Trainer) -> float:
    """How far two runs ended apart, as a share of the way from their first weights."""
    end, other, begin = load(one)[0].state_dict(), load(two)[0].state_dict(), first.network.state_dict()
    moved, apart = (sum((end[name] - weights[name]).abs().sum().item() for name in end) for weights in (begin, other))
    return apart / moved


@pytest.mark.parametrize(("optimizer", "rounding"), [("adamw", 0.05), ("muon", 0.15)])
def test_two_processes_train_as_one(data: tuple[Path, Path], optimizer: str, rounding: float) -> None:
    """Equal within what sums in another order make of bf16.

    Muon makes as much of a gradient's smallest directions, which are rounding, as of its largest.
    """
    options = f"--width 2 --set blocks=1 --set mlp_ratio=1 --learning-rate 6e-4 --optimizer {optimizer}"
    two = train_in_two_processes(data, options)
    one = started(data, TrainConfig(faces=6, batch_size=2, optimizer=optimizer))
    assert share_apart(one, two, Trainer(TINY, TrainConfig(), CPU)) < rounding


def test_two_processes_train_the_background_as_one(tmp_path: Path) -> None:
    """Equal within what sums in another order make of float32, and Muon's bfloat16 of that."""
    data = photo_folders(tmp_path)
    config = TrainConfig(task="background", faces=6, batch_size=2, optimizer="muon", learning_rate=3.5e-3)
    settings = "".join(f" --set {setting}" for setting in TINY_SETTINGS)
    two = train_in_two_processes(data, f"--task background --scale 2 --optimizer muon --learning-rate 3.5e-3{settings}")
    request = TrainRequest(data=[data[0]], validation=data[1], folder=tmp_path / "one", device="cpu")
    one = start(request, TINY_HPINET, config, Screen(quiet=True))
    assert share_apart(one, two, Trainer(TINY_HPINET, config, CPU)) < 0.02


def test_the_papers_ablations_are_settings() -> None:
    ablations = ["attention=csa", "integration=first", "integration=second", "integration=dwconv", "integration=position"]
    for text in [*ablations, "fusion=wfm_unsplit", "fusion=concat", "mlp_ratio=2", "blocks=1"]:
        name, value = text.split("=")
        config = parse_laa_config(2, [text])
        assert str(getattr(config, name)) == value
        assert config.base_channels == 2
    network = LAATransformer(parse_laa_config(2, ["attention=csa", "fusion=concat", "blocks=1"]))
    assert network(torch.zeros(1, 3, 128, 128)).shape == (1, 3, 128, 128)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("attention", "--set takes NAME=VALUE with one of blocks, attention"),
        ("depth=3", "--set takes NAME=VALUE with one of blocks, attention"),
        ("attention=full", "--set or --width: attention must be one of rsa, csa, not 'full'"),
        ("blocks=two", "--set blocks takes a number, not 'two'"),
        ("blocks=0", "--set or --width: blocks must be a positive whole number"),
        ("base_channels=8", "--set base_channels: this is --width"),
        ("image_size=64", "--set image_size: this is 128 in the protocol"),
    ],
)
def test_senseless_settings_are_named(text: str, message: str) -> None:
    with pytest.raises(UsageError) as refused:
        parse_laa_config(32, [text])
    assert refused.value.for_command_line().startswith(message)
    assert "--" not in str(refused.value)


class NegativeTask(ProtocolTask):
    """A third task, on inverted faces."""

    name = "negative"
    crop_px = (20, 20)
    gain_labels: ClassVar = {"negative_gain_db": "in negatives"}

    def make_samples(self, items: Tensor, random: torch.Generator, stage: int = 0) -> FaceSamples:
        truth = super().make_samples(255 - items, random).truth
        return FaceSamples(truth, list(reduce(truth, 20)), [False] * len(truth))

    def validate(self, network: Any, faces: Tensor, device: torch.device) -> dict[str, float]:
        return {"negative_gain_db": 0.125}

    def calibrate(self, network: Any, training: Tensor, device: torch.device) -> tuple[float, ...]:
        return (0.5,) * FEATURES


def test_a_third_task_is_a_class_and_an_entry(
    data: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("laa_cli.train.schedule.TASK_NAMES", ("negative",))
    monkeypatch.setitem(TASKS, "negative", NegativeTask())
    _, card = load(started(data, TrainConfig(task="negative", faces=2, batch_size=2), Screen()))
    assert (card.crop_px, card.training["task"], card.fidelity_coefficients) == ((20, 20), "negative", (0.5,) * FEATURES)
    assert card.validation["negative_gain_db"] == 0.125
    assert read_rows(data[0].parent / "run" / "log.csv")[-1]["negative_gain_db"] == "0.125"
    assert "over bicubic  +0.125 dB in negatives  " in capsys.readouterr().out


def test_training_needs_neither_opencv_nor_the_detector() -> None:
    code = (
        "import sys\nimport laa_cli.train.run, laa_cli.commands.train\n"
        "print(sorted({'cv2', 'facenet_pytorch', 'torchvision', 'matplotlib'} & set(sys.modules)))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert result.stdout == "[]\n"


def test_the_work_of_a_face_is_counted() -> None:
    config = LAAConfig(base_channels=2, blocks=1, mlp_ratio=1)
    more = ProtocolTask().training_flops(replace(config, mlp_ratio=2)) - ProtocolTask().training_flops(config)
    places = [(stage.channels, stage.size) for stage in (*config.extraction, config.transformation, *config.recovery)]
    assert more == 3 * sum(2 * 2 * channels**2 * size**2 for channels, size in places)  # forward and twice that back
