"""The settings of `laa prepare`: their ranges, and that they cost no heavy import."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
from fakes import ROOT

from laa_cli.errors import UsageError
from laa_cli.prepare.settings import PrepareRequest


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"format": "gif"}, "--format must be one of webp, png, not 'gif'"),
        ({"min_crop": 0}, "--min-crop must lie between 16 and 4096"),
        ({"min_sharpness": -1}, "--min-sharpness must lie between 0 and 1e+09"),
        ({"validation_share": 1}, "--validation-share must lie between 0 and 0.9"),
        ({"shard_size": 0}, "--shard-size must lie between 1 and 1e+06"),
        ({"max_pixels": 0}, "--max-pixels must lie between 1 and 1.09951e+12"),
    ],
)
def test_senseless_settings_are_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError) as error:
        PrepareRequest(**values)
    assert error.value.for_command_line() == message


def test_the_options_import_nothing_heavy() -> None:
    code = (
        "import sys\nimport laa_cli.prepare.settings, laa_cli.commands.prepare\n"
        "print(sorted({'torch', 'numpy', 'cv2', 'PIL'} & set(sys.modules)))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert result.stdout == "[]\n"
