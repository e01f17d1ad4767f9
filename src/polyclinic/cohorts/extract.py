"""A task asked of a timeline: shards in turn, only the codes that the task needs, every row at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import reduce
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from polyclinic.cohorts.cohort import KEYS, Cohort, Step
from polyclinic.cohorts.execution import Execution
from polyclinic.cohorts.grid import grid, inside, intervals, newest, until_now
from polyclinic.cohorts.moments import Ints, Mask, Moments
from polyclinic.cohorts.plan import Plan, Span, plan
from polyclinic.cohorts.predicates import SPECIAL, Derived, Plain
from polyclinic.cohorts.task import Last, Task
from polyclinic.cohorts.values import plausible, set_aside
from polyclinic.errors import UnknownName, UsageError
from polyclinic.timelines.availability import known_at
from polyclinic.timelines.timeline import Timeline

BATCH = 8 << 20  # bytes of shards read at a time: enough to keep the threads busy, and memory flat

__all__ = ["Cohort", "Step", "extract"]


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
        raise UsageError(
            "this task knows its index times only in hindsight: what starts it lies after the index",
            fix="give the time to ask at (--at TIME)",
        )
    parts = [_Batch(task, what, events, outcome, at).answer() for events in _batches(timeline)]
    found = pl.concat([p.index for p in parts]) if parts else _empty(task)
    if at is None or len(parts) > 1:
        found = found.sort(KEYS, maintain_order=True)
    counts: dict[str, Any] = reduce(_added, (p.set_aside for p in parts), {})
    attrition = _summed([p.attrition for p in parts])
    return Cohort(task, found.drop("fulfilled"), attrition, found["fulfilled"], counts)


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


def _summed(parts: Sequence[Sequence[Step]]) -> list[Step]:
    """Steps of the batches added up; a subject lies in one batch only."""
    same = zip(*parts, strict=True)
    return [
        Step(
            s[0].step,
            sum(x.rows for x in s),
            {"subject": sum(x.groups["subject"] for x in s)},
            s[0].past_index,
            s[0].excluded,
        )
        for s in same
    ]


def _added(a: dict[str, Any], b: dict[str, Any]) -> dict[str, Any]:
    return {code: {k: n + a.get(code, {}).get(k, 0) for k, n in counts.items()} for code, counts in b.items()}


def _empty(task: Task) -> pl.DataFrame:
    values = {f"newest//{name}": pl.Float32 for name in task.last}
    return pl.DataFrame(
        schema={
            "subject_id": pl.Int64,
            "prediction_time": pl.Datetime("us"),
            "boolean_value": pl.Boolean,
            **values,
            "fulfilled": pl.Boolean,
        }
    )


@dataclass(slots=True, eq=False)
class _Rows:
    """Rows on their way: who is asked when, what falls out of them where, and the label so far."""

    subject: Ints
    time: Ints
    out: Ints = field(init=False)  # 0, or the number (from 1) of the step at which the row fell out
    steps: list[tuple[str, bool]] = field(default_factory=list)
    label: Mask | None = None
    untold: Mask | None = None  # rows of a file of labels that have none
    newest: dict[str, np.ndarray] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.out = np.zeros(len(self.time), np.int64)

    def drop(self, why: str, which: Mask, *, past: bool = False) -> None:
        """Rows that fall out here, unless they fell out before."""
        self.steps.append((why, past))
        self.out[which & (self.out == 0)] = len(self.steps)


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
    set_aside: dict[str, dict[str, int]] = field(default_factory=dict)

    def answer(self) -> _Batch:
        """Fill `index`, `attrition` and `set_aside`."""
        columns = self.events.collect_schema().names()
        for name, predicate in self.task.predicates.items():
            for column in predicate.columns if isinstance(predicate, Plain) else ():
                if column not in columns:
                    raise UnknownName(f"key or column in predicate {name}", column, [*_PREDICATE, *columns])
        if self.at is not None:
            rows = self.asked_at(_micro(self.at))
        else:
            rows, walk = self.walked()
        first = len(rows.steps)
        for name, last in self.task.last.items():
            self.at_risk(rows, name, last)
        second = len(rows.steps)
        if self.outcome:
            self.ahead(walk, rows)
        if self.at is not None:
            self.finish_live(rows)
        else:
            self.finish(rows, first, second)
        return self

    def walked(self) -> tuple[_Rows, Execution]:
        """The task's own rows, through every criterion that is behind them."""
        if self.task.values:
            self.set_aside = set_aside(self.events, self.task.values)
            self.events = plausible(self.events, self.task.values)
        moments = self.moments()
        rows = self.asked(moments)
        walk = Execution(self.plan, moments, rows.subject, rows.time)
        self.behind(walk, rows)
        return rows, walk

    # what is counted -------------------------------------------------------------------------------------------------

    def moments(self) -> Moments:
        """Counts of the predicates that the plan needs, at each instant that it needs."""
        needed = self.needed()
        plain = {
            n: p for n, p in self.task.predicates.items() if n in self.task.named and isinstance(p, Plain)
        }
        events = self.events
        everywhere = any(p.follows(self.task.statics) for p in self.compound().values())
        if not everywhere and not needed & set(SPECIAL):
            codes = [p.codes() for p in plain.values()]
            events = events.filter(pl.any_horizontal(codes) if codes else pl.lit(False))
        flags = {n: p.holds().cast(pl.UInt32) for n, p in plain.items()}
        frame = (
            events.select("subject_id", "time", **flags)
            .group_by("subject_id", "time")
            .agg(pl.col(*plain).sum() if plain else [])
        )
        counted = frame.collect(engine="streaming").sort("subject_id", "time", nulls_last=False)
        return Moments.of(self.dynamic(self.derived(counted)), needed)

    def needed(self) -> set[str]:
        """Predicates that trigger, points and windows count."""
        names = self.plan.events() | self.plan.counted()
        return names | {self.task.trigger} if self.task.trigger else names

    def derived(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Add the derived predicates; a plain static input holds for all of a subject's instants."""
        statics = [s for s in self.task.statics if s in frame.columns]
        waiting = self.compound()
        if any(s in p.names() for p in waiting.values() for s in statics):
            frame = frame.with_columns(pl.col(statics).first().over("subject_id"))
        while waiting:
            ready = {
                n: p.holds().cast(pl.UInt32)
                for n, p in waiting.items()
                if set(p.names()) <= set(frame.columns)
            }
            frame = frame.with_columns(**ready)
            waiting = {n: p for n, p in waiting.items() if n not in ready}
        return frame

    def compound(self) -> dict[str, Derived]:
        named = ((n, self.task.predicates.get(n)) for n in sorted(self.task.named))
        return {n: p for n, p in named if isinstance(p, Derived)}

    def dynamic(self, frame: pl.DataFrame) -> pl.DataFrame:
        """The instants of subjects for whom every static predicate holds."""
        timed = pl.col("time").is_not_null()
        holds = [((pl.col(s) > 0) & ~timed).any().over("subject_id") for s in self.task.statics]
        return frame.filter(timed, *holds)

    # who is asked ----------------------------------------------------------------------------------------------------

    def asked(self, moments: Moments) -> _Rows:
        """The rows before any criterion."""
        if self.task.every:
            spans = intervals(self.events, *self.between())
            self.note(f"intervals from {self.task.every.begin} to {self.task.every.end}", spans.subject)
            return _Rows(*grid(until_now(spans, self.events), self.task.every))
        if self.task.labels:
            return self.told()
        assert self.task.trigger
        where = moments.counts[self.task.trigger] > 0
        subjects = np.repeat(moments.subjects, np.diff(moments.first))
        rows = _Rows(subjects[where], moments.time[where])
        self.note("trigger events", rows.subject)
        return rows

    def between(self) -> tuple[Plain, Plain]:
        every = self.task.every
        assert every
        begin, end = self.task.predicates[every.begin], self.task.predicates[every.end]
        assert isinstance(begin, Plain)
        assert isinstance(end, Plain)
        return begin, end

    def asked_at(self, when: int) -> _Rows:
        """Every subject of whom something is known then, or who is then between the task's two events."""
        known = known_at(self.events.collect_schema().names())
        seen = self.events.filter(known <= pl.lit(self.at).cast(pl.Datetime("us")))
        if not self.task.every:
            who = seen.select(pl.col("subject_id").unique().sort()).collect()["subject_id"].to_numpy()
        asked = [p for p in (self.task.predicates[n] for n in self.task.last) if isinstance(p, Plain)]
        asked += self.between() if self.task.every else ()
        # Collected once, and then but a few events: a question at the bedside has no time to lose.
        seen = seen.filter(pl.any_horizontal([p.codes() for p in asked]) if asked else pl.lit(False))
        self.events = plausible(seen.collect(engine="in-memory"), self.task.values).lazy()
        if self.task.every:
            who = inside(intervals(self.events, *self.between()), when)
        return _Rows(who.astype(np.int64), np.full(len(who), when, np.int64))

    def told(self) -> _Rows:
        """The rows of the file of labels, for subjects of this batch."""
        table = _read_labels(self.task.labels)
        who = self.events.select(pl.col("subject_id").unique()).collect()["subject_id"]
        table = table.filter(pl.col("subject_id").is_in(who.implode())).sort(KEYS)
        rows = _Rows(table["subject_id"].to_numpy(), table["prediction_time"].to_physical().to_numpy())
        if self.outcome and "boolean_value" in table.columns:
            rows.label = table["boolean_value"].fill_null(False).to_numpy()
            rows.untold = table["boolean_value"].is_null().to_numpy()
        return rows

    # what falls out --------------------------------------------------------------------------------------------------

    def behind(self, walk: Execution, rows: _Rows) -> None:
        """Windows closed at the index, and the index time itself."""
        for span in self.plan.spans:
            if span.closed:
                self.window(walk, rows, span)
        rows.time, there = walk.time(self.plan.index)
        if self.plan.may_lack_index():
            rows.drop("no index time: its event never came", ~there)

    def window(self, walk: Execution, rows: _Rows, span: Span) -> None:
        past = not span.closed
        says = "unlabelled: " if past else ""
        if any(self.plan.points[p].event for p in (span.left, span.right) if p in self.plan.points):
            rows.drop(f"{says}open window: {span.name}", walk.open(span), past=past)
        for name, (low, high) in span.has.items():
            count = walk.count(span, name)
            if low is not None:
                rows.drop(f"{says}fewer than {low} {name} in {span.name}", count < low, past=past)
            if high is not None:
                rows.drop(f"{says}more than {high} {name} in {span.name}", count > high, past=past)

    def at_risk(self, rows: _Rows, name: str, last: Last) -> None:
        """Rows whose newest known value is there, young enough and in range."""
        predicate = self.task.predicates[name]
        assert isinstance(predicate, Plain)
        found = newest(self.events, predicate, rows.subject, rows.time)
        rows.newest[name] = found.value
        if last.within is None:
            rows.drop(f"no {name} so far", ~found.there)
        else:
            late = rows.time - found.time > round(last.within.total_seconds() * 1e6)
            rows.drop(f"no recent {name}", ~found.there | late)
        if last.value_min is not None:
            rows.drop(f"{name} already below {last.value_min:g}", found.value < last.value_min)
        if last.value_max is not None:
            rows.drop(f"{name} already above {last.value_max:g}", found.value > last.value_max)

    def ahead(self, walk: Execution, rows: _Rows) -> None:
        """Windows that look past the index: they restrict labels only."""
        if self.task.labels:
            untold = np.zeros(len(rows.time), np.bool_) if rows.untold is None else rows.untold
            rows.drop("unlabelled: no label in the file", untold, past=True)
        for span in self.plan.spans:
            if not span.closed:
                self.window(walk, rows, span)
                if span.window.label:
                    rows.label = walk.count(span, span.window.label) > 0

    # what comes out --------------------------------------------------------------------------------------------------

    def note(self, step: str, subjects: Any, *, past: bool = False, excluded: bool = False) -> None:
        groups = {"subject": len(np.unique(subjects))}
        self.attrition.append(Step(step, len(subjects), groups, past, excluded))

    def finish_live(self, rows: _Rows) -> None:
        """The same for one time, at which each subject is asked once and nothing is labelled."""
        for number, (step, past) in enumerate(rows.steps, start=1):
            self.note(step, rows.subject[rows.out == number], past=past, excluded=True)
        kept = rows.out == 0
        self.note("at risk" if self.task.last else "index times", rows.subject[kept])
        nobody = np.zeros(int(kept.sum()), np.bool_)
        self.index = pl.DataFrame(
            {
                "subject_id": rows.subject[kept],
                "prediction_time": rows.time[kept].astype("datetime64[us]"),
                "boolean_value": pl.Series([None] * len(nobody), dtype=pl.Boolean),
                **{f"newest//{n}": v[kept].astype(np.float32) for n, v in rows.newest.items()},
                "fulfilled": nobody,
            }
        )

    def finish(self, rows: _Rows, first: int, second: int) -> None:
        """Count the steps, and keep the rows that are asked: one an index time (more where labels disagree)."""
        label = (
            pl.lit(None, pl.Boolean)
            if rows.label is None
            else pl.when(pl.col("out") == 0).then(pl.Series(rows.label))
        )
        frame = pl.DataFrame(
            {
                "subject_id": pl.Series(rows.subject, dtype=pl.Int64),
                "prediction_time": pl.Series(rows.time, dtype=pl.Int64).cast(pl.Datetime("us")),
                "out": pl.Series(rows.out, dtype=pl.Int64),
                **{f"newest//{n}": pl.Series(v, dtype=pl.Float32) for n, v in rows.newest.items()},
            }
        ).with_columns(boolean_value=label)
        frame = self.once(self.without(frame, rows.steps, 1, first))
        self.note("index times", frame["subject_id"])
        if self.task.last:
            frame = self.without(frame, rows.steps, first + 1, second)
            self.note("at risk", frame["subject_id"])
        fulfilled = self.without(frame, rows.steps, second + 1, len(rows.steps))
        if self.outcome:
            name = "labelled" if self.task.label or self.task.labels else "all criteria hold"
            self.note(name, fulfilled["subject_id"], past=True)
        values = [c for c in frame.columns if c.startswith("newest//")]
        fulfil = (pl.col("out") == 0) & pl.lit(self.outcome)
        self.index = frame.select(*KEYS, "boolean_value", *values, fulfilled=fulfil)

    def without(
        self, frame: pl.DataFrame, steps: Sequence[tuple[str, bool]], begin: int, end: int
    ) -> pl.DataFrame:
        """The rows that did not fall out at steps `begin` to `end`, which are counted."""
        out, subjects = frame["out"].to_numpy(), frame["subject_id"].to_numpy()
        for number in range(begin, end + 1):
            step, past = steps[number - 1]
            self.note(step, subjects[out == number], past=past, excluded=True)
        return frame.filter(pl.Series((out < begin) | (out > end)))

    def once(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Each index time once; an unlabelled one gives way to a labelled one, and labels that disagree both stay."""
        if frame.select(pl.struct(KEYS).n_unique()).item() == frame.height:
            return frame
        told = (pl.col("out") == 0).any().over(KEYS)
        rows = frame.sort(*KEYS, "out", maintain_order=True).filter((pl.col("out") == 0) | ~told)
        keys = pl.when(pl.col("out") == 0).then("boolean_value").alias("said")
        return rows.with_columns(keys).unique([*KEYS, "said"], keep="first", maintain_order=True).drop("said")


_PREDICATE = ("value_min", "value_max", "value_min_inclusive", "value_max_inclusive", "static")


def _micro(when: datetime) -> int:
    return (when.replace(tzinfo=None) - datetime(1970, 1, 1)) // timedelta(microseconds=1)


def _read_labels(path: Path | None) -> pl.DataFrame:
    assert path
    table = pl.read_parquet(path) if path.suffix == ".parquet" else pl.read_csv(path, try_parse_dates=True)
    missing = [c for c in KEYS if c not in table.columns]
    if missing:
        raise UsageError(
            f"the file of labels lacks {', '.join(missing)}",
            fix="give it subject_id, prediction_time and boolean_value",
        )
    return table.with_columns(
        pl.col("subject_id").cast(pl.Int64), pl.col("prediction_time").cast(pl.Datetime("us"))
    )
