"""`laa batch` with URLs as a command: what works, and what is said of a wrong call, in one line."""

from __future__ import annotations

import secrets
import sys
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from fakes import laa, one_line, result_files, write_photo_of_noise
from units import last_records, load_fakes, load_nothing, stored_records, stored_results, sync

from laa_cli.cluster import worker_settings
from laa_cli.cluster.worker_settings import WorkerSettings
from laa_cli.errors import Exit
from laa_cli.upscale import Upscaler
from laa_cli.utils import leases


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch) -> str:
    """An empty place elsewhere, whose leases are quick."""
    pytest.importorskip("fsspec")
    monkeypatch.setattr(leases, "MOMENTS", 1000)
    return f"memory://{secrets.token_hex(6)}"


def load(monkeypatch: pytest.MonkeyPatch, loader: Any, local_loader: Any) -> None:
    """Puts loaders in the place of the models', for runs over storages and of folders."""
    monkeypatch.setattr(worker_settings, "WorkerSettings", partial(WorkerSettings, load=loader))
    monkeypatch.setattr(Upscaler, "from_options", local_loader)


@pytest.mark.parametrize("from_url", [True, False])
@pytest.mark.parametrize("to_url", [True, False])
def test_folders_and_urls_give_what_folders_give(
    from_url: bool, to_url: bool, place: str, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    load(monkeypatch, load_fakes, load_fakes)
    weights = folder / "weights"
    weights.write_bytes(b"weights")
    options = ["--weights", weights, "--device", "cpu", "--background", "plain", "--scale", "2", "--memory", "1G", "--no-mark"]
    assert laa(monkeypatch, "batch", folder / "in", folder / "local", *options) == Exit.OK
    sync(folder / "in", f"{place}/in")
    source = f"{place}/in" if from_url else f"file://{folder}/in"
    out = f"{place}/out" if to_url else str(folder / "out")
    assert laa(monkeypatch, "batch", source, out, *options) == Exit.OK
    assert stored_results(out) == result_files(folder / "local")
    assert last_records(stored_records(out)) == last_records(stored_records(str(folder / "local")))
    load(monkeypatch, load_nothing, load_nothing)
    assert laa(monkeypatch, "batch", source, out, *options) == Exit.OK
    assert "done before" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["URL/none", "URL/out"], 1, "no photo in memory://"),
        (["URL/in", "URL/in"], 2, "would fall among the photos"),
        (["URL/in/deep", "URL/in"], 2, "would fall among the photos"),
        (["gone", "URL/out"], 2, "gone is no folder"),
        (["URL/in", "in/a.png"], 2, "is a file"),
        (["URL/in", "URL/out", "--watch"], 2, "--watch is for folders of this machine, without --ray"),
        (["in", "out", "--watch", "--ray", "auto"], 2, "--watch is for folders of this machine, without --ray"),
        (["in", "out", "--actors", "2"], 2, "--actors is for a cluster: add --ray"),
        (["URL/in", "URL/out", "--actor-gpus", "0.5"], 2, "--actor-gpus is for a cluster: add --ray"),
        (["in", "out", "--actor-cpus", "1"], 2, "--actor-cpus is for a cluster: add --ray"),
        (["in", "out", "--ray", "ray://head:10001"], 2, "--ray cannot be ray://head:10001"),
        (["in", "out", "--ray", "auto", "--actors", "0"], 2, "--actors must be at least 1"),
        (["in", "out", "--ray", "auto", "--actor-cpus", "-1"], 2, "--actor-cpus must be at least 1"),
        (["in", "out", "--ray", "auto", "--actor-gpus", "-1"], 2, "--actor-gpus must be 0 or more"),
        (["URL/in", "out", "--ray", "auto"], 2, "leave --ray out"),
        (["URL/in", "URL/out", "--proof"], 2, "--proof is part of the report: add --report"),
        (["URL/in", "URL/out", "--memory", "much"], 2, "--memory must be a size"),
        (["URL/in", "URL/out", "--weights", "gone.safetensors"], 1, "gone.safetensors"),
        (["URL/in", "URL/out", "--device", "warp"], 2, "unknown device 'warp'"),
        (["http://localhost/in", "out"], 2, "cannot be listed"),
        (["nothing://x/in", "out"], 2, "fsspec knows no nothing://"),
        (["zip://a::URL/in", "out"], 2, "no chained URLs"),
    ],
)
def test_what_is_said_of_a_wrong_call(
    arguments: list[str], code: int, said: str, place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    write_photo_of_noise(tmp_path / "in" / "a.png")
    sync(tmp_path / "in", f"{place}/in")
    monkeypatch.chdir(tmp_path)
    assert laa(monkeypatch, "batch", *(argument.replace("URL", place) for argument in arguments), "-q") == code
    line = one_line(capsys)
    assert said in line
    assert line.startswith("error: ")


@pytest.mark.parametrize(
    ("module", "arguments", "said"),
    [
        ("fsspec", ["s3://bucket/in", "out"], "fsspec is not installed: pip install 'laa[cluster]'"),
        ("s3fs", ["in", "s3://bucket/out"], "pip install s3fs"),
        ("ray", ["in", "out", "--ray", "auto"], "pip install 'laa[cluster]'"),
    ],
)
def test_a_package_that_is_missing_is_named(
    module: str, arguments: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    if module == "s3fs":  # fsspec has it from an earlier test
        monkeypatch.delitem(pytest.importorskip("fsspec.registry")._registry, "s3", raising=False)
    for name in [name for name in sys.modules if name.partition(".")[0] == module]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, module, None)
    write_photo_of_noise(tmp_path / "in" / "a.png")
    monkeypatch.chdir(tmp_path)
    assert laa(monkeypatch, "batch", *arguments, "-q") == Exit.USAGE
    assert said in one_line(capsys)


def test_a_local_batch_goes_on_where_a_run_over_storages_ended(
    folder: Path, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    load(monkeypatch, load_fakes, load_fakes)
    options = ["--device", "cpu", "--background", "plain"]
    assert laa(monkeypatch, "batch", f"file://{folder}/in", f"file://{folder}/out", *options) == Exit.OK
    load(monkeypatch, load_nothing, load_nothing)
    assert laa(monkeypatch, "batch", folder / "in", folder / "out", *options) == Exit.OK
    assert laa(monkeypatch, "batch", f"file://{folder}/in", folder / "out", *options) == Exit.OK
    assert not list((folder / "out").glob("manifest-*"))
