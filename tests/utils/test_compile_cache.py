"""The cache of compiled networks: it gives back what it was given, or nothing, and never fails."""

from __future__ import annotations

from pathlib import Path

import pytest

from laa_cli.utils import compile_cache
from laa_cli.utils.compile_cache import KEPT, CompileCache, user_cache_folder


def test_it_gives_back_what_it_was_given_under_that_key_alone(tmp_path: Path) -> None:
    cache = CompileCache(tmp_path / "new" / "folder")
    assert cache.load(["a"], bytes) is None
    cache.store(["a", "bc"], lambda: b"content")
    assert cache.load(["a", "bc"], bytes) == b"content"
    assert [cache.load(key, bytes) for key in (["ab", "c"], ["a"], ["a", "bc", ""])] == [None] * 3
    cache.store(["a", "bc"], lambda: b"other")
    assert cache.load(["a", "bc"], bytes) == b"other"


@pytest.mark.parametrize("damage", [lambda stored: stored[:-1], lambda stored: b"", lambda stored: b"x" + stored[1:]])
def test_what_is_damaged_is_not_read(damage: object, tmp_path: Path) -> None:
    cache = CompileCache(tmp_path)
    cache.store(["a"], lambda: b"content")
    (path,) = tmp_path.iterdir()
    path.write_bytes(damage(path.read_bytes()))  # type: ignore[operator]
    assert cache.load(["a"], lambda content: pytest.fail("it was read")) is None


def failing(*arguments: object) -> bytes:
    raise RuntimeError("of another version")


def test_failures_are_nobodys_concern(tmp_path: Path) -> None:
    cache = CompileCache(tmp_path)
    cache.store(["a"], lambda: b"content")
    assert cache.load(["a"], failing) is None
    cache.store(["b"], failing)
    (tmp_path / "file").write_bytes(b"")
    for nowhere in (CompileCache(None), CompileCache(tmp_path / "file"), CompileCache(tmp_path / "file" / "below")):
        nowhere.store(["a"], lambda: b"content")
        assert nowhere.load(["a"], bytes) is None
    assert len([*tmp_path.iterdir()]) == 2  # nothing half-written


def test_a_disk_that_fails_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*paths: object) -> None:
        raise OSError

    monkeypatch.setattr(compile_cache.os, "replace", refuse)
    CompileCache(tmp_path).store(["a"], lambda: b"content")
    assert [*tmp_path.iterdir()] == []


def test_old_files_go(tmp_path: Path) -> None:
    cache = CompileCache(tmp_path)
    for number in range(KEPT + 3):
        cache.store([str(number)], lambda: b"content")
    assert len([*tmp_path.iterdir()]) == KEPT
    assert cache.load([str(KEPT + 2)], bytes) == b"content"


def test_the_users_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compile_cache.platform, "system", lambda: "Linux")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert user_cache_folder() == tmp_path
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert user_cache_folder() == tmp_path / "home" / ".cache"
    monkeypatch.setattr(compile_cache.platform, "system", lambda: "Windows")
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path / "local"))
    assert user_cache_folder() == tmp_path / "local"
