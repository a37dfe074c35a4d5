"""Ray itself: starting or joining it, how much of each machine a worker takes, and what each machine would make results by."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

from ..errors import SetupError, UsageError
from ..options import AUTO
from .worker_settings import MachineReport, WorkerSettings, check_versions

LOCAL = "local"
HOW_TO_INSTALL = "pip install 'laa[cluster]'"
OBJECT_STORE_BYTES = 100 << 20  # of a cluster on this machine: units and records are all that travels
MOST_CPUS = 4  # of a worker where nobody said: more photos side by side than that wait for one reader and one writer
ANSWER_AT_ONCE_S = 10.0  # to wait for a cluster's head
ANSWER_S = 300.0  # to wait for a machine's answer, which has to import torch first


@dataclass(frozen=True)
class Share:
    """What a worker takes of its machine: photos side by side, each on a CPU, and a number of GPUs, or a part of one."""

    cpus: int = 1
    gpus: float = 0.0


def import_ray() -> Any:
    """Imports Ray. UsageError where it is not installed."""
    try:
        import ray
    except ImportError as error:
        raise UsageError(f"ray needs Ray ({error}): {HOW_TO_INSTALL}", "ray") from error
    return ray


def start_ray(address: str) -> None:
    """Joins a cluster, or starts one on this machine: LOCAL. SetupError where that fails. Nothing of its talk is shown."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is sent anywhere
    ray = import_ray()
    ray._private.worker.print_to_stdstream = lambda *arguments, **options: None  # what raylets say to every driver
    quiet = {"log_to_driver": False, "logging_level": "ERROR"}
    try:
        if address == LOCAL:
            ray.init(address=LOCAL, include_dashboard=False, object_store_memory=OBJECT_STORE_BYTES, **quiet)
        else:
            check_answers(address)
            ray.init(address=address, **quiet)
    except (ConnectionError, RuntimeError, ValueError, OSError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        hint = "start one with `ray start --head`, or use --ray local"
        raise SetupError(f"cannot join the Ray cluster {address!r}: {reason}: {hint}") from error


def check_answers(address: str) -> None:
    """Raises OSError where nobody answers at HOST:PORT, which Ray itself finds out after minutes."""
    host, _, port = address.rpartition(":")
    if host and port.isdigit():
        socket.create_connection((host, int(port)), ANSWER_AT_ONCE_S).close()


def settle_share(cpus: int | None, gpus: float | None, device: str) -> Share:
    """Chooses what nobody said: a GPU each, where there are some and the device may be one; no more CPUs than there are."""
    nodes = live_resources()
    if gpus is None:
        may_use = device.partition(":")[0] in (AUTO, "cuda")
        gpus = 1.0 if may_use and any(node.get("GPU") for node in nodes.values()) else 0.0
    fitting = [int(node.get("CPU", 0)) for node in nodes.values() if not gpus or node.get("GPU")]
    return Share(cpus or max(1, min([MOST_CPUS, *filter(None, fitting)])), gpus)


def live_resources() -> dict[str, dict[str, float]]:
    """Returns the resources of the cluster's nodes that are alive, by node."""
    import ray

    return {node["NodeID"]: node["Resources"] for node in ray.nodes() if node["Alive"]}


def room(resources: dict[str, float], share: Share) -> int:
    """Counts the workers that a machine has room for."""
    by_cpus = int(resources.get("CPU", 0) // share.cpus)
    return min(by_cpus, int(resources.get("GPU", 0) / share.gpus)) if share.gpus else by_cpus


def fitting_nodes(share: Share) -> dict[str, int]:
    """Returns how many workers each machine has room for. SetupError where none has."""
    rooms = {node: room(resources, share) for node, resources in live_resources().items()}
    if not any(rooms.values()):
        gpus = f" and {share.gpus:g} GPUs" if share.gpus else ""
        raise SetupError(
            f"no machine of the cluster has {share.cpus} CPUs{gpus} for a worker: lower --actor-cpus or --actor-gpus"
        )
    return {node: count for node, count in rooms.items() if count}


def probe(settings: WorkerSettings, share: Share, notice: Callable[[str], None]) -> list[MachineReport]:
    """Asks every machine that workers fit on what it would make results with. SetupError where one has another laa, or none."""
    versions = ask(fitting_nodes(share), look(), share, notice)
    check_versions([(name_of(node), found) for node, found in versions.items()])
    reports = ask(versions, report_of_machine, share, notice, settings)
    return [named(report, node) for node, report in reports.items()]


def report_of_machine(settings: WorkerSettings) -> MachineReport:
    """Looks at the machine that this runs on."""
    return MachineReport.of_this(settings)


def look() -> Callable[[], dict[str, str]]:
    """Makes the function that looks for laa on a machine; it travels as a whole, for there may be no laa to have it from."""

    def versions() -> dict[str, str]:
        import platform

        try:
            import torch

            from laa_cli import __version__
        except ImportError as error:
            return {"laa": f"not installed ({error})"}
        return {"laa": __version__, "torch": torch.__version__, "python": platform.python_version()}

    return versions


def ask(
    nodes: Iterable[str], question: Callable[..., Any], share: Share, notice: Callable[[str], None], *arguments: Any
) -> dict[str, Any]:
    """Calls a function on every node, with a worker's share of GPUs. Returns the answers; a node that is lost has none.

    SetupError where there is none at all, or the function raises.
    """
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    task = ray.remote(num_cpus=0, num_gpus=share.gpus, max_retries=1)(question)
    on = {node: NodeAffinitySchedulingStrategy(node, soft=False) for node in nodes}
    calls = {node: task.options(scheduling_strategy=on[node]).remote(*arguments) for node in on}
    ray.wait(list(calls.values()), num_returns=len(calls), timeout=ANSWER_S)
    answers = {}
    for node, call in calls.items():
        try:
            answers[node] = ray.get(call, timeout=0)
        except ray.exceptions.RayTaskError as error:
            raise SetupError(f"{name_of(node)} cannot take part: {str(error).strip().splitlines()[-1]}") from error
        except ray.exceptions.RayError as error:  # it went, or does not answer
            notice(f"going on without {name_of(node)}, which did not answer ({type(error).__name__})")
    if not answers:
        raise SetupError("no machine of the cluster answered: look at `ray status`, then run the same command again")
    return answers


def name_of(node: str) -> str:
    """Names a node for people: its machine, and the beginning of Ray's own name."""
    import ray

    known = {entry["NodeID"]: entry for entry in ray.nodes()}
    return f"{known[node]['NodeManagerHostname']} ({node[:8]})" if node in known else node[:8]


def named(report: MachineReport, node: str) -> MachineReport:
    """Gives a report its node's name."""
    return replace(report, machine=name_of(node))
