"""Mistakes of a tired person, some for each command: what is wrong, where, and what to do."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner

from polyclinic.cli import app
from polyclinic.timelines.ingest import ingest


def call(*words: object):
    return CliRunner().invoke(app, [str(w) for w in words], env={"COLUMNS": "200"})


@pytest.fixture(scope="module")
def here(tmp_path_factory) -> Path:
    """A folder with a table, an empty file, a header alone, an empty folder, and a timeline of two heart rates."""
    folder = tmp_path_factory.mktemp("here")
    (folder / "table.csv").write_text("age,died\n50,0\n60,1\n")
    (folder / "empty.csv").write_text("")
    (folder / "header.csv").write_text("age,died\n")
    (folder / "nothing").mkdir()
    (folder / "meds" / "data").mkdir(parents=True)
    start = datetime(2026, 1, 1)
    events = {"subject_id": [1, 1], "time": [start, start + timedelta(hours=1)], "code": ["HR"] * 2}
    pl.DataFrame(events).write_parquet(folder / "meds" / "data" / "0.parquet")
    ingest("meds", folder / "meds", folder / "timeline")
    return folder


MISTAKES = [
    ("list model", "did you mean 'models'"),
    ("show hypotensoin", "did you mean 'hypotension'"),
    ("data get clif", "did you mean 'clif-demo'"),
    ("ingest tabel table.csv --out OUT", "did you mean 'table'"),
    ("ingest table nofile.csv --out OUT", "no such file or folder"),
    ("ingest table nothing --out OUT", "the folder is empty"),
    ("ingest clif table.csv --out OUT", "this looks like table"),
    ("ingest csv table.csv --out OUT", "add --mapping FILE"),
    ("ingest table table.csv --out .", "there is something else at the place to write to"),
    ("describe nofile.csv", "no such file or folder"),
    ("describe timeline --codes (", "write a regular expression"),
    ("describe empty.csv", "the file is empty"),
    ("cohort timeline hypotensoin --out OUT.csv", "did you mean 'hypotension'"),
    ("cohort nothing hypotension --out OUT.csv", "polyclinic ingest FORMAT SOURCE"),
    ("cohort timeline hypotension --out OUT.txt", "name a .parquet or a .csv file"),
    ("cohort timeline hypotension --out OUT.csv", "correct the task, or look with `polyclinic describe`"),
    ("run hypotensoin", "did you mean 'hypotension'"),
    ("run table.csv", "name the YAML file of a study"),
    ("run hypotension --set split.fold=3", "did you mean 'folds'"),
    ("run hypotension --set split.folds=many", "split.folds must be a whole number"),
    ("validate nofile.yaml", "no such file"),
    ("evaluate empty.csv", "the file is empty"),
    ("evaluate header.csv", "there are no rows"),
    ("evaluate table.csv --group patient", "which column is the probability: none of 'age', 'died'"),
    ("evaluate table.csv --outcome binry", "did you mean 'binary'"),
    ("predict nothing table.csv", "not a model package"),
    ("report nothing", "there is no report in this folder"),
    ("verify table.csv", "no readable .zip"),
    ("check gbmm", "did you mean 'gbm'"),
    ("check table --source nofile.csv", "no such file or folder"),
    ("check gbm --set leafs=3", "did you mean 'leaves'"),
    ("demo --set split.fold=3 --out OUT", "did you mean 'folds'"),
]


@pytest.mark.parametrize(("words", "says"), MISTAKES)
def test_a_mistake_is_answered_with_what_to_do(here, words, says, tmp_path, monkeypatch):
    monkeypatch.chdir(here)
    done = call(*words.replace("OUT", str(tmp_path / "out")).split())
    shown = " ".join(done.output.split())
    assert done.exit_code in (2, 3)
    assert says in shown
    assert "Traceback" not in shown
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["empty.csv", "header.csv", "nothing"])
def test_predict_calls_an_empty_source_empty(finished, here, name):
    done = call("predict", finished.package, here / name)
    assert done.exit_code == 3
    assert any(words in done.output for words in ("is empty", "has no rows"))


def test_codes_that_match_nothing_leave_the_number_of_rows_as_it_is(here):
    done = call("describe", here / "table.csv", "--codes", "nothing")
    assert done.stdout.startswith("2 rows, 2 columns\n0 of 2 columns")
