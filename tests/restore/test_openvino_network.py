"""The face network in OpenVINO: equal to torch's, compiled once, and again where what was kept does not fit."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from fakes import CPU

from laa_cli.restore.runtime import Runtime
from laa_cli.utils.compile_cache import CompileCache
from models.laa.config import LAAConfig
from models.laa.network import LAATransformer

pytest.importorskip("openvino")

from laa_cli.restore import openvino_network
from laa_cli.restore.openvino_network import OpenVINONetwork

RUNTIME = Runtime(CPU, "float32", "CPU")


@pytest.fixture(scope="module")
def network() -> LAATransformer:
    torch.manual_seed(0)
    network = LAATransformer(LAAConfig(base_channels=2, image_size=64, blocks=1)).eval()  # with key regions
    torch.nn.init.normal_(network.tail.weight, std=0.1)
    return network


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory, network: LAATransformer) -> CompileCache:
    """With this network in it."""
    cache = CompileCache(tmp_path_factory.mktemp("cache"))
    OpenVINONetwork.build(network, RUNTIME, cache)
    return cache


class Converting(Exception):
    """Raised where a network would be compiled."""


@pytest.fixture
def refuse_to_convert(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(network: LAATransformer) -> None:
        raise Converting

    monkeypatch.setattr(openvino_network, "convert", refuse)


@pytest.mark.usefixtures("refuse_to_convert")
def test_it_is_the_network_compiled_once(network: LAATransformer, cache: CompileCache) -> None:
    faces = torch.rand(3, 3, 64, 64)
    with torch.inference_mode():
        expected = network(faces)
        found = OpenVINONetwork.build(network, RUNTIME, cache)
        assert (expected - faces).abs().max() > 0.01
        torch.testing.assert_close(found(faces), expected, rtol=0, atol=1e-5)
    with ThreadPoolExecutor(3) as pool:
        assert torch.equal(torch.cat([*pool.map(found, faces.split(1))]), found(faces))
    assert found.compiled.get_property("INFERENCE_NUM_THREADS") == torch.get_num_threads()


@pytest.mark.usefixtures("refuse_to_convert")
def test_it_is_compiled_again_for_anything_else(network: LAATransformer, cache: CompileCache) -> None:
    with pytest.raises(Converting):
        OpenVINONetwork.build(LAATransformer(network.config).eval(), RUNTIME, cache)
    with pytest.raises(Converting):
        OpenVINONetwork.build(network, Runtime(CPU, "bfloat16", "CPU"), cache)


@pytest.mark.usefixtures("refuse_to_convert")
def test_a_damaged_file_is_compiled_again(network: LAATransformer, cache: CompileCache) -> None:
    assert cache.folder is not None
    (path,) = cache.folder.iterdir()
    whole = path.read_bytes()
    path.write_bytes(whole[:-1])
    with pytest.raises(Converting):
        OpenVINONetwork.build(network, RUNTIME, cache)
    path.write_bytes(whole)


@pytest.mark.parametrize(("precision", "hint"), [("float32", "f32"), ("bfloat16", "bf16")])
def test_precision_and_threads_are_torchs(precision: str, hint: str) -> None:
    settings = openvino_network.compile_settings(Runtime(CPU, precision, "CPU"))
    assert (settings["INFERENCE_PRECISION_HINT"], settings["INFERENCE_NUM_THREADS"]) == (hint, torch.get_num_threads())
    assert "INFERENCE_NUM_THREADS" not in openvino_network.compile_settings(Runtime(CPU, precision, "GPU"))
