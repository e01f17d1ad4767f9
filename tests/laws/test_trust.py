"""What a stranger hands over may be refused, is never obeyed, and never ends in a traceback.

In a package, a data folder, a task, a study and a report, every string is replaced in turn by the dotted name of a
canary (`strangers.py`). The canary is never imported; no process is started, no socket opened, no class unpickled;
nothing is written but in the folder of the trial.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from polyclinic.reports.report import Report

HERE = Path(__file__).resolve().parent
CANARY = "raise RuntimeError('the canary was imported')\n"


def trials(kind: str, run: Path, folder: Path, most: int = 1) -> dict[str, Any]:
    """Run the trials of one kind in a process of their own, whose home and temporary folder lie in `folder`."""
    home, canaries = folder / "home" / "tmp", folder / "canaries"
    home.mkdir(parents=True)
    (canaries / "canary").mkdir(parents=True)
    for name in ("__init__", "sub"):
        (canaries / "canary" / f"{name}.py").write_text(CANARY)
    own = {"HOME": str(home.parent), "TMPDIR": str(home), "MPLCONFIGDIR": str(home), "POLYCLINIC_DATA": str(home)}
    own |= {"PYTHONPATH": str(canaries), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, str(HERE / "strangers.py"), kind, str(run), str(folder / "home"), str(most)]
    done = subprocess.run(
        command, capture_output=True, text=True, env={**os.environ, **own}, cwd=home.parent, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return dict(json.loads(done.stdout.splitlines()[-1]))


@pytest.mark.parametrize(
    ("kind", "most"), [("packages", 12), ("data", 100), ("tasks", 100), ("studies", 60), ("reports", 6)]
)
def test_no_string_of_a_stranger_is_obeyed(finished: Report, tmp_path: Path, kind: str, most: int) -> None:
    result = trials(kind, finished.folder, tmp_path, most)
    assert result["events"] == []
    assert result["faults"] == []
    assert result["trials"] > min(most, 80)


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "most"), [("packages", 200), ("studies", 400), ("reports", 60)])
def test_no_string_of_a_stranger_is_obeyed_and_hardly_one_is_left_out(
    finished: Report, tmp_path: Path, kind: str, most: int
) -> None:
    test_no_string_of_a_stranger_is_obeyed(finished, tmp_path, kind, most)


def test_what_must_not_happen_is_heard_where_it_does(finished: Report, tmp_path: Path) -> None:
    result = trials("bait", finished.folder, tmp_path)
    events = " ".join(result["events"])
    assert all(word in events for word in ("import: import of ", "process: ", "socket: ", "writing: writing to"))
    assert "traceback: KeyError" in " ".join(result["faults"])
