"""Index times on a grid while between two events, and the newest value known at each: both asked live, by availability."""

from typing import NamedTuple

import numpy as np
import polars as pl

from polyclinic.cohorts.moments import MICROSECOND, Ints, following, position
from polyclinic.cohorts.predicates import Plain
from polyclinic.cohorts.task import Every
from polyclinic.timelines.availability import known_at

OPEN = np.iinfo(np.int64).max


class Spans(NamedTuple):
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
    steps = pl.concat_list(pl.when(begin.holds()).then(1), pl.when(end.holds()).then(-1))
    found = (
        events.filter(begin.codes() | end.codes(), pl.col("time").is_not_null())
        .select("subject_id", known, step=steps)
        .explode("step")
        .drop_nulls("step")
        .sort("subject_id", "known", "step", descending=[False, False, True])
        .collect(engine="in-memory")
    )
    subject, when, step = (column.to_numpy() for column in found)
    deep = np.cumsum(step, dtype=np.int64)
    # Every subject begins lower than all before it, so that one running minimum serves them all.
    fall = np.unique(subject, return_inverse=True)[1] * (len(step) + 1)
    depth = deep - np.minimum.accumulate(np.minimum(deep, deep - step) - fall) - fall
    first = np.flatnonzero((depth == 1) & (step > 0))
    place = following(depth == 0)[first]
    ended = (place < len(step)) & (subject.take(place, mode="clip") == subject[first])
    return Spans(subject[first], when[first], np.where(ended, when.take(place, mode="clip"), OPEN))


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
    return spans._replace(stop=stop)


def grid(spans: Spans, every: Every) -> tuple[Ints, Ints]:
    """Subject and index time (int64, microseconds) of each row, in the order of the intervals."""
    step, first = every.step // MICROSECOND, spans.start + every.after // MICROSECOND
    counts = np.maximum((spans.stop - first) // step + 1, 0)
    nth = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    return np.repeat(spans.subject, counts), np.repeat(first, counts) + nth * step


def newest(events: pl.LazyFrame, predicate: Plain, subject: Ints, when: Ints) -> tuple[np.ndarray, Ints]:
    """The newest value of a predicate that was known at each row's index time; the newest by the time it was taken.

    Returns values (float32 [row], NaN where there is none) and how old they are then (int64 [row], microseconds;
    `OPEN` where there is none).
    """
    known = known_at(events.collect_schema().names()).to_physical()
    readings = (
        events.filter(predicate.codes())
        .filter(predicate.holds(), ~pl.col("numeric_value").is_infinite(), pl.col("time").is_not_null())
        .select("subject_id", pl.col("time").to_physical(), known, pl.col("numeric_value").cast(pl.Float32))
        .collect(engine="in-memory")
    )
    who, taken, heard, value = (column.to_numpy() for column in readings)
    oldest_first = np.lexsort((heard, taken, who))
    who, taken, heard, value = (column[oldest_first] for column in (who, taken, heard, value))
    order = np.lexsort((heard, who))
    low, high = (np.searchsorted(who, subject, side) for side in ("left", "right"))
    place = position(heard[order], low, high, when, after=True)
    there = place > low
    # Places rise with the subject, so that one running maximum serves them all; the last stands for none.
    best = np.where(there, np.append(np.maximum.accumulate(order), -1)[place - 1], -1)
    age = np.where(there, when - np.append(taken, 0)[best], OPEN)
    return np.append(value, np.float32(np.nan))[best], age
