"""A study of times to an event of two causes, from a small table to its package and its page."""

from __future__ import annotations

import json

import numpy as np
import polars as pl
import pytest

import polyclinic
from polyclinic.packages.predict import predict
from polyclinic.samples.frames import write_table

ROWS = 400


@pytest.fixture(scope="module")
def table():
    """Two causes: the hazard of relapse follows x0, that of death x1; a third of the rows is censored."""
    rng = np.random.default_rng(3)
    x = rng.normal(size=(ROWS, 3))
    relapse = rng.exponential(size=ROWS) * np.exp(-1.2 * x[:, 0]) * 400
    death = rng.exponential(size=ROWS) * np.exp(-1.2 * x[:, 1]) * 600
    censored = rng.uniform(50, 1500, size=ROWS)
    every = np.stack([censored, relapse, death])
    event = pl.Series("ended", np.array(["in touch", "relapse", "death"])[every.argmin(axis=0)])
    sex = np.where(rng.random(ROWS) < 0.5, "F", "M")
    frame = pl.DataFrame(x, [f"x{j}" for j in range(3)])
    return frame.with_columns(event, patient=np.arange(ROWS) // 2, sex=pl.Series(sex), followed=every.min(axis=0))


@pytest.fixture(scope="module")
def study(table):
    return {
        "name": "relapse or death",
        "source": {"frame": table},
        "target": {
            "kind": "time_to_event",
            "time": "followed",
            "event": "ended",
            "causes": ["relapse", "death"],
            "censored": "in touch",
            "unit": "days",
            "bins": 5,
            "horizons": [100, 300],
        },
        "split": {"separate": ["patient"], "folds": 2},
        "models": [{"gbm": {"rounds": 20}}],
        "baselines": ["naive", "linear"],
        "evaluation": {"subgroups": ["sex"]},
        "gates": {"better_than": "naive", "min": {"uno_c": 0.6}},
    }


@pytest.fixture(scope="module")
def run(study, tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    polyclinic.run(study, out=folder)
    return folder


@pytest.fixture(scope="module")
def report(run):
    return json.loads((run / "report.json").read_text(encoding="utf-8"))


def test_every_model_orders_rows_of_both_causes(report):
    for model in ("gbm", "linear"):
        scores = report["models"][model]["time_to_event"]["test"]
        assert all(scores[f"uno_c//{cause}"]["value"] > 0.6 for cause in ("relapse", "death"))
    assert report["models"]["naive"]["time_to_event"]["test"]["uno_c"]["value"] == 0.5
    assert {gate["state"] for gate in report["gates"]} == {"passed"}


def test_the_naive_and_the_linear_answer_are_those_of_the_outcome(run):
    fits = {path.name for path in run.rglob("model.json")}
    named = {json.loads(path.read_text(encoding="utf-8"))["model"] for path in run.rglob("model.json")}
    assert fits
    assert {"kaplan-meier", "cox"} <= named
    assert not {"naive", "linear"} & named


def test_neither_time_nor_event_is_an_input(run):
    recipe = next(run.rglob("recipe.json")).read_text(encoding="utf-8")
    uses = [inputs["table"]["use"] for inputs in find(json.loads(recipe), "inputs") if "table" in inputs]
    assert uses
    assert all(not {"followed", "ended"} & set(use) for use in uses)


def find(document, key):
    """Every value of a key, at any depth."""
    if isinstance(document, dict):
        here = [document[key]] if key in document else []
        return here + [value for part in document.values() for value in find(part, key)]
    return [value for part in document for value in find(part, key)] if isinstance(document, list) else []


def test_scores_say_their_horizon_and_the_time_that_they_are_over(report):
    measures = report["measures"]["time_to_event"]
    assert measures["auroc@300"]["title"] == "AUROC at 300 days"
    assert measures["brier@100//death"]["better"] == "low"
    assert measures["uno_c"]["title"].startswith("Uno's C until ")
    chance = measures["integrated_brier"]["chance"]
    assert report["models"]["naive"]["time_to_event"]["test"]["integrated_brier"]["value"] == pytest.approx(
        chance, abs=0.01
    )


def test_the_page_shows_risk_groups_causes_and_calibration(run, report):
    (section,) = [s for s in report["sections"] if s["kind"] == "survival"]
    results = section["outcomes"]["time_to_event"]
    assert [group["name"] for group in results["groups"]] == ["low risk", "middle risk", "high risk"]
    low, _, high = (group["observed"] for group in results["groups"])
    middle = results["times"].index(100)
    assert low[middle] < high[middle]
    assert sum(group["rows"] for group in results["groups"]) == ROWS
    assert {cause["name"] for cause in results["causes"]} == {"relapse", "death"}
    assert {(c["horizon"], c["cause"]) for c in results["calibration"]} == {
        (at, cause) for at in (100, 300) for cause in ("relapse", "death")
    }
    page = next(run.glob("*.html")).read_text(encoding="utf-8")
    for words in ("Free of any event, by predicted risk", "Cumulative incidence of each cause", "at risk at"):
        assert words in page


def test_the_package_answers_for_rows_without_a_target(run, table):
    answers = predict(next(run.glob("package*")), table.drop("followed", "ended").head(5))
    survival = np.array(answers["survival"].to_list())
    both = sum(np.array(answers[f"incidence//{cause}"].to_list()) for cause in ("relapse", "death"))
    assert (np.diff(survival, axis=1) <= 1e-12).all()
    assert np.allclose(survival, 1 - both)
    assert answers["times"][0].to_list()[-1] > 300


@pytest.mark.parametrize("ending", ["parquet", "csv"])
def test_predictions_made_elsewhere_are_judged_alike(run, report, tmp_path, ending):
    own = pl.read_parquet(run / "predictions.parquet").filter(pl.col("model") == "linear", pl.col("fold") != "package")
    own = own.filter(pl.col("split") == "test")
    names = ["row_id", "times", "survival", "incidence//relapse", "incidence//death", "event_time", "event"]
    write_table(own.select(names), tmp_path / f"theirs.{ending}")
    polyclinic.evaluate(tmp_path / f"theirs.{ending}", outcome="time_to_event", out=tmp_path / "out")
    theirs = json.loads((tmp_path / "out" / "report.json").read_text(encoding="utf-8"))
    (scores,) = [model["time_to_event"]["test"] for model in theirs["models"].values()]
    for name in ("uno_c", "integrated_brier//death"):
        assert scores[name]["value"] == pytest.approx(
            report["models"]["linear"]["time_to_event"]["test"][name]["value"], abs=1e-6
        )
    assert [s["kind"] for s in theirs["sections"]].count("survival") == 1
