"""When `laa batch` runs the face network in OpenVINO by itself: in large folders, and where it was begun with."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from fakes import CPU, batch_request, run_batch
from units import record_of

from laa_cli.batch import openvino_choice
from laa_cli.batch.openvino_choice import settle_device
from laa_cli.batch.scan import NameFilter
from laa_cli.batch.unit_manifest import unit_name, write_unit_manifest
from laa_cli.options import ModelOptions
from laa_cli.restore.runtime import Runtime
from laa_cli.utils.storage import LocalStorage


@pytest.fixture(autouse=True)
def fast_openvino(monkeypatch: pytest.MonkeyPatch) -> None:
    """OpenVINO is there, on a CPU with bfloat16, and pays from three photos on."""
    monkeypatch.setattr(openvino_choice, "has_openvino", lambda: True)
    monkeypatch.setattr(openvino_choice, "choose_runtime", lambda *_: Runtime(CPU, "bfloat16"))
    monkeypatch.setattr(openvino_choice, "LEAST_PHOTOS", 3)


def settled(folder: Path, selection: NameFilter | None = None, **options: str) -> str:
    return settle_device(ModelOptions(**options), folder / "in", folder / "out", selection or NameFilter()).device  # type: ignore[arg-type]


def test_a_large_folder_has_openvino_where_nobody_said_and_nothing_is_written(folder: Path) -> None:
    assert settled(folder) == "openvino"  # four photos
    assert settled(folder, NameFilter(("a.*",))) == "auto"
    assert settled(folder, device="cpu") == "cpu"
    assert not (folder / "out").exists()


def test_where_it_would_not_pay_it_is_not_chosen(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openvino_choice, "choose_runtime", lambda *_: Runtime(CPU, "float32"))
    assert settled(folder) == "auto"
    monkeypatch.undo()
    monkeypatch.setattr(openvino_choice, "has_openvino", lambda: False)
    assert settled(folder) == "auto"


@pytest.mark.parametrize(("begun_with", "least", "expected"), [("torch", 1, "auto"), ("openvino:CPU", 99, "openvino:CPU")])
def test_a_folder_stays_with_what_it_was_begun_with(
    begun_with: str, least: int, expected: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(openvino_choice, "LEAST_PHOTOS", least)
    run_batch(folder, recipe=replace(batch_request(folder).recipe, runtime=begun_with))
    with (folder / "out" / "manifest.jsonl").open("ab") as file:
        file.write(b'{"torn')
    assert settled(folder) == expected


@pytest.mark.parametrize(("begun_with", "least", "expected"), [("torch", 1, "auto"), ("openvino:CPU", 99, "openvino:CPU")])
def test_a_folder_stays_with_what_a_run_over_storages_began_it_with(
    begun_with: str, least: int, expected: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(openvino_choice, "LEAST_PHOTOS", least)
    for runtime, run in (("openvino:GPU", 9), (begun_with, 10)):
        record = record_of("a.png")
        record["options"]["runtime"] = runtime
        write_unit_manifest(
            LocalStorage(folder / "out"), unit_name(run, 1), [record, record_of("b.png", error="x")], settled=True
        )
    assert settled(folder) == expected
    assert sorted(path.name for path in (folder / "out").iterdir()) == [
        "manifest-0009-00001.jsonl",
        "manifest-0010-00001.jsonl",
    ]
