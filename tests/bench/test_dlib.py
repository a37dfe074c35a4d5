"""dlib's judge: its file, and its network against dlib itself where that is installed."""

from __future__ import annotations

import struct
import sys
from pathlib import Path

import pytest
import torch
from fakes import pictures, randomize_parameters

from laa_cli.bench import dlib_network
from laa_cli.bench.dlib_network import (
    AFFINES,
    CONVOLUTIONS,
    LINEARS,
    DlibConvolution,
    DlibFileError,
    DlibNetwork,
    load_dlib_network,
)
from laa_cli.bench.identity_judges import NETWORK_FILE, find_model, load_dlib, load_judge, load_judges
from laa_cli.bench.perceptual import UnavailableError


def integer(value: int) -> bytes:
    """As dlib writes one."""
    size = max(1, (value.bit_length() + 7) // 8)
    return bytes([size]) + value.to_bytes(size, "little")


def layer(name: bytes, before: tuple[int, ...], dimensions: tuple[int, ...], values: torch.Tensor) -> bytes:
    numbers = b"".join(map(integer, (*before, 2, *dimensions)))
    return b"\x01\x05" + name + numbers + values.detach().numpy().astype("<f4").tobytes()


def written(network: DlibNetwork) -> bytes:
    """A file with the parts of dlib's that are read."""
    content = b"\x0dloss_metric_2"
    for part in network.modules():
        if isinstance(part, DlibConvolution):
            filters = torch.cat([part.convolution.weight.flatten(), part.convolution.bias])  # type: ignore[list-item]
            content += layer(CONVOLUTIONS, (), (len(filters), 1, 1, 1), filters)
            affine = torch.cat([part.scale.flatten(), part.shift.flatten()])
            content += layer(AFFINES, (), (len(affine), 1, 1, 1), affine) + b"\x07relu_11"
    return content + layer(LINEARS, (128, 256), (256, 128, 1, 1), network.last.weight.T.flatten())


def test_a_file_is_read_as_it_is_written(tmp_path: Path) -> None:
    network = DlibNetwork()
    randomize_parameters(network)
    path = tmp_path / "network.dat"
    path.write_bytes(written(network))
    found = load_dlib_network(path).state_dict()
    assert all(torch.equal(found[name], value) for name, value in network.state_dict().items())
    assert not load_dlib_network(path).training


def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    content = written(DlibNetwork())
    smaller = content.replace(CONVOLUTIONS + integer(2) + integer(32 * 49 * 3 + 32), CONVOLUTIONS + integer(2) + integer(99), 1)
    for damaged, message in (
        (content[: len(content) // 2], "cut|other layers"),
        (content[:-100], "cut"),
        (b"", "other layers"),
        (content + CONVOLUTIONS, "cut"),
        (content + CONVOLUTIONS + b"\x09" * 20, "another way"),
        (content + CONVOLUTIONS + b"\x01\x07" * 20, "another way"),
        (smaller, "another size"),
    ):
        (tmp_path / "network.dat").write_bytes(damaged)
        with pytest.raises(DlibFileError, match=message):
            load_dlib_network(tmp_path / "network.dat")


def test_the_network_is_dlibs() -> None:
    dlib = pytest.importorskip("dlib")
    try:
        path = find_model(NETWORK_FILE)
    except UnavailableError as error:
        pytest.skip(str(error))
    theirs, ours = dlib.face_recognition_model_v1(str(path)), load_dlib_network(path)
    chips = [face.permute(1, 2, 0).contiguous().numpy() for face in pictures(2, 150)]
    for chip in chips:
        with torch.inference_mode():
            found = ours(torch.from_numpy(chip).permute(2, 0, 1)[None].float())[0]
        assert found.tolist() == pytest.approx(list(theirs.compute_face_descriptor(chip)), abs=1e-5)
    embeddings = load_dlib()(pictures(2, 128) / 255)
    assert embeddings.shape == (2, 128)
    assert (embeddings[0] - embeddings[1]).norm() > 0.1


def test_a_missing_judge_says_why(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setitem(sys.modules, "dlib", None)
    dlib, facenet = load_judges()
    assert dlib.embed is None
    assert dlib.unavailable.endswith("pip install 'laa[identity]'")
    assert facenet.embed is None
    assert "not in torch's cache: allow the download with --fetch" in facenet.unavailable


def test_files_are_found_without_importing_their_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "face_recognition_models"
    (package / "models").mkdir(parents=True)
    (package / "__init__.py").write_text("raise ImportError('pkg_resources')")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "face_recognition_models", raising=False)
    with pytest.raises(UnavailableError, match=rf"{NETWORK_FILE} of face_recognition_models is missing: pip install"):
        find_model(NETWORK_FILE)
    (package / "models" / NETWORK_FILE).write_bytes(b"")
    assert find_model(NETWORK_FILE) == package / "models" / NETWORK_FILE


def test_an_unreadable_judge_says_why() -> None:
    def fail() -> object:
        raise UnavailableError("no file")

    assert load_judge("key", "title", fail).unavailable == "no file"  # type: ignore[arg-type]


def test_sizes_add_up_to_dlibs_own() -> None:
    """5.6 million parameters; 150 px become 2 x 2 before the mean, where the last block's branches differ in size."""
    network = DlibNetwork()
    assert sum(parameter.numel() for parameter in network.parameters()) == 5_614_592
    assert sum(isinstance(part, DlibConvolution) for part in network.modules()) == 29
    shapes: list[torch.Size] = []
    network.blocks.register_forward_hook(lambda _module, _inputs, output: shapes.append(output.shape))
    with torch.inference_mode():
        network(torch.zeros(1, 3, dlib_network.CHIP_PX, dlib_network.CHIP_PX))
    assert shapes == [(1, 256, 2, 2)]


def test_floats_are_little_endian() -> None:
    content = layer(AFFINES, (), (2, 1, 1, 1), torch.tensor([1.0, -2.0]))
    assert content.endswith(struct.pack("<2f", 1, -2))
    assert dlib_network.read_layers(content, AFFINES)[0].tolist() == [1, -2]
