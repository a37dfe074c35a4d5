"""A Ray cluster of two nodes on this machine, whose workers find laa and the tests' stand-ins."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from fakes import ROOT
from ray_stubs import NODE


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
