"""What docs/architecture.md says of the code: who may import whom, and that a name stands for one thing."""

from __future__ import annotations

import ast
from collections import Counter
from pathlib import Path

from fakes import ROOT
from importlinter.cli import EXIT_STATUS_SUCCESS, lint_imports

SOURCES = sorted(path for package in ("laa_cli", "models") for path in (ROOT / package).rglob("*.py"))
# Names that mean the same in every folder; the last three are what each network has.
ELSEWHERE = {"__init__", "run", "report", "data", "config", "network", "attention"}


def twice(names: list[str]) -> set[str]:
    return {name for name, count in Counter(names).items() if count > 1}


def test_imports_go_one_way() -> None:
    assert lint_imports(config_filename=str(ROOT / "pyproject.toml"), no_cache=True) == EXIT_STATUS_SUCCESS


def test_a_file_name_stands_for_one_module() -> None:
    assert twice([path.stem for path in SOURCES]) <= ELSEWHERE


def test_a_class_name_stands_for_one_class() -> None:
    trees = [ast.parse(path.read_text()) for path in SOURCES]
    assert not twice([node.name for tree in trees for node in ast.walk(tree) if isinstance(node, ast.ClassDef)])


def test_every_folder_is_on_the_page_of_architecture() -> None:
    page = Path(ROOT / "docs" / "architecture.md").read_text()
    folders = {path.parent.name for path in SOURCES if path.parent.parent == ROOT / "laa_cli"}
    assert not [folder for folder in folders if f"`{folder}/`" not in page]
