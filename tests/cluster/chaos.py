"""Kills workers' machines, or the driver, at random moments of a real run on a Ray cluster of this machine, and counts.

    python -m tests.cluster.chaos PHOTOS SCRATCH --victim node --kills 10

The results have to equal those of a run in this process byte for byte, with nothing left over; each kill may have cost no more
photos, done twice, than the units that were under way had. Takes minutes: CI runs what `test_ray.py` has of it.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

from fakes import ROOT, contents
from ray_stubs import NODE
from work_log import LOG, run_logged


def start_cluster() -> Any:
    """Two machines of one CPU beside a head without any."""
    from ray.cluster_utils import Cluster

    os.environ["PYTHONPATH"] = os.pathsep.join(map(str, (ROOT, ROOT / "tests", ROOT / "tests" / "cluster")))
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    cluster = Cluster(initialize_head=True, head_node_args=NODE | {"num_cpus": 0})
    for _ in range(2):
        cluster.add_node(**NODE)
    return cluster


def start_driver(photos: Path, out: Path, address: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "work_log", str(photos), str(out), address]
    return subprocess.Popen(command, cwd=ROOT, start_new_session=True)


def kill_nodes(cluster: Any, driver: subprocess.Popen[bytes], kills: int, seconds: float) -> int:
    """Takes a machine away, and adds another, until the run ends. Returns the number of kills that fell into it."""
    for done in range(kills):
        with suppress(subprocess.TimeoutExpired):
            driver.wait(random.uniform(0.3, 1.7) * seconds)
            return done
        cluster.remove_node(
            random.choice(sorted(cluster.worker_nodes, key=lambda node: str(node.node_id))), allow_graceful=False
        )
        cluster.add_node(**NODE)
    driver.wait()
    return kills


def kill_drivers(photos: Path, out: Path, address: str, kills: int, seconds: float) -> int:
    """Kills the driver, and starts another, until the run ends. Returns the number of kills that fell into it."""
    for done in range(kills):
        driver = start_driver(photos, out, address)
        with suppress(subprocess.TimeoutExpired):
            driver.wait(random.uniform(0.3, 1.7) * seconds)
            return done
        os.killpg(driver.pid, signal.SIGKILL)
        driver.wait()
    start_driver(photos, out, address).wait()
    return kills


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("photos", type=Path)
    parser.add_argument("scratch", type=Path)
    parser.add_argument("--victim", choices=("node", "driver"), default="node")
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=25.0, help="between two kills, on average")
    options = parser.parse_args()
    expected, out, log = (options.scratch / name for name in ("expected", "out", "log"))
    shutil.rmtree(out, ignore_errors=True)
    options.scratch.mkdir(parents=True, exist_ok=True)
    if not expected.exists():
        os.environ[LOG] = os.devnull
        run_logged(options.photos, expected, None)
    log.write_bytes(b"")
    os.environ[LOG] = str(log)
    cluster = start_cluster()
    started = time.monotonic()
    if options.victim == "node":
        kills = kill_nodes(cluster, start_driver(options.photos, out, cluster.address), options.kills, options.seconds)
    else:
        kills = kill_drivers(options.photos, out, cluster.address, options.kills, options.seconds)
    seconds = time.monotonic() - started
    cluster.shutdown()
    report(expected, out, log, kills, seconds)


def report(expected: Path, out: Path, log: Path, kills: int, seconds: float) -> None:
    """Compares and counts. SystemExit where something is not as it has to be."""
    wanted, found = contents(expected), contents(out)
    results = {name: content for name, content in wanted.items() if not is_kept(name)}
    equal = results == {name: content for name, content in found.items() if not is_kept(name)}
    manifests = sorted(name for name in found if name.startswith("manifest-"))
    left = sorted(name for name in found if is_kept(name) and name not in manifests and name != ".laa.lock")
    times = Counter(log.read_text().split())
    twice = sum(times.values()) - len(times)
    units = Counter(found[name].count(b"\n") for name in manifests)
    print(f"{len(results)} results equal: {equal}; left over: {left}; kills: {kills}; {seconds:.0f} s")
    print(f"worked on: {len(times)} photos, {twice} times more than once; units: {dict(units)}")
    if not equal or left:
        raise SystemExit(1)


def is_kept(name: str) -> bool:
    """Whether a file is laa's own, beside the results."""
    return name.startswith(("manifest-", "."))


if __name__ == "__main__":
    main()
