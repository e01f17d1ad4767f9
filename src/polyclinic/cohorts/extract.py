"""The cohort of a task in a timeline: shards in turn, a few at a time, so that memory stays flat."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from datetime import datetime
from typing import Any

import polars as pl

from polyclinic.cohorts.batch import Batch, BatchCohort
from polyclinic.cohorts.cohort import KEYS, Cohort, as_index
from polyclinic.cohorts.plan import plan
from polyclinic.cohorts.task import Task
from polyclinic.errors import Place, UsageError
from polyclinic.timelines.tables import read_table
from polyclinic.timelines.timeline import Timeline
from polyclinic.timelines.zones import SiteClock

BATCH = 8 << 20  # bytes of shards read at a time: enough to keep the threads busy, and memory flat


def extract(
    task: Task, timeline: Timeline | pl.LazyFrame, *, outcome: bool = True, at: datetime | None = None
) -> Cohort:
    """Extract the cohort of a task from a timeline (or from events in memory).

    Parameters
    ----------
    task
        The question; see `load_task`.
    timeline
        A timeline, or its events as a lazy frame.
    outcome
        Whether to look past the index for labels; without it, the rows are the same and none is labelled.
    at
        One index time for every subject, in place of the task's own index times (no outcome): with a zone, or on
        the wall clock of the site.

    Returns
    -------
    Cohort

    Raises
    ------
    UsageError
        Where the task names a column that the events lack, or has index times that are known only in hindsight.
    """
    schedule = plan(task)
    outcome = outcome and at is None
    if not (outcome or schedule.live or at):
        hindsight = "this task knows its index times only in hindsight: what starts it lies after the index"
        raise UsageError(hindsight, fix="give one index time (--at TIME)")
    if at is not None:
        at = (timeline.clock if isinstance(timeline, Timeline) else SiteClock()).instant(at)
    file = task.labels
    labels = None if file is None else as_index(read_table(file), timeline, Place(file=str(file)))
    in_memory = timeline if isinstance(timeline, Timeline) and timeline.frame is not None else None
    with timeline.reading() if isinstance(timeline, Timeline) else nullcontext():
        parts = [
            Batch(task, schedule, events, outcome, at, labels, in_memory).answer() for events in _batches(timeline)
        ]
    index = parts[0].index if len(parts) == 1 else pl.concat([p.index for p in parts] or [_empty_index(task)])
    if at is None or len(parts) > 1:
        index = index.sort(KEYS, maintain_order=True)
    fulfilled = (index.drop_in_place("out") == 0) & outcome
    return _joined(parts, Cohort(task, index, [], fulfilled, timeline))


def _batches(timeline: Timeline | pl.LazyFrame) -> Iterator[pl.LazyFrame]:
    if isinstance(timeline, pl.LazyFrame):
        yield timeline
    else:
        yield from (part.scan() for part in timeline.parts(BATCH))


def _joined(parts: Sequence[BatchCohort], cohort: Cohort) -> Cohort:
    """The cohort with what the batches counted; a subject lies in one batch only, so that counts add up."""
    if not parts:
        return cohort
    aside = {code: _added([p.set_aside[code] for p in parts]) for code in parts[0].set_aside}
    steps = [
        replace(same[0], rows=sum(s.rows for s in same), groups=_added([s.groups for s in same]))
        for same in zip(*(p.attrition for p in parts), strict=True)
    ]
    unmatched = tuple(sorted(set.intersection(*(p.unmatched for p in parts))))
    units: dict[str, set[str]] = {}
    for part in parts:
        for code, names in part.units.items():
            units.setdefault(code, set()).update(names)
    mixed = {code: tuple(sorted(names)) for code, names in sorted(units.items()) if len(names) > 1}
    return replace(cohort, attrition=steps, set_aside=aside, unmatched=unmatched, mixed_units=mixed)


def _added(counts: Sequence[Mapping[str, int]]) -> dict[str, int]:
    return {name: sum(one[name] for one in counts) for name in counts[0]}


def _empty_index(task: Task) -> pl.DataFrame:
    schema: dict[str, Any] = {"subject_id": pl.Int64, "prediction_time": pl.Datetime("us"), "boolean_value": pl.Boolean}
    newest = {f"newest//{name}": pl.Float32 for name in task.last}
    return pl.DataFrame(schema=schema | newest | {"out": pl.Int64})
