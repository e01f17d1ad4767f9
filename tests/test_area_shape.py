"""An area is a folder of the same shape, whichever it is; what it declares is there."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from polyclinic import registry
from polyclinic.registry import Area

AREAS = Path(__file__).resolve().parent.parent / "src" / "polyclinic" / "areas"
FOLDERS = sorted(p for p in AREAS.iterdir() if (p / "__init__.py").is_file())
ALLOWED = {"__init__.py", "README.md", "inputs.py", "formats", "tasks", "models", "outcomes", "studies", "datasets"}


@pytest.fixture(params=FOLDERS, ids=lambda p: p.name)
def folder(request) -> Path:
    return request.param


def area_of(folder: Path) -> Area:
    return registry.areas()[folder.name][0]


def test_an_area_has_what_every_area_has(folder):
    for name in ("README.md", "inputs.py", "formats", "models", "studies"):
        assert (folder / name).exists(), f"{folder.name} has no {name}"


def test_the_init_of_an_area_declares_it_and_imports_nothing_heavy(folder):
    tree = ast.parse((folder / "__init__.py").read_text(encoding="utf-8"))
    imports = [n.module for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)]
    assert set(imports) <= {"__future__", "polyclinic.registry"}
    assert area_of(folder).name == folder.name


def test_an_area_has_one_file_a_model_and_a_format(folder):
    area = area_of(folder)
    for kind in ("formats", "models"):
        declared = [target.partition(":")[0] for target in area.declared(kind).values()]
        assert len(set(declared)) == len(declared), f"two {kind} of {folder.name} share a file"


def test_what_an_area_declares_is_there(folder):
    for kind in registry.KINDS:
        for name in area_of(folder).declared(kind):
            entry = registry.entry(kind, name)
            if entry.target.endswith((".yaml", ".yml")):
                assert entry.path().is_file(), f"{kind} {name}: no {entry.path()}"
            else:
                assert entry.load() is not None


def test_an_area_ships_a_study(folder):
    assert area_of(folder).studies


def test_no_shared_code_names_an_area(folder):
    """The floors below serve every area alike, so none of them may know one by its name."""
    shared = [p for p in AREAS.parent.rglob("*.py") if AREAS not in p.parents]
    target = f"polyclinic.areas.{folder.name}"
    assert [p.name for p in shared if target in p.read_text(encoding="utf-8")] == []
