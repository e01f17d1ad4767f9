"""How the label of each row was ascertained: how often it was measured in its window, and what ended the window."""

from collections.abc import Mapping

import numpy as np
import polars as pl

from polyclinic.arrays import Ints
from polyclinic.cohorts.grid import intervals, readings
from polyclinic.cohorts.predicates import Plain
from polyclinic.cohorts.sorted_times import MICROSECOND, position
from polyclinic.cohorts.task import TRIGGER, Task, Window

DEATH = "MEDS_DEATH"
COUNT, END = "label_count", "window_end"
FULL, DIED, LEFT, STOPPED = "its full length", "death", "the end of the stay", "the end of the record"


def label_windows(task: Task, events: pl.LazyFrame, index: pl.DataFrame) -> pl.DataFrame | None:
    """Facts of the label window of each row of an index.

    Parameters
    ----------
    task, events
        The task, and all events of the subjects of the index.
    index
        `subject_id`, `prediction_time`.

    Returns
    -------
    `label_count`: at how many times what the label is about was measured in the window (what the window must have, else
    the label itself), and `window_end`: its full length, death, the end of the stay (of the grid's
    interval) or the end of the record. None where the window is not a fixed time from the index.
    """
    window = task.windows.get(task.label or "")
    if window is None or not _is_fixed(window):
        return None
    subject, when = index["subject_id"].to_numpy(), index["prediction_time"].to_physical().to_numpy()
    start = when + window.start.offset // MICROSECOND
    end = (start if window.end.point == "start" else when) + window.end.offset // MICROSECOND
    facts: dict[str, np.ndarray] = {END: _ends(task, events, subject, when, end)}
    name = next((n for n, (low, _) in window.has.items() if low), window.label)
    predicate = task.predicates.get(str(name))
    if isinstance(predicate, Plain):
        # cuff and line at one instant are one measurement
        measured = events.filter(predicate.holds(), pl.col("time").is_not_null()).select("subject_id", "time").unique()
        who, times = _sorted(measured)
        low, high = (np.searchsorted(who, subject, side) for side in ("left", "right"))
        before = position(times, low, high, start, after=not window.start_inclusive)
        facts[COUNT] = position(times, low, high, end, after=window.end_inclusive) - before
    return pl.DataFrame(facts)


def _is_fixed(window: Window) -> bool:
    start, end = window.start, window.end
    return start.point == TRIGGER and end.point in ("start", TRIGGER) and not (start.event or end.event)


def _ends(task: Task, events: pl.LazyFrame, subject: Ints, when: Ints, end: Ints) -> np.ndarray:
    """What ended each window: whatever came before its end, death first."""
    died = (
        events.filter(pl.col("code").cast(pl.String).str.starts_with(DEATH))
        .group_by("subject_id")
        .agg(pl.col("time").min())
    )
    last = events.group_by("subject_id").agg(pl.col("time").max())
    ends = np.full(len(subject), FULL, object)
    ends[_first(last, subject) < end] = STOPPED
    if task.every is not None:
        names = (task.every.begin, task.every.end)
        plain: Mapping[str, Plain] = {n: p for n in names if isinstance(p := task.predicates[n], Plain)}
        spans = intervals(readings(events, plain), *names)
        low, high = (np.searchsorted(spans.subject, subject, side) for side in ("left", "right"))
        place = position(spans.start, low, high, when, after=True) - 1
        ends[(place >= low) & (np.append(spans.stop, 0)[place] < end)] = LEFT
    ends[_first(died, subject) <= end] = DIED
    return ends


def _first(times: pl.LazyFrame, subject: Ints) -> Ints:
    """The one time of each row's subject, microseconds; the largest integer where it has none."""
    who, when = _sorted(times)
    place = np.searchsorted(who, subject)
    never = np.iinfo(np.int64).max
    there = np.append(who, -1)[place] == subject
    return np.where(there, np.append(when, never)[place], never)


def _sorted(events: pl.LazyFrame) -> tuple[Ints, Ints]:
    """Subjects and times, int64 (microseconds), by subject and time; events without a time are left out."""
    table = events.filter(pl.col("time").is_not_null()).sort("subject_id", "time").collect(engine="streaming")
    return table["subject_id"].to_numpy(), table["time"].cast(pl.Datetime("us")).to_physical().to_numpy()
