"""The choice of a model, for each fold by other groups, and what choosing costs."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit
from sklearn import metrics
from tests.evaluation.test_evaluator import SAMPLES, SCORES, evaluated, table

from polyclinic.evaluation.choosing import best, best_by_fold, chosen_and_nested, chosen_rows
from polyclinic.outcomes.binary import Binary

MODELS = ["deep", "flat", "noise"]


def rows_of(seed: int = 0, folds: int = 4, rows: int = 240) -> pl.DataFrame:
    """Two models of like strength; the validation rows of a fold are the test rows of the next."""
    rng = np.random.default_rng(seed)
    truth = rng.normal(size=rows)
    y = rng.random(rows) < expit(truth)
    fold = np.arange(rows) % folds
    parts = []
    for model in ("a", "b"):
        p = expit(truth + rng.normal(size=rows))
        for split, number in (("test", fold), ("validation", (fold - 1) % folds)):
            columns = {"row_id": np.arange(rows), "fold": number.astype(str), "predicted_boolean_probability": p}
            parts.append(pl.DataFrame(columns).with_columns(boolean_value=pl.Series(y), model=pl.lit(model)))
            parts[-1] = parts[-1].with_columns(split=pl.lit(split))
    return pl.concat(parts)


@given(st.integers(0, 50), st.integers(0, 3), st.randoms(use_true_random=False))
@settings(max_examples=25, deadline=None)
def test_permuting_the_labels_of_a_test_fold_does_not_change_its_choice(seed, number, random):
    rows = rows_of(seed)
    tested = rows.filter(split="test", fold=str(number), model="a")
    labels = tested["boolean_value"].to_list()
    random.shuffle(labels)
    turned = rows.join(tested.select("row_id", turned=pl.Series(labels)), on="row_id", how="left")
    turned = turned.with_columns(boolean_value=pl.coalesce("turned", "boolean_value"))
    before, after = (best_by_fold(r, ["a", "b"], Binary()) for r in (rows, turned))
    assert before[str(number)] == after[str(number)]


def test_the_choices_of_folds_differ_where_models_are_of_like_strength():
    assert any(len(set(best_by_fold(rows_of(seed), ["a", "b"], Binary()).values())) == 2 for seed in range(20))


def test_a_fold_chooses_by_the_validation_rows_of_the_others():
    rows = rows_of(3)
    for fold, chosen in best_by_fold(rows, ["a", "b"], Binary()).items():
        own = rows.filter(split="test", fold=fold)["row_id"].unique()
        outside = rows.filter(pl.col("split") == "validation", ~pl.col("row_id").is_in(own.implode()))
        auroc = {
            model: metrics.roc_auc_score(some["boolean_value"], some["predicted_boolean_probability"])
            for (model,), some in outside.group_by("model")
        }
        assert chosen == max(auroc, key=auroc.__getitem__)


def test_nested_rows_are_each_folds_own_choice():
    rows = rows_of()
    frames = {m: rows.filter(model=m, split="test").sort("row_id", "fold") for m in ("a", "b")}
    choices = {"0": "a", "1": "b", "2": "a", "3": "b"}
    nested = chosen_rows(frames, choices)
    assert nested["row_id"].to_list() == frames["a"]["row_id"].to_list()
    assert [choices[fold] for fold in nested["fold"]] == nested["model"].to_list()


def test_without_folds_or_validation_rows_nothing_is_chosen_anew():
    rows = rows_of()
    assert best_by_fold(rows.filter(split="test"), ["a", "b"], Binary()) == {}
    assert best_by_fold(rows_of(folds=1), ["a", "b"], Binary()) == {}
    assert chosen_and_nested(rows, "a", {}, Binary()) is None


def test_the_report_says_how_much_choosing_flatters():
    choices = {"0": "deep", "1": "flat", "2": "deep", "3": "flat", "4": "deep"}
    choosing = evaluated(choices=choices)["choosing"]["binary"]
    assert choosing["by_fold"] == choices
    frames = {m: table().filter(model=m, split="test").sort("row_id", "fold") for m in MODELS}
    nested = chosen_rows(frames, choices)
    expected = metrics.roc_auc_score(nested["boolean_value"], nested["predicted_boolean_probability"])
    assert choosing["nested"]["auroc"]["value"] == pytest.approx(expected)
    plain = evaluated()["models"]["deep"]["binary"]["test"]["auroc"]["value"]
    assert choosing["optimism"]["auroc"]["value"] == pytest.approx(plain - expected)
    assert choosing["optimism"]["auroc"]["low"] is not None
    assert chosen_and_nested(table(), "deep", choices, Binary()) == pytest.approx((plain, expected))


def test_where_every_fold_chooses_alike_choosing_flatters_by_nothing():
    choices = best_by_fold(table(), MODELS, Binary())
    assert set(choices.values()) == {"deep"}
    assert best(table(), MODELS, Binary()) == "deep"
    optimism = evaluated(choices=choices)["choosing"]["binary"]["optimism"]
    assert {score: estimate["value"] for score, estimate in optimism.items()} == dict.fromkeys(SCORES, 0.0)
    assert "choosing" in evaluated()
    assert evaluated()["choosing"] == {}
    assert len(SAMPLES) == 600
