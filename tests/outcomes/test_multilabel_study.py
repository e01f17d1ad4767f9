"""A study of several labels a row, from a small table to its package and its page."""

from __future__ import annotations

import json

import numpy as np
import polars as pl
import pytest

import polyclinic
from polyclinic.errors import BadData
from polyclinic.outcomes.multilabel import Multilabel
from polyclinic.packages.predict import predict
from polyclinic.samples.frames import lists_of_text, of_lists, write_table

LABELS = ["liver", "heart", "skin"]


@pytest.fixture(scope="module")
def table():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 4))
    y = (x[:, :3] + 0.7 * rng.normal(size=(300, 3)) > 0.4).astype(float)
    y[rng.random(y.shape) < 0.2] = np.nan
    frame = pl.DataFrame(x, [f"x{j}" for j in range(4)])
    sex = np.where(rng.random(300) < 0.5, "F", "M")
    frame = frame.with_columns(patient=np.arange(300) // 2, sex=pl.Series(sex))
    return frame.with_columns(pl.Series(name, y[:, j]).fill_nan(None) for j, name in enumerate(LABELS))


@pytest.fixture(scope="module")
def run(table, tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    study = {
        "name": "organs",
        "source": {"frame": table},
        "target": {"columns": LABELS, "kind": "multilabel", "k": 1},
        "split": {"separate": ["patient"], "folds": 2},
        "models": [{"gbm": {"rounds": 30}}],
        "baselines": ["naive", "linear"],
        "evaluation": {"operating_point": {}, "subgroups": ["sex"]},
        "gates": {"better_than": "naive", "min": {"macro_auroc": 0.7}},
    }
    polyclinic.run(study, out=folder)
    return folder


@pytest.fixture(scope="module")
def report(run):
    return json.loads((run / "report.json").read_text(encoding="utf-8"))


def test_every_model_learns_every_label_though_many_are_missing(report):
    for model in ("gbm", "linear"):
        scores = report["models"][model]["multilabel"]["test"]
        assert all(scores[f"auroc//{label}"]["value"] > 0.75 for label in LABELS)
        assert scores["macro_auroc"]["low"] > 0.7
    assert report["models"]["naive"]["multilabel"]["test"]["macro_auroc"]["value"] == 0.5
    assert {gate["state"] for gate in report["gates"]} == {"passed"}
    assert report["measures"]["multilabel"]["recall_at_k"]["title"] == "Recall at 1"


def test_no_label_is_an_input(run):
    recipe = json.loads((run / "package" / "recipe.json").read_text(encoding="utf-8"))
    used = json.dumps(recipe["question"]["inputs"])
    assert not any(label in used for label in LABELS)
    assert "x0" in used


def test_the_package_answers_as_the_table_says_and_needs_no_label(run, table, tmp_path):
    own = pl.read_parquet(run / "predictions.parquet").filter(fold="package").sort("row_id")
    answers = predict(run / "package", table.drop(LABELS), out=tmp_path / "answers.csv")
    repeated, stored = (of_lists(frame["probabilities"], 3) for frame in (answers, own))
    assert answers.height == table.height
    np.testing.assert_allclose(repeated[own["row_id"].to_numpy()], stored, atol=1e-6)
    assert answers["labels"][0].to_list() == LABELS
    written = pl.read_csv(tmp_path / "answers.csv")["probabilities"]
    np.testing.assert_allclose(of_lists(lists_of_text(written, pl.List(pl.Float64())), 3), repeated)


def test_the_report_shows_each_label_with_what_is_known_of_it(report, table, run):
    (section,) = [s for s in report["sections"] if s["kind"] == "label_table"]
    for entry in section["labels"]["multilabel"]:
        assert entry["known"] == table[entry["label"]].count()
        assert entry["positive"] == table[entry["label"]].sum()
        assert 0 < entry["threshold"] < 1
    page = (run / "report.html").read_text(encoding="utf-8")
    assert "Label by label" in page
    assert "By label, its AUROC runs from" in report["finding"]
    assert report["package"]["decision"].startswith("A threshold for each label")
    assert {s["level"] for s in report["subgroups"]} == {"F", "M"}
    assert all(set(s["in_use"]) >= {"observed_expected", "sensitivity"} for s in report["subgroups"])


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_predictions_made_elsewhere_get_the_same_scores(run, report, tmp_path, ending):
    own = pl.read_parquet(run / "predictions.parquet").filter(fold="0", split="test", model="linear")
    file = tmp_path / f"mine.{ending}"
    write_table(own.select("row_id", "labels", "probabilities", "boolean_values"), file)
    outside = polyclinic.evaluate(file, outcome="multilabel", out=tmp_path / "out").document
    scores = outside.models["mine"]["multilabel"].test
    expected = report["models"]["linear"]["multilabel"]["folds"][0]
    for name in ("macro_auroc", "micro_auprc", "auroc//heart"):
        assert scores[name].value == pytest.approx(expected[name]["value"])


def test_lists_of_other_lengths_are_refused_with_their_column(tmp_path):
    high = {"labels": [LABELS], "probabilities": [[0.1, 7.0, 0.3]], "boolean_values": [[True, False, None]]}
    with pytest.raises(BadData, match="1 entries of 'probabilities' are no number from 0 to 1"):
        Multilabel.of_table(pl.DataFrame(high))
    bad = pl.DataFrame(
        {"labels": [LABELS] * 2, "probabilities": [[0.1, 0.2, 0.3], [0.5]], "boolean_values": [[True, False, True]] * 2}
    )
    bad.write_parquet(tmp_path / "mine.parquet")
    with pytest.raises(BadData, match="1 lists of the column 'probabilities' do not have 3 entries"):
        polyclinic.evaluate(tmp_path / "mine.parquet", outcome="multilabel", out=tmp_path / "out")
