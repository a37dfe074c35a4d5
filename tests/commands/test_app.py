"""The command line: exit codes, one-line errors, and what must not be imported for `laa --help`."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import typer
from fakes import ROOT, in_a_terminal, laa, one_line, save_background
from PIL import Image

from laa_cli.__main__ import guarded
from laa_cli.commands.app import app
from laa_cli.console import Screen
from laa_cli.errors import Exit, LaaError


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys, contextlib\n"
        "from laa_cli.commands.app import app\n"
        "with contextlib.suppress(SystemExit): app(['--help'], prog_name='laa')\n"
        "print(sorted({'torch', 'numpy', 'cv2', 'PIL', 'facenet_pytorch', 'safetensors'} & set(sys.modules)))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert "upscale" in result.stdout
    assert result.stdout.splitlines()[-1] == "[]"


SLOW_IMPORTS = {
    "torchvision", "facenet_pytorch", "torch._dynamo", "torch._inductor", "torch.utils.flop_counter", "triton", "sympy",
    "matplotlib", "scipy", "skimage", "spandrel", "lpips",
}  # fmt: skip


@pytest.mark.parametrize("command", ["upscale", "detect"])
def test_a_photo_imports_nothing_slow_that_it_does_not_need(command: str, tmp_path: Path) -> None:
    """torchvision and what it draws in took half of a small photo's time."""
    code = (
        "import sys, contextlib\n"
        "from laa_cli.commands.app import app\n"
        f"with contextlib.suppress(SystemExit): app([{command!r}, sys.argv[1], '-o', sys.argv[2]], prog_name='laa')\n"
        f"print(sorted({SLOW_IMPORTS} & set(sys.modules)))"
    )
    photo = ROOT / "docs" / "astronaut.jpg"
    arguments = [sys.executable, "-c", code, str(photo), str(tmp_path / "out.png")]
    result = subprocess.run(arguments, capture_output=True, text=True, cwd=ROOT, check=True)
    assert (tmp_path / "out.png").is_file()
    assert result.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize("code", [None, 0, 3])
