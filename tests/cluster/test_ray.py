"""`laa batch --ray` on a cluster of two nodes: results as the local ones, workers that end, machines that differ."""

from __future__ import annotations

import json
import time
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import pytest
from fakes import contents
from PIL import Image
from ray_stubs import NODE, POISON_RGB, load

from laa_cli.cluster.ray_executor import RayOptions
from laa_cli.cluster.run import ClusterRequest, run
from laa_cli.cluster.worker_settings import WorkerSettings
from laa_cli.console import Screen
from laa_cli.errors import Exit, SetupError
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
    assert not (tmp_path / "there" / ".laa").exists()  # nothing is left over


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


def test_a_machine_that_goes_costs_nothing_but_time(ray_cluster: Any, tmp_path: Path) -> None:
    photos(tmp_path / "in", 60)
    extra = ray_cluster.add_node(**NODE)
    screen = Screen(quiet=True)
    job = request(tmp_path, "out", ray_cluster.address, actors=3, cpus=1)

    def remove_when_under_way() -> None:
        while not list((tmp_path / "out").glob("manifest-*")):
            time.sleep(0.05)
        ray_cluster.remove_node(extra, allow_graceful=False)

    killer = Thread(target=remove_when_under_way, daemon=True)
    killer.start()
    assert run(job, screen) == Exit.OK
    killer.join(60)
    assert run(request(tmp_path, "here", None), screen) == Exit.OK
    assert results(tmp_path / "out") == results(tmp_path / "here")


def test_a_machine_with_another_laa_is_named(ray_cluster: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # Ray's workers look there for modules, too
    photos(tmp_path / "in", 1)
    (tmp_path / "other" / "laa_cli").mkdir(parents=True)
    (tmp_path / "other" / "laa_cli" / "__init__.py").write_text('__version__ = "0.0.1"\n')
    node = ray_cluster.add_node(**NODE, env_vars={"PYTHONPATH": str(tmp_path / "other")})
    try:
        with pytest.raises(SetupError, match=r"different results: .* has laa .*, .* has .*: install the same"):
            run(request(tmp_path, "out", ray_cluster.address), Screen(quiet=True))
    finally:
        ray_cluster.remove_node(node)
    assert not results(tmp_path / "out")


def test_a_cluster_that_is_not_there_is_said_at_once(tmp_path: Path) -> None:
    pytest.importorskip("ray")
    photos(tmp_path / "in", 1)
    with pytest.raises(SetupError, match=r"cannot join the Ray cluster '127\.0\.0\.1:1': .*refused: start one with `ray start"):
        run(request(tmp_path, "out", "127.0.0.1:1"), Screen(quiet=True))
