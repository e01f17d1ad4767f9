"""A step is made once, holds the SHA-256 of its files, and is made again when these are not as they were written."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from polyclinic import notes, progress
from polyclinic.errors import BadData
from polyclinic.studies.steps import RECORD, StepCode, Steps, only_run

FILES = {"a.npy": b"0123456789", "inner/b.parquet": b"PAR1 and more"}


def write(folder: Path) -> None:
    """What makes the step under test."""
    for name, content in FILES.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(content)
    notes.note("units", "2 units of one code", "A bound means two things.")


def fail(folder: Path) -> None:
    """What stops halfway."""
    (folder / "half.npy").write_bytes(b"half")
    raise BadData("the data end here")


CODE = StepCode(write)


def take(root: Path, seed: int = 0):
    """The step as a run takes it, and the notes of that run."""
    steps = Steps(root)
    with notes.collection() as own:
        step = steps.step("fit", {"seed": seed}, CODE, write)
    return step, [*steps.notes(), *own]


def test_a_step_is_made_once(tmp_path):
    first, second = take(tmp_path)[0], take(tmp_path)[0]
    assert (first.reused, second.reused) == (False, True)
    assert first.folder == second.folder
    assert not take(tmp_path, seed=1)[0].reused


def test_notes_of_a_step_are_noted_again_when_it_is_reused(tmp_path):
    (first,), (second,) = (take(tmp_path)[1] for _ in range(2))
    assert first == second == notes.Note("units", "2 units of one code", "A bound means two things.", "fit")


def test_how_long_it_took_is_kept_with_it(tmp_path):
    assert Steps(tmp_path).seconds_of("fit") is None
    step = take(tmp_path)[0]
    assert take(tmp_path)[0].seconds == step.seconds == Steps(tmp_path).seconds_of("fit")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=st.sampled_from(sorted(FILES)), at=st.integers(0, 9), flip=st.integers(1, 255))
def test_any_flipped_byte_makes_the_step_again_and_is_noted(tmp_path, name, at, flip):
    folder = take(tmp_path)[0].folder
    content = bytearray((folder / name).read_bytes())
    content[at] ^= flip
    (folder / name).write_bytes(content)
    again, noted = take(tmp_path)
    assert not again.reused
    assert (folder / name).read_bytes() == FILES[name]
    assert [note.check for note in noted if name in note.result] == ["damaged step fit"]


@pytest.mark.parametrize("damage", ["removed", "added", "no record", "spoilt record", "record of another form"])
def test_other_damage_makes_the_step_again_too(tmp_path, damage):
    folder = take(tmp_path)[0].folder
    if damage == "removed":
        (folder / "a.npy").unlink()
    elif damage == "added":
        (folder / "c.npy").write_bytes(b"")
    elif damage == "no record":
        (folder / RECORD).unlink()
    else:
        (folder / RECORD).write_text("{" if damage == "spoilt record" else json.dumps({"files": []}))
    again, noted = take(tmp_path)
    assert not again.reused
    assert any(note.check == "damaged step fit" for note in noted)
    assert take(tmp_path)[0].reused


def test_a_step_that_fails_leaves_nothing(tmp_path):
    with pytest.raises(BadData, match="the data end here"):
        Steps(tmp_path).step("fit", {}, StepCode(fail), fail)
    assert list(tmp_path.iterdir()) == []


def test_a_plan_makes_nothing(tmp_path):
    step = Steps(tmp_path / "steps", planned=True).step("fit", {}, CODE, write)
    assert not step.exists
    assert not (tmp_path / "steps").exists()


def test_steps_of_an_older_version_are_named_and_not_reused(tmp_path, capsys):
    folder = take(tmp_path)[0].folder
    (folder / RECORD).rename(folder / "seconds.txt")
    with progress.reporting(progress.Console()), only_run(tmp_path):
        assert not take(tmp_path)[0].reused
    assert "1 steps" in (said := capsys.readouterr().err)
    assert "version 0.1" in said


HOLD = """
import sys
from pathlib import Path
from polyclinic.studies.steps import only_run
with only_run(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_what_a_killed_run_left_is_removed_but_never_what_a_living_one_makes(tmp_path):
    tmp_path = tmp_path / "steps"
    (tmp_path / ".fit-0.abc").mkdir(parents=True)
    (tmp_path.parent / ".report.json.xyz").mkdir()
    (tmp_path / ".fit-0.abc" / "half.npy").write_bytes(b"half")
    take(tmp_path)
    other = subprocess.Popen(
        [sys.executable, "-c", HOLD, tmp_path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=os.environ
    )
    assert other.stdout is not None
    assert other.stdout.readline() == "held\n"
    (tmp_path / ".fit-1.def").mkdir()  # the living one's
    with only_run(tmp_path):
        assert (tmp_path / ".fit-1.def").is_dir()
    other.kill()  # now nobody owns it
    other.communicate()
    with only_run(tmp_path):
        assert [path for path in (*tmp_path.glob(".*"), *tmp_path.parent.glob(".*")) if path.is_dir()] == []
    assert take(tmp_path)[0].reused
