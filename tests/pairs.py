"""A folder done by the local batch, and the same photos by a run over storages: nothing that is said or written may differ."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from fakes import fake_upscaler, result_files, run_batch
from units import MOMENTS, run_units, stored_results, sync, unit_settings

from laa_cli.errors import Exit
from laa_cli.upscale import Upscaler

Load = Callable[[], Upscaler]
COUNT = re.compile(r"(photos done|done before|failed|other files|faces found|faces restored|metadata left out) *│ *(\d+)")


class Pair:
    """A folder done by the local batch into `local`, and the same photos from a place to a place by a run over storages."""

    def __init__(self, folder: Path, source: str, out: str, capfd: Any) -> None:
        self.folder, self.capfd = folder, capfd
        self.settings = unit_settings(folder, source=source, out=out)
        sync(folder / "in", source)

    def run(self, load: Load = fake_upscaler, *, expected: Exit = Exit.OK, request: Any = (), **changes: Any) -> list[Any]:
        """Runs both. All that is said and written is the same. Returns the records of `--json`."""
        request = dict(request)
        sync(self.folder / "in", self.settings.source)
        settings = replace(self.settings, **{"load": lambda models, notice: load(), **changes})
        local = {name: changes[name] for name in ("overwrite", "report", "prove") if name in changes}
        command = {"out": self.folder / "local", "recipe": settings.recipe(), "json": True, **request, **local}
        assert run_batch(self.folder, load, **command) == expected
        first = self.said(str(self.folder / "in"), str(self.folder / "local"))
        assert run_units(settings, json=True, **request) == expected
        assert self.said(settings.source, settings.out) == first
        hidden = {name for name in stored_results(settings.out) if "html" in name}
        assert {name for name in result_files(self.folder / "local") if "html" in name} == hidden
        assert stored_results(settings.out) == result_files(self.folder / "local")
        return first[0]

    def said(self, *places: str) -> tuple[list[Any], dict[str, str], list[str]]:
        """Records, counts and other lines, without names of places and what differs from run to run."""
        captured = self.capfd.readouterr()
        out, err = captured.out, captured.err
        for place in places:
            out, err = out.replace(json.dumps(place)[1:-1], "PLACE"), err.replace(place, "PLACE")
        lines = [{name: value for name, value in json.loads(line).items() if name not in MOMENTS} for line in out.splitlines()]
        notices = sorted(line for line in err.splitlines() if line.startswith(("notice:", "error:")))
        return sorted(lines, key=lambda line: str(line["input"])), dict(COUNT.findall(err)), notices
