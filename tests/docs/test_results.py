"""The figures that a README shows are those of the kept runs."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SPEC = importlib.util.spec_from_file_location("write_results", ROOT / "docs" / "write_results.py")
assert SPEC is not None
assert SPEC.loader is not None
writer = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(writer)


@pytest.mark.parametrize("name", writer.PAGES)
def test_a_readme_shows_what_the_kept_runs_say(name):
    text = (ROOT / name).read_text(encoding="utf-8")
    assert writer.PLACE.search(text), f"{name} shows no results"
    assert text == writer.page(text), "run: python docs/write_results.py"


def test_another_figure_in_a_readme_is_noticed():
    text = writer.page("<!-- results: hypotension -->\n<!-- end of results -->")
    assert "AUROC" in text
    assert writer.page(text.replace("AUROC", "accuracy")) == text
