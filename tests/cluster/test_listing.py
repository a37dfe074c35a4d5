"""Listings: on every storage the photos and names that a scan of the same folder gives, and never the results among them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fakes import lock_folders
from hypothesis import given, settings
from hypothesis import strategies as st
from stores import new_place
from units import sync

from laa_cli.batch.scan import NameFilter, scan
from laa_cli.batch.unit_manifest import begun_path
from laa_cli.cluster.listing import check_places, list_photos, list_results
from laa_cli.errors import LaaError, UsageError
from laa_cli.utils.storage import FileStatus, LocalStorage, Storage
from laa_cli.utils.url_storage import open_storage

TREE = ["a.png", "A.PNG", "a.gif", "a.gif.png", "b/a.jpg", "b/a.heic", "b/c/ä ö.png", "b/c/a\u0308.jpg", "日本.tif", "d.bmp",
        "notes.txt", "b/.hidden.png", ".trash/x.png", "b/.trash/deep/x.png", "noext", "x.jpeg", "#?%.webp", "b.d/.png",
]  # fmt: skip
FILTERS = [
    NameFilter(),
    NameFilter(("*.jpg", "b/*")),
    NameFilter((), ("*.PNG", "ä*")),
    NameFilter(("*.JPG", "*.tif"), ("b/*",)),
]


class Elsewhere:
    """A storage of which nobody knows that it lies on this machine."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.place = folder, f"far://{folder}"

    def __getattr__(self, name: str) -> Any:
        return getattr(LocalStorage(self.folder), name)

    def files(self, folder: str = "", unreadable: dict[str, str] | None = None) -> Iterator[tuple[str, FileStatus]]:
        return LocalStorage(self.folder).files(folder, unreadable)


def fill(folder: Path, names: list[str]) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(name.encode())
    return folder


def listed(photos: Any, results: Any, selection: NameFilter) -> tuple[list[tuple[str, str]], int]:
    found = list_photos(photos, results, selection)
    for photo in found.photos:
        assert photo.name.endswith(photos.read(photo.name).decode())
        assert photo.status == photos.status(photo.name)
    return [(photo.name, photo.output) for photo in found.photos], found.ignored


def scanned(folder: Path, out: Path, selection: NameFilter) -> tuple[list[tuple[str, str]], int]:
    found = scan(folder, out, selection)
    return [(photo.name, photo.output) for photo in found.photos], found.ignored


