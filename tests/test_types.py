"""How much of the source is not typed: lines with `Any`, and what stands in for a contract."""

from __future__ import annotations

import re
from pathlib import Path

import polyclinic

SOURCE = Path(polyclinic.__file__).parent
MOST = 150
"""Lines with `Any` in the whole source: what JSON holds, and libraries without types."""


def lines() -> list[str]:
    """Every line of the source, with its file in front."""
    files = sorted(SOURCE.rglob("*.py"))
    return [f"{file.relative_to(SOURCE)}: {line}" for file in files for line in file.read_text("utf-8").splitlines()]


def test_few_lines_say_any():
    said = [line for line in lines() if re.search(r"\bAny\b", line) and "import" not in line and '"""' not in line]
    assert len(said) <= MOST, f"{len(said)} lines say Any; name the type, or a protocol"


def test_no_hasattr_stands_in_for_a_contract():
    """`config` looks whether a document remembers its lines, which the YAML library leaves to the object."""
    assert [line for line in lines() if "hasattr(" in line and not line.startswith("config.py")] == []
