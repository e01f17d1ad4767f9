"""One batch of whole subjects, and its part of the cohort: every row at once, only the events that matter."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np
import polars as pl

from polyclinic.arrays import Ints
from polyclinic.cohorts.cohort import Step
from polyclinic.cohorts.execution import Execution
from polyclinic.cohorts.grid import (
    OPEN,
    Readings,
    grid,
    intervals,
    newest,
    read_by,
    readings,
    readings_among,
    until_now,
)
from polyclinic.cohorts.index_rows import INDEX, IndexRows, distinct
from polyclinic.cohorts.plan import Span, WindowPlan
from polyclinic.cohorts.predicates import ANY, END, START, Derived, Plain, coded
from polyclinic.cohorts.sorted_times import MICROSECOND
from polyclinic.cohorts.task import Last, Task
from polyclinic.cohorts.values import plausible, set_aside
from polyclinic.errors import UnknownName
from polyclinic.timelines.availability import NEVER, known_at
from polyclinic.timelines.event_arrays import EventArrays
from polyclinic.timelines.timeline import Timeline

BOUNDS = ("value_min", "value_max", "value_min_inclusive", "value_max_inclusive", "static")
STORED = ("subject_id", "time", "available_time", "code", "numeric_value", "unit")


@dataclass(frozen=True, slots=True, eq=False)
class BatchCohort:
    """What one batch gives to the cohort; no event stays in memory with it.

    index: as in `Cohort`, with a column `out`, 0 where every criterion holds. units: code → units of its values.
    """

    index: pl.DataFrame
    attrition: list[Step]
    set_aside: dict[str, dict[str, int]]
    unmatched: set[str]
    units: dict[str, set[str]]


@dataclass(slots=True, eq=False)
class Batch:
    """A task over the events of some subjects, all of whose events are there.

    outcome: whether to look past the index for labels; at: one index time for all, in place of the task's own; labels:
    the task's own table of labels, as an index; in_memory: the timeline of the events, where it holds them in memory.
    """

    task: Task
    plan: WindowPlan
    stored: pl.LazyFrame
    outcome: bool
    at: datetime | None
    labels: pl.DataFrame | None = None
    in_memory: Timeline | None = None
    events: pl.LazyFrame = field(init=False)
    readings: Readings = field(init=False)
    attrition: list[Step] = field(default_factory=list)
    set_aside: dict[str, dict[str, int]] = field(default_factory=dict)
    unmatched: set[str] = field(default_factory=set)

    def answer(self) -> BatchCohort:
        """The cohort of this batch.

        Raises
        ------
        UnknownName
            Where a predicate names a column that the events lack.
        """
        self._check_columns()
        self.events = self.stored
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
        # At one time, each subject has one row.
        index, steps = rows.finish(unique=self.at is not None)
        units = self.units() if self.outcome else {}
        return BatchCohort(index, [*self.attrition, *steps], self.set_aside, self.unmatched, units)

    def _check_columns(self) -> None:
        columns = self.stored.collect_schema().names() if self.in_memory is None else self.in_memory.events.columns
        for name, predicate in self.task.predicates.items():
            for column in predicate.columns if isinstance(predicate, Plain) else ():
                if column not in columns:
                    raise UnknownName(f"key or column in predicate {name}", column, [*BOUNDS, *columns])

    def task_rows(self) -> tuple[IndexRows, Execution]:
        """The task's own rows, through every criterion that is behind them."""
        if self.task.values:
            events = self.needed_events().collect(engine="streaming")
            self.set_aside = set_aside(events, self.task.values)
            self.events = plausible(events, self.task.values).lazy()
        if predicates := self.interval_predicates():
            self.readings = readings(self.events, predicates)
        instants = self.instants()
        rows = self.first_rows(instants)
        walk = Execution(self.plan, instants, rows.subject, rows.time)
        self.closed_windows(walk, rows)
        return rows, walk

    # which events are read -------------------------------------------------------------------------------------------

    def plain_predicates(self, names: Iterable[str]) -> dict[str, Plain]:
        """Those of these predicates that look at single events."""
        predicates = {name: self.task.predicates.get(name) for name in names}
        return {name: p for name, p in predicates.items() if isinstance(p, Plain)}

    def interval_predicates(self) -> dict[str, Plain]:
        """The plain predicates that the grid and `at_risk` read as they are."""
        every = [self.task.every.begin, self.task.every.end] if self.task.every else []
        return self.plain_predicates([*every, *self.task.last])

    def needed_events(self) -> pl.LazyFrame:
        """The events that a predicate counts or whose values the task judges, with the columns that are read of them."""
        plain = self.plain_predicates(self.task.predicates)
        columns = {*STORED, *(column for p in plain.values() for column in p.columns)}
        events = self.stored.select(c for c in self.stored.collect_schema().names() if c in columns)
        if self.counts_every_instant():
            return events
        used = self.plain_predicates(self.task.counted_predicates) | self.interval_predicates()
        return events.filter(coded(used.values()) | pl.col("code").is_in(list(self.task.values)))

    def special_predicates(self) -> set[str]:
        """Those of `_ANY_EVENT`, `_RECORD_START` and `_RECORD_END` that the plan counts."""
        return {name for name in (ANY, START, END) if name in self.plan.predicates() or name == self.task.trigger}

    def counts_every_instant(self) -> bool:
        """Whether instants at which no event of interest lies matter too."""
        derived = (self.task.predicates[n] for n in self.task.counted_predicates if n in self.task.predicates)
        everywhere = any(isinstance(p, Derived) and p.follows(self.task.statics) for p in derived)
        return everywhere or bool(self.special_predicates())

    def units(self) -> dict[str, set[str]]:
        """The units in which the codes come whose values the task holds against bounds."""
        if "unit" not in self.events.collect_schema().names():
            return {}
        plain = self.plain_predicates(self.task.predicates)
        bounded = [p.codes() for p in plain.values() if p.bounded]
        ranged = [code for code, rule in self.task.values.items() if rule.get("plausible")]
        if not (bounded or ranged):
            return {}
        judged = pl.any_horizontal(*bounded, pl.col("code").is_in(ranged))
        filled = pl.col("unit").is_not_null() & pl.col("numeric_value").is_not_null()
        pairs = self.events.filter(judged & filled).select("code", "unit").unique().collect(engine="streaming")
        spellings: dict[str, dict[str, str]] = {}
        for code, unit in pairs.cast(pl.String).sort("code", "unit").iter_rows():
            if one := _unit_of(unit):
                spellings.setdefault(code, {}).setdefault(one, unit.strip())
        return {code: set(units.values()) for code, units in spellings.items()}

    # what is counted -------------------------------------------------------------------------------------------------

    def instants(self) -> pl.DataFrame:
        """Counts of the predicates that the plan needs, at each instant that it needs; see `Execution`."""
        subject, timed = pl.col("subject_id"), pl.col("time").is_not_null()
        special = {ANY: pl.lit(1), START: subject.is_first_distinct(), END: subject.is_last_distinct()}
        counted = self.task.counted_predicates
        plain = self.plain_predicates(counted)
        derived = {n: p for n in counted if isinstance(p := self.task.predicates.get(n), Derived)}
        events = self.events if self.counts_every_instant() else self.events.filter(coded(plain.values()))
        flags = {n: p.holds().cast(pl.UInt32) for n, p in plain.items()}
        frame = (
            events.select("subject_id", "time", **flags)
            .group_by("subject_id", "time")
            .agg(pl.col(*plain).sum() if plain else [])
        )
        counts = frame.collect(engine="streaming").sort("subject_id", "time", nulls_last=False)
        self.unmatched = {name for name in plain if not counts[name].sum()}
        # What is static must hold in one of the subject's events without a time.
        holds = [((pl.col(s) > 0) & ~timed).any().over("subject_id") for s in self.task.statics]
        counts = self.derived(counts, derived).filter(timed, *holds)
        return counts.with_columns(**{n: special[n] for n in self.special_predicates()})

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

    # index rows ------------------------------------------------------------------------------------------------------

    def first_rows(self, instants: pl.DataFrame) -> IndexRows:
        """The rows before any criterion."""
        if every := self.task.every:
            spans = intervals(self.readings, every.begin, every.end)
            step, groups = f"intervals from {every.begin} to {every.end}", {"subject": distinct(spans.subject)}
            self.attrition.append(Step(step, len(spans.subject), groups))
            return IndexRows(*grid(until_now(spans, self.newest_known), every))
        if self.labels is not None:
            return self.labels_rows(self.labels)
        triggers = instants.filter(pl.col(str(self.task.trigger)) > 0)
        rows = IndexRows(triggers["subject_id"].to_numpy(), triggers["time"].to_physical().to_numpy())
        rows.step("trigger events")
        return rows

    def newest_known(self, subjects: Ints) -> pl.DataFrame:
        """When the newest thing that counts became known of each of these subjects (`subject_id`, `known`), sorted.

        Where the task judges values, `events` holds only some codes; of the others, infinite values do not count.
        """
        sources = [self.events]
        if self.task.values:
            finite = (~pl.col("numeric_value").is_infinite()).fill_null(True)
            # A missing code is no event of any other code.
            sources.append(self.stored.filter(~pl.col("code").is_in(list(self.task.values)), finite))
        mine = pl.col("subject_id").is_in(pl.Series(subjects).implode())
        known = [s.filter(mine).select("subject_id", known_at(s.collect_schema().names())) for s in sources]
        heard = pl.concat(known).filter((pl.col("known") < NEVER).fill_null(True))
        newest_of = heard.group_by("subject_id").agg(pl.col("known").max().to_physical())
        return newest_of.sort("subject_id").collect(engine="streaming")

    def rows_at(self, at: datetime) -> IndexRows:
        """Every subject about whom something is known then, or who is then between the task's two events."""
        when = (at.replace(tzinfo=None) - datetime(1970, 1, 1)) // MICROSECOND
        predicates = self.interval_predicates()
        if self.in_memory is not None:
            frame, events = self.in_memory.events, self.in_memory.arrays
        else:  # in memory, since other engines start threads
            frame = read_by(self.events, predicates).collect(engine="in-memory")
            events = EventArrays.of(frame)
        then = events.known_then(when)
        self.readings = readings_among(frame, events, predicates, then, self.task.values)
        if every := self.task.every:
            spans = intervals(self.readings, every.begin, every.end)
            who = np.unique(spans.subject[(spans.start <= when) & (when <= spans.stop)])
        else:
            who = np.unique(events.subject[then])
        return IndexRows(who, np.full(len(who), when))

    def labels_rows(self, labels: pl.DataFrame) -> IndexRows:
        """The rows of the table of labels, for subjects of this batch."""
        who = self.events.select(pl.col("subject_id").unique()).collect()["subject_id"]
        table = labels.filter(pl.col("subject_id").is_in(who.implode()))
        rows = IndexRows(table["subject_id"].to_numpy(), table["prediction_time"].to_physical().to_numpy())
        if self.outcome and "boolean_value" in table.columns:
            label = table["boolean_value"]
            rows.label, rows.missing_label = label.fill_null(False).to_numpy(), label.is_null().to_numpy()
        return rows

    # what falls out --------------------------------------------------------------------------------------------------

    def closed_windows(self, walk: Execution, rows: IndexRows) -> None:
        """Windows closed at the index, and the index time itself."""
        for span in self.plan.spans:
            if span.closed:
                self.window(walk, rows, span)
        rows.time, there = walk.time(self.plan.index)
        if self.plan.may_lack_index():
            rows.step("no index time: its event never came", ~there)

    def window(self, walk: Execution, rows: IndexRows, span: Span) -> None:
        """What one window demands."""
        past = not span.closed
        prefix = "unlabelled: " if past else ""
        if any(self.plan.points[p].event for p in (span.left, span.right) if p in self.plan.points):
            rows.step(f"{prefix}open window: {span.name}", walk.open(span), past=past)
        for name, (low, high) in span.has.items():
            count = walk.count(span, name)
            if low is not None:
                rows.step(f"{prefix}fewer than {low} {name} in {span.name}", count < low, past=past)
            if high is not None:
                rows.step(f"{prefix}more than {high} {name} in {span.name}", count > high, past=past)

    def at_risk(self, rows: IndexRows, name: str, last: Last) -> None:
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

    def open_windows(self, walk: Execution, rows: IndexRows) -> None:
        """Windows that look past the index: they restrict labels only."""
        if self.task.labels:
            rows.step("unlabelled: no label in the file", rows.missing_label, past=True)
        for span in self.plan.spans:
            if not span.closed:
                self.window(walk, rows, span)
                if span.window.label:
                    rows.label = walk.count(span, span.window.label) > 0
        rows.step("labelled" if self.task.label or self.task.labels else "all criteria hold", past=True)


def _unit_of(spelling: str) -> str:
    """A unit however it is spelt: capitals, blanks and the two signs for micro make no other unit; "" for none."""
    return "".join(spelling.casefold().split()).replace("\u03bc", "u")  # casefold makes both signs for micro this one
