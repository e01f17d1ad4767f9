"""A task asked of a timeline: shards in turn, only the codes that the task needs, every row at once."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Self

import numpy as np
import polars as pl

from polyclinic.cohorts.cohort import KEYS, Cohort, Step, as_index
from polyclinic.cohorts.execution import Execution
from polyclinic.cohorts.grid import OPEN, Readings, grid, intervals, newest, read_by, readings, until_now
from polyclinic.cohorts.plan import Plan, Span, plan
from polyclinic.cohorts.predicates import ANY, END, START, Derived, Plain, coded
from polyclinic.cohorts.sorted_times import MICROSECOND, Ints, Mask
from polyclinic.cohorts.task import Last, Task
from polyclinic.cohorts.values import plausible, set_aside
from polyclinic.errors import Place, UnknownName, UsageError
from polyclinic.timelines.availability import TIMELESS, known_by, where
from polyclinic.timelines.timeline import Timeline

INDEX = "index times"
BATCH = 8 << 20  # bytes of shards read at a time: enough to keep the threads busy, and memory flat


def extract(
    task: Task, timeline: Timeline | pl.LazyFrame, *, outcome: bool = True, at: datetime | None = None
) -> Cohort:
    """Ask a task of a timeline (or of events in memory).

    outcome: whether to look past the index for labels; without it, the same rows are asked and none is labelled.
    at: ask every subject at this one time, in place of the task's own index times (no outcome).
    Raises `UsageError` where the task names a column that the events lack, or can only be asked in hindsight.
    """
    what = plan(task)
    outcome = outcome and at is None
    if not (outcome or what.live or at):
        hindsight = "this task knows its index times only in hindsight: what starts it lies after the index"
        raise UsageError(hindsight, fix="give the time to ask at (--at TIME)")
    parts = [_Batch(task, what, events, outcome, at).answer() for events in _batches(timeline)]
    found = pl.concat([p.index for p in parts] or [_empty_index(task)])
    if at is None or len(parts) > 1:
        found = found.sort(KEYS, maintain_order=True)
    fulfilled = (found.drop_in_place("out") == 0) & outcome
    aside = {code: _added([p.set_aside[code] for p in parts]) for code in (parts[0].set_aside if parts else ())}
    # A subject lies in one batch only.
    steps = [
        replace(same[0], rows=sum(s.rows for s in same), groups=_added([s.groups for s in same]))
        for same in zip(*(p.attrition for p in parts), strict=True)
    ]
    unmatched = sorted(set.intersection(*(p.unmatched for p in parts))) if parts else ()
    return Cohort(task, found, steps, fulfilled, timeline, aside, tuple(unmatched))


def _batches(timeline: Timeline | pl.LazyFrame) -> Iterator[pl.LazyFrame]:
    if isinstance(timeline, pl.LazyFrame) or timeline.held is not None:
        yield timeline if isinstance(timeline, pl.LazyFrame) else timeline.scan()
        return
    batch: list[Path] = []
    for shard in timeline.shards():
        batch.append(shard)
        if sum(p.stat().st_size for p in batch) >= BATCH:
            yield timeline.scan(batch)
            batch = []
    if batch:
        yield timeline.scan(batch)


def _added(counts: Sequence[Mapping[str, int]]) -> dict[str, int]:
    return {name: sum(one[name] for one in counts) for name in counts[0]}


def _empty_index(task: Task) -> pl.DataFrame:
    schema: dict[str, Any] = {"subject_id": pl.Int64, "prediction_time": pl.Datetime("us"), "boolean_value": pl.Boolean}
    newest = {f"newest//{name}": pl.Float32 for name in task.last}
    return pl.DataFrame(schema=schema | newest | {"out": pl.Int64})


@dataclass(slots=True, eq=False)
class _Rows:
    """Rows on their way: who is asked when, what falls out of them where, and the label so far.

    steps: name, whether it looks past the index, whether rows fall out there; if not, those that are left are counted.
    out: 0, or the number (from 1) of the step at which the row fell out; missing_label: rows of a file of labels without one.
    """

    subject: Ints
    time: Ints
    out: Ints = field(init=False)
    steps: list[tuple[str, bool, bool]] = field(default_factory=list)
    label: Mask | None = None
    missing_label: Mask | bool = False
    newest: dict[str, np.ndarray] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.subject, self.out = self.subject.astype(np.int64), np.zeros(len(self.time), np.int64)

    def step(self, name: str, out: Mask | bool | None = None, *, past: bool = False) -> None:
        """Rows that fall out here, unless they fell out before; where none are named, those left are counted."""
        self.steps.append((name, past, out is not None))
        if out is not None:
            self.out[out & (self.out == 0)] = len(self.steps)

    def frame(self, which: Mask) -> pl.DataFrame:
        """Some of the rows, labelled where they did not fall out."""
        out = self.out[which]
        labels = pl.Series([None], dtype=pl.Boolean).new_from_index(0, len(out))
        if self.label is not None:
            labels = pl.select(pl.when(pl.Series(out == 0)).then(pl.Series(self.label[which]))).to_series()
        columns = {
            "subject_id": self.subject[which],
            "prediction_time": self.time[which].astype("datetime64[us]"),
            "boolean_value": labels,
            **{f"newest//{n}": v[which] for n, v in self.newest.items()},
            "out": out,
        }
        return pl.DataFrame(columns)

    def duplicates(self, left: Mask) -> Ints:
        """Places of rows left that another row of their index time stands for.

        An unlabelled row gives way to a labelled one; labels that disagree both stay.
        """
        frame = self.frame(left).with_columns(place=pl.Series(np.flatnonzero(left)))
        if frame.select(pl.struct(KEYS).n_unique()).item() == frame.height:
            return np.empty(0, np.int64)
        holds = pl.col("out") == 0
        rows = frame.sort(*KEYS, "out", maintain_order=True).filter(holds | ~holds.any().over(KEYS))
        stay = rows.unique([*KEYS, "boolean_value"], keep="first", maintain_order=True)["place"]
        return np.setdiff1d(frame["place"].to_numpy(), stay.to_numpy(), assume_unique=True)


@dataclass(slots=True, eq=False)
class _Batch:
    """One batch of whole subjects and the task that is asked of it."""

    task: Task
    plan: Plan
    events: pl.LazyFrame
    outcome: bool
    at: datetime | None
    attrition: list[Step] = field(default_factory=list)
    index: pl.DataFrame = field(init=False)
    readings: Readings = field(init=False)
    set_aside: dict[str, dict[str, int]] = field(default_factory=dict)
    unmatched: set[str] = field(default_factory=set)

    def answer(self) -> Self:
        """Fill `index`, `attrition`, `set_aside` and `unmatched`."""
        columns = self.events.collect_schema().names()
        for name, predicate in self.task.predicates.items():
            for column in predicate.columns if isinstance(predicate, Plain) else ():
                if column not in columns:
                    raise UnknownName(f"key or column in predicate {name}", column, [*_PREDICATE, *columns])
        if self.at is not None:
            rows = self.rows_at(self.at)
        else:
            rows, walk = self.task_rows()
        rows.step(INDEX)
        for name, last in self.task.last.items():
            self.at_risk(rows, name, last)
        if self.task.last:
            rows.step("at risk")
        if self.outcome:
            self.open_windows(walk, rows)
        self.finish(rows)
        return self

    def task_rows(self) -> tuple[_Rows, Execution]:
        """The task's own rows, through every criterion that is behind them."""
        if self.task.values:
            events = self.events.collect(engine="streaming")
            self.set_aside = set_aside(events, self.task.values)
            self.events = plausible(events, self.task.values).lazy()
        if predicates := self.interval_predicates():
            self.readings = readings(self.events, predicates)
        instants = self.instants()
        rows = self.first_rows(instants)
        walk = Execution(self.plan, instants, rows.subject, rows.time)
        self.closed_windows(walk, rows)
        return rows, walk

    # what is counted -------------------------------------------------------------------------------------------------

    def instants(self) -> pl.DataFrame:
        """Counts of the predicates that the plan needs, at each instant that it needs; see `Execution`."""
        needed, wanted = {*self.plan.predicates(), self.task.trigger}, self.task.counted_predicates
        subject = pl.col("subject_id")
        special = {ANY: pl.lit(1), START: subject.is_first_distinct(), END: subject.is_last_distinct()}
        named = {n: p for n, p in self.task.predicates.items() if n in wanted}
        plain = {n: p for n, p in named.items() if isinstance(p, Plain)}
        derived = {n: p for n, p in named.items() if isinstance(p, Derived)}
        events = self.events
        everywhere = any(p.follows(self.task.statics) for p in derived.values())
        if not everywhere and not needed & special.keys():
            events = events.filter(coded(plain.values()))
        flags = {n: p.holds().cast(pl.UInt32) for n, p in plain.items()}
        frame = (
            events.select("subject_id", "time", **flags)
            .group_by("subject_id", "time")
            .agg(pl.col(*plain).sum() if plain else [])
        )
        counted = frame.collect(engine="streaming").sort("subject_id", "time", nulls_last=False)
        self.unmatched = {name for name in plain if not counted[name].sum()}
        # What is static must hold in one of the subject's events without a time.
        timed = pl.col("time").is_not_null()
        holds = [((pl.col(s) > 0) & ~timed).any().over("subject_id") for s in self.task.statics]
        counts = self.derived(counted, derived).filter(timed, *holds)
        return counts.with_columns(**{n: how for n, how in special.items() if n in needed})

    def derived(self, frame: pl.DataFrame, waiting: Mapping[str, Derived]) -> pl.DataFrame:
        """Add the derived predicates; a plain static input holds for all of a subject's instants."""
        statics = [s for s in self.task.statics if s in frame.columns]
        if any(s in p.names() for p in waiting.values() for s in statics):
            frame = frame.with_columns(pl.col(statics).first().over("subject_id"))
        while waiting:
            ready = {n: p for n, p in waiting.items() if set(p.names()) <= set(frame.columns)}
            frame = frame.with_columns(**{n: p.holds().cast(pl.UInt32) for n, p in ready.items()})
            waiting = {n: p for n, p in waiting.items() if n not in ready}
        return frame

    # who is asked ----------------------------------------------------------------------------------------------------

    def first_rows(self, instants: pl.DataFrame) -> _Rows:
        """The rows before any criterion."""
        if every := self.task.every:
            spans = intervals(self.readings, every.begin, every.end)
            self.note(f"intervals from {every.begin} to {every.end}", spans.subject)
            return _Rows(*grid(until_now(spans, self.events), every))
        if self.task.labels:
            return self.labels_file_rows(self.task.labels)
        triggers = instants.filter(pl.col(str(self.task.trigger)) > 0)
        rows = _Rows(triggers["subject_id"].to_numpy(), triggers["time"].to_physical().to_numpy())
        rows.step("trigger events")
        return rows

    def interval_predicates(self) -> dict[str, Plain]:
        """The plain predicates that the grid and `at_risk` read as they are."""
        every = [self.task.every.begin, self.task.every.end] if self.task.every else []
        named = {name: self.task.predicates.get(name) for name in (*every, *self.task.last)}
        return {name: p for name, p in named.items() if isinstance(p, Plain)}

    def rows_at(self, at: datetime) -> _Rows:
        """Every subject of whom something is known then, or who is then between the task's two events."""
        when = (at.replace(tzinfo=None) - datetime(1970, 1, 1)) // MICROSECOND
        predicates = self.interval_predicates()
        # Other engines start threads, which takes longer than the question of one patient.
        events = read_by(self.events, predicates).collect(engine="in-memory")
        known = known_by(events)
        events = where(events, (known != TIMELESS) & (known <= when))
        self.readings = readings(events, predicates, self.task.values)
        if every := self.task.every:
            spans = intervals(self.readings, every.begin, every.end)
            who = np.unique(spans.subject[(spans.start <= when) & (when <= spans.stop)])
        else:
            who = np.unique(events["subject_id"].to_numpy())
        return _Rows(who, np.full(len(who), when))

    def labels_file_rows(self, file: Path) -> _Rows:
        """The rows of the file of labels, for subjects of this batch."""
        read = pl.read_parquet(file) if file.suffix == ".parquet" else pl.read_csv(file, try_parse_dates=True)
        who = self.events.select(pl.col("subject_id").unique()).collect()["subject_id"]
        table = as_index(read, Place(file=str(file))).filter(pl.col("subject_id").is_in(who.implode()))
        rows = _Rows(table["subject_id"].to_numpy(), table["prediction_time"].to_physical().to_numpy())
        if self.outcome and "boolean_value" in table.columns:
            label = table["boolean_value"]
            rows.label, rows.missing_label = label.fill_null(False).to_numpy(), label.is_null().to_numpy()
        return rows

    # what falls out --------------------------------------------------------------------------------------------------

    def closed_windows(self, walk: Execution, rows: _Rows) -> None:
        """Windows closed at the index, and the index time itself."""
        for span in self.plan.spans:
            if span.closed:
                self.window(walk, rows, span)
        rows.time, there = walk.time(self.plan.index)
        if self.plan.may_lack_index():
            rows.step("no index time: its event never came", ~there)

    def window(self, walk: Execution, rows: _Rows, span: Span) -> None:
        past = not span.closed
        says = "unlabelled: " if past else ""
        if any(self.plan.points[p].event for p in (span.left, span.right) if p in self.plan.points):
            rows.step(f"{says}open window: {span.name}", walk.open(span), past=past)
        for name, (low, high) in span.has.items():
            count = walk.count(span, name)
            if low is not None:
                rows.step(f"{says}fewer than {low} {name} in {span.name}", count < low, past=past)
            if high is not None:
                rows.step(f"{says}more than {high} {name} in {span.name}", count > high, past=past)

    def at_risk(self, rows: _Rows, name: str, last: Last) -> None:
        """Rows whose newest known value is there, young enough and in range."""
        value, age = newest(self.readings, name, rows.subject, rows.time)
        rows.newest[name] = value
        if last.within is None:
            rows.step(f"no {name} so far", age == OPEN)
        else:
            rows.step(f"no recent {name}", age > last.within // MICROSECOND)
        if last.value_min is not None:
            rows.step(f"{name} already below {last.value_min:g}", value < last.value_min)
        if last.value_max is not None:
            rows.step(f"{name} already above {last.value_max:g}", value > last.value_max)

    def open_windows(self, walk: Execution, rows: _Rows) -> None:
        """Windows that look past the index: they restrict labels only."""
        if self.task.labels:
            rows.step("unlabelled: no label in the file", rows.missing_label, past=True)
        for span in self.plan.spans:
            if not span.closed:
                self.window(walk, rows, span)
                if span.window.label:
                    rows.label = walk.count(span, span.window.label) > 0
        rows.step("labelled" if self.task.label or self.task.labels else "all criteria hold", past=True)

    # what comes out --------------------------------------------------------------------------------------------------

    def note(self, step: str, subjects: Any, past: bool = False, excluded: bool = False) -> None:
        groups = {"subject": len(np.unique(subjects))}
        self.attrition.append(Step(step, len(subjects), groups, past, excluded))

    def finish(self, rows: _Rows) -> None:
        """Count the steps, and keep the rows that are asked: one an index time (more where labels disagree)."""
        for number, (step, past, excluded) in enumerate(rows.steps, start=1):
            left = (rows.out == 0) | (rows.out > number)
            if step == INDEX and self.at is None:  # at one time, each subject is asked once
                duplicate = rows.duplicates(left)
                rows.out[duplicate], left[duplicate] = -1, False
            self.note(step, rows.subject[rows.out == number if excluded else left], past, excluded)
            if not (past or excluded):
                kept = left
        self.index = rows.frame(kept)


_PREDICATE = ("value_min", "value_max", "value_min_inclusive", "value_max_inclusive", "static")
