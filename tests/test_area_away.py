"""Take any one area's folder away: the others' tests stay green."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent
AREAS = sorted(p.parent.name for p in (REPOSITORY / "src/polyclinic/areas").glob("*/__init__.py"))


@pytest.fixture(params=AREAS)
def away(request, tmp_path: Path) -> tuple[str, dict[str, str]]:
    """An area, and an environment whose polyclinic lacks it."""
    source = shutil.copytree(REPOSITORY / "src", tmp_path / "src", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.rmtree(source / "polyclinic" / "areas" / request.param)
    return request.param, {**os.environ, "PYTHONPATH": str(source)}


def test_the_names_of_the_others_are_still_there(away) -> None:
    area, environment = away
    code = "from polyclinic import registry; print(*registry.areas())"
    process = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    ).stdout.split()
    assert sorted(process) == [name for name in AREAS if name != area]


@pytest.mark.slow
def test_the_tests_of_the_others_stay_green(away) -> None:
    _, environment = away
    command = [sys.executable, "-m", "pytest", "-q", "-m", "not slow", "tests/areas"]
    done = subprocess.run(command, env=environment, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:]
    assert "passed" in done.stdout
