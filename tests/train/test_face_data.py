"""The faces of a run, and how a batch of samples is shared."""

from __future__ import annotations

import tarfile
from pathlib import Path

import pytest
import torch
from fakes import folder_of, pictures
from PIL import Image

from laa_cli.errors import LaaError
from laa_cli.train.face_data import read_splits
from laa_cli.train.face_tasks import BlindTask
from laa_cli.train.parallel import Distributed


def test_validation_faces_among_the_training_faces_are_refused(data: tuple[Path, Path]) -> None:
    inner = pictures(4, 144)[1, :, 8:136, 8:136]
    Image.fromarray(inner.permute(1, 2, 0).numpy()).save(data[1] / "copy.jpg", quality=90)
    with pytest.raises(LaaError, match=r"1 of 4 validation faces are among the training faces: .*copy.jpg is like .*001.png"):
        read_splits([data[0]], data[1])


def test_a_prepared_folder_brings_its_validation_faces(tmp_path: Path) -> None:

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
        read_splits([out / "train-0.tar"], None)
    (out / "manifest.csv").write_text("shard,file\n")
    faces = read_splits([out], None)
    assert torch.equal(faces.training, torch.cat([pictures(3, 144), pictures(2, 144), pictures(1, 144)]))
    assert torch.equal(faces.validation, pictures(5, 128))
    (out / "unfinished").mkdir()
    with pytest.raises(LaaError, match="is not finished"):
        read_splits([out], None)


def test_processes_share_a_batch() -> None:
    samples = BlindTask().make_samples(pictures(6, 144), torch.Generator().manual_seed(0))
    parts = [samples.shard(rank, 3) for rank in range(3)]
    assert torch.equal(torch.cat([part.truth for part in parts]), samples.truth)
    assert torch.equal(torch.cat([part.canvases for part in parts]), samples.canvases)
    assert torch.equal(torch.cat([part.network_inputs()[0] for part in parts]), samples.network_inputs()[0])
    singly = BlindTask().make_single_samples(pictures(6, 144), torch.Generator().manual_seed(0))
    assert [crop for rank in range(3) for crop in singly.shard(rank, 3).crops] == singly.crops
    with pytest.raises(LaaError, match="cannot be shared by 3 processes"):
        Distributed(0, 3).check_batch_size(8)
