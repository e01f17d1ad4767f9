"""A study of a number, from a small table to its package, its page and predictions made elsewhere."""

from __future__ import annotations

import json

import numpy as np
import polars as pl
import pytest

import polyclinic
from polyclinic.errors import BadData
from polyclinic.evaluation.predictions import read
from polyclinic.outcomes.number import Number
from polyclinic.packages.predict import predict
from polyclinic.samples.frames import of_lists, write_table


@pytest.fixture(scope="module")
def table():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(400, 4))
    y = 70 + 10 * x[:, 0] + 3 * rng.normal(size=400)
    text = [None if i % 20 == 0 else "<55" if v < 55 else f"{v:.4f}" for i, v in enumerate(y)]
    sex = np.where(rng.random(400) < 0.5, "F", "M")
    frame = pl.DataFrame(x, [f"x{j}" for j in range(4)])
    return frame.with_columns(patient=np.arange(400) // 2, sex=pl.Series(sex), pressure=pl.Series(text))


@pytest.fixture(scope="module")
def run(table, tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    study = {
        "name": "pressure",
        "source": {"frame": table},
        "target": {"column": "pressure", "kind": "number", "unit": "mmHg"},
        "split": {"separate": ["patient"], "folds": 3},
        "models": [{"gbm": {"rounds": 60}}],
        "baselines": ["naive", "linear"],
        "evaluation": {"subgroups": ["sex"]},
        "gates": {"better_than": "naive", "min": {"mae": 5}, "within": {"coverage": [0.8, 1.0]}},
        "report": {"show_cases": True},
    }
    polyclinic.run(study, out=folder)
    return folder


@pytest.fixture(scope="module")
def report(run):
    return json.loads((run / "report.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def section(report):
    (own,) = [s for s in report["sections"] if s["kind"] == "numbers"]
    return own["outcomes"]["number"]


def test_every_model_learns_the_number_and_its_interval(report):
    for model in ("gbm", "linear"):
        scores = report["models"][model]["number"]["test"]
        assert scores["mae"]["value"] < 4.5
        assert scores["r2"]["low"] > 0.6
        assert 0.8 < scores["coverage"]["value"] < 0.98
    naive = report["models"]["naive"]["number"]["test"]
    assert naive["mae"]["value"] > 6
    assert naive["r2"]["value"] < 0.05


def test_intervals_are_shown_before_and_after_with_their_width(section):
    for versions in section["coverage"].values():
        assert set(versions) == {"before", "after"}
    assert (section["unit"], section["wanted"]) == ("mmHg", 0.9)
    assert sum(band["rows"] for band in section["bands"]) == 380


def test_single_rows_are_drawn_only_where_the_study_says_so(run, section, tmp_path):
    assert len(section["points"]) == 380
    own = pl.read_parquet(run / "predictions.parquet").filter(split="test", model="linear")
    columns = ("row_id", "predicted_numeric_value", "quantiles", "numeric_value", "numeric_bound")
    write_table(own.filter(pl.col("fold") == "0").select(columns), tmp_path / "mine.csv")
    outside = polyclinic.evaluate(tmp_path / "mine.csv", outcome="number", out=tmp_path / "out").document
    (shown,) = [s for s in outside.sections if s.kind == "numbers"]
    assert shown.outcomes["number"].points == []
    assert shown.outcomes["number"].bands


def test_the_page_names_the_unit_on_its_axes(run):
    page = (run / "report.html").read_text(encoding="utf-8")
    assert "observed (mmHg)" in page
    assert "prediction less truth (mmHg)" in page


def test_the_package_repeats_the_answers_of_the_study(run, table):
    answers = predict(run / "package", table)
    kept = pl.read_parquet(run / "predictions.parquet").filter(fold="package").sort("row_id")
    low, high = of_lists(answers["quantiles"], 2).T
    centre = answers["predicted_numeric_value"].to_numpy()
    assert ((low <= centre) & (centre <= high)).all()
    some = answers.filter(pl.col("row_id").is_in(kept["row_id"].implode())).sort("row_id")
    chosen = kept.filter(pl.col("model") == kept["model"][0])
    if some.height == chosen.height:
        np.testing.assert_allclose(
            some["predicted_numeric_value"].to_numpy(), chosen["predicted_numeric_value"].to_numpy(), rtol=1e-6
        )


@pytest.fixture
def elsewhere():
    rng = np.random.default_rng(1)
    truth = rng.normal(50, 9, 60)
    answer = truth + rng.normal(0, 2, 60)
    return pl.DataFrame({"case": np.arange(60), "predicted_numeric_value": answer}), pl.DataFrame(
        {"case": np.arange(60), "numeric_value": [f"{v:.6f}" for v in truth[:-1]] + ["<20"]}
    )


@pytest.mark.parametrize("form", ["csv", "parquet"])
@pytest.mark.parametrize("ends", ["list", "columns", "none"])
def test_predictions_made_elsewhere_are_scored(tmp_path, elsewhere, form, ends):
    answers, truth = elsewhere
    middle = pl.col("predicted_numeric_value")
    if ends == "list":
        answers = answers.with_columns(quantiles=pl.concat_list(middle - 4, middle + 4))
    if ends == "columns":
        answers = answers.with_columns(interval_low=middle - 4, interval_high=middle + 4)
    write_table(answers, tmp_path / f"a.{form}")
    write_table(truth, tmp_path / f"t.{form}")
    of_files = read(tmp_path / f"a.{form}", tmp_path / f"t.{form}", None, Number, ())
    names = {measure.name for measure in of_files.outcome.measures}
    assert ("coverage" in names) == (ends != "none")
    assert of_files.table["numeric_bound"].to_list()[-1] == "<"
    assert set(of_files.outcome.scores(of_files.table)) == names


def test_truth_beside_the_predictions_is_scored_too(tmp_path, elsewhere):
    answers, truth = elsewhere
    both = answers.join(truth.head(59).cast({"numeric_value": pl.Float64}), on="case").rename({"case": "row_id"})
    write_table(both, tmp_path / "a.parquet")
    assert read(tmp_path / "a.parquet", None, None, Number, ()).table["numeric_value"].count() == 59


def test_an_interval_with_ends_in_the_wrong_order_is_refused(tmp_path, elsewhere):
    answers, truth = elsewhere
    middle = pl.col("predicted_numeric_value")
    write_table(answers.with_columns(quantiles=pl.concat_list(middle + 1, middle - 1)), tmp_path / "a.parquet")
    write_table(truth, tmp_path / "t.parquet")
    with pytest.raises(BadData, match="60 rows have an interval without two ends in order"):
        read(tmp_path / "a.parquet", tmp_path / "t.parquet", None, Number, ())


def test_another_truth_in_the_predictions_is_refused(tmp_path, elsewhere):
    answers, truth = elsewhere
    write_table(answers.with_columns(numeric_value=pl.lit(1.0)), tmp_path / "a.parquet")
    write_table(truth.head(59).cast({"numeric_value": pl.Float64}), tmp_path / "t.parquet")
    with pytest.raises(BadData, match="another truth in the predictions than in the labels"):
        read(tmp_path / "a.parquet", tmp_path / "t.parquet", None, Number, ())
