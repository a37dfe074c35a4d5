"""Errors of use: parameters in Python, options on the command line."""

from __future__ import annotations

from laa_cli.errors import Exit, UsageError


def test_an_error_of_use_names_parameters_in_python_and_options_on_the_command_line() -> None:
    error = UsageError("max_face_px and min_face_px fit no max_face_px file", "max_face_px", "min_face_px")
    assert str(error) == "max_face_px and min_face_px fit no max_face_px file"
    assert error.for_command_line() == "--max-face and --min-face fit no max_face_px file"
    assert error.code == Exit.USAGE
