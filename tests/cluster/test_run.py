"""A run over storages in this process beside the local batch: the same results, records, exit codes and counts."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fakes import (
    brighter,
    microsoft_regions,
    refuse_to_load,
    write_photo_of_noise,
)
from pairs import Pair
from stores import new_place
from units import (
    run_units,
    stored_records,
    stored_results,
)

from laa_cli.batch.scan import NameFilter
from laa_cli.errors import Exit, LaaError
from laa_cli.options import Options
from laa_cli.photo import Metadata, encode_photo, read_photo
from laa_cli.upscale import Upscaler
from laa_cli.utils.storage import LocalStorage
from laa_cli.utils.url_storage import open_storage


def test_a_folder_through_its_life(pair: Pair) -> None:
    source, local = pair.folder / "in", pair.folder / "local"
    (source / "bad.jpg").write_bytes(b"no photo")
    assert len(pair.run(expected=Exit.PARTLY)) == 5
    assert pair.run(refuse_to_load, expected=Exit.PARTLY) == []
    write_photo_of_noise(source / "a.png", 9)
    write_photo_of_noise(source / "new.gif", 3)
    for results in (LocalStorage(local), open_storage(pair.settings.out)):
        results.remove("b/a.jpg")
        results.write("d.bmp", b"spoilt", overwrite=True)
    assert [record["input"] for record in pair.run(expected=Exit.PARTLY)] == ["a.png", "b/a.jpg", "d.bmp", "new.gif"]
    assert pair.run(refuse_to_load, expected=Exit.PARTLY) == []
    assert len(pair.run(expected=Exit.PARTLY, options=Options(scale=1))) == 6
    write_photo_of_noise(source / "bad.jpg", 4)
    write_photo_of_noise(source / "later.png", 5)
    retried = pair.run(request={"retry_failed": True}, options=Options(scale=1))
    assert [record["input"] for record in retried] == ["bad.jpg"]
    only = {"selection": NameFilter(("*.PNG",), ("b/*",))}
    assert [record["input"] for record in pair.run(request=only, options=Options(scale=1))] == ["later.png"]
    lines = stored_records(pair.settings.out)
    assert [name for name, _ in open_storage(pair.settings.out).files(".laa")] == []
    assert {line["input"] for line in lines} == {path.relative_to(source).as_posix() for path in source.rglob("*.*")} - {
        "b/notes.txt"
    }


def test_a_photo_mended_after_it_failed_takes_the_place_of_its_result(pair: Pair) -> None:
    pair.run()
    path = pair.folder / "in" / "a.png"
    path.write_bytes(b"damaged")
    assert [record["error"] is None for record in pair.run(expected=Exit.PARTLY)] == [False]
    for options in (Options(scale=1), Options(scale=2)):  # so that nothing of the first manifest holds
        pair.run(expected=Exit.PARTLY, options=options)
    write_photo_of_noise(path, 7)
    assert [record["error"] for record in pair.run()] == [None]


def test_photos_that_must_have_a_face(pair: Pair) -> None:
    assert len(pair.run(lambda: Upscaler(lambda rgb: [], brighter), expected=Exit.FAILED, require_face=True)) == 4
    assert pair.run(refuse_to_load, expected=Exit.FAILED, require_face=True) == []
    assert len(pair.run(lambda: Upscaler(lambda rgb: [], brighter))) == 4


def test_the_gallery_is_the_local_one(pair: Pair) -> None:
    pair.run()
    assert pair.run(report=True) == []
    assert len(pair.run(report=True, prove=True)) == 4
    local = {name: name for name, _ in LocalStorage(pair.folder / "local").files(".laa")}
    assert {name: name for name, _ in open_storage(pair.settings.out).files(".laa")} == local


def test_persons(pair: Pair) -> None:
    path = pair.folder / "in" / "a.png"
    photo = read_photo(path, max_pixels=10**6)
    tags = microsoft_regions(photo.width, photo.height, ("Ada", (10.0, 8.0, 26.0, 24.0)))
    path.write_bytes(encode_photo(replace(photo, metadata=Metadata(xmp=tags)), ".png"))
    restored = [record["faces"][0]["action"] == "restored" for record in pair.run(persons=("Ada",))]
    assert restored == [True, False, False, False]
    settings = replace(pair.settings, persons=("Eve",))
    with pytest.raises(LaaError, match="has a face tagged Eve") as error:
        run_units(settings)
    assert str(pair.settings.source) in str(error.value)
    assert error.value.code == Exit.PARTLY


def test_a_foreign_file_is_not_replaced(pair: Pair) -> None:
    for place in (LocalStorage(pair.folder / "local"), open_storage(pair.settings.out)):
        place.write("a.png", b"precious", overwrite=False)
    pair.run(expected=Exit.PARTLY)
    pair.run(expected=Exit.PARTLY)
    assert stored_results(pair.settings.out)["a.png"] == b"precious"
    assert len(pair.run(overwrite=True)) == 1


def test_from_s3_to_s3(folder: Path, capfd: Any, quick_leases: None, request: pytest.FixtureRequest) -> None:
    pair = Pair(folder, new_place("s3", request), new_place("s3", request), capfd)
    pair.run(report=True)
    assert pair.run(refuse_to_load, report=True) == []
    write_photo_of_noise(folder / "in" / "a.png", 9, (41, 34))  # of another size, for S3 tells the time in whole seconds
    assert [record["input"] for record in pair.run()] == ["a.png"]
