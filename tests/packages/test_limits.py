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
def test_under_one_per_cent_of_the_rows_that_were_learned_from_lie_outside_whatever_the_values(seed, rows, kind, width):
    """Of the training rows as of the validation rows, which with two folds are a share of all."""
    rng = np.random.default_rng(seed)
    draw = (lambda size: np.zeros(size)) if kind == "zeros" else lambda size: getattr(rng, kind)(size=size)
    train, validation = (samples(**{f"x{i}": dense(draw(rows)) for i in range(width)}) for _ in range(2))
    limits = limits_of(train, validation)
    for part in (train, validation):
        outside = limits.outside_of(part)
        assert sum(names is not None for names in outside) < 0.01 * rows or not any(outside)


def test_what_is_far_from_every_row_is_named_and_what_no_row_lacked_where_it_is_missing():
    rng = np.random.default_rng(0)
    age, speed = rng.integers(18, 95, 2000), rng.normal(5, 1, 2000)
    limits = limits_of(samples(age=dense(age), speed=dense(speed)), samples(age=dense(age), speed=dense(speed)))
    rows = samples(age=dense([5, 50, np.nan, 40]), speed=dense([5, 97, 5, np.nan]))
    assert limits.outside_of(rows) == ["age", "speed", "age missing", "speed missing"]


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
    windows = [[(0, 80), (1, 400)], [(0, 80), (1, 60)], [(0, np.nan)], [(0, 80)] * 90]
    assert limits.outside_of(samples(events=events(windows))) == [
        "MAP",
        None,
        "MAP missing",
        "number of events, MAP missing",
    ]
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


def test_what_is_missing_throughout_a_source_is_named_in_its_rows_or_noted(finished: Report) -> None:
    rows = pl.read_parquet(finished.folder / "source.parquet").drop("died")
    without = rows.with_columns(age=pl.lit(None, pl.Int64), lactate=pl.lit(None, pl.Float64))
    with notes.collection() as noted:
        table = predict(finished.package, without)
    assert set(table["outside"].to_list()) == {"age missing"}
    results = {n.check: n.result for n in noted}
    assert results["inputs that no row has"] == f"lactate, in {rows.height:,} rows"


@pytest.fixture
def odd_rows(finished: Report) -> pl.DataFrame:
    """Four rows of the study; the second has an age that nobody has."""
    rows = pl.read_parquet(finished.folder / "source.parquet").drop("died").head(4)
    return rows.with_columns(age=pl.when(pl.int_range(pl.len()) == 1).then(400).otherwise("age"))


def test_a_prediction_names_what_lies_outside_and_counts_it_on_screen(finished: Report, odd_rows: pl.DataFrame) -> None:
    with notes.collection() as noted:
        predictions = predict(finished.package, odd_rows)
    assert predictions["outside"].to_list() == [None, "age", None, None]
    assert predictions["refused"].null_count() == 4
    assert predictions["predicted_boolean_probability"].null_count() == 0
    assert [(n.check, n.result) for n in noted] == [("inputs outside the package's limits", "1 of 4 rows (age 1)")]


def test_a_study_may_ask_that_such_a_row_is_refused(finished: Report, odd_rows: pl.DataFrame) -> None:
    package = ModelPackage.open(finished.package)
    strict = replace(package, limits=replace(package.limits, outside="refuse"))
    predictions, usual = predict(strict, odd_rows), predict(package, odd_rows)
    assert predictions["refused"].to_list() == [None, "outside the limits of the package: age", None, None]
    assert predictions["predicted_boolean_probability"].is_null().to_list() == [False, True, False, False]
    answered = predictions["refused"].is_null()
    assert predictions.filter(answered).drop("refused").equals(usual.filter(answered).drop("refused"))


def test_the_file_of_limits_is_what_was_learned(finished: Report) -> None:
    stored = json.loads((Path(finished.package) / "limits.json").read_text())
    assert stored["outside"] == "warn"
    assert ModelPackage.open(finished.package).limits.inputs["age"].ranges["age"] == tuple(
        stored["inputs"]["age"]["ranges"]["age"]
    )


def test_what_was_missing_in_some_rows_may_be_missing():
    some = samples(x=dense([1.0, np.nan, 2.0, 3.0]))
    assert limits_of(some, some).outside_of(samples(x=dense([np.nan]))) == [None]
    validation = limits_of(samples(x=dense([1.0, 2.0])), some)
    assert validation.outside_of(samples(x=dense([np.nan]))) == [None]


def test_a_category_without_a_level_is_missing():
    ward = Dense(np.eye(3, dtype=np.float32)[np.arange(60) % 3], ("A", "B", "C"))
    limits = limits_of(samples(ward=ward), samples(ward=ward))
    none = Dense(np.array([[0, 0, 0], [0, 1, 0]], np.float32), ("A", "B", "C"))
    assert limits.outside_of(samples(ward=none)) == ["ward missing", None]
    lacking = Dense(np.vstack([ward.values, np.zeros((1, 3), np.float32)]), ("A", "B", "C"))
    assert limits_of(samples(ward=lacking), samples(ward=ward)).outside_of(samples(ward=none)) == [None, None]


def test_a_row_without_any_event_lacks_events_and_not_each_code_of_them():
    usual = samples(events=events([[(0, 80.0), (1, 65.0)]] * 50))
    assert limits_of(usual, usual).outside_of(samples(events=events([[], [(0, 80.0)]]))) == [
        "number of events, events missing",
        "MAP missing",
    ]


@given(share=st.floats(0.05, 0.95), rows=st.integers(1, 400))
def test_an_input_that_no_row_of_a_source_has_is_said_where_it_is_no_chance(share, rows):
    values = np.where(np.arange(1000) < share * 1000, 1.0, np.nan)
    limits = limits_of(samples(x=dense(values)), samples(x=dense(values)))
    known = limits.inputs["x"].filled["0"]
    absent, there = samples(x=dense([np.nan] * rows)), samples(x=dense([1.0] + [np.nan] * (rows - 1)))
    assert limits.never_there(limits.rows_with(absent), rows) == (["x"] if (1 - known) ** rows < 0.001 else [])
    assert limits.never_there(limits.rows_with(there), rows) == []


def test_a_share_is_whole_only_where_every_row_has_a_value():
    values = np.append(np.nan, np.ones(100_000))
    assert limits_of(samples(x=dense(values)), samples(x=dense(values))).inputs["x"].present == 0.99


def test_columns_that_are_not_there_are_not_outside():
    limits = Limits(rows=1, inputs={"gone": InputLimits(kind="dense", present=1.0, ranges={"0": (0.0, 1.0)})})
    assert limits.outside_of(samples(x=dense([5.0]))) == [None]
