"""`polyclinic check`: the whole contract of a registered name."""

from __future__ import annotations

import importlib.util

import pytest

from polyclinic import checks
from polyclinic.checks import contract
from polyclinic.errors import CheckFailed, UnknownName, UsageError


def test_a_registered_model_is_checked_whole():
    results = checks.run("logistic")
    assert [r.check for r in results if not r.passed] == []
    assert len(results) == len(checks.model_checks())
    checks.refuse(results)


def test_a_setting_can_make_a_model_fail_and_the_reason_is_reported():
    results = checks.run("last-value", settings=["column=x//b"])
    (failed,) = [r for r in results if not r.passed]
    assert failed.check == "learns_the_planted_signal"
    with pytest.raises(CheckFailed, match="1 of 10 checks failed"):
        checks.refuse(results)


def test_a_strangers_bug_shows_the_last_line_of_their_own_file(tmp_path):
    (tmp_path / "theirs.py").write_text("import numpy as np\n\n\ndef check(folder):\n    np.zeros(3).reshape(2, 2)\n")
    spec = importlib.util.spec_from_file_location("theirs", tmp_path / "theirs.py")
    theirs = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(theirs)
    result = contract.run_check("models", theirs.check, (tmp_path / "work",))
    assert result.why == "it stopped with ValueError at theirs.py, line 5: np.zeros(3).reshape(2, 2)"


def test_a_name_that_nobody_has_suggests_the_nearest():
    with pytest.raises(UnknownName, match="logistic"):
        checks.run("logistics")


def test_a_format_without_an_example_needs_a_source():
    with pytest.raises(UsageError, match="--source"):
        checks.run("table")
