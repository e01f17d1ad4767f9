"""The limits of a package: hardly a row of the study lies outside, and what is far from all of them does."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polyclinic import notes
from polyclinic.packages.limits import InputLimits, Limits, limits_of
from polyclinic.packages.package import ModelPackage
from polyclinic.packages.predict import predict
from polyclinic.reports.report import Report
from polyclinic.samples import Dense, Ragged, Samples


def samples(**columns) -> Samples:
    size = len(next(iter(columns.values())))
    return Samples(np.arange(size), columns, dict.fromkeys(columns, "input"))


def dense(values) -> Dense:
    return Dense(np.asarray(values, np.float32).reshape(len(values), -1))


def events(rows: list[list[tuple[int, float]]], levels=("HR", "MAP")) -> Ragged:
    stop = np.cumsum([len(row) for row in rows])
    start = np.concatenate([[0], stop[:-1]]).astype(np.int64)
    code = np.array([code for row in rows for code, _ in row], np.int32)
    value = np.array([value for row in rows for _, value in row], np.float32)
    return Ragged(start, stop, {"code": code, "value": value}, {"code": levels})


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 1000),
    rows=st.integers(1, 900),
    kind=st.sampled_from(["normal", "lognormal", "standard_cauchy", "zeros"]),
    width=st.integers(1, 5),
)
def test_under_one_per_cent_of_validation_rows_lie_outside_whatever_the_values(seed, rows, kind, width):
    rng = np.random.default_rng(seed)
    draw = (lambda size: np.zeros(size)) if kind == "zeros" else lambda size: getattr(rng, kind)(size=size)
    train, validation = (samples(**{f"x{i}": dense(draw(rows)) for i in range(width)}) for _ in range(2))
    outside = limits_of(train, validation).outside_of(validation)
    assert sum(names is not None for names in outside) < 0.01 * rows or not any(outside)


def test_what_is_far_from_every_row_is_named_and_what_is_missing_is_not():
    rng = np.random.default_rng(0)
    age, speed = rng.integers(18, 95, 2000), rng.normal(5, 1, 2000)
    limits = limits_of(samples(age=dense(age), speed=dense(speed)), samples(age=dense(age), speed=dense(speed)))
    asked = samples(age=dense([5, 50, np.nan, 40]), speed=dense([5, 97, 5, np.nan]))
    assert limits.outside_of(asked) == ["age", "speed", None, None]


def test_no_bound_is_the_extreme_of_a_single_row():
    values = np.append(np.random.default_rng(1).normal(0, 1, 999), 7.123456)
    ((low, high),) = limits_of(samples(x=dense(values)), samples(x=dense(values))).inputs["x"].ranges.values()
    assert not np.isclose(np.array([low, high])[:, None], values.astype(np.float32)[None]).any()


def test_events_are_bounded_code_by_code_and_by_their_number():
    rng = np.random.default_rng(2)
    rows = [[(0, rng.normal(80, 5)), (1, rng.normal(65, 5))] for _ in range(800)]
    usual = samples(events=events(rows))
    limits = limits_of(usual, usual)
    assert set(limits.inputs["events"].ranges) == {"HR", "MAP"}
    asked = [[(0, 80), (1, 400)], [(0, 80), (1, 60)], [(0, np.nan)], [(0, 80)] * 90]
    assert limits.outside_of(samples(events=events(asked))) == ["MAP", None, None, "number of events"]
    # The levels of a live question are those of its own events, in an order of their own.
    live = samples(events=events([[(1, 80), (0, 400)]], levels=("MAP", "HR", "NEW")))
    assert limits.outside_of(live) == ["MAP"]


def test_at_most_64_fields_are_bounded_the_most_used_first():
    rng = np.random.default_rng(3)
    columns = {f"x{i}": dense(np.where(rng.random(100) < i / 100, np.nan, rng.normal(size=100))) for i in range(80)}
    inputs = limits_of(samples(**columns), samples(**columns)).inputs
    bounded = [name for name, one in inputs.items() if one.ranges]
    assert len(bounded) == 64
    assert set(bounded) > {f"x{i}" for i in range(40)}


def test_a_flag_that_was_never_set_is_no_bound():
    never = samples(flag=dense(np.zeros(100)))
    assert limits_of(never, never).outside_of(samples(flag=dense([1, 0, 2]))) == [None, None, "flag"]


@pytest.fixture
def odd_rows(finished: Report) -> pl.DataFrame:
    """Four rows of the study; the second has an age that nobody has."""
    rows = pl.read_parquet(finished.folder / "source.parquet").drop("died").head(4)
    return rows.with_columns(age=pl.when(pl.int_range(pl.len()) == 1).then(400).otherwise("age"))


def test_a_prediction_names_what_lies_outside_and_counts_it_on_screen(finished: Report, odd_rows: pl.DataFrame) -> None:
    with notes.collection() as noted:
        found = predict(finished.package, odd_rows)
    assert found["outside"].to_list() == [None, "age", None, None]
    assert found["refused"].null_count() == 4
    assert found["predicted_boolean_probability"].null_count() == 0
    assert [(n.check, n.result) for n in noted] == [("inputs outside the package's limits", "1 of 4 rows (age 1)")]


def test_a_study_may_ask_that_such_a_row_is_refused(finished: Report, odd_rows: pl.DataFrame) -> None:
    package = ModelPackage.open(finished.package)
    strict = replace(package, limits=replace(package.limits, outside="refuse"))
    found, usual = predict(strict, odd_rows), predict(package, odd_rows)
    assert found["refused"].to_list() == [None, "outside the limits of the package: age", None, None]
    assert found["predicted_boolean_probability"].is_null().to_list() == [False, True, False, False]
    answered = found["refused"].is_null()
    assert found.filter(answered).drop("refused").equals(usual.filter(answered).drop("refused"))


def test_the_file_of_limits_is_what_was_learned(finished: Report) -> None:
    stored = json.loads((Path(finished.package) / "limits.json").read_text())
    assert stored["outside"] == "warn"
    assert ModelPackage.open(finished.package).limits.inputs["age"].ranges["age"] == tuple(
        stored["inputs"]["age"]["ranges"]["age"]
    )


def test_columns_that_are_not_there_are_not_outside():
    limits = Limits(rows=1, inputs={"gone": InputLimits(kind="dense", present=1.0, ranges={"0": (0.0, 1.0)})})
    assert limits.outside_of(samples(x=dense([5.0]))) == [None]
