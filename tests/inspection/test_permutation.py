"""Inputs that a model relies on lose it its score when they come from other patients."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from polyclinic.inspection.permutation import InputGroup, exchanged, input_groups, other_groups, permutation_importance
from polyclinic.models.gbm import Gbm
from polyclinic.models.model import Session
from polyclinic.outcomes.binary import Binary
from polyclinic.samples import Dense, Ragged
from polyclinic.samples.splits import Split, split
from polyclinic.training.loop import fit


@pytest.fixture(scope="module")
def fitted():
    """A model of the planted rows, whose first number and newest `level` both tell the answer, and a useless column."""
    samples = Binary().planted(600, 0)
    noise = Dense(np.random.default_rng(1).normal(size=(600, 1)).astype(np.float32), ("noise",))
    samples = samples.with_column("noise", noise, "input")
    folds = split(samples, Split(folds=2), 0)
    fits = [
        (fit(Gbm(rounds=30), samples.take(f.train), samples.take(f.validation), Binary(), Session(seed=0)), f)
        for f in folds
    ]
    return samples, fits


def test_what_tells_the_answer_is_important_and_what_does_not_is_not(fitted):
    samples, fits = fitted
    importance = permutation_importance(fits, samples, Binary(), groups=samples.groups["subject"])
    losses = {one.inputs: one.loss for one in importance}
    assert importance[0].inputs in ("x", "level")
    assert importance[0].loss.low > 0.02
    assert losses["noise"].low is None or losses["noise"].low < 0.01
    assert [one.loss.value for one in importance] == sorted((one.loss.value for one in importance), reverse=True)


def uses_of(fits, samples):
    """Name of the inputs → whether they are used."""
    importance = permutation_importance(fits, samples, Binary(), groups=samples.groups["subject"])
    return {one.inputs: one.use for one in importance}, {one.inputs: one.loss for one in importance}


def test_inputs_that_came_after_the_fit_are_said_not_to_be_read(fitted):
    samples, fits = fitted
    later = Dense(np.random.default_rng(2).normal(size=(600, 1)).astype(np.float32), ("later",))
    uses, losses = uses_of(fits, samples.with_column("later", later, "input"))
    assert (uses["later"], losses["later"].value, losses["later"].low) == ("not read", 0.0, None)
    assert uses["x"] == "used"


def test_a_code_that_the_model_leaves_out_is_exchanged_and_still_not_read():
    samples = Binary().planted(400, 0)
    column = samples.columns["events"]
    levels = ("level", *(f"NOISE{n}//a" for n in range(5)), "RARE//a")
    code = np.where(column.values["code"] == 0, 0, 1 + np.arange(len(column.values["code"])) % 5)
    code[column.start[:2]] = len(levels) - 1
    rare = replace(column, values={**column.values, "code": code}, levels={"code": levels})
    samples = samples.with_column("events", rare, "input")
    (fold, _) = split(samples, Split(folds=2), 0)
    fold = replace(fold, test=np.union1d(fold.test, [0, 1]))
    fitted = fit(Gbm(rounds=5), samples.take(fold.train), samples.take(fold.validation), Binary(), Session(seed=0))
    uses, _ = uses_of([(fitted, fold)], samples)
    assert uses["RARE//a"] == "not read"
    assert uses["level"] == "used"


def test_the_same_seed_gives_the_same_importance(fitted):
    samples, fits = fitted
    one, again = (permutation_importance(fits, samples, Binary(), groups=samples.groups["subject"]) for _ in range(2))
    assert one == again


def events(*codes):
    """One event of each code."""
    values = {"code": np.arange(len(codes)), "time": np.arange(len(codes)), "value": np.zeros(len(codes), np.float32)}
    column = Ragged(np.array([0]), np.array([len(codes)]), values, {"code": (*codes, "unused")})
    return Binary().planted(1, 0).with_column("events", column, "input")


def test_codes_that_begin_alike_are_one_group_of_inputs_where_there_are_many():
    labs, vitals = [f"LAB//{n}" for n in range(20)], ["VITAL//map", "VITAL//spo2"]
    dense, *timed = input_groups(events(*labs, *vitals))
    assert dense == InputGroup("x", "x")
    assert timed[0] == InputGroup("LAB", "events", tuple(range(20)))
    assert timed[1:] == [InputGroup("VITAL//map", "events", (20,)), InputGroup("VITAL//spo2", "events", (21,))]


def test_there_are_no_more_groups_than_a_reader_takes_in():
    assert len(input_groups(events(*(f"KIND{n}//a" for n in range(40))))) == 16


def test_events_of_one_code_change_places_and_stay_as_old_as_they_were():
    hour = 3_600_000_000
    values = {
        "code": np.array([0, 1, 0, 0]),
        "time": np.array([1, 2, 11, 12]) * hour,
        "value": np.array([1.0, 2.0, 3.0, 4.0], np.float32),
    }
    column = Ragged(np.array([0, 2]), np.array([2, 4]), values, {"code": ("a", "b")})
    index = np.array([3 * hour, 13 * hour]).astype("datetime64[us]")
    swapped = exchanged(column, (0,), np.array([1, 0]), index)
    assert [row.tolist() for row in swapped.rows("value")] == [[3.0, 2.0, 4.0], [1.0]]
    assert [(row // hour).tolist() for row in swapped.rows("time")] == [[1, 2, 2], [11]]


def test_each_row_gets_the_inputs_of_another_patient():
    groups = np.repeat(np.arange(20), 5)
    other = other_groups(groups, np.random.default_rng(0))
    assert sorted(other) == list(range(100))
    assert (groups[other] != groups).all()
