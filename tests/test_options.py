"""The options' ranges and defaults: one source, without torch."""

from __future__ import annotations

import math
import subprocess
import sys
from dataclasses import asdict, fields, replace
from typing import Any

import pytest
from fakes import ROOT

from laa_cli.batch.manifest import Recipe
from laa_cli.commands.parameters import Scale
from laa_cli.errors import Exit, UsageError
from laa_cli.options import SCALES, ModelOptions, Options

WRONG = [
    *(
        ({"min_face_px": value}, "min_face_px must be 8 px or more", "--min-face must be 8")
        for value in (0, 5, math.inf, math.nan)
    ),
    *(({"confidence": value}, "confidence must be from 0 to 1", "--confidence must") for value in (-0.1, 1.1, math.nan)),
    *(({"fidelity": value}, "fidelity must be from 0 to 1", "--fidelity must") for value in (-0.1, 1.5, math.nan)),
]


@pytest.mark.parametrize(("values", "said", "on_the_command_line"), WRONG)
def test_senseless_model_options_are_refused(values: dict[str, Any], said: str, on_the_command_line: str) -> None:
    with pytest.raises(UsageError, match=f"^{said}") as caught:
        ModelOptions(**values)
    assert caught.value.code is Exit.USAGE
    assert caught.value.for_command_line().startswith(on_the_command_line)


def test_a_senseless_option_is_named_as_whoever_set_it_names_it() -> None:
    with pytest.raises(UsageError, match=r"^max_face_px must lie between 0 and 1e\+06, not -1$") as caught:
        Options(max_face_px=-1)
    assert caught.value.for_command_line() == "--max-face must lie between 0 and 1e+06, not -1"


def test_the_command_line_offers_the_scales_that_there_are() -> None:
    assert tuple(int(scale) for scale in Scale) == SCALES


def test_options_need_no_torch() -> None:
    code = "import sys, laa_cli.options\nprint({'torch', 'numpy'} & set(sys.modules))"
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True).stdout == "set()\n"
    )


def test_a_recipe_hashes_all_model_options_but_the_device() -> None:
    recipe = Recipe(options=Options(), models=ModelOptions(), weights="of the file")
    other = {"device": "cpu", "weights": None, "min_face_px": 20, "confidence": 0.5, "fidelity": 0.5}
    assert other.keys() == {field.name for field in fields(ModelOptions)}, "does the new option belong into the hash?"
    for name, value in other.items():
        changed = replace(recipe, models=replace(recipe.models, **{name: value}))
        assert (changed.digest(failed=False) != recipe.digest(failed=False)) == (name not in ("device", "weights")), name


def test_a_recipe_has_the_digest_that_manifests_have_always_had() -> None:
    recipe = Recipe(options=Options(max_face_px=96.0), models=ModelOptions(min_face_px=12.0), weights="0" * 64)
    assert recipe.to_dict()["options"] == asdict(recipe.options) | {
        "min_face": 12.0, "confidence": None, "fidelity": None, "strip_metadata": False, "require_face": False
    }  # fmt: skip
    assert recipe.digest(failed=False) == "c53ad6d1dec10d544dba7c44553c4c82cdd1152b07a9677554b92ff31e052797"
