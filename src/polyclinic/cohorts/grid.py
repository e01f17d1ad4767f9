"""Index times on a grid while between two events, and the newest value known at each: both asked live, by availability."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from polyclinic.cohorts.moments import Ints, Mask, position
from polyclinic.cohorts.predicates import Plain
from polyclinic.cohorts.task import Every
from polyclinic.timelines.availability import known_at


def intervals(events: pl.LazyFrame, begin: Plain, end: Plain) -> pl.DataFrame:
    """When each subject was between the two events: `subject_id`, `start`, `stop` (null where it has not ended).

    An interval lasts from the first begin until every begin has met its end; one that begins at the instant another
    ends goes on from it. An end without a begin is passed over. Times are when the events became known.
    """
    known = known_at(events.collect_schema().names())
    begun, ended = (p.holds().fill_null(False).cast(pl.Int64) for p in (begin, end))
    instants = (
        events.filter(begin.codes() | end.codes(), pl.col("time").is_not_null())
        .select("subject_id", known, begun=begun, ended=ended)
        .group_by("subject_id", "known")
        .agg(pl.col("begun", "ended").sum())
        .sort("subject_id", "known")
        .collect()
    )
    subject, when = instants["subject_id"].to_numpy(), instants["known"].to_numpy()
    begins = instants["begun"].to_numpy() > 0
    depth, before = _depths(subject, instants["begun"].to_numpy() - instants["ended"].to_numpy())
    first = np.flatnonzero((before == 0) & begins)
    last = np.flatnonzero((depth == 0) & ((before > 0) | begins))
    met = np.searchsorted(last, first)  # a begin's end is the next one of its subject, if there is one
    place = np.append(last, 0)[met]
    ended_too = (met < len(last)) & (subject[place] == subject[first])
    stop = np.where(ended_too, when[place], np.datetime64("NaT", "us"))
    return pl.DataFrame({"subject_id": subject[first], "start": when[first], "stop": stop})


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


def until_now(spans: pl.DataFrame, events: pl.LazyFrame) -> pl.DataFrame:
    """Intervals that have not ended reach to the newest thing known of the subject."""
    unended = spans.filter(pl.col("stop").is_null())["subject_id"].unique()
    if not len(unended):
        return spans
    known = known_at(events.collect_schema().names()).max().alias("newest")
    newest = (
        events.filter(pl.col("subject_id").is_in(unended.implode()))
        .group_by("subject_id")
        .agg(known)
        .collect()
    )
    joined = spans.join(newest, on="subject_id", how="left", maintain_order="left")
    return joined.with_columns(stop=pl.coalesce("stop", "newest")).drop("newest")


def grid(spans: pl.DataFrame, every: Every) -> tuple[Ints, Ints]:
    """Subject and index time (int64, microseconds) of each row, in the order of the intervals."""
    step, after = (round(x.total_seconds() * 1e6) for x in (every.step, every.after))
    first = spans["start"].to_physical().to_numpy() + after
    counts = np.maximum((spans["stop"].to_physical().to_numpy() - first) // step + 1, 0)
    nth = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    return np.repeat(spans["subject_id"].to_numpy(), counts), np.repeat(first, counts) + nth * step


def inside(spans: pl.DataFrame, when: int) -> Ints:
    """The subjects who are in an interval at one time, its end included."""
    start = spans["start"].to_physical().to_numpy()
    stop = spans["stop"].to_physical().fill_null(np.iinfo(np.int64).max).to_numpy()
    return np.unique(spans["subject_id"].to_numpy()[(start <= when) & (stop >= when)])


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
        .collect()
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
