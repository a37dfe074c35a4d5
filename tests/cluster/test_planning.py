"""The plan of a run: it sorts photos as the local batch does, whatever happened to them and their results before."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from histories import World, happen
from hypothesis import given, settings
from hypothesis import strategies as st
from units import RECIPE

from laa_cli.batch.manifest import Manifest, Recipe, status_of
from laa_cli.batch.run import opened_manifest
from laa_cli.batch.scan import NameFilter, scan
from laa_cli.batch.thumbnails import has_proof, has_thumbnails
from laa_cli.cluster.listing import list_photos, list_results
from laa_cli.cluster.planning import Planner, PlanOptions
from laa_cli.cluster.unit import Action
from laa_cli.options import Options
from laa_cli.utils.storage import LocalStorage

NAMES = ["a.png", "b.jpg", "c/d.png", "e.gif", "e.gif.png"]
RECIPES = [RECIPE, replace(RECIPE, options=Options(scale=4)), replace(RECIPE, require_face=True)]
OUTCOMES = ["done", "failed for good", "failed", "killed", "begun"]


@pytest.fixture(autouse=True)
def quick_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda handle: None)


PHOTO_EVENTS = st.tuples(
    st.sampled_from(["photo", "photo", "touch photo", "remove photo", "result", "touch result", "remove result"]),
    st.sampled_from(NAMES),
    st.sampled_from([b"one", b"two", b"three"]),
)
RUNS = st.tuples(st.just("run"), st.sampled_from(RECIPES), st.lists(st.sampled_from(OUTCOMES), min_size=1, max_size=5))
OTHERS = st.tuples(st.sampled_from(["clear", "fold", "thumbnails", "proofs"]), st.none(), st.none())
HISTORY = st.lists(st.one_of(PHOTO_EVENTS, RUNS, OTHERS), max_size=12)
FIRST = st.lists(st.sampled_from(NAMES), min_size=1, unique=True)


def local_status(world: World, recipe: Recipe, prove: bool, tmp: Path) -> dict[str, Any]:
    """What the local batch does with a copy of the results, and which results it takes for its own."""
    shutil.copytree(world.results.folder, tmp / "copy")
    found = scan(world.photos.folder, tmp / "copy", NameFilter())
    with opened_manifest(tmp / "copy") as manifest:
        status = status_of(found.photos, tmp / "copy", recipe, manifest)
        results = LocalStorage(tmp / "copy")
        unproved = {photo.name for photo in status.done if prove and not has_proof(manifest.records[photo.name], results)}
        done = {photo.name for photo in status.done} - unproved
        todo = {photo.name for photo in status.todo} | unproved
        again = {name for name in todo if failed_before(manifest, name)} | {photo.name for photo in status.failed}
        return {
            "todo": todo,
            "done": done,
            "failed": {photo.name for photo in status.failed},
            "again": again,
            "bare": {name for name in done if not has_thumbnails(manifest.records[name], results)},
            "ours": {photo.name for photo in found.photos if photo.output in manifest.outputs},
        }


def failed_before(manifest: Manifest, name: str) -> bool:
    return name in manifest.records and manifest.records[name]["error"] is not None


@settings(max_examples=50, deadline=None)
@given(first=FIRST, history=HISTORY, recipe=st.sampled_from(RECIPES), prove=st.booleans())
def test_photos_are_sorted_as_the_local_batch_does(
    first: list[str], history: list[Any], recipe: Recipe, prove: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("world")
    world = World(folder)
    for name in first:
        world.write(world.photos.folder / name, b"one")
    for event in history:
        happen(world, *event)
    expected = local_status(world, recipe, prove, folder)

    plan = world.plan(recipe, prove=prove)
    kept = {photo.name: photo for photo in plan.todo if world.is_kept(photo, recipe)}
    failed = {name for name, photo in kept.items() if photo.manifest and world.index().entries[name].error is not None}
    assert {photo.name for photo in plan.todo} - kept.keys() == expected["todo"]
    assert failed | {*plan.failed} == expected["failed"]
    assert plan.done + len(kept) - len(failed) == len(expected["done"])
    assert plan.left_out == len(plan.failed)
    assert {photo.name for photo in plan.todo if photo.replaceable} == expected["ours"] & {photo.name for photo in plan.todo}
    there = {photo.name for photo in plan.todo if world.results.status(photo.output)}
    assert {photo.name for photo in plan.todo if photo.taken} == there - expected["ours"]

    again = world.plan(recipe, prove=prove, retry_failed=True).todo
    assert {photo.name for photo in again} == expected["again"]
    assert all(photo.action is Action.RESTORE for photo in again)

    for retry_failed, others in ((False, plan.todo), (True, again)):
        shown = world.plan(recipe, prove=prove, report=True, retry_failed=retry_failed).todo
        assert {photo.name for photo in shown if photo.action is Action.THUMBNAILS} == expected["bare"] - kept.keys()
        assert [photo for photo in shown if photo.action is not Action.THUMBNAILS] == others
    shutil.rmtree(folder)


def test_names_are_in_order_and_what_is_known_comes_along(tmp_path: Path) -> None:
    world = World(tmp_path)
    for name in reversed(NAMES):
        world.write(world.photos.folder / name, b"one")
    world.run(RECIPE, ["done"])
    world.touch(world.photos.folder / "b.jpg")
    world.write(world.photos.folder / "a.png", b"changed")
    plan = world.plan(RECIPE)
    assert [(photo.name, photo.action) for photo in plan.todo] == [("a.png", Action.RESTORE), ("b.jpg", Action.RECHECK)]
    assert [photo.manifest for photo in plan.todo] == [None, world.index().entries["b.jpg"].manifest]
    assert plan.done == 3
    assert (plan.failed, plan.left_out) == ([], 0)


def test_photos_whose_times_no_storage_tells_are_looked_at(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.write(world.photos.folder / "a.png", b"one")
    world.run(RECIPE, ["done"])
    listed = list_photos(world.photos, world.results, NameFilter())
    [photo] = listed.photos
    listed.photos = [replace(photo, status=photo.status._replace(mtime_ns=None))]
    plan = Planner(RECIPE, list_results(world.results), world.index(), PlanOptions()).plan(listed)
    assert [photo.action for photo in plan.todo] == [Action.RECHECK]