@pytest.mark.parametrize("selection", FILTERS)
@pytest.mark.parametrize("kind", ["local", "memory"])
def test_photos_and_names_are_those_of_a_scan(
    kind: str, selection: NameFilter, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    folder, out = fill(tmp_path / "in", TREE), fill(tmp_path / "in" / "results", ["a.png", "b/a.jpg", "z.png"])
    expected = scanned(folder, out, selection)
    assert expected[0]
    if kind == "memory":
        pytest.importorskip("fsspec")
        sync(folder, place := new_place(kind, request))
        photos, results = open_storage(place), open_storage(f"{place}/results")
    else:
        photos, results = LocalStorage(folder), LocalStorage(out)
    assert listed(*check_places(photos, results), selection) == expected
    assert listed(photos, LocalStorage(tmp_path / "elsewhere"), selection)[1] >= expected[1]


PARTS = st.sampled_from(["a", "b", ".h", "ä", "out", "a.png", "out2"])
FILES = st.sampled_from(["x.png", "X.PNG", "x.gif", "x.gif.png", "x.gif.png.png", "y.JPG", "z.txt", ".x.png", "out"])


@settings(max_examples=60, deadline=None)
@given(tree=st.sets(st.tuples(st.lists(PARTS, max_size=3), FILES).map(lambda path: "/".join([*path[0], path[1]])), max_size=12))
def test_any_tree_is_listed_as_it_is_scanned(tree: set[str], tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("tree")
    folders = {"/".join(name.split("/")[:depth]) for name in tree for depth in range(1, name.count("/") + 1)}
    fill(folder, [name for name in tree if name not in folders and not any(part in tree for part in parents_of(name))])
    for out in (folder / "out", folder / "b", folder.parent / "none"):
        assert listed(Elsewhere(folder), Elsewhere(out), NameFilter()) == scanned(folder, out, NameFilter())


def parents_of(name: str) -> list[str]:
    parts = name.split("/")
    return ["/".join(parts[:depth]) for depth in range(1, len(parts))]


def test_links_count_as_in_a_scan(tmp_path: Path) -> None:
    folder = fill(tmp_path / "in", ["a.png"])
    outside = fill(tmp_path / "other", ["secret.png"])
    (folder / "inside.png").symlink_to(folder / "a.png")
    (folder / "outside.png").symlink_to(outside / "secret.png")
    (tmp_path / "link").symlink_to(folder)
    for out in ("memory://out", str(tmp_path / "out")):
        if "memory" in out:
            pytest.importorskip("fsspec")
        photos, results = check_places(open_storage(str(tmp_path / "link")), open_storage(out))
        found = list_photos(photos, results, NameFilter())
        assert [photo.name for photo in found.photos] == ["a.png", "inside.png"]
        assert found.ignored == 1


def test_folders_that_cannot_be_read_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = fill(tmp_path / "in", ["a.png", "b/c.png"])
    lock_folders(monkeypatch, folder / "b")
    for photos in (LocalStorage(folder), Elsewhere(folder)):
        found = list_photos(photos, LocalStorage(tmp_path / "out"), NameFilter())  # type: ignore[arg-type]
        assert [photo.name for photo in found.photos] == ["a.png"]
        assert found.unreadable == {str(folder / "b"): "Permission denied"}


# Places that do not fit each other


@pytest.mark.parametrize(
    ("source", "out", "message"),
    [
        ("in", "in", "would fall among the photos"),
        ("in/b", "in", "would fall among the photos"),
        ("file://{tmp}/in", "in", "would fall among the photos"),
        ("memory://x/in", "memory://x/in/", "would fall among the photos"),
        ("memory://x/in", "memory://x", "would fall among the photos"),
        ("memory:///x/in", "memory://x/in", "would fall among the photos"),
        ("gone", "out", "is no folder: give a folder of photos"),
        ("gone", "memory://x", "is no folder: give a folder of photos"),
        ("in/a.png", "memory://x", "is no folder: give a folder of photos"),
        ("in", "in/a.png", "is a file: give a folder for the results"),
        ("memory://x", "in/a.png", "is a file: give a folder for the results"),
    ],
)
def test_places_that_do_not_fit(source: str, out: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if "memory" in source + out:
        pytest.importorskip("fsspec")
    fill(tmp_path / "in", ["a.png", "b/c.png"])
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=message):
        check_places(open_storage(source.replace("{tmp}", str(tmp_path))), open_storage(out))


@pytest.mark.parametrize(
    ("source", "out"),
    [("in", "out"), ("in", "in/results"), ("in", "in2"), ("memory://x/in", "memory://x/in2"), ("memory://x/in", "memory://x/in/o"),
     ("in", "memory://in"), ("memory://in", "in")],
)  # fmt: skip
def test_places_that_fit(source: str, out: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if "memory" in source + out:
        pytest.importorskip("fsspec")
    fill(tmp_path / "in", ["a.png"])
    (tmp_path / "link").symlink_to(tmp_path)
    monkeypatch.chdir(tmp_path)
    for before in ("", f"{tmp_path}/link/"):
        places = [place if "://" in place else before + place for place in (source, out)]
        for storage, place in zip(check_places(*map(open_storage, places)), (source, out), strict=True):
            assert storage.place == (place if "://" in place else os.path.realpath(place))  # links are gone


# Results


def test_results_and_what_laa_keeps_beside_them(tmp_path: Path) -> None:
    stem, other = "ab" * 16, "cd" * 16
    results: Storage = LocalStorage(fill(tmp_path, [
        "a.png", "b/c.jpg", "manifest.jsonl", "manifest-0003-00001.jsonl", "manifest-0012-00001.jsonl",
        "b/manifest-0099-00001.jsonl",
        begun_path("0002-00001"), begun_path("0015-00002"), ".laa/begun/notes", ".laa.lock", ".hidden/a.png", "index.html",
        f".laa/ab/{stem}.before.jpg", f".laa/ab/{stem}.after.jpg", f".laa/cd/{other}.proof.html", f"ab/{other}.after.jpg",
    ]))  # fmt: skip
    found = list_results(results)
    assert sorted(found.manifests) == ["manifest-0003-00001.jsonl", "manifest-0012-00001.jsonl", "manifest.jsonl"]
    assert sorted(found.begun) == [begun_path("0002-00001"), begun_path("0015-00002")]
    assert found.runs == 15
    assert (found.shown, found.proved) == ({stem}, {other})
    assert {"a.png", "b/c.jpg"} <= found.files.keys()
    assert not [name for name in found.files if name.startswith(".")]
    assert found.files["b/c.jpg"] == results.status("b/c.jpg")
    assert list_results(LocalStorage(tmp_path / "gone")).runs == 0


def test_a_place_that_cannot_be_listed_is_an_error_of_ours() -> None:
    class Unreachable(Elsewhere):
        def files(self, folder: str = "", unreadable: dict[str, str] | None = None) -> Iterator[tuple[str, FileStatus]]:
            yield "a.png", FileStatus(1, 1)
            raise TimeoutError(110, "Connection timed out")

    storage: Any = Unreachable(Path("/x"))
    for act in (lambda: list_results(storage), lambda: list_photos(storage, storage, NameFilter())):
        with pytest.raises(LaaError, match=r"^cannot list far:///x: Connection timed out: check"):
            act()
