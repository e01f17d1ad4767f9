"""The demo on its real patients, with the cheapest models: what it counts, and what it says at the end."""

from __future__ import annotations

import json
import shlex
import subprocess
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner

from polyclinic import datasets
from polyclinic.cli import app
from polyclinic.errors import PolyclinicError

CHEAP = ["models=[last-value]", "baselines=[naive]", "split.folds=2", "gates={better_than: naive}"]


@pytest.fixture(scope="module")
def demo(tmp_path_factory) -> tuple[Path, str]:
    """The folder of the demo's run and what it printed."""
    try:
        datasets.get("clif-demo")
    except PolyclinicError as error:
        pytest.skip(f"the demo's data are not to be had here: {error.what}")
    out = tmp_path_factory.mktemp("demo") / "run"
    words = ["demo", "--out", str(out), *(w for setting in CHEAP for w in ("--set", setting))]
    done = CliRunner().invoke(app, words, env={"COLUMNS": "160"})
    assert done.exit_code == 0, done.output
    return out, done.output


def test_the_cohort_of_the_demo_has_the_counts_that_were_made_by_hand(demo):
    cohort = json.loads((demo[0] / "report.json").read_text())["cohort"]
    rows = [step["rows"] for step in cohort["attrition"]]
    assert rows == [145, 12_755, 318, 2_340, 10_097, 207, 9_890]
    assert cohort["set_aside"]["VITAL//map"] == {"readings": 15_148, "outside": 36, "tied": 351}


def test_the_demo_says_what_it_found_where_it_lies_and_what_to_try(demo):
    out, said = demo
    assert "AUROC" in said
    assert str(out / "report.html") in said


def test_the_commands_that_the_demo_ends_with_work_as_typed(demo):
    out, said = demo
    commands = [shlex.split(line) for line in said.splitlines() if " -m polyclinic.cli " in line]
    assert [words[3] for words in commands] == ["run", "describe", "cohort"]
    planned, *quick = commands
    for words in ([*planned, "--dry-run", "--json"], *quick):
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        if words[3] == "run":
            fits = {step["reused"] for step in json.loads(done.stdout) if step["name"].startswith("fit")}
            assert fits == {"yes"}
    assert (out / "labels.parquet").is_file()


def test_one_patient_gets_the_answers_that_the_study_gave(demo):
    out, _ = demo
    alone = pl.read_parquet(out / "one_patient.parquet")
    name = "predicted_boolean_probability"
    study = pl.read_parquet(out / "predictions.parquet").filter(fold="package")
    both = alone.join(study, on=["subject_id", "prediction_time"], suffix="_study")
    assert both.height == alone.height > 0
    assert (both[name] - both[f"{name}_study"]).abs().max() <= 1e-6
