"""Names are nouns of the field: no variable, parameter, function or field is called by a bare participle."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import polyclinic

SOURCE = Path(polyclinic.__file__).parent
PARTICIPLES = {"asked", "found", "given", "held", "made", "seen", "told"}


def names_bound(tree: ast.AST) -> Iterator[str]:
    """Every name that a module gives to something."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Name | ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.id if isinstance(node, ast.Name) else node.attr
        elif isinstance(node, ast.arg):
            yield node.arg
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name


@pytest.mark.parametrize("path", sorted(SOURCE.rglob("*.py")), ids=lambda path: str(path.relative_to(SOURCE)))
def test_nothing_is_called_by_a_participle(path):
    names = {name.strip("_").lower() for name in names_bound(ast.parse(path.read_text(encoding="utf-8")))}
    assert not names & PARTICIPLES


@pytest.mark.parametrize(
    "line",
    ["found = 1", "def f(given): ...", "def _made(): ...", "class Told: ...", "self.held = 1", "for seen in []: ..."],
)
def test_a_participle_is_noticed_wherever_a_name_is_bound(line):
    names = {name.strip("_").lower() for name in names_bound(ast.parse(line))}
    assert names & PARTICIPLES
