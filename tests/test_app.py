"""The command line: exit codes, one-line errors, and what must not be imported for `laa --help`."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from laa_cli.__main__ import guarded
from laa_cli.errors import Exit

ROOT = Path(__file__).parent.parent


def laa(monkeypatch: pytest.MonkeyPatch, *arguments: str | Path) -> int:
    """Runs the command line in this process and returns its exit code."""
    monkeypatch.setattr(sys, "argv", ["laa", *map(str, arguments)])
    try:
        return guarded()
    except SystemExit as end:
        return int(end.code or 0)


def one_line(capsys: pytest.CaptureFixture[str]) -> str:
    """The single line on stderr."""
    text = capsys.readouterr().err
    assert text.count("\n") == 1, text
    return text


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys, contextlib\n"
        "from laa_cli.app import app\n"
        "with contextlib.suppress(SystemExit): app(['--help'], prog_name='laa')\n"
        "print(sorted({'torch', 'numpy', 'cv2', 'PIL', 'facenet_pytorch', 'safetensors'} & set(sys.modules)))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert "upscale" in result.stdout
    assert result.stdout.splitlines()[-1] == "[]"


def test_version(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert laa(monkeypatch, "--version") == 0
    assert re.fullmatch(r"laa \d+\.\d+\.\d+\n", capsys.readouterr().out)


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["upscale"], 2),
        (["upscale", "x.jpg", "--scale", "3"], 2),
        (["upscale", "x.jpg", "--feather", "7"], 2),
        (["upscale", "gone.jpg"], 1),
        (["upscale", "gone.jpg", "gone.png"], 1),
        (["detect", "gone.jpg"], 1),
        (["bench", "faces", "gone.tar"], 1),
        (["nonsense"], 2),
    ],
)
def test_exit_codes(
    arguments: list[str], code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert laa(monkeypatch, *arguments) == code
    assert capsys.readouterr().err


def test_an_unknown_device_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    Image.new("RGB", (30, 30)).save(tmp_path / "photo.png")
    assert laa(monkeypatch, "upscale", tmp_path / "photo.png", "--device", "tpu") == Exit.USAGE
    assert "unknown device 'tpu'" in one_line(capsys)
    assert os.listdir(tmp_path) == ["photo.png"]


def test_pickled_weights_are_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    Image.new("RGB", (30, 30)).save(tmp_path / "photo.png")
    (tmp_path / "weights.pth").write_bytes(b"PK\x03\x04")
    assert laa(monkeypatch, "upscale", tmp_path / "photo.png", "--weights", tmp_path / "weights.pth") == Exit.FAILED
    assert "pickle" in one_line(capsys)


def test_a_fault_of_our_own_shows_no_traceback(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("oops")

    monkeypatch.setattr("laa_cli.jobs.run", broken)
    assert laa(monkeypatch, "upscale", "photo.jpg") == Exit.FAILED
    assert "ZeroDivisionError: oops" in one_line(capsys)
    with pytest.raises(ZeroDivisionError):
        laa(monkeypatch, "upscale", "photo.jpg", "--debug")


def test_another_models_package_is_named(tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "__init__.py").write_text("raise SystemExit('the decoy was imported')")
    command = [sys.executable, "-m", "laa_cli", "upscale", "photo.jpg"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    result = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=environment, check=False)
    assert result.returncode == 1
    assert str(tmp_path / "models") in result.stderr.replace("\n", "")


def test_sigterm_leaves_no_temporary_file(tmp_path: Path) -> None:
    code = (
        "import os, signal, sys\n"
        "from pathlib import Path\n"
        "from laa_cli import __main__, files\n"
        "os.fsync = lambda handle: os.kill(os.getpid(), signal.SIGTERM)\n"
        "signal.signal(signal.SIGTERM, __main__.terminated)\n"
        "files.write_atomically(Path(sys.argv[1]), b'content', overwrite=False)"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "photo.png")]
    assert subprocess.run(command, capture_output=True, cwd=ROOT, check=False).returncode != 0
    assert os.listdir(tmp_path) == []
