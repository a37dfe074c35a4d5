"""Safetensors files with a digest: equal content gives equal bytes, and what changed is found."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from fakes import ROOT
from safetensors.torch import save
from torch import Tensor

from models.tensor_file import DIGEST_KEY, MAX_HEADER_BYTES, TensorFileError, digest, read_tensor_file, serialize

TENSORS = {"b": torch.arange(6.0).view(2, 3), "a": torch.tensor(7.0), "empty": torch.zeros(0, 4), "half": torch.ones(3).half()}
METADATA = {"step": "3", "about": 'é "quoted" \\ \n \x1f \u2028 \U0001f600'}


def written(folder: Path, content: bytes) -> Path:
    path = folder / "file.safetensors"
    path.write_bytes(content)
    return path


def test_everything_comes_back(tmp_path: Path) -> None:
    file = read_tensor_file(written(tmp_path, serialize(TENSORS, METADATA)))
    assert file.verified
    assert file.metadata == METADATA
    assert file.tensors.keys() == TENSORS.keys()
    for name, tensor in TENSORS.items():
        assert torch.equal(file.tensors[name], tensor)
        assert file.tensors[name].dtype == tensor.dtype


def test_equal_content_gives_equal_bytes_in_every_process() -> None:
    """Safetensors alone writes the metadata in an order that changes from process to process."""
    code = "import torch, sys\nfrom models.tensor_file import serialize\n"
    code += "sys.stdout.write(serialize({'x': torch.ones(3)}, {str(n): '' for n in range(9)}).hex())"
    runs = [subprocess.run([sys.executable, "-c", code], capture_output=True, cwd=ROOT, check=True).stdout for _ in range(2)]
    assert runs[0] == runs[1]


@pytest.mark.parametrize(
    ("tensors", "metadata"),
    [
        (TENSORS | {"b": torch.arange(6.0).view(3, 2)}, METADATA),
        (TENSORS | {"b": torch.arange(6.0).view(2, 3) + 1e-6}, METADATA),
        (TENSORS | {"b": torch.arange(6.0).view(2, 3).bfloat16()}, METADATA),
        (TENSORS | {"half": torch.ones(3).bfloat16()}, METADATA),
        ({("c" if name == "b" else name): tensor for name, tensor in TENSORS.items()}, METADATA),
        (TENSORS | {"more": torch.zeros(0)}, METADATA),
        ({name: tensor for name, tensor in TENSORS.items() if name != "empty"}, METADATA),
        (TENSORS, METADATA | {"step": "4"}),
        (TENSORS, METADATA | {"more": ""}),
        (TENSORS, {"step": "3"}),
    ],
)
def test_whatever_changes_is_found(tmp_path: Path, tensors: dict[str, Tensor], metadata: dict[str, str]) -> None:
    old = digest(TENSORS, METADATA)
    assert digest(dict(reversed(TENSORS.items())), dict(reversed(METADATA.items()))) == old
    with pytest.raises(TensorFileError, match="is damaged: its content does not fit its SHA-256"):
        read_tensor_file(written(tmp_path, save(tensors, metadata | {DIGEST_KEY: old})))


def test_a_file_without_a_digest_is_read_and_told_apart(tmp_path: Path) -> None:
    assert not read_tensor_file(written(tmp_path, save(TENSORS))).verified


@pytest.mark.parametrize("dtype", [torch.int64, torch.uint8, torch.bool, torch.float64, torch.float8_e5m2, torch.complex64])
def test_other_types_than_networks_have_are_refused(tmp_path: Path, dtype: torch.dtype) -> None:
    with pytest.raises(TensorFileError, match="is damaged: its tensor x is of type"):
        read_tensor_file(written(tmp_path, save({"x": torch.zeros(4).to(dtype)})))


HEADER: dict[str, Any] = {"x": {"dtype": "F32", "shape": [2, 2], "data_offsets": [0, 16]}}


@pytest.mark.parametrize(
    "changes",
    [
        {"shape": [2**40, 2**40]},
        {"shape": [10**30]},
        {"shape": [-2, -2]},
        {"shape": [1] * 10**5 + [4]},
        {"data_offsets": [0, 2**62]},
        {"data_offsets": [16, 0]},
        {"data_offsets": [8, 24]},
        {"dtype": "F99"},
        {"dtype": "F4"},
        {"dtype": None},
    ],
)
def test_a_header_that_lies_is_refused(tmp_path: Path, changes: dict[str, Any]) -> None:
    text = json.dumps({"x": HEADER["x"] | changes}).encode()
    path = written(tmp_path, len(text).to_bytes(8, "little") + text + bytes(16))
    try:
        file = read_tensor_file(path)
    except TensorFileError:
        return
    assert file.tensors["x"].numel() == 4  # many dimensions of 1 are odd, not wrong


@pytest.mark.parametrize("size", [MAX_HEADER_BYTES + 1, 100 << 20, 2**63])
def test_a_huge_header_is_refused_before_it_is_parsed(tmp_path: Path, size: int) -> None:
    path = written(tmp_path, size.to_bytes(8, "little") + b"{")
    with path.open("r+b") as file:
        file.truncate(min(size, 200 << 20))  # sparse
    with pytest.raises(TensorFileError, match="a header of over 16 MB"):
        read_tensor_file(path)
