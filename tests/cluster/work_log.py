"""A run on a cluster whose workers write down each photo that they begin with. `python -m work_log PHOTOS OUT [ADDRESS]`"""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from laa_cli.cluster.ray_executor import RayOptions
from laa_cli.cluster.run import ClusterRequest, run
from laa_cli.cluster.worker_settings import WorkerSettings
from laa_cli.console import Screen
from laa_cli.options import ModelOptions, Options
from laa_cli.upscale import Upscaler

LOG = "LAA_WORK_LOG"  # the file, as an environment variable


def load(models: ModelOptions, notice: Callable[[str], None]) -> Upscaler:
    """Loads the models, with a detector that writes a line for each photo."""
    upscaler = Upscaler.from_options(models, notice)
    inner, log = upscaler.detect, os.environ[LOG]

    def detect(rgb: Any) -> Any:
        with open(log, "a", encoding="ascii") as file:
            file.write(hashlib.sha256(rgb.tobytes()).hexdigest() + "\n")
        return inner(rgb)

    upscaler.detect = detect
    return upscaler


def run_logged(photos: Path, out: Path, address: str | None) -> int:
    """Runs a batch, in this process or on a cluster."""
    settings = WorkerSettings(
        source=str(photos),
        out=str(out),
        options=Options(),
        models=ModelOptions(device="cpu", background="plain"),
        memory="1G",
        load=load,
    )
    ray = None if address is None else RayOptions(address=address)
    return run(ClusterRequest(settings=settings, ray=ray), Screen())


if __name__ == "__main__":
    sys.exit(run_logged(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3] if len(sys.argv) > 3 else None))
