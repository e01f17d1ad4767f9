"""Fixtures that every test may use."""

from __future__ import annotations

import os
from pathlib import Path

# Tests run side by side: threads that spin while they wait would take the cores from each other.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import pytest
from hypothesis import settings
from tests.deaths import patients, study

# The same cases each time: a change fails by what it does, not by the day. HYPOTHESIS_PROFILE=wide looks further.
settings.register_profile("same", derandomize=True, deadline=None)
settings.register_profile("wide", max_examples=1000, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "same"))

REPOSITORY = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real data sets and conformance files beside the checkout; skips where it is not there."""
    folder = REPOSITORY.parent / "shared"
    if not folder.is_dir():
        pytest.skip("needs the folder of shared data sets beside the checkout")
    return folder


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory):
    """A small study over a data frame, run to its end."""
    from polyclinic.studies.run import run

    return run(study(patients()), out=tmp_path_factory.mktemp("study") / "run")
