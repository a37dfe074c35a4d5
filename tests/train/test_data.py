"""What a run is given: its faces, its settings, its log, the packages it needs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from fakes import ALONE, CPU, ROOT, folder_of, pictures
from PIL import Image

from laa_cli.errors import LaaError
from laa_cli.train.data import read
from laa_cli.train.loader import EpochSampler, PrefetchLoader
from laa_cli.train.log import append_row, read_rows
from laa_cli.train.parallel import Distributed
from laa_cli.train.run import parse_model_config
from laa_cli.train.tasks import BlindTask
from models.laa.network import LAATransformer


def test_samples_made_ahead_are_the_same(tmp_path: Path) -> None:
    plain, ahead = (PrefetchLoader(EpochSampler(pictures(6, 144), 2, 0), BlindTask(), CPU, ALONE) for _ in range(2))
    ahead.pool = PrefetchLoader(EpochSampler(pictures(6, 144), 2, 0), BlindTask(), torch.device("meta"), ALONE).pool
    for step in (0, 1, 2, 7, 8):  # 7: after a jump
        one, other = plain(step), ahead(step)
        assert torch.equal(one.truth, other.truth)
        assert all(map(torch.equal, one.crops, other.crops))


def test_processes_share_a_batch() -> None:
    samples = BlindTask()(pictures(6, 144), torch.Generator().manual_seed(0))
    parts = [Distributed(rank, 3).shard(samples) for rank in range(3)]
    assert torch.equal(torch.cat([part.truth for part in parts]), samples.truth)
    assert [crop for part in parts for crop in part.crops] == samples.crops
    with pytest.raises(LaaError, match="cannot be shared by 3 processes"):
        Distributed(0, 3).check_batch_size(8)


def test_validation_faces_among_the_training_faces_are_refused(data: tuple[Path, Path]) -> None:
    inner = pictures(4, 144)[1, :, 8:136, 8:136]
    Image.fromarray(inner.permute(1, 2, 0).numpy()).save(data[1] / "copy.jpg", quality=90)
    with pytest.raises(LaaError, match=r"1 of 4 validation faces are among the training faces: .*copy.jpg is like .*001.png"):
        read([data[0]], data[1])


def test_a_prepared_folder_brings_its_validation_faces(tmp_path: Path) -> None:
    import tarfile

    out = tmp_path / "out"
    out.mkdir()
    for name, faces in (
        ("train-0", pictures(3, 144)),
        ("train-10", pictures(1, 144)),
        ("train-2", pictures(2, 144)),
        ("val", pictures(5, 128)),
    ):
        with tarfile.open(out / f"{name}.tar", "w") as tar:
            tar.add(folder_of(faces, tmp_path / name), ".")
    (out / "contact-sheet.png").write_bytes(b"no face")
    with pytest.raises(LaaError, match="there are no faces for validation"):
        read([out / "train-0.tar"], None)
    (out / "manifest.csv").write_text("shard,file\n")
    faces = read([out], None)
    assert torch.equal(faces.training, torch.cat([pictures(3, 144), pictures(2, 144), pictures(1, 144)]))
    assert torch.equal(faces.validation, pictures(5, 128))
    (out / "unfinished").mkdir()
    with pytest.raises(LaaError, match="is not finished"):
        read([out], None)


def test_the_papers_ablations_are_settings() -> None:
    ablations = ["attention=csa", "integration=first", "integration=second", "integration=dwconv", "integration=position"]
    for text in [*ablations, "fusion=wfm_unsplit", "fusion=concat", "mlp_ratio=2", "blocks=1"]:
        name, value = text.split("=")
        config = parse_model_config(2, [text])
        assert str(getattr(config, name)) == value
        assert config.base_channels == 2
    network = LAATransformer(parse_model_config(2, ["attention=csa", "fusion=concat", "blocks=1"]))
    assert network(torch.zeros(1, 3, 128, 128)).shape == (1, 3, 128, 128)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("attention", "takes NAME=VALUE with one of blocks, attention"),
        ("depth=3", "takes NAME=VALUE with one of blocks, attention"),
        ("attention=full", "attention must be one of rsa, csa, not 'full'"),
        ("blocks=two", "blocks takes a number, not 'two'"),
        ("blocks=0", "blocks must be a positive whole number"),
        ("base_channels=8", "this is --width"),
        ("image_size=64", "this is 128 in the protocol"),
    ],
)
def test_senseless_settings_are_named(text: str, message: str) -> None:
    with pytest.raises(LaaError, match=message):
        parse_model_config(32, [text])


def test_the_log_forgets_what_a_resumed_run_lost(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    for step in (1, 2, 3):
        append_row(path, {"step": step, "loss": 0.1})
    append_row(path, {"step": 2, "loss": 0.2, "new": 5})
    assert [(row["step"], row["loss"], row["new"]) for row in read_rows(path)] == [
        ("1", "0.1", ""),
        ("2", "0.1", ""),
        ("2", "0.2", "5"),
    ]


def test_training_needs_neither_opencv_nor_the_detector() -> None:
    code = (
        "import sys\nimport laa_cli.train.run, laa_cli.commands.train\n"
        "print(sorted({'cv2', 'facenet_pytorch', 'torchvision', 'matplotlib'} & set(sys.modules)))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert result.stdout == "[]\n"
