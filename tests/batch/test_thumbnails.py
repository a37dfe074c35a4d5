"""Thumbnails of earlier results: made from files wherever they lie, and removed when their results are no more."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fakes import contents, refuse_to_load, run_batch
from PIL import Image

from laa_cli.batch.manifest import Manifest
from laa_cli.batch.thumbnails import (
    AFTER,
    FACE_PX,
    LONGEST_PX,
    PROOF,
    backfill,
    has_thumbnails,
    make_thumbnails,
    remove_stale_thumbnails,
    stem_and_suffix,
    thumbnail_stem,
)
from laa_cli.errors import LaaError
from laa_cli.restore.alignment import Square
from laa_cli.utils.storage import LocalStorage


class StorageElsewhere(LocalStorage):
    """A folder whose files can be had as bytes only."""

    def local_path(self, name: str) -> None:  # type: ignore[override]
        return None


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_views_of_every_kind_of_photo(kind: Any, channels: int) -> None:
    before = np.full((30, 2000, channels), np.iinfo(kind).max, kind)
    pictures = make_thumbnails(before, before.repeat(2, 0).repeat(2, 1), [Square(-3, 2, 20), Square(50, 5, 200)], 2)
    assert pictures.keys() == {"before", "after", "faces"}
    sizes = {}
    for name, content in pictures.items():
        with Image.open(io.BytesIO(content)) as image:
            sizes[name] = image.size
            assert np.asarray(image).min() > 250
    assert sizes == {"before": (LONGEST_PX, 14), "after": (LONGEST_PX, 14), "faces": (2 * FACE_PX, 2 * FACE_PX)}


def test_thumbnails_of_earlier_results_elsewhere_are_those_of_results_here(folder: Path) -> None:
    run_batch(folder)
    run_batch(folder, refuse_to_load, report=True)
    run_batch(folder, out=folder / "other")
    photos, results = StorageElsewhere(folder / "in"), StorageElsewhere(folder / "other")
    with Manifest(folder / "other") as manifest:
        for record in manifest.records.values():
            assert not has_thumbnails(record, results)
            backfill(record, photos, results)
            assert has_thumbnails(record, results)
    assert contents(folder / "other" / ".laa") == contents(folder / "out" / ".laa")


@pytest.mark.parametrize("damage", [Path.unlink, lambda path: path.write_bytes(b"no photo")])
def test_what_cannot_be_opened_any_more_has_no_thumbnails(folder: Path, damage: Any) -> None:
    run_batch(folder)
    damage(folder / "in" / "a.png")
    results = StorageElsewhere(folder / "out")
    with Manifest(folder / "out") as manifest:
        backfill(manifest.records["a.png"], StorageElsewhere(folder / "in"), results)
        assert not has_thumbnails(manifest.records["a.png"], results)


def test_only_thumbnails_without_a_result_are_removed(tmp_path: Path) -> None:
    current, stale = "ab" * 16, "cd" * 16
    kept = {
        f".laa/ab/{current}.before.jpg", f".laa/ab/{current}.proof.html", ".laa/begun/0001-00002.json",
        ".laa/pages/photos-2.html", f".laa/begun/{stale}.after.jpg", f".laa/ef/{stale}.after.jpg", f".laa/{stale}.after.jpg",
        f".laa/cd/{stale}.after.jpg.bak", ".laa/cd/holiday.jpg", f"cd/{stale}.after.jpg",
    }  # fmt: skip
    gone = {f".laa/cd/{stale}.{kind}" for kind in ("before.jpg", "after.jpg", "faces.jpg", "proof.html")}
    results = StorageElsewhere(tmp_path)
    for name in kept | gone:
        results.write(name, b"x", overwrite=False)
    parts = {stem_and_suffix(name) for name, _ in results.files()}
    assert {stem for stem, suffix in parts if suffix == PROOF} == {current, stale}
    assert {stem for stem, suffix in parts if suffix == AFTER} == {stale}
    remove_stale_thumbnails(results, {thumbnail_stem(current * 2)})
    assert contents(tmp_path).keys() == kept


def test_what_cannot_be_removed_is_an_error_that_says_so(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(LaaError, match=r"cannot remove .*folder: "):
        LocalStorage(tmp_path).remove("folder")
