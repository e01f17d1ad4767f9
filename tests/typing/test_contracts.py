"""The contracts are kept by every registered class, and shared code knows no kind, area or score by name."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import polyclinic
from polyclinic import registry, typing

CONTRACTS = Path(__file__).with_name("contracts.py").read_text(encoding="utf-8")
SOURCE = Path(polyclinic.__file__).parent
KINDS = ("outcomes", "models", "inputs", "formats", "adjustments", "decisions")
OWN = ("outcomes/", "areas/", "reports/sections/", "checks/")
"""Where kinds and areas are at home, and their sections."""
OF_A_KIND = (
    "_measures.py",
    "_scores.py",
    "_rates.py",
    "scores.py",
    "_sections.py",
    "_evaluation.py",
    "alerts.py",
    "decision.py",
)
"""Files of the evaluation that belong to one kind of answer, which names them by a registered name."""
ALLOWED = {
    "evaluation/predictions.py": {"binary"},
    "cohorts/task.py": {"binary"},
    "packages/question.py": {"binary"},
    "cli/evaluate.py": {"binary"},
    "reports/external.py": {"binary"},
    "studies/study_parser.py": {"records"},
    "models/gbm.py": {"binary", "multiclass"},
    "reports/card.py": {"number"},
}
"""A question that does not say its kind is one of yes or no; a timeline is read as health records where no inputs are
named; LightGBM's objectives are called so; and a filter of the card writes any number."""


@pytest.mark.parametrize("kind", KINDS)
def test_every_registered_class_is_assigned_to_its_contract(kind):
    entries = [e for e in registry.entries(kind).values() if e.distribution == "polyclinic" and not e.is_file]
    lacking = [
        e.name for e in entries if f"import {e.target.partition(':')[2]}" not in CONTRACTS.replace(", ", "\nimport ")
    ]
    assert not lacking, f"assign to its protocol in tests/typing/contracts.py: {', '.join(lacking)}"


def test_the_facade_exports_what_it_imports_and_no_module_of_polyclinic_imports_it():
    tree = ast.parse((SOURCE / "typing" / "__init__.py").read_text(encoding="utf-8"))
    imported = [alias.name for node in tree.body if isinstance(node, ast.ImportFrom) for alias in node.names]
    assert sorted(imported) == sorted(typing.__all__) == typing.__all__
    for file in SOURCE.rglob("*.py"):
        assert "polyclinic.typing import" not in file.read_text(encoding="utf-8") or file.parent.name == "typing"


def literals(file: Path) -> Iterator[tuple[int, str]]:
    """Every string of a module that is no docstring, with its line."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.lineno, node.value


def test_shared_code_names_no_kind_of_answer_no_area_and_no_score():
    names = {name for kind in ("outcomes", "measures") for name in registry.entries(kind)} | {*registry.areas()}
    found = []
    for file in SOURCE.rglob("*.py"):
        relative = file.relative_to(SOURCE).as_posix()
        if relative.startswith(OWN) or (relative.startswith("evaluation/") and relative.endswith(OF_A_KIND)):
            continue
        known = names - ALLOWED.get(relative, set())
        found += [f"{relative}:{line} {text!r}" for line, text in literals(file) if text in known]
    assert not found, "\n".join(found)
