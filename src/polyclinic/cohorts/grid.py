"""Index times on a grid while between two events, and the newest value known at each: both by availability, as at the bedside."""

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from polyclinic.arrays import Ints, Mask
from polyclinic.cohorts.predicates import Plain, coded
from polyclinic.cohorts.sorted_times import MICROSECOND, following, position
from polyclinic.cohorts.task import Every
from polyclinic.cohorts.values import plausible_rows
from polyclinic.timelines.availability import TIMELESS
from polyclinic.timelines.event_arrays import EventArrays

READ = ("subject_id", "time", "available_time", "code", "numeric_value")
OPEN = np.iinfo(np.int64).max


class Spans(NamedTuple):
    """When subjects were between two events: int64 [span], microseconds since 1970; `OPEN` where it has not ended."""

    subject: Ints
    start: Ints
    stop: Ints


class Readings(NamedTuple):
    """Events that some of a few predicates may hold of, as arrays [event].

    time, known: when they happened and when they became known, microseconds since 1970; value: float32;
    finite: whether there is a value, and no infinite one; holds: predicate name → of which it holds.
    """

    subject: Ints
    time: Ints
    known: Ints
    value: npt.NDArray[np.float32]
    finite: Mask
    holds: dict[str, Mask]


def readings(events: pl.LazyFrame, predicates: Mapping[str, Plain]) -> Readings:
    """The events with a time that have a code of one of these predicates."""
    frame = read_by(events.filter(coded(predicates.values())), predicates).collect(engine="in-memory")
    return readings_among(frame, EventArrays.of(frame), predicates)


def readings_among(
    frame: pl.DataFrame,
    events: EventArrays,
    predicates: Mapping[str, Plain],
    among: Mask | bool = True,
    values: Mapping[str, object] | None = None,
) -> Readings:
    """The same of events in memory (`frame`, and their arrays), of which some count.

    among: bool [event], those that count; values: the task's own, where implausible values have still to be left out.
    """
    wanted = _flags(frame, [predicate.codes() for predicate in predicates.values()])
    rows = np.flatnonzero(_any(wanted, len(frame)) & (events.time != TIMELESS) & among)
    filled, value = events.filled[rows], events.value[rows]
    if values is not None:
        plausible, value = plausible_rows(events.take(rows), values)
        rows, filled, value = rows[plausible], filled[plausible], value[plausible]
    holds = {name: mask[rows] for name, mask in zip(predicates, wanted, strict=True)}
    if tested := {name: p for name, p in predicates.items() if p.bounded or p.columns}:
        settled = pl.when(pl.Series(filled)).then(pl.Series(value))
        read = frame[rows].with_columns(settled.alias("numeric_value"))
        holds |= dict(zip(tested, _flags(read, [p.holds() for p in tested.values()]), strict=True))
    subject, time, known = (column[rows] for column in (events.subject, events.time, events.known))
    return Readings(subject, time, known, value.astype(np.float32), filled & ~np.isinf(value), holds)


def read_by(events: pl.LazyFrame, predicates: Mapping[str, Plain]) -> pl.LazyFrame:
    """The events with the columns that these predicates and `readings` read."""
    needed = {*READ, *(column for predicate in predicates.values() for column in predicate.columns)}
    return events.select(name for name in events.collect_schema().names() if name in needed)


def _flags(events: pl.DataFrame, tests: Iterable[pl.Expr]) -> list[Mask]:
    """Of which events each test holds; a missing answer is none."""
    masks = events.select_seq(test.alias(str(n)) for n, test in enumerate(tests))
    return [column.to_numpy().astype(bool) for column in masks.iter_columns()]


def _any(masks: Iterable[Mask], length: int) -> Mask:
    """Where one of the masks holds."""
    holds = np.zeros(length, np.bool_)
    for mask in masks:
        holds |= mask
    return holds


def intervals(events: Readings, begin: str, end: str) -> Spans:
    """When each subject was between the events of two predicates.

    An interval lasts from the first begin until every begin has met its end; one that begins at the instant another
    ends goes on from it. An end without a begin is passed over. Times are when the events became known.
    """
    sides = [(events.holds[begin], 1), (events.holds[end], -1)]
    subject, when = (np.concatenate([of[side] for side, _ in sides]) for of in (events.subject, events.known))
    step = np.concatenate([np.full(side.sum(), way) for side, way in sides])
    order = np.lexsort((-step, when, subject))
    subject, when, step = subject[order], when[order], step[order]
    deep = np.cumsum(step, dtype=np.int64)
    # Every subject begins lower than all before it, so that one running minimum serves them all.
    fall = np.unique(subject, return_inverse=True)[1] * (len(step) + 1)
    depth = deep - np.minimum.accumulate(np.minimum(deep, deep - step) - fall) - fall
    first = np.flatnonzero((depth == 1) & (step > 0))
    place = following(depth == 0)[first]
    ended = (place < len(step)) & (subject.take(place, mode="clip") == subject[first])
    return Spans(subject[first], when[first], np.where(ended, when.take(place, mode="clip"), OPEN))


def until_now(spans: Spans, newest_known: Callable[[Ints], pl.DataFrame]) -> Spans:
    """Intervals that have not ended reach to the newest thing known of the subject.

    newest_known: subjects → their `subject_id` and when that was, sorted by subject.
    """
    unended = spans.stop == OPEN
    if not unended.any():
        return spans
    subject, last = (column.to_numpy() for column in newest_known(np.unique(spans.subject[unended])))
    stop = spans.stop.copy()
    stop[unended] = last[np.searchsorted(subject, spans.subject[unended])]
    return spans._replace(stop=stop)


def grid(spans: Spans, every: Every) -> tuple[Ints, Ints]:
    """Subject and index time (int64, microseconds) of each row, in the order of the intervals."""
    step, first = every.step // MICROSECOND, spans.start + every.after // MICROSECOND
    counts = np.maximum((spans.stop - first) // step + 1, 0)
    nth = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    return np.repeat(spans.subject, counts), np.repeat(first, counts) + nth * step


def newest(events: Readings, predicate: str, subject: Ints, when: Ints) -> tuple[np.ndarray, Ints]:
    """The newest value of a predicate that was known at each row's index time; the newest by the time it was taken.

    Returns values (float32 [row], NaN where there is none) and how old they are then (int64 [row], microseconds;
    `OPEN` where there is none).
    """
    numeric = events.holds[predicate] & events.finite
    who, taken, known, value = (column[numeric] for column in (events.subject, events.time, events.known, events.value))
    oldest_first = np.lexsort((known, taken, who))
    who, taken, known, value = (column[oldest_first] for column in (who, taken, known, value))
    order = np.lexsort((known, who))
    low, high = (np.searchsorted(who, subject, side) for side in ("left", "right"))
    place = position(known[order], low, high, when, after=True)
    there = place > low
    # Places rise with the subject, so that one running maximum serves them all; the last stands for none.
    best = np.where(there, np.append(np.maximum.accumulate(order), -1)[place - 1], -1)
    age = np.where(there, when - np.append(taken, 0)[best], OPEN)
    return np.append(value, np.float32(np.nan))[best], age
