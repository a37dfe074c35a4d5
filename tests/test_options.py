"""The options' ranges and defaults: one source, without torch."""

from __future__ import annotations

import hashlib
import math
import subprocess
import sys
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any

import pytest
from fakes import ROOT

from laa_cli.batch import manifest
from laa_cli.batch.manifest import Recipe
from laa_cli.commands.parameters import Scale
from laa_cli.errors import Exit, LaaError, UsageError
from laa_cli.options import SCALES, ModelOptions, Options

FILES = ("device", "precision", "weights", "background")  # what counts by a hash and a rule, or not at all
WRONG = [
    *(
        ({"min_face_px": value}, "min_face_px must be 8 px or more", "--min-face must be 8")
        for value in (0, 5, math.inf, math.nan)
    ),
    *(({"confidence": value}, "confidence must be from 0 to 1", "--confidence must") for value in (-0.1, 1.1, math.nan)),
    ({"precision": "half"}, "precision must be auto, float32, bfloat16, not 'half'", "--precision must"),
    ({"background": ""}, "background must be auto, plain, hpinet or a model file", "--background must"),
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
    other = {"device": "cpu", "weights": None, "min_face_px": 20, "confidence": 0.5, "fidelity": 0.5, "background": "plain"}
    other |= {"precision": "bfloat16"}
    assert other.keys() == {field.name for field in fields(ModelOptions)}, "does the new option belong into the hash?"
    for name, value in other.items():
        changed = replace(recipe, models=replace(recipe.models, **{name: value}))
        assert (changed.digest(failed=False) != recipe.digest(failed=False)) == (name not in FILES), name


def test_a_recipe_has_the_digest_that_manifests_have_always_had(monkeypatch: pytest.MonkeyPatch) -> None:
    """But for laa's version, which is part of it: another one may make other bytes."""
    monkeypatch.setattr(manifest, "__version__", "0.1.0")
    recipe = Recipe(options=Options(max_face_px=96.0), models=ModelOptions(min_face_px=12.0), weights="0" * 64)
    assert recipe.to_dict()["options"] == asdict(recipe.options) | {
        "min_face": 12.0, "confidence": None, "fidelity": None, "background": "plain", "strip_metadata": False,
        "require_face": False, "precision": "float32", "runtime": "torch",
    }  # fmt: skip
    assert recipe.digest(failed=False) == "c53ad6d1dec10d544dba7c44553c4c82cdd1152b07a9677554b92ff31e052797"


def test_a_recipe_hashes_precision_and_runtime_as_they_come_out() -> None:
    digests = {
        replace(RECIPE, precision=precision, runtime=runtime).digest(failed=False)
        for precision in ("float32", "bfloat16")
        for runtime in ("torch", "openvino:CPU", "openvino:GPU")
    }
    assert len(digests) == 6
    chosen = Recipe.of(Options(), ModelOptions(device="cpu", precision="bfloat16"), strip_metadata=False, require_face=False)
    assert (chosen.precision, chosen.runtime) == ("bfloat16", "torch")


RECIPE = Recipe(options=Options(), models=ModelOptions(), weights="0" * 64)
OTHERS = [{"background": "auto"}, {"background": "hpinet"}, {"background": "file"}, {"background_weights": "1" * 64}]


def test_a_recipe_hashes_the_background_by_its_rule_and_its_weights() -> None:
    recipe = replace(RECIPE, background="hpinet", background_weights="2" * 64)
    digests = {
        replace(recipe, **other).digest(failed=False) for other in [*OTHERS, {"models": ModelOptions(background="a.pth")}]
    }
    assert len(digests) == 4  # it was hpinet before
    assert RECIPE.digest(failed=False) not in digests


def recipe_of(background: str, scale: int = 4) -> Recipe:
    return Recipe.of(
        Options(scale=scale), ModelOptions(background=background, device="cpu"), strip_metadata=False, require_face=False
    )


def test_a_recipe_has_the_weights_that_the_background_may_use(shipped_background: Path) -> None:
    digest = hashlib.sha256(shipped_background.read_bytes()).hexdigest()
    for background in ("auto", "hpinet"):
        recipe = recipe_of(background)
        assert (recipe.background, recipe.background_weights) == (background, digest)
        assert recipe.to_dict()["background_weights"] == digest
    copied = shipped_background.rename(shipped_background.with_name("a-copy"))
    recipe = recipe_of(str(copied))
    assert (recipe.background, recipe.background_weights) == ("file", digest)
    for background, scale in (("plain", 4), (str(copied), 1)):
        assert recipe_of(background, scale).digest(failed=True) == recipe_of("plain", scale).digest(failed=True)
    with pytest.raises(LaaError, match=r"^cannot read the background's network gone: No such file"):
        recipe_of("gone", 1)


def test_the_same_file_by_another_name_is_the_same_recipe(tmp_path: Path) -> None:
    files = [tmp_path / "a", tmp_path / "b"]
    for path in files:
        path.write_bytes(b"the same")
    assert len({recipe_of(str(path)).digest(failed=False) for path in files}) == 1


def test_words_are_no_files_and_all_else_is() -> None:
    files = {name: ModelOptions(background=name).background_file for name in ("auto", "plain", "hpinet", "./plain", "a/b.pth")}
    assert files == {"auto": None, "plain": None, "hpinet": None, "./plain": Path("plain"), "a/b.pth": Path("a/b.pth")}
    assert ModelOptions(background="a.pth", weights=Path("w")).files == [Path("w"), Path("a.pth")]
