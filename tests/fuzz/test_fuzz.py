"""Changed at random, nothing that a stranger hands over ends in a traceback, hangs, or fills the memory."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.fuzz.fuzzers import KINDS, MOST_GROWTH

from polyclinic.reports.report import Report

FUZZERS = Path(__file__).resolve().parent / "fuzzers.py"
SECONDS = os.environ.get("POLYCLINIC_FUZZ_SECONDS", "60")
NEEDS = {"nifti": "nibabel", "smiles": "rdkit"}


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_a_crafted_file_is_refused_or_read_and_nothing_else(finished: Report, tmp_path: Path, kind: str) -> None:
    pytest.importorskip(NEEDS.get(kind, "json"))
    command = [sys.executable, str(FUZZERS), kind, str(finished.folder), str(tmp_path), SECONDS]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    outcome = json.loads(done.stdout.splitlines()[-1])
    assert outcome["faults"] == []
    assert outcome["cases"] > 20
    assert outcome["growth"] < MOST_GROWTH
