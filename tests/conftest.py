"""Fixtures that several files of tests share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fakes import SRGB, decode_photo, encode_image, exif_block, folder_of, pictures, save_background, write_photo_of_noise
from PIL import Image
from stores import forget_connections, s3_server

from laa_cli.photo import Metadata
from laa_cli.utils.amx import avoid_undescribed_amx

avoid_undescribed_amx()  # for tests that compute without choosing a device


@pytest.fixture
def data(tmp_path: Path) -> tuple[Path, Path]:
    """Folders of made-up faces for training and for validation."""
    return folder_of(pictures(4, 144), tmp_path / "train"), folder_of(pictures(3, 128), tmp_path / "validation")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Four photos in a tree and one file that is none."""
    for seed, name in enumerate(("a.png", "b/a.jpg", "b/c/ä ö.png", "d.bmp")):
        write_photo_of_noise(tmp_path / "in" / name, seed)
    (tmp_path / "in" / "b" / "notes.txt").write_text("not a photo")
    return tmp_path


@pytest.fixture(scope="module")
def metadata() -> Metadata:
    """Metadata of every kind, as laa reads it."""
    block = decode_photo(encode_image(Image.new("RGB", (4, 4)), "JPEG", exif=exif_block())).metadata.exif
    return Metadata(block, SRGB, (300.0, 240.0), b"<x:xmpmeta xmlns:x='adobe:ns:meta/'/>")


@pytest.fixture
def shipped_background(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A model file in the place of the shipped weights of the background."""
    path = save_background(tmp_path / "shipped.safetensors")
    for module in ("models.checkpoint", "laa_cli.restore.picture_network"):
        monkeypatch.setattr(f"{module}.BACKGROUND_WEIGHTS", path)
    return path


@pytest.fixture(scope="session")
def s3_environment() -> Iterator[dict[str, str]]:
    """What to set to find an S3 server on this machine, started for the first test that needs it."""
    pytest.importorskip("moto")
    with s3_server() as environment:
        yield environment


@pytest.fixture
def s3(s3_environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The URL of the S3 server that this test's environment names."""
    pytest.importorskip("s3fs")
    for name, value in s3_environment.items():
        monkeypatch.setenv(name, value)
    forget_connections()
    yield s3_environment["AWS_ENDPOINT_URL"]
    forget_connections()


@pytest.fixture
def shared_protocol() -> Iterator[None]:
    """A folder on this machine as `shared://`, by a driver that writes files in place and renames, as those of SFTP and SMB."""
    pytest.importorskip("fsspec")
    from fsspec.implementations.local import LocalFileSystem
    from fsspec.registry import _registry, register_implementation

    class SharedFileSystem(LocalFileSystem):
        protocol = "shared"

        @classmethod
        def _strip_protocol(cls, path: Any) -> str:
            return super()._strip_protocol(str(path).removeprefix("shared://"))

    register_implementation("shared", SharedFileSystem, clobber=True)
    yield
    del _registry["shared"]
