"""Any task over any events gives what a slow reading of its windows gives, one row after another."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import polars as pl
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from polyclinic.cohorts.extract import extract
from polyclinic.cohorts.plan import plan
from polyclinic.cohorts.task import Bound, Task, Window
from polyclinic.cohorts.task_parser import parse_task

START = datetime(2020, 1, 1)
NAMES = ["a", "b", "either", "both"]
SPANS = ["1h", "2 hours", "5h", "1 day", "1 day 2 hours"]
COUNTS = [(1, None), (None, 0), (None, 1), (1, 2), (2, None)]

events = st.lists(
    st.tuples(st.integers(1, 3), st.integers(0, 30), st.sampled_from(["A//1", "A//2", "B", "C"])),
    min_size=1,
    max_size=25,
)


@st.composite
def windows(draw: st.DrawFn) -> dict[str, Any]:
    windows: dict[str, Any] = {}
    points = ["trigger"]
    for name in draw(st.sampled_from([["v"], ["v", "w"], ["v", "w", "x"]])):
        windows[name] = draw(window(points))
        points += [f"{name}.start", f"{name}.end"]
    windows[draw(st.sampled_from(sorted(windows)))]["label"] = draw(st.sampled_from(NAMES))
    windows[draw(st.sampled_from(sorted(windows)))]["index_timestamp"] = draw(st.sampled_from(["start", "end"]))
    return windows


@st.composite
def window(draw: st.DrawFn, points: list[str]) -> dict[str, Any]:
    span, event = draw(st.sampled_from(SPANS)), draw(st.sampled_from([*NAMES, "_ANY_EVENT"]))
    point = draw(st.sampled_from(points))
    root = draw(st.sampled_from([point, point, f"{point} + {span}", f"{point} - {span}", f"{point} -> {event}"]))
    if draw(st.booleans()):
        ends: dict[str, Any] = {
            "start": root,
            "end": draw(st.sampled_from([f"start + {span}", f"start -> {event}", None])),
        }
    else:
        ends = {"end": root, "start": draw(st.sampled_from([f"end - {span}", f"end <- {event}", None]))}
    flags = {f"{side}_inclusive": draw(st.booleans()) for side in ("start", "end")}
    has = draw(st.dictionaries(st.sampled_from([*NAMES, "_ANY_EVENT"]), st.sampled_from(COUNTS), max_size=2))
    return {**ends, **flags, "has": {k: str(v) for k, v in has.items()}}


def document(of: dict[str, Any], trigger: str) -> dict[str, Any]:
    return {
        "predicates": {
            "a": {"code": {"regex": "^A//.*"}},
            "b": {"code": {"any": ["B", "A//2"]}},
            "either": {"expr": "or(a, b)"},
            "both": {"expr": "and(a, either)"},
        },
        "trigger": trigger,
        "windows": of,
    }


def counts(rows: list[tuple[int, int, str]]) -> dict[int, dict[datetime, dict[str, int]]]:
    """Subject → instant → predicate → count."""
    tables: dict[int, dict[datetime, dict[str, int]]] = {}
    for subject, hour, code in sorted(rows):
        at = tables.setdefault(subject, {}).setdefault(START + timedelta(hours=hour), {"a": 0, "b": 0, "_ANY_EVENT": 1})
        at["a"] += code.startswith("A//")
        at["b"] += code in ("B", "A//2")
    for instants in tables.values():
        for n, at in enumerate(instants.values()):
            at["either"] = int(at["a"] > 0 or at["b"] > 0)
            at["both"] = int(at["a"] > 0 and at["either"] > 0)
            at["_RECORD_START"], at["_RECORD_END"] = int(n == 0), int(n == len(instants) - 1)
    return tables


class Reading:
    """One trigger of one subject, read window by window."""

    def __init__(self, task: Task, instants: dict[datetime, dict[str, int]], trigger: datetime) -> None:
        self.task, self.instants, self.trigger = task, instants, trigger

    def point(self, name: str) -> datetime | None:
        window, _, side = name.partition(".")
        if not side:
            return self.trigger
        w = self.task.windows[window]
        bound = w.start if side == "start" else w.end
        parent = self.point(f"{window}.{bound.point}" if bound.point in ("start", "end") else bound.point)
        inclusive = side != w.root and (w.start_inclusive if side == "start" else w.end_inclusive)
        return None if parent is None else self.reach(bound, parent, inclusive)

    def reach(self, bound: Bound, parent: datetime, inclusive: bool) -> datetime | None:
        if not bound.event:
            return parent + bound.offset
        hits = [t for t, at in self.instants.items() if at[bound.event] > 0 and (t != parent or inclusive)]
        near = [t for t in hits if (t <= parent if bound.before else t >= parent)]
        return (max if bound.before else min)(near, default=None)

    def count(self, name: str, w: Window, predicate: str) -> int:
        left, right = self.point(f"{name}.start"), self.point(f"{name}.end")
        assert left is not None and right is not None  # noqa: PT018
        return sum(
            at[predicate]
            for t, at in self.instants.items()
            if (left < t or (left == t and w.start_inclusive)) and (t < right or (t == right and w.end_inclusive))
        )

    def answer(self) -> tuple[datetime, bool] | None:
        if any(self.point(f"{n}.{side}") is None for n in self.task.windows for side in ("start", "end")):
            return None
        for name, w in self.task.windows.items():
            for predicate, (low, high) in w.has.items():
                n = self.count(name, w, predicate)
                if (low is not None and n < low) or (high is not None and n > high):
                    return None
        name = self.task.label or ""
        window = self.task.windows[name]
        index = self.point(plan(self.task).index)
        assert index
        return index, self.count(name, window, str(window.label)) > 0


def frame(rows: list[tuple[int, int, str]]) -> pl.LazyFrame:
    table = [(s, START + timedelta(hours=h), c, None) for s, h, c in sorted(rows)]
    schema = {"subject_id": pl.Int64, "time": pl.Datetime("us"), "code": pl.String, "numeric_value": pl.Float32}
    return pl.LazyFrame(table, schema=schema, orient="row")


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(events, windows(), st.sampled_from([*NAMES, "_ANY_EVENT", "_RECORD_END"]))
def test_labels_are_those_of_a_slow_reading(rows: list[tuple[int, int, str]], of: dict[str, Any], trigger: str) -> None:
    task = parse_task(document(of, trigger))
    wanted = set()
    for subject, instants in counts(rows).items():
        for time, at in instants.items():
            said = Reading(task, instants, time).answer() if at[trigger] > 0 else None
            wanted |= {(subject, *said)} if said else set()
    assert set(extract(task, frame(rows)).labels.rows()) == wanted


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(events, windows())
def test_index_times_do_not_depend_on_what_comes_later(rows: list[tuple[int, int, str]], of: dict[str, Any]) -> None:
    task = parse_task(document(of, "a"))
    if not plan(task).live:
        return
    index = extract(task, frame(rows), outcome=False).index
    for subject, time, *_ in index.rows():
        past = [r for r in rows if r[0] == subject and START + timedelta(hours=r[1]) <= time]
        then = extract(task, frame(past), outcome=False).index
        assert time in then["prediction_time"].to_list()
