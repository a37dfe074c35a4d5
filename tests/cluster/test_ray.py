"""`laa batch --ray` on a cluster of two nodes: results as the local ones, workers that end, machines that differ."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from fakes import contents
from PIL import Image
from stub_upscaler import POISON_RGB, load

from laa_cli.cluster.ray_executor import RayOptions
from laa_cli.cluster.run import ClusterRequest, run
from laa_cli.cluster.worker_settings import WorkerSettings
from laa_cli.console import Screen
from laa_cli.errors import Exit
from laa_cli.options import ModelOptions, Options


def photos(folder: Path, count: int) -> Path:
    """A folder of photos of noise."""
    folder.mkdir()
    for seed in range(count):
        pixels = np.random.default_rng(seed).integers(0, 256, (20, 24, 3), np.uint8)
        Image.fromarray(pixels).save(folder / f"{seed:03}.png")
    return folder


def request(tmp_path: Path, out: str, address: str | None, **changes: Any) -> ClusterRequest:
    settings = WorkerSettings(
        source=str(tmp_path / "in"),
        out=str(tmp_path / out),
        options=Options(scale=2),
        models=ModelOptions(device="cpu"),
        memory="1G",
        load=load,
    )
    return ClusterRequest(settings=settings, ray=None if address is None else RayOptions(address=address, **changes))


def results(folder: Path) -> dict[str, bytes]:
    return {name: content for name, content in contents(folder).items() if name.endswith(".png")}


def test_a_cluster_makes_the_local_results(ray_cluster: Any, tmp_path: Path) -> None:
    photos(tmp_path / "in", 40)
    assert run(request(tmp_path, "here", None), Screen(quiet=True)) == Exit.OK
    assert run(request(tmp_path, "there", ray_cluster.address), Screen(quiet=True)) == Exit.OK
    assert results(tmp_path / "here") == results(tmp_path / "there")
    assert len(results(tmp_path / "there")) == 40


def test_a_photo_that_ends_its_worker_fails_alone(ray_cluster: Any, tmp_path: Path) -> None:
    photos(tmp_path / "in", 20)
    pixels = np.zeros((20, 24, 3), np.uint8)
    pixels[0, 0] = POISON_RGB
    Image.fromarray(pixels).save(tmp_path / "in" / "007.png")
    assert run(request(tmp_path, "out", ray_cluster.address), Screen()) == Exit.PARTLY
    lines = [line for path in (tmp_path / "out").glob("manifest-*") for line in map(json.loads, path.read_text().splitlines())]
    failed = {line["input"]: line["error"] for line in lines if line["error"]}
    assert len(lines) == 20
    assert list(failed) == ["007.png"]
    assert "ended 2 times on" in failed["007.png"]
    assert len(results(tmp_path / "out")) == 19
