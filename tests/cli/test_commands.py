"""The commands are all there, explain themselves with an example, and answer mistakes with what to do."""

from __future__ import annotations

import json
from datetime import datetime

import polars as pl
import pytest
from typer.testing import CliRunner

from polyclinic import config
from polyclinic.checks import Result
from polyclinic.cli import COMMANDS, app
from polyclinic.studies.study_parser import load_study

FIXED = {"demo", "list", "show", "data", "ingest", "describe", "cohort", "run", "evaluate",
         "predict", "report", "verify", "validate", "check"}  # fmt: skip


def call(*words: object):
    return CliRunner().invoke(app, [str(w) for w in words], env={"COLUMNS": "160"})


def test_the_fixed_names_are_the_commands():
    assert {*COMMANDS, "data"} == FIXED
    assert all(name in call("--help").output for name in FIXED)


@pytest.mark.parametrize("command", sorted(FIXED))
def test_every_command_shows_an_example(command):
    output = call(command, "--help").output
    assert f"Example:  polyclinic {command}" in output or f"$(polyclinic {command}" in output


@pytest.mark.parametrize("command", ["list", "describe", "cohort", "run", "evaluate", "predict", "verify", "check"])
def test_what_reads_can_print_json(command):
    assert "--json" in call(command, "--help").output


def test_list_names_who_brings_what():
    outcomes = json.loads(call("list", "outcomes", "--json").output)["outcomes"]
    binary = next(row for row in outcomes if row["name"] == "binary")
    assert binary["from"] == "polyclinic"
    assert binary["about"]


def test_a_measure_is_listed_by_its_title_and_its_direction():
    measures = {row["name"]: row["about"] for row in json.loads(call("list", "measures", "--json").output)["measures"]}
    assert measures["auroc"] == "AUROC"
    assert measures["brier"] == "Brier score; lower is better"


def test_list_of_an_unknown_kind_suggests_the_nearest():
    done = call("list", "model")
    assert done.exit_code == 2
    assert "did you mean 'models'" in done.output


def test_an_unknown_command_suggests_the_nearest():
    done = call("runn")
    assert done.exit_code == 2
    assert "run" in done.output


def test_show_prints_a_shipped_study_and_a_shipped_task_from_which_the_same_is_read():
    study, task = call("show", "hypotension").output, call("show", "hypotension", "--task").output
    assert "task: hypotension" in study
    assert "predicates:" in task
    assert load_study(config.plain(config.parse(study))).document() == load_study("hypotension").document()
    done = call("show", "hypotensoin")
    assert done.exit_code == 2
    assert "did you mean 'hypotension'" in done.output


@pytest.mark.parametrize("words", [("report", "nowhere"), ("verify", "nowhere"), ("describe", "nowhere")])
def test_a_folder_that_is_not_there_is_named(words, tmp_path):
    done = call(words[0], tmp_path / words[1])
    assert done.exit_code in (2, 3)
    assert "nowhere" in done.output
    assert "what to do" in done.output


def test_a_task_about_a_table_without_times_is_refused(tmp_path):
    (tmp_path / "t.csv").write_text("a,b\n1,2\n3,4\n")
    assert call("ingest", "table", tmp_path / "t.csv", "--out", tmp_path / "rows").exit_code == 0
    done = call("cohort", tmp_path / "rows", "hypotension", "--out", tmp_path / "labels.parquet")
    assert done.exit_code == 2
    assert "has none" in done.output


def test_a_cohort_of_nobody_is_an_error_and_writes_nothing(tmp_path):
    (tmp_path / "meds" / "data").mkdir(parents=True)
    times = {"time": [datetime(2020, 1, 1)], "code": ["WARD//OUT"], "numeric_value": [None]}
    events = pl.DataFrame({"subject_id": [1], **times}, schema_overrides={"numeric_value": pl.Float32})
    events.write_parquet(tmp_path / "meds" / "data" / "0.parquet")
    (tmp_path / "task.yaml").write_text("predicates: {ward: {code: WARD//IN}}\ntrigger: ward\n")
    done = call("cohort", tmp_path / "meds", tmp_path / "task.yaml", "--out", tmp_path / "labels.parquet")
    assert done.exit_code == 3
    assert "nearest: WARD//OUT" in done.output
    assert not (tmp_path / "labels.parquet").exists()


def test_a_cohort_tells_the_share_of_positives_and_codes_with_two_units(tmp_path):
    (tmp_path / "meds" / "data").mkdir(parents=True)
    subjects, hours = [1, 1, 2, 2], [datetime(2020, 1, 1, hour) for hour in (0, 1, 0, 1)]
    events = {"subject_id": subjects, "time": hours, "code": ["IN", "LAB", "IN", "LAB"]}
    values = {"numeric_value": [None, 3.0, None, 1.0], "unit": [None, "mg/dL", None, "umol/L"]}
    frame = pl.DataFrame({**events, **values}, schema_overrides={"numeric_value": pl.Float32})
    frame.write_parquet(tmp_path / "meds" / "data" / "0.parquet")
    windows = "windows: {w: {start: trigger, end: start + 24h, label: high}}"
    predicates = "predicates: {in: {code: IN}, high: {code: LAB, value_min: 2}}"
    (tmp_path / "task.yaml").write_text(f"{predicates}\ntrigger: in\n{windows}\n")
    words = "cohort", tmp_path / "meds", tmp_path / "task.yaml", "--out", tmp_path / "labels.parquet"
    done = call(*words)
    assert "2 labels, 1 positive (50.0 %)" in done.output
    assert "LAB comes in mg/dL and umol/L" in done.output
    assert json.loads(call(*words, "--json").stdout)["positive"] == 1


def test_check_prints_a_table_and_its_exit_code_says_whether_all_passed():
    assert call("check", "binary").exit_code == 0
    done = call("check", "last-value", "--set", "column=x//b", "--json")
    results = [Result(**r) for r in json.loads(done.stdout)]
    assert [r.check for r in results if not r.passed] == ["learns_the_planted_signal"]
    assert done.exit_code == 1
