"""Errors and exit codes; errors of use name parameters in Python, options on the command line."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from laa_cli.errors import Exit, FileError, UsageError, exit_code, out_of_memory_error


def test_an_error_of_use_names_parameters_in_python_and_options_on_the_command_line() -> None:
    error = UsageError("max_face_px and min_face_px fit no max_face_px file", "max_face_px", "min_face_px")
    assert str(error) == "max_face_px and min_face_px fit no max_face_px file"
    assert error.for_command_line() == "--max-face and --min-face fit no max_face_px file"
    assert error.code == Exit.USAGE


@pytest.mark.parametrize(
    ("succeeded", "failures", "code"),
    [
        (0, [], Exit.OK),
        (2, [], Exit.OK),
        (1, [Exit.NO_FACE], Exit.PARTLY),
        (0, [Exit.NO_FACE, Exit.NO_FACE], Exit.NO_FACE),
        (0, [Exit.USAGE], Exit.USAGE),
        (0, [Exit.NO_FACE, Exit.FAILED], Exit.FAILED),
        (0, [Exit.PARTLY, Exit.FAILED], Exit.PARTLY),
    ],
)
def test_the_exit_code_of_a_run(succeeded: int, failures: list[Exit], code: Exit) -> None:
    assert exit_code(succeeded, failures) == code


def test_running_out_of_memory_says_what_to_do() -> None:
    said = "not enough memory for a.png: use a smaller photo or --scale, or --device cpu"
    assert str(out_of_memory_error(Path("a.png"), "or --device cpu")) == said


def test_a_file_error_keeps_the_systems_reason() -> None:
    assert FileError("cannot write", OSError(errno.ENOSPC, "No space left")).errno == errno.ENOSPC
    assert FileError("cannot read", ValueError("embedded null byte")).errno is None
