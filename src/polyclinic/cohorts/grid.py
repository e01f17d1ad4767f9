"""Index times on a grid while between two events, and the newest value known at each: both asked live, by availability."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from polyclinic.cohorts.moments import Ints, Mask, position
from polyclinic.cohorts.predicates import Plain
from polyclinic.cohorts.task import Every
from polyclinic.timelines.availability import known_at

OPEN = np.iinfo(np.int64).max


@dataclass(frozen=True, slots=True, eq=False)
class Spans:
    """When subjects were between two events: int64 [span], microseconds since 1970; `OPEN` where it has not ended."""

    subject: Ints
    start: Ints
    stop: Ints


def intervals(events: pl.LazyFrame, begin: Plain, end: Plain) -> Spans:
    """When each subject was between the two events.

    An interval lasts from the first begin until every begin has met its end; one that begins at the instant another
    ends goes on from it. An end without a begin is passed over. Times are when the events became known.
    """
    known = known_at(events.collect_schema().names()).to_physical()
    begun, ended = (p.holds().fill_null(False).cast(pl.Int64) for p in (begin, end))
    found = (
        events.filter(begin.codes() | end.codes(), pl.col("time").is_not_null())
        .select("subject_id", known, begun=begun, ended=ended)
        .collect(engine="in-memory")
        .sort("subject_id", "known")
    )
    subject, when, begins, ends = (column.to_numpy() for column in found)
    apart = np.flatnonzero(np.append(True, (np.diff(subject) != 0) | (np.diff(when) != 0))[: len(subject)])
    if not len(apart):
        return Spans(subject, when, when)
    begins, ends = np.add.reduceat(begins, apart), np.add.reduceat(ends, apart)
    subject, when = subject[apart], when[apart]
    depth, before = _depths(subject, begins - ends)
    first = np.flatnonzero((before == 0) & (begins > 0))
    last = np.flatnonzero((depth == 0) & ((before > 0) | (begins > 0)))
    met = np.searchsorted(last, first)  # a begin's end is the next one of its subject, if there is one
    place = np.append(last, 0)[met]
    ended_too = (met < len(last)) & (subject[place] == subject[first])
    return Spans(subject[first], when[first], np.where(ended_too, when[place], OPEN))


def _depths(subject: Ints, steps: Ints) -> tuple[Ints, Ints]:
    """How many begins are open after each instant and before it; an end without a begin does not count below nought."""
    deep = np.cumsum(steps)
    new = np.append(True, subject[1:] != subject[:-1])[: len(subject)]
    group = np.cumsum(new) - 1
    deep = deep - (deep - steps)[new][group]
    fall = group * (2 * np.abs(deep).max(initial=0) + 1)  # every subject begins lower than all before it
    lowest = np.minimum.accumulate(deep - fall) + fall
    depth = deep - np.minimum(lowest, 0)
    before = np.append(0, depth)[: len(depth)]
    return depth, np.where(new, 0, before)


def until_now(spans: Spans, events: pl.LazyFrame) -> Spans:
    """Intervals that have not ended reach to the newest thing known of the subject."""
    unended = spans.stop == OPEN
    if not unended.any():
        return spans
    known = known_at(events.collect_schema().names()).max().to_physical()
    who = pl.Series(np.unique(spans.subject[unended])).implode()
    newest = events.filter(pl.col("subject_id").is_in(who)).group_by("subject_id").agg(known)
    subject, last = (column.to_numpy() for column in newest.collect().sort("subject_id"))
    stop = spans.stop.copy()
    stop[unended] = last[np.searchsorted(subject, spans.subject[unended])]
    return Spans(spans.subject, spans.start, stop)


def grid(spans: Spans, every: Every) -> tuple[Ints, Ints]:
    """Subject and index time (int64, microseconds) of each row, in the order of the intervals."""
    step, after = (round(x.total_seconds() * 1e6) for x in (every.step, every.after))
    first = spans.start + after
    counts = np.maximum((spans.stop - first) // step + 1, 0)
    nth = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    return np.repeat(spans.subject, counts), np.repeat(first, counts) + nth * step


def inside(spans: Spans, when: int) -> Ints:
    """The subjects who are in an interval at one time, its end included."""
    return np.unique(spans.subject[(spans.start <= when) & (spans.stop >= when)])


@dataclass(frozen=True, slots=True, eq=False)
class Newest:
    """For each row the newest value known then: float32 [row], its time int64 [row], and whether there is one."""

    value: np.ndarray
    time: Ints
    there: Mask


def newest(events: pl.LazyFrame, predicate: Plain, subject: Ints, when: Ints) -> Newest:
    """The newest value of a predicate that was known at each row's index time; the newest by the time it was taken."""
    known = known_at(events.collect_schema().names())
    readings = (
        events.filter(predicate.codes())
        .filter(predicate.holds(), pl.col("numeric_value").is_not_null(), pl.col("time").is_not_null())
        .select("subject_id", "time", known, pl.col("numeric_value").cast(pl.Float32))
        .collect(engine="in-memory")
    )
    if not readings.height:
        return Newest(np.full(len(when), np.nan, np.float32), when.copy(), np.zeros(len(when), np.bool_))
    who, value = readings["subject_id"].to_numpy(), readings["numeric_value"].to_numpy()
    taken, heard = (readings[c].to_numpy().astype(np.int64) for c in ("time", "known"))
    oldest_first = np.lexsort((heard, taken, who))
    age = np.empty(len(who), np.int64)
    age[oldest_first] = np.arange(len(who))
    order = np.lexsort((age, heard, who))
    low, high = (np.searchsorted(who[order], subject, side).astype(np.int64) for side in ("left", "right"))
    place = position(heard[order], low, high, when, after=True)
    there = place > low
    # `age` rises with the subject, so that one running maximum serves them all.
    best = oldest_first[np.maximum.accumulate(age[order])[place - 1]]
    return Newest(np.where(there, value[best], np.float32(np.nan)), np.where(there, taken[best], when), there)
