"""Safetensors files with a digest of their own: what was damaged on its way is found before any of it is used.

The digest is a SHA-256 over the metadata and over all tensors: names, dtypes, shapes and bytes. It is an entry of the metadata,
DIGEST_KEY; files that were written before there was one lack it.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

DIGEST_KEY = "sha256"
LENGTH_BYTES = 8  # of the header's length, with which a file begins
MAX_HEADER_BYTES = 16 << 20  # the largest network's take some 4 MB
DTYPES = ("F16", "BF16", "F32")  # of tensors, as safetensors calls them
PICKLES = (b"PK", b"\x80\x02")  # how they begin: torch.save's zip, or a bare pickle


class TensorFileError(ValueError):
    """A file that cannot be used; the message says why, without the file's name and without what to do."""


@dataclass(frozen=True)
class TensorFile:
    """The content of a file. `verified`: it had a digest, which fits; None of what it holds is checked otherwise."""

    tensors: dict[str, Tensor]
    metadata: dict[str, str]  # without the digest
    verified: bool


def serialize(tensors: dict[str, Tensor], metadata: dict[str, str]) -> bytes:
    """Serializes contiguous tensors on the CPU, and metadata, with their digest. The same content gives the same bytes."""
    content = save(tensors, metadata | {DIGEST_KEY: digest(tensors, metadata)})
    return sort_metadata(content)


def sort_metadata(content: bytes) -> bytes:
    """Sorts the metadata in a file's header, which safetensors writes in a random order."""
    end = LENGTH_BYTES + int.from_bytes(content[:LENGTH_BYTES], "little")
    header = json.loads(content[LENGTH_BYTES:end])
    header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % LENGTH_BYTES)  # the tensors are aligned
    return len(text).to_bytes(LENGTH_BYTES, "little") + text + content[end:]


def digest(tensors: dict[str, Tensor], metadata: dict[str, str]) -> str:
    """Computes the SHA-256, in hex, of metadata and tensors, in the order of their names."""
    description = {name: [str(tensor.dtype), list(tensor.shape)] for name, tensor in tensors.items()}
    hasher = hashlib.sha256(json.dumps([metadata, description], sort_keys=True).encode())
    for name in sorted(tensors):
        hasher.update(tensors[name].contiguous().flatten().view(torch.uint8).numpy().data)
    return hasher.hexdigest()


def read_tensor_file(path: Path) -> TensorFile:
    """Reads a file and compares it with its digest. Raises OSError where it cannot be read and TensorFileError where it is
    no safetensors file, is damaged, or holds other than floating-point tensors. Pickles are never loaded."""
    check_start(path)
    try:
        with safe_open(path, framework="pt") as file:
            metadata = dict(file.metadata() or {})
            names = list(file.keys())
            for name in names:
                check_dtype(name, file.get_slice(name).get_dtype())
            tensors = {name: file.get_tensor(name) for name in names}
    except SafetensorError as error:
        raise TensorFileError(f"is no whole safetensors file ({error})") from error
    expected = metadata.pop(DIGEST_KEY, None)
    if expected is not None and expected != digest(tensors, metadata):
        raise TensorFileError("is damaged: its content does not fit its SHA-256")
    return TensorFile(tensors, metadata, expected is not None)


def check_start(path: Path) -> None:
    """Raises TensorFileError for pickles, and for a header that is too large to be parsed."""
    with path.open("rb") as file:
        start = file.read(LENGTH_BYTES)
    if start[:2] in PICKLES:
        raise TensorFileError("is a pickle, which laa never loads")
    if int.from_bytes(start, "little") > MAX_HEADER_BYTES:
        raise TensorFileError(f"is no whole safetensors file (a header of over {MAX_HEADER_BYTES >> 20} MB)")


def check_dtype(name: str, dtype: str) -> None:
    """Raises TensorFileError where a tensor has another dtype than networks and optimisers have."""
    if dtype not in DTYPES:
        raise TensorFileError(f"is damaged: its tensor {name} is of type {dtype}")