def test_a_command_that_says_nothing_has_succeeded(code: int | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("laa_cli.commands.app.app", lambda **_: code)
    assert guarded() == (code or Exit.OK)


def all_commands() -> dict[str, Any]:
    """Every command by its words, such as "bench faces"."""
    root = typer.main.get_command(app)
    context = root.make_context("laa", ["upscale"], resilient_parsing=True)
    found: dict[str, Any] = {}
    for name in root.list_commands(context):  # type: ignore[attr-defined]
        command = root.get_command(context, name)  # type: ignore[attr-defined]
        inner = getattr(command, "commands", {})
        found |= {f"{name} {word}": part for word, part in inner.items()} if inner else {name: command}
    return found


def test_there_are_all_commands() -> None:
    assert [*all_commands()] == [
        "upscale", "batch", "detect", "prepare", "train",
        "bench faces", "bench doubt", "bench identity", "bench background", "bench speed", "bench compare",
    ]  # fmt: skip


@pytest.mark.parametrize("command", [*all_commands(), "bench"])
def test_help_ends_with_three_examples(
    command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert laa(monkeypatch, *command.split(), "--help") == Exit.OK
    lines = capsys.readouterr().out.splitlines()
    assert lines[-4].strip() == "Examples:"
    assert all(line.strip().startswith(f"laa {command}") and len(line) <= 80 for line in lines[-3:])
    assert any(line.strip().endswith(".") for line in lines[1:5])  # what it does


def test_the_list_of_commands_cuts_nothing_off(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in (["--help"], ["bench", "--help"]):
        assert laa(monkeypatch, *arguments) == Exit.OK
        out = capsys.readouterr().out
        assert "..." not in out.partition("Commands:")[2]
        assert "COMMAND" in out
    for arguments in ([], ["bench"]):
        assert laa(monkeypatch, *arguments) == Exit.USAGE
        assert "Commands:" in capsys.readouterr().err


def shell_words(line: str) -> list[str]:
    """The words of an example, without what is said of it."""
    return shlex.split(line.partition(" # ")[0])[1:]


@pytest.mark.parametrize("command", [*all_commands()])
def test_examples_are_commands(command: str) -> None:
    found = all_commands()[command]
    for line in found.epilog.splitlines()[2:]:
        words = shell_words(line)[len(command.split()) :]
        assert found.make_context(command, words) is not None


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["upscale"], "missing argument 'photos': see laa upscale --help"),
        (["upscale", "x.jpg", "--scale", "3"], "invalid value for '--scale' / '-s': '3' is not one of '1', '2', '4', '8'"),
        (["upscale", "x.jpg", "--overwrit"], "no such option: --overwrit (Possible options: --overwrite)"),
        (["upscale", "x.jpg", "--scale"], "option '--scale' requires an argument: see laa upscale --help"),
        (["upscael"], "no such command 'upscael'. Did you mean 'upscale'?: see laa --help"),
        (["bench", "nope"], "no such command 'nope': see laa bench --help"),
        (["train", "x"], "missing option '--output' / '-o': see laa train --help"),
        (["batch", "a", "b", "\x1b[2J"], r"(\x1b[2J): see laa batch --help"),
    ],
)
def test_a_wrong_command_line_is_one_line(
    arguments: list[str], said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert laa(monkeypatch, *arguments) == Exit.USAGE
    line = one_line(capsys)
    assert line.startswith("error: ")
    assert said in line


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
        (["bench", "faces", "gone.tar"], 2),
        (["bench", "faces", "gone.tar", "--json", "--csv"], 2),
        (["bench", "faces", "gone.tar", "--limit", "0"], 2),
        (["bench", "doubt", "gone.tar"], 2),
        (["bench", "identity", "gone.tar", "--persons", "gone.csv"], 2),
        (["bench", "identity", "gone.tar"], 2),
        (["bench", "identity", "gone.tar", "--persons", "gone.csv", "--pairs", "0"], 2),
        (["bench", "background", "gone.tar"], 2),
        (["bench", "background", "gone.tar", "--scale", "5"], 2),
        (["bench", "background", "gone.tar", "--json", "--csv"], 2),
        (["bench", "background", "gone.tar", "--limit", "0"], 2),
        (["bench", "speed", "gone.jpg"], 1),
        (["bench", "speed", "--seconds", "-1"], 2),
        (["bench", "compare", "gone.json", "gone.json"], 1),
        (["prepare", "gone", "out"], 2),
        (["train", "gone", "--output", "run"], 2),
        (["train", "gone", "--output", "run", "--validation", "gone", "--minutes", "1"], 2),
        (["train", "gone", "--output", "run", "--minutes", "1", "--faces", "1"], 2),
        (["train", "gone", "--output", "run", "--set", "depth=2"], 2),
        (["train", "gone", "--output", "run", "--width", "0"], 2),
        (["train", "gone", "--output", "run", "--set", "blocks=1", "--init-from", "weights"], 2),
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


@pytest.mark.parametrize("name", ["gone.pth", "weights.pth", "./hpinet"])
def test_a_background_that_is_no_network_is_one_line(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    Image.new("RGB", (30, 30)).save(tmp_path / "photo.png")
    (tmp_path / "weights.pth").write_bytes(b"PK\x03\x04")
    monkeypatch.chdir(tmp_path)
    assert laa(monkeypatch, "upscale", "photo.png", "--background", name) == Exit.FAILED
    assert "the background" in one_line(capsys)
    assert sorted(os.listdir(tmp_path)) == ["photo.png", "weights.pth"]


def test_the_background_is_never_the_output(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    Image.new("RGB", (30, 30)).save(tmp_path / "photo.png")
    network = save_background(tmp_path / "network.png")
    content = network.read_bytes()
    command = ("upscale", tmp_path / "photo.png", "-o", network, "--background", network, "--overwrite")
    assert laa(monkeypatch, *command) == Exit.FAILED
    assert "is an input of this run" in one_line(capsys)
    assert network.read_bytes() == content


def test_a_fault_of_our_own_shows_no_traceback(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("oops")

    monkeypatch.setattr("laa_cli.single.run.run", broken)
    assert laa(monkeypatch, "upscale", "photo.jpg") == Exit.FAILED
    assert "ZeroDivisionError: oops" in one_line(capsys)
    with pytest.raises(ZeroDivisionError):
        laa(monkeypatch, "upscale", "photo.jpg", "--debug")


def test_records_go_to_stdout_under_a_progress_bar(tmp_path: Path) -> None:
    code = (
        "from laa_cli.console import Screen\n"
        "screen = Screen(data_on_stdout=True)\n"
        "for name in screen.track(['a', '\\udcff'], 'photos'): screen.record({'input': name}); screen.say(name)"
    )
    shown, data = in_a_terminal(tmp_path, "import sys; sys.stderr.reconfigure(errors='backslashreplace')\n" + code)
    assert "photos" in shown
    assert data.decode().splitlines() == ['{"input": "a"}', '{"input": "\\udcff"}']


def test_ctrl_c_says_so(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("laa_cli.single.run.run", interrupted)
    assert laa(monkeypatch, "upscale", "photo.jpg") == Exit.INTERRUPTED
    assert "interrupted" in one_line(capsys)


def test_a_closed_stdin_is_no_matter_unless_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", None)
    assert laa(monkeypatch, "upscale", tmp_path / "gone.jpg") == Exit.FAILED
    assert "No such file" in one_line(capsys)
    assert laa(monkeypatch, "upscale", "-", "-o", tmp_path / "x.png") == Exit.USAGE
    assert "no standard input" in one_line(capsys)


def test_a_full_stdout_is_an_error_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    with open("/dev/full", "wb", buffering=0) as full:
        monkeypatch.setattr("sys.stdout", SimpleNamespace(buffer=full, flush=lambda: None))
        with pytest.raises(LaaError, match="cannot write to stdout: No space left"):
            Screen().bytes(b"photo")


@pytest.mark.parametrize("option", [["--width", "3"], ["--batch-size", "0"], ["--minutes", "0"]])
def test_senseless_training_options(
    option: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert laa(monkeypatch, "train", "gone.tar", "--validation", "gone.tar", "-o", "run", *option) == Exit.USAGE
    assert option[0] in one_line(capsys)


def test_another_models_package_is_named(tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "__init__.py").write_text("raise SystemExit('the decoy was imported')")
    command = [sys.executable, "-m", "laa_cli", "upscale", "photo.jpg"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    result = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=environment, check=False)
    assert result.returncode == 1
    assert str(tmp_path / "models") in result.stderr.replace("\n", "")


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
def test_a_signal_leaves_no_temporary_file(tmp_path: Path, name: str) -> None:
    code = (
        "import os, signal, sys\n"
        "from pathlib import Path\n"
        "from laa_cli.utils import atomic, inputs, signals\n"
        "os.fsync = lambda handle: os.kill(os.getpid(), getattr(signal, sys.argv[2]))\n"
        "signals.raise_on_signals()\n"
        "atomic.write_atomically(Path(sys.argv[1]), b'content', inputs=inputs.NO_INPUTS, overwrite=False)"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "photo.png"), name]
    result = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert result.returncode != 0
    assert result.stderr.endswith("KeyboardInterrupt\n")
    assert os.listdir(tmp_path) == []


def test_an_interrupt_while_a_temporary_file_is_removed_leaves_none(tmp_path: Path) -> None:
    code = (
        "import sys\n"
        "from pathlib import Path\n"
        "from laa_cli import __main__\n"
        "from laa_cli.utils import atomic, folders, inputs\n"
        "def interrupted(*_): raise KeyboardInterrupt\n"
        "folders.OpenFolder.unlink = interrupted\n"
        "write = lambda: atomic.write_atomically(Path(sys.argv[1]), b'content', inputs=inputs.NO_INPUTS, overwrite=False)\n"
        "__main__.guarded = write\n"
        "__main__.main()"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "photo.png")]
    assert subprocess.run(command, capture_output=True, cwd=ROOT, check=False).returncode == Exit.INTERRUPTED
    assert os.listdir(tmp_path) == ["photo.png"]


def test_no_path_is_checked_by_typer_itself() -> None:
    """It would end everything on one photo that cannot be read, with exit code 2."""
    checked = [
        parameter.name
        for command in all_commands().values()
        for parameter in command.params
        if getattr(parameter, "type_descriptor", None) is not None and parameter.type_descriptor.is_path
        if parameter.type_descriptor.parameter_info.readable
    ]
    assert checked == []


def test_an_interrupt_within_a_library_is_not_printed() -> None:
    """As pydantic prints one that comes while it is imported; what else cannot be raised is still said."""
    code = (
        "from laa_cli.utils.signals import raise_on_signals\n"
        "raise_on_signals()\n"
        "class Late:\n"
        "    def __init__(self, error): self.error = error\n"
        "    def __del__(self): raise self.error\n"
        "Late(KeyboardInterrupt())\n"
        "Late(ValueError('said'))\n"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert "KeyboardInterrupt" not in result.stderr
    assert "ValueError: said" in result.stderr
