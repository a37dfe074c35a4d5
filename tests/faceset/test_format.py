"""The layout of a face set: what its files are called and how they are ordered."""

from __future__ import annotations

from pathlib import Path

from laa_cli.faceset.format import (
    MANIFEST,
    MANIFEST_COLUMNS,
    TRAIN,
    TRAINING_FACE_PX,
    UNFINISHED,
    VALIDATION,
    VALIDATION_FACE_PX,
    face_name,
    is_face_set,
    is_unfinished,
    list_training_shards,
    shard_name,
)


def test_names_and_sizes_are_those_of_sets_that_exist() -> None:
    assert (TRAINING_FACE_PX, VALIDATION_FACE_PX) == (144, 128)
    assert ",".join(MANIFEST_COLUMNS) == "shard,file,source,crop_side_px,sharpness,split,person"
    assert [shard_name(TRAIN, index, 4096) for index in (0, 4095, 4096)] == ["train-0.tar", "train-0.tar", "train-1.tar"]
    assert shard_name(VALIDATION, 5000, 4096) == "val.tar"
    assert face_name(TRAIN, 7, "webp") == "train_000007.webp"
    assert face_name(VALIDATION, 1234567, "png") == "val_1234567.png"


def test_shards_come_by_number_and_nothing_else_does(tmp_path: Path) -> None:
    for name in ("train-10.tar", "train-2.tar", "train-0.tar", "val.tar", "contact-sheet.png"):
        (tmp_path / name).touch()
    assert [shard.name for shard in list_training_shards(tmp_path)] == ["train-0.tar", "train-2.tar", "train-10.tar"]


def test_a_set_is_told_by_its_manifest_and_an_unfinished_one_by_its_journal(tmp_path: Path) -> None:
    assert (is_face_set(tmp_path), is_unfinished(tmp_path)) == (False, False)
    (tmp_path / UNFINISHED).mkdir()
    (tmp_path / MANIFEST).touch()
    assert (is_face_set(tmp_path), is_unfinished(tmp_path)) == (True, True)
