"""The page of the task file names every key that the parser knows, in the section where it belongs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from polyclinic.cohorts.task_parser import parse_task, task_keys
from polyclinic.config import parse

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "reference" / "task.md").read_text(encoding="utf-8")
SECTIONS = {"derived predicate": "Predicates", "code": "Predicates", "last": "`at_risk`", "predicate": "Predicates",
            "window": "Windows", "task": "The task"}  # fmt: skip


def section(title: str) -> str:
    """The text under one heading of the page."""
    parts = re.split(r"^## ", PAGE, flags=re.M)
    return next(part for part in parts if part.split("\n")[0] == title)


@pytest.mark.parametrize(("part", "key"), [(part, key) for part, keys in task_keys().items() for key in keys])
def test_every_key_of_a_task_is_explained(part: str, key: str) -> None:
    text = section(SECTIONS.get(part, f"`{part}`"))
    assert re.search(rf"`{key}`|\{{{key}: ", text), f"{key} of {part}"


def test_the_example_of_the_page_is_a_task() -> None:
    (example,) = re.findall(r"^```yaml\n(.*?)^```$", PAGE, re.M | re.S)
    assert parse_task(parse(example)).label == "target"
