"""The task of the background: its network, its curriculum, and runs that are stopped, shared and begun from weights."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
import torch
from fakes import ALONE, CPU, TINY, laa, one_line, randomize_parameters
from photo_sets import TINY_HPINET, TINY_SETTINGS, photo_folders, photo_set
from PIL import Image

from laa_cli.console import Screen
from laa_cli.errors import Exit, LaaError, UsageError
from laa_cli.restore.fidelity import FEATURES
from laa_cli.train import photo_calibration
from laa_cli.train.background_task import EARLY_PATCH_PX, BackgroundTask
from laa_cli.train.loader import EpochSampler, PrefetchLoader
from laa_cli.train.log import read_rows
from laa_cli.train.photo_data import PATCH_PX, PhotoSet, decode_photo
from laa_cli.train.run import TrainRequest, start
from laa_cli.train.schedule import TrainConfig
from laa_cli.train.trainer import Trainer
from models.checkpoint import ModelCard, load, save_bytes
from models.hpinet.config import HPINetConfig, sized
from models.hpinet.network import HPINet
from models.laa.network import LAATransformer

TASK = BackgroundTask()
CONFIG = TrainConfig(task="background", faces=20, batch_size=2, optimizer="muon", learning_rate=3.5e-3)


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    return photo_folders(tmp_path)


def started(folders: tuple[Path, Path], config: TrainConfig = CONFIG, name: str = "run", **values: Any) -> Path:
    screen = values.pop("screen", Screen(quiet=True))
    request = TrainRequest(data=[folders[0]], validation=folders[1], folder=folders[0].parent / name, device="cpu", **values)
    return start(request, TINY_HPINET, config, screen)


def trained(folder: Path, steps: int, resume: Path | None = None) -> Trainer:
    """A run over the photos of a folder until a step, perhaps from a state on."""
    items = photo_set(folder)
    trainer = Trainer(TINY_HPINET, CONFIG, CPU, set_size=len(items))
    if resume is not None:
        trainer.resume(resume)
    loader = PrefetchLoader(EpochSampler(items, CONFIG.batch_size, CONFIG.seed), TASK, CPU, ALONE)
    while trainer.progress.step < steps:
        trainer.step(loader(trainer.progress.step, trainer.stage))
    return trainer


# The network


def test_a_network_is_a_size_and_what_is_set() -> None:
    assert TASK.parse_network(None, None, []) == sized("T", 4)
    assert TASK.parse_network(None, 3, ["size=L"]) == sized("L", 3)
    assert TASK.parse_network(None, 2, TINY_SETTINGS) == TINY_HPINET
    assert TASK.parse_network(None, 2, ["size=S", "patch_sizes=8,10"]).patch_sizes == (8, 10)


@pytest.mark.parametrize(
    ("scale", "setting", "message"),
    [
        (5, "dim=8", "--set or --scale: scale must be one of 2, 3, 4, not 5"),
        (4, "size=XL", "--set size must be one of S, M, L, T, U, not 'XL'"),
        (4, "dim=0", "--set or --scale: dim must be a whole number from 1"),
        (4, "dim=wide", "--set dim takes a number, not 'wide'"),
        (4, "patch_sizes=8,x", "--set patch_sizes takes a number, not '8,x'"),
        (4, "blocks=2", "--set takes NAME=VALUE with one of size, dim, qk_dim"),
    ],
)
def test_a_senseless_network_is_named(scale: int, setting: str, message: str) -> None:
    with pytest.raises(UsageError) as refused:
        TASK.parse_network(None, scale, [setting])
    assert refused.value.for_command_line().startswith(message)


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (["--task", "background", "--width", "8"], "--width has no meaning with --task background"),
        (["--task", "photo", "--scale", "4"], "--scale has no meaning with --task photo"),
        (["--task", "sky"], "--task must be one of protocol, photo, background"),
        (["--task", "background", "--scale", "8"], "--scale: scale must be one of 2, 3, 4"),
    ],
)
def test_options_of_another_task_are_refused(
    options: list[str], named: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert laa(monkeypatch, "train", "gone", "--validation", "gone", "-o", "run", "--minutes", "1", *options) == Exit.USAGE
    assert named in one_line(capsys)


def test_photos_for_validation_must_be_given(folders: tuple[Path, Path]) -> None:
    with pytest.raises(UsageError, match="there are no photos for validation"):
        TASK.read([folders[0]], None, TINY_HPINET, print)


def test_the_work_of_a_patch_is_counted() -> None:
    """Of two networks that differ in their MLP alone."""
    plain, more = (HPINetConfig(scale=4, patch_sizes=(16,), dim=8, qk_dim=4, mlp_dim=width, layers=1) for width in (8, 16))
    tokens = 16 * 16**2  # 4 x 4 patches of 16 px, 14 px apart
    assert TASK.training_flops(more) - TASK.training_flops(plain) == 3 * 2 * 2 * tokens * 8 * 8


# Training


def test_patches_are_small_at_first_and_samples_change_with_the_stage(folders: tuple[Path, Path]) -> None:
    items = photo_set(folders[0])
    loader = PrefetchLoader(EpochSampler(items, 2, 0), TASK, CPU, ALONE)
    ahead = PrefetchLoader(EpochSampler(items, 2, 0), TASK, CPU, ALONE)
    ahead.pool = PrefetchLoader(EpochSampler(items, 2, 0), TASK, torch.device("meta"), ALONE).pool
    assert [TASK.stage(fraction) for fraction in (0, 0.19, 0.2, 1)] == [0, 0, 1, 1]
    for step, stage in ((0, 0), (1, 0), (2, 1), (3, 1)):  # the third was made ahead for the stage before
        one, other = loader(step, stage), ahead(step, stage)
        assert one.lr.shape[-1] == (PATCH_PX if stage else EARLY_PATCH_PX)  # type: ignore[attr-defined]
        assert all(map(torch.equal, one.network_inputs(), other.network_inputs()))


def test_a_run_that_was_killed_ends_with_the_same_bits(folders: tuple[Path, Path], tmp_path: Path) -> None:
    """Before, at and after the step where patches grow."""
    state = tmp_path / "state.safetensors"
    whole = trained(folders[0], 5).state()
    for stopped in (1, 2, 4):
        trained(folders[0], stopped).save(state)
        again = trained(folders[0], 5, state)
        assert again.stage == 1
        for name, value in again.state().items():
            assert torch.equal(value, whole[name]), name


def test_a_cpu_computes_in_float32(folders: tuple[Path, Path]) -> None:
    trainer = trained(folders[0], 1)
    assert trainer.threaded is not None
    assert {parameter.dtype for parameter in trainer.threaded.working.parameters()} == {torch.float32}
    assert TASK.precision(torch.device("cuda")) == torch.bfloat16


def test_training_learns_photos() -> None:
    """On one batch of stripes whose edges enlarging blurs, the loss falls."""
    stripes = (torch.arange(128) // 7 % 2 * 200 + 20).byte().expand(3, 128, 128).permute(1, 2, 0).numpy()
    file = io.BytesIO()
    Image.fromarray(stripes).save(file, "PNG")
    items = PhotoSet([decode_photo("stripes", file.getvalue(), scale=2)], [0, 0])
    config = TrainConfig(task="background", faces=10_000, batch_size=2, warmup=1e-4, optimizer="muon", learning_rate=2e-2)
    trainer = Trainer(TINY_HPINET, config, CPU)
    samples = TASK.make_samples(items, torch.Generator().manual_seed(0), 0)
    losses = [trainer.step(samples).item() for _ in range(30)]
    assert losses[-1] < 0.9 * losses[0], losses


def test_a_whole_run(folders: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(photo_calibration, "SQUARES", 4)
    weights = started(folders, screen=Screen(), about="made up")
    network, card = load(weights)
    assert isinstance(network, HPINet)
    assert (card.architecture, card.config, card.crop_px) == ("hpinet", TINY_HPINET, None)
    assert (card.training["task"], card.training["about"], card.training["training_photos"]) == ("background", "made up", 3)
    assert len(card.fidelity_coefficients) == FEATURES
    row = read_rows(weights.parent / "log.csv")[-1]
    assert (row["faces"], row["validated_faces"]) == ("20", "2")
    assert float(row["jpeg75_gain_db"]) == pytest.approx(card.validation["jpeg75_gain_db"])
    said = capsys.readouterr().out
    assert "3 photos for training, 2 for validation, on cpu" in said
    assert " patches/s" in said
    assert " dB with JPEG 75 " in said
    assert "face" not in said
    for name in ("state.safetensors", "curve.png", "preview.png"):
        assert (weights.parent / name).stat().st_size > 100
    started(folders, screen=Screen(), resume=True)
    assert "is finished: 20 patches" in capsys.readouterr().err


# Weights to start from


def weights_of(folder: Path, config: HPINetConfig) -> Path:
    network = randomize_parameters(HPINet(config))
    (folder / "known.safetensors").write_bytes(save_bytes(network, ModelCard(config, crop_px=None, architecture="hpinet")))
    return folder / "known.safetensors"


@pytest.mark.parametrize("scale", [None, 2, 3])
def test_a_run_starts_from_weights_of_its_scale_or_from_the_trunk_of_another(tmp_path: Path, scale: int | None) -> None:
    path, said = weights_of(tmp_path, TINY_HPINET), list[str]()
    known = load(path)[0].state_dict()
    initial = TASK.read_initial(path, None, scale, said.append)
    trainer = Trainer(initial.config, CONFIG, CPU)
    trainer.load_weights(initial.tensors, initial.history)
    assert trainer.network.config.scale == (scale or 2)
    for state in (trainer.network.state_dict(), trainer.ema.state_dict()):
        for name, value in state.items():
            assert torch.equal(value, known[name]) == (scale != 3 or not name.startswith("tail.")), name
    trunk = f"{path} are weights for scale 2: of them the trunk is taken, the tail starts anew"
    assert said == ([trunk] if scale == 3 else [])
    assert initial.history["scale"] == 2


def test_other_weights_are_refused(tmp_path: Path) -> None:
    path = weights_of(tmp_path, TINY_HPINET)
    with pytest.raises(UsageError, match="scale must be one of 2, 3, 4, not 8"):
        TASK.read_initial(path, None, 8, print)
    with pytest.raises(UsageError, match="width has no meaning"):
        TASK.read_initial(path, 8, None, print)
    path.write_bytes(save_bytes(LAATransformer(TINY), ModelCard(TINY)))
    with pytest.raises(LaaError, match="their architecture laa-transformer is not for the background"):
        TASK.read_initial(path, None, None, print)
    path.write_bytes(b"broken")
    with pytest.raises(LaaError, match=r"cannot use the weights .*known\.safetensors: the file "):
        TASK.read_initial(path, None, None, print)
    with pytest.raises(LaaError, match=r"cannot read the weights .*gone"):
        TASK.read_initial(tmp_path / "gone", None, None, print)
