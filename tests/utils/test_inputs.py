"""What a run reads, by device and inode."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from laa_cli.errors import LaaError
from laa_cli.utils import folders
from laa_cli.utils.folders import OpenFolder, identity_of
from laa_cli.utils.inputs import NO_INPUTS, Inputs


def test_inputs_are_known_by_whatever_name(tmp_path: Path) -> None:
    photo = tmp_path / "photo"
    photo.touch()
    os.symlink(photo, tmp_path / "link")
    os.link(photo, tmp_path / "twin")
    inputs = Inputs.of([tmp_path / "link", tmp_path / "gone", tmp_path / "a\0b", None])
    assert len(inputs.files) == 1
    for name in ("photo", "link", "twin"):
        with pytest.raises(LaaError, match=f"{name} is an input of this run"):
            inputs.check_file(os.stat(tmp_path / name), tmp_path / name)
    inputs.check_file(os.stat(tmp_path), tmp_path)
    NO_INPUTS.check_file(os.stat(photo), photo)


@pytest.mark.parametrize("by_handle", [True, False])
def test_a_folder_knows_all_those_it_is_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, by_handle: bool) -> None:
    monkeypatch.setattr(folders, "BY_HANDLE", by_handle)
    deep = tmp_path / "a" / "b"
    deep.mkdir(parents=True)
    os.symlink(deep, tmp_path / "link")
    expected = [identity_of(os.stat(folder)) for folder in (deep, *deep.parents)]
    for path in (deep, tmp_path / "link"):
        with OpenFolder(path) as folder:
            assert list(folder.lineage()) == expected
            assert list(folder.lineage()) == expected
