"""A folder of photos and one of results, to which things happen: what runs of any kind, people and other programs do."""

from __future__ import annotations

import hashlib
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

from fakes import fake_upscaler
from units import record_of

from laa_cli.batch.manifest import Recipe
from laa_cli.batch.run import opened_manifest
from laa_cli.batch.scan import NameFilter
from laa_cli.batch.task import BatchContext
from laa_cli.batch.thumbnails import PROOF, gallery_path, thumbnail_path
from laa_cli.batch.unit_manifest import begun_path, manifest_path, to_lines, unit_name
from laa_cli.cluster.listing import list_photos, list_results
from laa_cli.cluster.planning import Plan, Planner, PlanOptions
from laa_cli.cluster.record_index import RecordIndex
from laa_cli.cluster.unit import Action, UnitPhoto
from laa_cli.cluster.unit_tasks import RecheckTask
from laa_cli.cluster.unit_worker import UnitRecords
from laa_cli.errors import LaaError
from laa_cli.utils.storage import LocalStorage


class World:
    """Photos and results, to which things happen. What is written has a time of its own, whatever the clock says."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.photos, self.results = LocalStorage(folder / "in"), LocalStorage(folder / "out")
        self.time = 0
        self.photos.folder.mkdir()
        self.results.folder.mkdir()

    def write(self, path: Path, content: bytes) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        self.touch(path)

    def touch(self, path: Path) -> None:
        self.time += 1
        if path.exists():
            os.utime(path, ns=(self.time, self.time))

    # The plan

    def index(self) -> RecordIndex:
        listed = list_results(self.results)
        index = RecordIndex(self.results)
        index.read(listed.manifests, listed.begun)
        return index

    def plan(self, recipe: Recipe, **options: Any) -> Plan:
        photos = list_photos(self.photos, self.results, NameFilter())
        return Planner(recipe, list_results(self.results), self.index(), PlanOptions(**options)).plan(photos)

    def is_kept(self, photo: UnitPhoto, recipe: Recipe) -> bool:
        """Whether a worker finds that the record of a photo holds."""
        if photo.action is Action.RESTORE:
            return False
        upscaler: Any = fake_upscaler()
        context = BatchContext(
            photos=self.photos, results=self.results, recipe=recipe, records=UnitRecords(frozenset()), upscaler=upscaler,
            micro_batcher=upscaler,
        )  # fmt: skip
        task = RecheckTask(photo, context, *self.index().records([photo.name]))
        with suppress(LaaError):  # as it tries to decode the photo again
            task.read()
        return task.kept is not None

    # What happens

    def run(self, recipe: Recipe, outcomes: list[str]) -> None:
        """A run over storages: photos end as `outcomes` say, in turn; all photos of a killed unit are begun."""
        listed = list_results(self.results)
        unit = unit_name(listed.runs + 1, 1)
        records, begun = [], []
        for number, photo in enumerate(self.plan(recipe).todo):
            outcome = outcomes[number % len(outcomes)]
            if self.is_kept(photo, recipe):
                [earlier] = self.index().records([photo.name])
                times = {"mtime_ns": photo.status.mtime_ns}
                result = self.results.status(photo.output)
                if earlier["error"] is None and result is not None:
                    times["output_mtime_ns"] = result.mtime_ns
                records.append({**earlier, **times})
            elif outcome in ("killed", "begun"):
                begun.append({"input": photo.name, "output": photo.output})
                if outcome == "killed":
                    self.write(self.results.folder / photo.output, b"of a killed unit")
            else:
                records.append(self.record(photo, recipe, outcome))
        self.write(self.results.folder / manifest_path(unit), to_lines(records))
        if begun:
            self.write(self.results.folder / begun_path(unit), to_lines(begun))

    def record(self, photo: UnitPhoto, recipe: Recipe, outcome: str) -> dict[str, Any]:
        """Writes a photo's result, or none, and makes its record."""
        content = self.photos.read(photo.name)
        changes: dict[str, Any] = {"output": photo.output, "mtime_ns": photo.status.mtime_ns, **recipe.to_dict()}
        if outcome != "done":
            final = outcome == "failed for good"
            return {
                **record_of(photo.name, content, error="oh", **changes, recipe=recipe.digest(failed=True) if final else None)
            }
        result = content + hashlib.sha256(recipe.digest(failed=False).encode()).digest()
        self.write(self.results.folder / photo.output, result)
        digest = recipe.digest(failed=False)
        return {**record_of(photo.name, content, result, **changes, recipe=digest, output_mtime_ns=self.time)}

    def clear(self) -> None:
        """The end of a run: what says nothing any more goes."""
        index = self.index()
        self.results.remove_many([*index.superseded(), *index.settled(list_results(self.results).files)])

    def fold(self) -> None:
        """The begin of a local run."""
        opened_manifest(self.results.folder).__exit__(None, None, None)

    def show(self, kind: str) -> None:
        """Makes thumbnails or pages of proofs of half of the results."""
        for entry in list(self.index().entries.values())[::2]:
            if entry.error is None:
                sha256 = entry.output_sha256
                name = gallery_path(sha256, PROOF) if kind == "proofs" else thumbnail_path(sha256, "after")
                self.write(self.results.folder / name, b"shown")


def happen(world: World, kind: str, subject: Any, how: Any) -> None:
    if kind == "run":
        world.run(subject, how)
    elif kind == "clear":
        world.clear()
    elif kind == "fold":
        world.fold()
    elif subject is None:
        world.show(kind)
    else:
        of_result = kind.endswith("result")
        path = (world.results if of_result else world.photos).folder / subject
        if kind.startswith("touch"):
            world.touch(path)
        elif kind.startswith("remove"):
            path.unlink(missing_ok=True)
        else:
            world.write(path, how)
