"""A distribution that somebody else wrote brings an area: format, outcome, model, study; shared code is untouched."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import polars as pl
import pytest

GUEST = Path(__file__).resolve().parent / "guest_area"


@pytest.fixture(scope="module")
def python(tmp_path_factory) -> Path:
    """A fresh environment with the guest's wheel in it; the libraries come from the one that runs the tests."""
    folder = tmp_path_factory.mktemp("guest")
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder / "dist", GUEST]
    subprocess.run(build, check=True, capture_output=True)
    venv.create(folder / "env", with_pip=False)
    (site,) = (folder / "env").glob("lib/*/site-packages")
    (site / "shared.pth").write_text(f"import site; site.addsitedir({sysconfig.get_path('purelib')!r})\n")
    python = folder / "env" / "bin" / "python"
    (wheel,) = (folder / "dist").glob("*.whl")
    pip = [sys.executable, "-m", "pip", "--python", python, "install", "--no-deps", "--no-index", wheel]
    subprocess.run(pip, check=True, capture_output=True)
    return python


@pytest.fixture(scope="module")
def recordings(python, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("recordings")
    code = f"from pathlib import Path; from wearable_steps.formats.wrist import write_recordings as w\n\
w(Path({str(folder)!r}), people=6, seed=4)"
    subprocess.run([python, "-c", code], check=True)
    return folder / "recordings.jsonl"


@pytest.fixture(scope="module")
def run(python, recordings, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("run")
    done = polyclinic(python, "run", "walking", "--set", f"source.path={recordings}", "--out", out)
    assert done.returncode == 0, done.stderr
    return out


def polyclinic(python: Path, *words: object) -> subprocess.CompletedProcess[str]:
    command = [str(python), "-m", "polyclinic.cli", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, env={**os.environ, "COLUMNS": "200"}, check=False)


def test_the_guest_is_listed_beside_the_other_areas(python):
    listed = json.loads(polyclinic(python, "list", "--json").stdout)
    assert {"name": "effort", "area": "steps", "from": "wearable-steps"}.items() <= {
        k: v for row in listed["models"] if row["name"] == "effort" for k, v in row.items()
    }.items()


@pytest.mark.parametrize("name", ["effort", "walking", "wrist"])
def test_each_part_of_the_guest_keeps_its_contract(python, name):
    done = polyclinic(python, "check", name, "--json")
    assert [r for r in json.loads(done.stdout) if not r["passed"]] == []
    assert done.returncode == 0


def test_the_guest_runs_to_a_report(run):
    report = json.loads((run / "report.json").read_text())
    score = report["models"]["effort"]["walking"]["test"]["balanced-accuracy-of-steps"]
    assert 0.8 < score["low"] < score["value"] <= score["high"]
    assert report["cohort"]["groups"] == {"person": 6}
    assert "patient" not in (run / "report.html").read_text().lower()


def test_the_package_says_that_it_is_not_portable_and_repeats_the_study(python, run, recordings, tmp_path):
    out = tmp_path / "answers.parquet"
    done = polyclinic(python, "predict", run / "package", recordings, "--out", out)
    assert done.returncode == 0, done.stderr
    study = pl.read_parquet(run / "predictions.parquet").filter(pl.col("fold") == "package")
    again = pl.read_parquet(out)
    gap = study["probabilities"].explode() - again["probabilities"].explode()
    assert again["row_id"].to_list() == study["row_id"].to_list()
    assert gap.abs().max() <= 1e-6
    assert json.loads((run / "report.json").read_text())["package"]["portable"] is False


def test_without_the_guest_its_package_is_refused_with_the_line_that_installs_it(run, recordings):
    done = polyclinic(Path(sys.executable), "predict", run / "package", recordings)
    assert done.returncode == 3
    assert "pip install 'wearable-steps==1.0.0'" in done.stderr
