"""Threads of libraries sleep while they wait, whoever begins: the command line or a line of Python."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest

FIT = """
import numpy as np
from polyclinic.models.gbm import Gbm
from polyclinic.models.model import Session
from polyclinic.outcomes.binary import Binary
from polyclinic.outcomes.outcome import Prepared
from polyclinic.state import State
rows = Binary().planted(200, 0)
Gbm(rounds=2, min_leaf=5).fit(rows.take(np.arange(150)), rows.take(np.arange(150, 200)), Prepared(Binary(), State()), Session())
"""
THREADS = """
from polyclinic import openmp
with openmp.asleep("sklearn"):
    import sklearn.utils
print(openmp.threads("sklearn", 4))
"""


def python(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """A fresh Python without a policy of its own."""
    plain = {k: v for k, v in os.environ.items() if not k.startswith(("OMP_", "KMP_"))}
    command = [sys.executable, "-c", code]
    return subprocess.run(command, capture_output=True, text=True, check=True, env=plain | environment)


def test_a_fit_from_python_loads_openmp_with_threads_that_sleep() -> None:
    """OpenMP itself prints how long its threads spin before they sleep: GNU's does."""
    printed = python(FIT, OMP_DISPLAY_ENV="verbose").stderr
    spins = set(re.findall(r"GOMP_SPINCOUNT = '(\w+)'", printed))
    assert spins <= {"0"}
    assert spins or not sys.platform.startswith("linux")


def test_the_environment_is_left_as_it_was() -> None:
    assert "OMP_WAIT_POLICY" not in python(f"{THREADS}\nimport os; print(sorted(os.environ))").stdout


@pytest.mark.parametrize(
    ("before", "environment", "threads"),
    [("", {}, "4"), ("import sklearn.utils", {}, "1"), ("import sklearn.utils", {"OMP_WAIT_POLICY": "passive"}, "4")],
    ids=["loaded here", "loaded before", "loaded before, asleep"],
)
def test_a_library_whose_threads_would_spin_gets_one(before: str, environment: dict[str, str], threads: str) -> None:
    assert python(before + THREADS, **environment).stdout.split()[-1] == threads
