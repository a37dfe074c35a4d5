"""Files for --background: ours, the authors', other projects'; and one line for each that cannot be used."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from fakes import TINY_CARD, noise_pixels, randomize_parameters, save_network, small_swinir
from pictures import SMALL_HPINET, run_steps, save_hpinet, small_hpinet
from safetensors.torch import save_file
from torch import nn

from laa_cli.errors import LaaError
from laa_cli.restore.fidelity import FEATURES
from laa_cli.restore.picture_network import load_picture_network
from laa_cli.restore.picture_upscaler import PictureUpscaler
from models import checkpoint
from models.hpinet.config import HPINetConfig
from models.hpinet.network import HPINet
from models.laa.network import LAATransformer

CPU = torch.device("cpu")


def refusal(path: Path) -> str:
    """What is said of a file that cannot be used: one line."""
    with pytest.raises(LaaError) as caught:
        load_picture_network(path, CPU)
    text = str(caught.value)
    assert "\n" not in text
    assert path.name in text or path.stem in text
    return text


def authors_state(network: HPINet) -> dict[str, Any]:
    """A network's tensors by the names of the authors' checkpoints."""
    names = {
        "head": "first_conv",
        "matching.norm": "norm",
        "attention_norm": "0.norm",
        "attention.to_": "0.fn.to_",
        "mlp_norm": "1.norm",
        "mlp.0": "1.fn.fc1",
        "mlp.2": "1.fn.fc2",
        "tail.0": "upconv",
        "tail.3": "last_conv",
    }
    state = {}
    for name, tensor in network.state_dict().items():
        _, number, rest = name.split(".", 2) if name.startswith("stages.") else ("", "", name)
        for ours, theirs in names.items():
            rest = rest.replace(ours, theirs)
        folder = {"n": "cross_match.", "b": "blocks.", "c": "mid_convs."}.get(rest[0], "") if number else ""
        rest = rest.removeprefix("block.").removeprefix("conv.") if number else rest
        state["module." + (f"{folder}{number}.{rest}" if number else rest)] = tensor
    return state


def test_a_file_of_laa(tmp_path: Path) -> None:
    coefficients = tuple(0.5 * number for number in range(FEATURES))
    path = save_hpinet(tmp_path / "forest.safetensors", coefficients=coefficients)
    network = load_picture_network(path, CPU)
    assert (network.name, network.scale, network.architecture) == ("forest", 4, "HPINet")
    assert network.parameters == sum(parameter.numel() for parameter in small_hpinet().parameters())
    assert network.coefficients == coefficients


def test_the_shipped_weights_have_a_name_of_their_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = save_hpinet(tmp_path / "laa-background.safetensors")
    monkeypatch.setattr("laa_cli.restore.picture_network.BACKGROUND_WEIGHTS", path)
    assert load_picture_network(path, CPU).name == "hpinet"


def test_a_file_of_the_authors(tmp_path: Path) -> None:
    network = small_hpinet(HPINetConfig(scale=2, dim=8, qk_dim=4, mlp_dim=8))
    torch.save(authors_state(network), tmp_path / "HPINet-x2.pth")
    found = load_picture_network(tmp_path / "HPINet-x2.pth", CPU)
    assert (found.name, found.scale, found.architecture, found.coefficients) == ("HPINet-x2", 2, "HPINet", ())
    assert found.parameters == sum(parameter.numel() for parameter in network.parameters())
    broken = authors_state(network)
    del broken["module.first_conv.bias"]
    torch.save(broken, tmp_path / "broken.pth")
    assert "lacks a tensor" in refusal(tmp_path / "broken.pth")


@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
@pytest.mark.parametrize("scale", [2, 3, 4, 8])
def test_other_projects_files(suffix: str, scale: int, tmp_path: Path) -> None:
    network, path = small_swinir(scale), tmp_path / f"other{suffix}"
    if suffix == ".pth":
        torch.save({"params_ema": network.state_dict()}, path)
    else:
        save_network(network, path)
    found = load_picture_network(path, CPU)
    assert (found.name, found.scale, found.architecture, found.coefficients) == ("other", scale, "SwinIR", ())
    enlarged = run_steps(PictureUpscaler(found).steps(noise_pixels(3, np.uint8, 9, 13), 4))
    assert enlarged.pixels.shape == (36, 52, 3)
    assert (enlarged.background, enlarged.fidelity) == ("other", 0.0)


def write_bad_files(folder: Path) -> dict[str, str]:
    """Files that are no network for the background, and what is to be said of each."""
    whole = save_hpinet(folder / "whole.safetensors").read_bytes()
    other = io.BytesIO()
    torch.save(small_swinir(4).state_dict(), other)
    executable, nothing = io.BytesIO(), io.BytesIO()
    torch.save({"weight": print}, executable)
    torch.save([torch.ones(3)], nothing)
    contents = {
        "empty.pth": (b"", "is empty"),
        "text.pth": (b"not a model at all", "is damaged, or no model file"),
        "cut.safetensors": (whole[: len(whole) // 2], "is no whole safetensors file"),
        "flipped.safetensors": (whole[:-9] + bytes([whole[-9] ^ 1]) + whole[-8:], "does not fit its SHA-256"),
        "cut.pth": (other.getvalue()[:5000], "is damaged"),
        "flipped.pth": (other.getvalue().replace(torch.ones(8).numpy().tobytes(), bytes(32), 1), "checksum"),
        "pickle.pth": (executable.getvalue(), "holds more than tensors, which laa never loads"),
        "list.pth": (nothing.getvalue(), "holds no tensors by names, but a list"),
    }
    for name, (content, _) in contents.items():
        (folder / name).write_bytes(content)
    save_file({"strange": torch.zeros(1)}, folder / "strange.safetensors")
    (folder / "face.safetensors").write_bytes(
        checkpoint.save_bytes(randomize_parameters(LAATransformer(TINY_CARD.config)), TINY_CARD)
    )
    save_hpinet(folder / "newer.safetensors", coefficients=(1.0, 2.0))
    (folder / "folder.pth").mkdir()
    return {name: text for name, (_, text) in contents.items()} | {
        "strange.safetensors": "is of no network that spandrel knows",
        "face.safetensors": "restores faces: give it as --weights",
        "newer.safetensors": "of another version of laa",
        "gone.safetensors": "No such file or directory",
        "folder.pth": "Is a directory",
    }


def test_bad_files_are_named_in_one_line(tmp_path: Path) -> None:
    for name, reason in write_bad_files(tmp_path).items():
        assert reason in refusal(tmp_path / name), name


def spandrel_networks() -> dict[str, tuple[nn.Module, str]]:
    from spandrel.architectures.Compact.__arch.SRVGG import SRVGGNetCompact

    grey = SRVGGNetCompact(num_in_ch=1, num_out_ch=1, num_feat=4, num_conv=1, upscale=4)
    large, same, no_number = (SRVGGNetCompact(num_feat=4, num_conv=1, upscale=scale) for scale in (16, 1, 4))
    no_number.body[0].weight.data[0] = float("nan")
    return {
        "grey": (grey, "from 1 channels to 1, not RGB to RGB"),
        "large": (large, "enlarges 16 times: 2, 3, 4, 8 are possible"),
        "nan": (no_number, "gives no finite numbers"),
        "same": (same, "enlarges 1 times"),
    }


def test_networks_of_other_kinds_are_refused(tmp_path: Path) -> None:
    for name, (network, reason) in spandrel_networks().items():
        assert reason in refusal(save_network(network, tmp_path / f"{name}.safetensors")), name


def test_spandrel_may_be_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "spandrel", None)
    assert refusal(save_network(small_swinir(2), tmp_path / "other.safetensors")).endswith("pip install 'laa[spandrel]'")
    assert load_picture_network(save_hpinet(tmp_path / "ours.safetensors"), CPU).scale == 4


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("DefaultCPUAllocator: can't allocate memory")])
def test_memory_may_run_out(error: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    path = save_network(small_swinir(2), tmp_path / "other.safetensors")
    monkeypatch.setattr("safetensors.torch.load_file", fail)
    assert refusal(path) == f"not enough memory for the background's network {path}"


def test_an_old_file_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "old.safetensors"
    card = checkpoint.ModelCard(SMALL_HPINET, crop_px=None, architecture="hpinet")
    save_file(small_hpinet().state_dict(), path, {"laa": card.to_json()})
    notices: list[str] = []
    load_picture_network(path, CPU, notices.append)
    assert notices == [f"{path} has no SHA-256 to check it by"]
