"""A study of a plain table, by commands alone: ingest, describe, validate, run, predict, verify, report, evaluate."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

from polyclinic.cli import app

STUDY = """
name: falls
title: Will this resident fall within a year?
source: {format: table, path: residents.csv}
target: {column: fell, kind: binary}
split: {separate: [home], folds: 2, validation: 0.25}
models: [logistic]
baselines: [naive]
evaluation: {intervals: {over: home}}
seed: 1
"""


def call(*words: object):
    return CliRunner().invoke(app, [str(w) for w in words], env={"COLUMNS": "160"})


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("falls")
    rng = np.random.default_rng(0)
    n = 240
    speed = rng.normal(1, 0.3, n)
    fell = (speed + rng.normal(0, 0.2, n) < 0.9).astype(int)
    frame = {"home": np.arange(n) // 6, "walking_speed": speed, "age": rng.integers(65, 95, n), "fell": fell}
    pl.DataFrame(frame).write_csv(folder / "residents.csv")
    (folder / "falls.yaml").write_text(STUDY.replace("residents.csv", str(folder / "residents.csv")))
    return folder


@pytest.fixture(scope="module")
def run(folder) -> Path:
    done = call("run", folder / "falls.yaml", "--out", folder / "run")
    assert done.exit_code == 0, done.output
    return folder / "run"


def test_validate_prints_every_default(folder):
    done = call("validate", folder / "falls.yaml", "--set", "split.folds=3", "--json")
    document = json.loads(done.output)
    assert document["split"]["folds"] == 3
    assert document["report"]["min_cell"] == 5


def test_a_misspelt_key_is_named_with_its_line_and_the_right_one(folder):
    file = folder / "wrong.yaml"
    file.write_text(STUDY.replace("folds", "fold"))
    done = call("validate", file)
    assert done.exit_code == 2
    assert "wrong.yaml:6" in done.output
    assert "did you mean 'folds'" in done.output


def test_a_mistake_of_the_command_line_is_not_looked_for_in_the_file(folder):
    done = call("validate", folder / "falls.yaml", "--set", "split.folds=many")
    assert done.exit_code == 2
    assert "--set split.folds=many, key split.folds" in " ".join(done.output.split())
    assert "falls.yaml:" not in done.output


def test_the_run_prints_its_finding_and_where_things_lie(run):
    for name in ("study.yaml", "report.html", "report.json", "predictions.parquet", "package"):
        assert (run / name).exists()


def test_run_again_reuses_every_step(run, folder):
    done = call("run", folder / "falls.yaml", "--out", run, "--dry-run", "--json")
    steps = json.loads(done.stdout)
    assert [s["reused"] for s in steps if s["name"] in ("ingest", "cohort", "samples")] == ["yes"] * 3


def test_predict_at_a_time_is_refused_where_the_rows_have_none(run, folder):
    out = folder / "at.parquet"
    words = ("predict", run / "package", folder / "residents.csv", "--at", "2020-01-01", "--out", out)
    done = call(*words)
    assert done.exit_code == 2
    assert "--at" in done.output
    assert not out.exists()


def test_predict_repeats_the_rows_of_the_package(run, folder):
    out = folder / "again.parquet"
    done = call("predict", run / "package", folder / "residents.csv", "--out", out)
    assert done.exit_code == 0, done.output
    study = pl.read_parquet(run / "predictions.parquet").filter(pl.col("fold") == "package")
    name = "predicted_boolean_probability"
    assert (pl.read_parquet(out)[name] - study[name]).abs().max() <= 1e-6


def test_verify_and_report_answer_for_a_finished_run(run):
    assert call("verify", run / "package").exit_code == 0
    page = run / "report.html"
    page.unlink()
    assert call("report", run).exit_code == 0
    assert page.is_file()


def test_evaluate_gives_the_same_report_for_predictions_from_elsewhere(run, folder):
    rows = pl.read_parquet(run / "predictions.parquet").filter(split="test", model="logistic")
    homes = (
        pl.read_csv(folder / "residents.csv").with_row_index("row_id").select(pl.col("row_id").cast(pl.Int64), "home")
    )
    kept = rows.join(homes, on="row_id").select("row_id", "home", "boolean_value", "predicted_boolean_probability")
    kept.write_csv(folder / "mine.csv")
    done = call("evaluate", folder / "mine.csv", "--group", "home", "--out", folder / "mine")
    assert done.exit_code == 0, done.output
    assert (folder / "mine" / "report.html").is_file()
