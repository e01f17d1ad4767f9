"""What scores the rows of a test fold is learned from other groups; what ships is learned from all."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.special import expit
from tests.deaths import patients, study

from polyclinic.errors import BadData
from polyclinic.evaluation.settings import Evaluation
from polyclinic.outcomes.binary import Binary
from polyclinic.outcomes.raw import Raw
from polyclinic.samples import Dense, Samples
from polyclinic.samples.splits import Fold, Split, split
from polyclinic.studies.fits import FoldFit
from polyclinic.studies.run import run
from polyclinic.studies.tuning import Tuned, check_labels, tune

FOLDS = 4
PLAN: Any = SimpleNamespace(evaluation=Evaluation(operating_point={"specificity": 0.8}))
CANDIDATE: Any = SimpleNamespace(name="deep")


def rows(seed: int = 0) -> tuple[Samples, np.ndarray]:
    """480 rows of 120 patients, and probabilities that are too high and too extreme for them."""
    rng = np.random.default_rng(seed)
    truth = rng.normal(-1, 1.2, 480)
    y = (rng.random(480) < expit(truth)).astype(np.float32)
    samples = Samples(np.arange(480), {"y": Dense(y)}, {"y": "target"}, {"subject": np.arange(480) // 4})
    return samples, expit(2 * truth + 0.8)


def fits_of(folder: Path, folds: list[Fold], probability: np.ndarray) -> list[FoldFit]:
    """Fold models that have answered already."""
    fits = []
    for number, fold in enumerate(folds):
        step: Any = SimpleNamespace(folder=folder / fold.name)
        step.folder.mkdir(parents=True, exist_ok=True)
        for part in ("validation", "test"):
            # every fold model answers a little differently
            np.save(step.folder / f"{part}.npy", probability[getattr(fold, part)][:, None] * (1 - 0.01 * number))
        fits.append(FoldFit(CANDIDATE, fold, step))
    return fits


def tuned(folder: Path, samples: Samples, probability: np.ndarray) -> Tuned:
    folds = split(samples, Split(folds=FOLDS), 1)
    return tune(PLAN, samples, fits_of(folder, folds, probability), Binary(), folder)


def of_fold(table: pl.DataFrame, fold: str) -> pl.DataFrame:
    """What was predicted for the test rows of a fold, without their labels."""
    return table.filter(fold=fold, split="test").drop("boolean_value").sort("row_id")


@given(st.integers(0, FOLDS - 1), st.randoms(use_true_random=False))
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_permuting_the_labels_of_a_test_fold_changes_nothing_that_scores_its_rows(tmp_path, number, random) -> None:
    samples, probability = rows()
    place = split(samples, Split(folds=FOLDS), 1)[number].test
    order = place.tolist()
    random.shuffle(order)
    y = np.array(samples.y)
    y[place] = y[order]
    turned = samples.with_column("y", Dense(y), "target")
    before, after = (tuned(tmp_path, s, probability) for s in (samples, turned))
    name = before.fits[number].fold.name
    assert before.by_fold[name] == after.by_fold[name]
    assert of_fold(before.table, name).equals(of_fold(after.table, name))


def test_the_labels_of_the_other_folds_do_change_it(tmp_path) -> None:
    samples, probability = rows()
    first, *_ = split(samples, Split(folds=FOLDS), 1)
    y = np.array(samples.y)
    others = np.setdiff1d(np.arange(480), first.test)
    y[others] = 1 - y[others]
    turned = samples.with_column("y", Dense(y), "target")
    before, after = (tuned(tmp_path, s, probability).by_fold["0"] for s in (samples, turned))
    assert before != after


def test_what_ships_is_learned_from_all_validation_answers(tmp_path) -> None:
    samples, probability = rows()
    candidate = tuned(tmp_path, samples, probability)
    place = np.concatenate([f.fold.validation for f in candidate.fits])
    answers = np.concatenate([f.answers("validation").values[:, 0] for f in candidate.fits])
    assert sorted(place) == list(range(480))
    truth = Binary().truth(samples.take(place))
    shipped = Binary().adjust(Raw(answers[:, None]), truth, samples.groups["subject"][place])
    assert shipped == candidate.settled.adjustment
    assert candidate.settled.decision not in [settled.decision for settled in candidate.by_fold.values()]


def test_an_alert_is_a_probability_at_or_above_the_threshold_of_its_own_fold(tmp_path) -> None:
    samples, probability = rows()
    candidate = tuned(tmp_path, samples, probability)
    alerts = candidate.table["predicted_boolean_probability"] >= candidate.table["threshold"]
    assert (alerts == candidate.table["predicted_boolean_value"]).all()
    for name, settled in candidate.by_fold.items():
        thresholds = candidate.table.filter(fold=name, split="test")["threshold"].unique()
        assert thresholds.to_list() == [settled.decision.value]


def test_a_validation_row_is_treated_as_the_test_row_that_it_is_in_another_fold(tmp_path) -> None:
    samples, probability = rows()
    table = tuned(tmp_path, samples, probability).table
    thresholds = table.group_by("row_id").agg(pl.col("threshold").n_unique())
    assert thresholds["threshold"].to_list() == [1] * 480


def test_the_operating_point_is_kept_on_the_rows_that_it_was_chosen_on(tmp_path) -> None:
    samples, probability = rows()
    candidate = tuned(tmp_path, samples, probability)
    validation = candidate.table.filter(split="validation", boolean_value=False)
    assert 1 - validation["predicted_boolean_value"].mean() == pytest.approx(0.8, abs=0.04)


def test_one_split_has_one_adjustment_and_it_ships(tmp_path) -> None:
    samples, probability = rows()
    folds = split(samples, Split(), 1)
    candidate = tune(PLAN, samples, fits_of(tmp_path, folds, probability), Binary(), tmp_path)
    assert candidate.by_fold["0"] == candidate.settled
    assert candidate.table["threshold"].n_unique() == 1


def test_a_fold_that_only_one_class_decides_for_is_refused_before_any_fit() -> None:
    samples, _ = rows()
    folds = split(samples, Split(folds=3), 1)
    y = np.zeros(480, np.float32)
    y[folds[0].test] = np.arange(len(folds[0].test)) % 2
    with pytest.raises(BadData, match="only negative rows in the"):
        check_labels(Binary(), samples.with_column("y", Dense(y), "target"), folds)


def test_a_fold_models_own_answers_do_not_depend_on_the_labels_of_its_test_rows(tmp_path) -> None:
    frame = patients(240)
    changed = {"models": ["logistic"], "baselines": [], "gates": {}}
    first = run(study(frame, **changed), out=tmp_path / "one").predictions().filter(fold="0", split="test")
    place = first["row_id"].to_list()
    died = frame["died"].to_numpy().copy()
    died[place] = died[place][::-1]
    assert not (died == frame["died"].to_numpy()).all()
    turned = frame.with_columns(died=pl.Series(died))
    second = run(study(turned, **changed), out=tmp_path / "two").predictions().filter(fold="0", split="test")
    for table in (first, second):
        assert table["row_id"].to_list() == place
    gap = (first["uncalibrated_probability"] - second["uncalibrated_probability"]).abs().max()
    assert gap < 1e-12
