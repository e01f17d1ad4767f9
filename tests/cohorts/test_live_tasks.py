"""`every`, `at_risk`, `values`, `labels` and `at`: index times by what was known then."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal
from tests.grid_task import grid_task

from polyclinic.cohorts.extract import extract
from polyclinic.cohorts.task import Task
from polyclinic.cohorts.task_parser import parse_task
from polyclinic.cohorts.values import plausible, set_aside
from polyclinic.errors import BadData

START = datetime(2020, 1, 1)
LAST = {"last": {"map": {"within": "2h", "value_min": 65}}}
TASK = {**grid_task(), "values": {"MAP": {"plausible": [20, 200], "ties": "min"}}, "at_risk": LAST}


def hour(h: float) -> datetime:
    return START + timedelta(hours=h)


def timeline(*rows: tuple[Any, ...]) -> pl.LazyFrame:
    """Rows of (subject, hour, code, value, hour it became available)."""
    full = [(*r, *[None] * (5 - len(r))) for r in rows]
    table = [(s, hour(h), c, v, None if a is None else hour(a)) for s, h, c, v, a in full]
    schema = {"subject_id": pl.Int64, "time": pl.Datetime("us"), "code": pl.String, "numeric_value": pl.Float32}
    return pl.LazyFrame(table, schema={**schema, "available_time": pl.Datetime("us")}, orient="row")


def hours(index: pl.DataFrame) -> list[float]:
    return [(t - START) / timedelta(hours=1) for t in index["prediction_time"]]


def grid_only(**keys: Any) -> Task:
    return parse_task({**{k: v for k, v in TASK.items() if k not in ("at_risk", "windows")}, **keys})


def test_touching_intervals_are_one_and_the_end_is_included() -> None:
    events = timeline((1, 0, "IN"), (1, 2, "OUT"), (1, 2, "IN"), (1, 4, "OUT"))
    assert hours(extract(grid_only(), events).index) == [1, 2, 3, 4]


def test_a_new_interval_begins_a_new_grid() -> None:
    events = timeline((1, 0, "IN"), (1, 2, "OUT"), (1, 2.5, "IN"), (1, 4, "OUT"))
    assert hours(extract(grid_only(), events).index) == [1, 2, 3.5]


def test_an_interval_still_open_reaches_to_the_newest_event() -> None:
    assert hours(extract(grid_only(), timeline((1, 0, "IN"), (1, 3.5, "X"))).index) == [1, 2, 3]


def test_an_end_without_a_begin_is_passed_over() -> None:
    events = timeline((1, 0, "OUT"), (1, 1, "IN"), (1, 3, "OUT"))
    assert hours(extract(grid_only(), events).index) == [2, 3]


def test_steps_of_the_flow_are_counted() -> None:
    stay = [(1, 0, "IN"), (1, 6, "OUT")]
    events = timeline(*stay, (1, 0.5, "MAP", 80.0), (1, 3.5, "MAP", 60.0), (1, 3.7, "MAP", 900.0))
    cohort = extract(parse_task(TASK), events)
    assert [(s.step, s.rows) for s in cohort.attrition] == [
        ("intervals from icu_in to icu_out", 1),
        ("index times", 6),
        ("no recent map", 2),
        ("map already below 65", 2),
        ("at risk", 2),
        ("unlabelled: fewer than 1 map in target", 1),
        ("labelled", 1),
    ]
    assert cohort.labels.rows() == [(1, hour(2), True)]
    assert cohort.index["newest//map"].to_list() == [80.0, 80.0]
    assert cohort.set_aside == {"MAP": {"readings": 3, "outside": 1, "tied": 0}}


def test_a_value_counts_from_when_it_was_known() -> None:
    late = timeline((1, 0, "IN"), (1, 3, "OUT"), (1, 0.5, "MAP", 80.0, 1.5))
    task = grid_only(at_risk={"last": {"map": {"within": "2h"}}})
    assert hours(extract(task, late).index) == [2]
    assert hours(extract(task, late.drop("available_time")).index) == [1, 2]


def test_an_older_value_that_comes_late_does_not_replace_a_newer_one() -> None:
    events = timeline((1, 0, "IN"), (1, 2, "OUT"), (1, 0.5, "MAP", 80.0), (1, 0.2, "MAP", 50.0, 0.9))
    task = grid_only(at_risk={"last": {"map": {"within": "2h"}}})
    assert extract(task, events).index["newest//map"].to_list() == [80.0, 80.0]


def test_at_gives_the_subjects_who_are_there_at_that_time() -> None:
    events = timeline((1, 0, "IN"), (1, 5, "OUT"), (2, 0, "IN"), (2, 1, "OUT"), (1, 1, "MAP", 70.0))
    cohort = extract(parse_task(TASK), events, at=hour(2.5))
    assert cohort.index.select("subject_id", "prediction_time", "newest//map").rows() == [(1, hour(2.5), 70.0)]


def test_labels_come_from_a_file(tmp_path: Path) -> None:
    rows = {"subject_id": [1, 2], "prediction_time": [hour(1), hour(2)], "boolean_value": [True, None]}
    pl.DataFrame(rows).write_parquet(tmp_path / "labels.parquet")
    task = parse_task({"labels": "labels.parquet"}, str(tmp_path / "task.yaml"))
    cohort = extract(task, timeline((1, 0, "A"), (2, 0, "A")))
    assert cohort.index["boolean_value"].to_list() == [True, None]
    assert cohort.labels.rows() == [(1, hour(1), True)]


def test_ties_and_ranges_hold_for_any_reader_of_events() -> None:
    events = timeline(
        (1, 0, "MAP", 80.0), (1, 0, "MAP", 70.0), (1, 0, "MAP", 5.0), (1, 0, "HR", 5.0), (1, 1, "MAP", None)
    )
    kept = plausible(events.collect(), TASK["values"]).select("code", "numeric_value")
    assert sorted(kept.rows(), key=str) == [("HR", 5.0), ("MAP", 70.0), ("MAP", None)]
    assert set_aside(events.collect(), TASK["values"])["MAP"] == {"readings": 3, "outside": 1, "tied": 1}


def test_an_infinite_value_is_believed_of_no_code() -> None:
    events = timeline((1, 0, "MAP", 80.0), (1, 1, "MAP", float("inf")), (1, 1, "HR", float("-inf")))
    assert plausible(events.collect(), {})["code"].to_list() == ["MAP"]
    assert set_aside(events.collect(), {"MAP": {"ties": "min"}})["MAP"] == {"readings": 2, "outside": 1, "tied": 0}


def test_an_infinite_value_is_never_the_newest() -> None:
    events = timeline((1, 0, "IN"), (1, 2, "OUT"), (1, 0.5, "MAP", 80.0), (1, 0.7, "MAP", float("inf")))
    task = grid_only(at_risk={"last": {"map": {"within": "2h"}}}, values={})
    assert extract(task, events).index["newest//map"].to_list() == [80.0, 80.0]


EVENT = st.tuples(
    *(st.integers(1, 3), st.none() | st.integers(0, 4), st.none() | st.integers(0, 4)),
    *(st.sampled_from("abcde"), st.none() | st.integers(0, 50)),
)


@given(st.lists(EVENT, max_size=30), st.booleans())
def test_ties_are_settled_as_by_a_group_a_code(rows, with_availability: bool) -> None:
    times = {"time": pl.Int64, "available_time": pl.Int64}
    schema = {"subject_id": pl.Int64, **times, "code": pl.String, "numeric_value": pl.Float32}
    events = pl.DataFrame(rows, schema=schema, orient="row").with_row_index("n")
    events = events if with_availability else events.drop("available_time")
    ties = {"a": {"plausible": [5, 40], "ties": "min"}, "b": {"ties": "max"}, "e": {"ties": "mean"}}
    values = {**ties, "d": {"plausible": [0, 30]}}
    value, keys = pl.col("numeric_value"), [k for k in ("subject_id", "time", "available_time", "code") if k in events]
    inside = {"a": value.is_between(5, 40), "d": value.is_between(0, 30)}
    kept = events.filter(value.is_null() | pl.all_horizontal((pl.col("code") != c) | ok for c, ok in inside.items()))
    of_code = {code: value.is_not_null() & (pl.col("code") == code) for code in ties}
    parts = [kept.filter(~pl.any_horizontal(*of_code.values()))]
    for code, one in of_code.items():
        settled = getattr(value, ties[code]["ties"])()
        grouped = (
            kept.filter(one)
            .group_by(keys, maintain_order=True)
            .agg(settled, pl.exclude(*keys, "numeric_value").first())
        )
        parts.append(grouped.select(events.columns))
    expected = pl.concat(parts).sort("subject_id", "time", "n", nulls_last=False)
    assert_frame_equal(plausible(events, values), expected)


def test_a_cohort_of_nobody_says_which_step_left_it_empty() -> None:
    events = timeline((1, 0, "IN"), (1, 3, "OUT"))
    with pytest.raises(BadData, match="matches nobody: the last 3 fell out at: no recent map"):
        extract(parse_task(TASK), events).require()
    with pytest.raises(BadData, match="there are no intervals"):
        extract(parse_task(TASK), timeline((1, 0, "X"))).require()


def test_a_cohort_in_which_nothing_starts_names_the_nearest_codes() -> None:
    task = {"predicates": {"ward": {"code": "WARD//IN"}, "seen": {"code": {"regex": "^EYES.*"}}}, "trigger": "ward"}
    with pytest.raises(BadData, match="no trigger events") as caught:
        extract(parse_task(task), timeline((1, 0, "WARD//OUT"), (1, 1, "EYE//BLUE"))).require()
    assert "WARD//IN (ward, nearest: WARD//OUT)" in caught.value.fix
    assert "^EYES.* (seen, nearest: EYE//BLUE)" in caught.value.fix


def test_a_cohort_of_which_nobody_is_labelled_is_of_nobody() -> None:
    task = {
        "predicates": {"a": {"code": "A"}},
        "trigger": "a",
        "windows": {"next": {"start": "trigger", "end": "start + 1h", "has": {"a": "(9, None)"}, "label": "a"}},
    }
    with pytest.raises(BadData, match="fell out at: unlabelled: fewer than 9 a in next"):
        extract(parse_task(task), timeline((1, 0, "A"))).require()


def test_a_predicate_that_no_event_fulfils_is_reported() -> None:
    task = TASK["predicates"] | {"fast": {"code": "HR", "value_min": 200}, "gone": {"code": "MAPP"}}
    windows = {"before": {"end": "trigger", "start": "end - 2h", "has": {"fast": "(None, 0)", "gone": "(None, 0)"}}}
    events = timeline((1, 0, "IN"), (1, 6, "OUT"), (1, 0.5, "MAP", 80.0), (1, 1, "HR", 90.0), (1, 3.5, "MAP", 60.0))
    cohort = extract(parse_task({**TASK, "predicates": task, "windows": TASK["windows"] | windows}), events)
    assert cohort.unmatched == ("fast", "gone")
    (warning,) = cohort.warnings()
    assert "MAPP (gone, nearest: MAP)" in warning["result"]
    assert "fast: its code occurs" in warning["result"]
    assert extract(parse_task(TASK), events).warnings() == []


def test_an_open_interval_ends_with_the_newest_thing_that_counts_of_any_code() -> None:
    """Implausible and infinite values are no news of the subject."""
    stay = [(1, 0, "IN"), (1, 1, "MAP", 80.0), (1, 2, "HR", 70.0)]
    no_news = [(1, 5, "MAP", 900.0), (1, 6, "HR", float("inf"))]
    assert hours(extract(grid_only(), timeline(*stay, *no_news)).index) == [1, 2]
    assert hours(extract(grid_only(), timeline(*stay, *no_news, (1, 4, "HR", 70.0))).index) == [1, 2, 3, 4]


def in_units(*units: str | None, code: str = "LAB//creatinine") -> pl.LazyFrame:
    """An admission, then one value of a code in each of these units."""
    rows = [(1, 0, "IN"), *((1, n + 1, code, 1.0) for n in range(len(units)))]
    return timeline(*rows).with_columns(unit=pl.Series([None, *units], dtype=pl.String))


AKI = {
    "predicates": {"in": {"code": "IN"}, "aki": {"code": "LAB//creatinine", "value_min": 2.0}},
    "trigger": "in",
    "windows": {"day": {"start": "trigger", "end": "start + 24h", "label": "aki"}},
}


def test_a_bound_on_a_code_that_comes_in_two_units_is_warned_of() -> None:
    mixed = extract(parse_task(AKI), in_units("mg/dL", "umol/L", "mg/dL", None))
    assert mixed.warnings()[-1]["result"] == "LAB//creatinine comes in mg/dL and umol/L"
    ranged = {**AKI, "predicates": {**AKI["predicates"], "aki": {"code": "OTHER"}}}
    ranged["values"] = {"LAB//creatinine": {"plausible": [0, 100]}}
    assert "umol/L" in extract(parse_task(ranged), in_units("mg/dL", "umol/L")).warnings()[-1]["result"]


@pytest.mark.parametrize(
    "events", [in_units("mg/dL", "mg/dL", None), in_units("mg/dL", "umol/L", code="LAB//other")], ids=["one", "other"]
)
def test_one_unit_or_units_of_a_code_without_bounds_are_fine(events: pl.LazyFrame) -> None:
    assert extract(parse_task(AKI), events).mixed_units == {}
