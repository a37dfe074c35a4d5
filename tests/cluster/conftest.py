"""Runs over storages beside local ones, and a Ray cluster of two nodes on this machine, whose workers find the stand-ins."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fakes import ROOT
from pairs import Pair
from ray_stubs import NODE
from stores import new_place

from laa_cli.utils import leases


@pytest.fixture
def quick_leases(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leases whose holders wait for a hundredth of a second before they begin."""
    monkeypatch.setattr(leases, "MOMENTS", 1000)


@pytest.fixture(params=["local", "memory"])
def pair(request: pytest.FixtureRequest, folder: Path, capfd: Any, quick_leases: None) -> Pair:
    """The four photos, to be done here and on another storage."""
    if request.param == "local":
        return Pair(folder, str(folder / "in"), str(folder / "out"), capfd)
    pytest.importorskip("fsspec")
    return Pair(folder, new_place("memory", request), new_place("memory", request), capfd)


@pytest.fixture(scope="session")
def ray_cluster() -> Iterator[object]:
    """The cluster; its `address` is what --ray takes. Skips where Ray is not installed."""
    pytest.importorskip("ray")
    from ray.cluster_utils import Cluster

    before = os.environ.copy()
    os.environ |= {
        "RAY_USAGE_STATS_ENABLED": "0",
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests")]),
        "PYTHONWARNINGS": "ignore",
    }
    try:
        cluster = Cluster(initialize_head=True, head_node_args=NODE)
        cluster.add_node(**NODE)
        yield cluster
        cluster.shutdown()
    finally:
        os.environ.clear()
        os.environ.update(before)
