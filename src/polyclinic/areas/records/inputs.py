"""Timelines as inputs: to each question, the events that were known when it was asked.

Stateless, and the same code for one patient at the bedside and for a million questions: events are sorted once
by subject and by when they became known, and a window is two binary searches in those arrays.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from polyclinic.cohorts.durations import duration
from polyclinic.cohorts.values import plausible
from polyclinic.samples import Column, Dense, Ragged
from polyclinic.samples.inputs import InputColumns
from polyclinic.timelines.availability import known_at

Index = npt.NDArray[np.int64]
NEWEST = "newest//"
TIMELESS = np.iinfo(np.int64).min
YEAR = 365.25 * 86_400e6
UNKNOWN = "unknown"
READ = ("subject_id", "time", "code", "numeric_value", "available_time", "end_time")


@dataclass(frozen=True, slots=True)
class Stratum:
    """What results are broken down by: the newest event known at the index whose code matches.

    code: regular expression; its last group is the stratum. bands: lower bounds; where they are given, the
    stratum is the band of the event's value, or of the years since it where it has none (a birth).
    """

    code: str
    bands: tuple[int, ...] = ()


STRATA = {
    "sex": Stratum(r"^(?:SEX|GENDER)//(.+)$"),
    "race": Stratum(r"^RACE//(.+)$"),
    "ethnicity": Stratum(r"^ETHNICITY//(.+)$"),
    "age_band": Stratum(r"^(?:AGE|MEDS_BIRTH)$", (0, 18, 45, 65, 80)),
    "icu_type": Stratum(r"^ADT_IN//icu(?://(.+))?$"),
}


@dataclass(frozen=True)
class RecordsInputs:
    """The events of the last `lookback`, counted from when they were known.

    lookback: length of the window that ends with the question, both by availability: (index − lookback, index].
    min_subjects: a code counts once so many training subjects have it; learned by the models, not here.
    strata: name → which events tell it.
    """

    lookback: str = "24h"
    min_subjects: int = 5
    strata: Mapping[str, Stratum] = field(default_factory=lambda: dict(STRATA))

    def columns(self, source: Any, rows: pl.DataFrame, task: Any) -> InputColumns:
        """Columns `events` (code, value, time), `static` (code, value: what has no time), and `newest`, the
        newest values that the task itself asks for, where it asks for some.

        source: a `Timeline`; rows: `subject_id`, `prediction_time`, `newest//NAME`; task: a `Task` or None.
        """
        values = {} if task is None else task.values
        # Streaming holds back memory, and doubles the time of one patient.
        engine: Any = "streaming" if getattr(source, "held", None) is None else "in-memory"
        events = known_events(self._told(source.scan(), rows).collect(engine=engine), values)
        window = self._window(events, rows)
        codes = events["code"].unique().sort()
        fields = _fields(events, codes)
        levels = {"code": codes.to_list()}
        spec = {"min_subjects": self.min_subjects}
        untimed = {name: fields[name] for name in ("code", "value")}
        columns: dict[str, Column] = {
            "events": Ragged(window.start, window.stop, fields, levels, spec=spec),
            "static": Ragged(window.first, window.timed, untimed, levels, spec=spec),
            **newest(rows),
        }
        strata = {name: stratum(how, window, fields, levels["code"]) for name, how in self.strata.items()}
        return InputColumns(columns, strata=strata)

    def _told(self, events: pl.LazyFrame, rows: pl.DataFrame) -> pl.LazyFrame:
        """The subjects' events that some window may show, those without a time, and those that tell a stratum."""
        names = events.collect_schema().names()
        known = known_at(names)
        asked = _micro(rows["prediction_time"])
        opens, shuts = (int(v) for v in ((asked.min(), asked.max()) if len(asked) else (0, 0)))
        ended = [pl.col("end_time").is_not_null()] if "end_time" in names else []
        told = "|".join(f"(?:{re.sub(r'[(](?![?])', '(?:', how.code)})" for how in self.strata.values())
        stratum = [pl.col("code").str.contains(told)] if told else []
        shown = known.is_null() | known.to_physical().is_between(opens - self._span, shuts)
        subjects = pl.Series(np.unique(rows["subject_id"].to_numpy())).implode()
        told_of = events.filter(
            pl.col("subject_id").is_in(subjects), pl.any_horizontal(shown, *ended, *stratum)
        )
        return told_of.select(name for name in READ if name in names)

    @property
    def _span(self) -> int:
        return int(duration(self.lookback).total_seconds() * 1e6)

    def _window(self, events: pl.DataFrame, rows: pl.DataFrame) -> Window:
        subject = events["subject_id"].to_numpy()
        known, asked = _micro(events["known"]), _micro(rows["prediction_time"])
        wanted = rows["subject_id"].to_numpy()
        first, last = (np.searchsorted(subject, wanted, side).astype(np.int64) for side in ("left", "right"))
        opens = asked - self._span
        timed, start, stop = (
            up_to(known, first, last, at) for at in (np.full_like(asked, TIMELESS), opens, asked)
        )
        return Window(first, timed, np.maximum(start, timed), stop, asked)

    def unreadable(self, rows: pl.DataFrame) -> dict[int, str]:
        """No row is unreadable: a patient without events is a patient without events."""
        return {}


@dataclass(frozen=True, eq=False, slots=True)
class Window:
    """Positions in the sorted events, int64 [row]: the subject's first, its first with a time, the window's bounds;
    and when each row is asked, in microseconds since 1970.
    """

    first: Index
    timed: Index
    start: Index
    stop: Index
    asked: Index


def known_events(events: pl.DataFrame, values: Mapping[str, Any]) -> pl.DataFrame:
    """The plausible events with `known`, when they became known; sorted by subject and `known`.

    An event's end is an event of its own (`CODE//end`), known no sooner than it came.
    """
    kept = ["subject_id", "time", "code", "numeric_value", "known"]
    events = plausible(events, values).with_columns(known=known_at(events.columns))
    if "end_time" in events.columns:
        ends = events.filter(pl.col("end_time").is_not_null()).with_columns(
            time=pl.col("end_time"),
            code=pl.col("code") + "//end",
            numeric_value=pl.lit(None, pl.Float32),
            known=pl.max_horizontal("known", "end_time"),
        )
        events = pl.concat([events.select(kept), ends.select(kept)])
    return events.select(kept).sort("subject_id", "known", maintain_order=True)


def up_to(known: npt.NDArray[Any], first: Index, last: Index, limit: npt.NDArray[Any]) -> Index:
    """For each row, the first position in [first, last) whose `known` lies after `limit`: all searched at once.

    >>> up_to(np.array([1, 5, 9, 2]), np.array([0, 3]), np.array([3, 4]), np.array([5, 1]))
    array([2, 3])
    """
    low, high = first.copy(), last.copy()
    while (open_ := low < high).any():
        middle = (low + high) // 2
        right = open_ & (known[np.minimum(middle, len(known) - 1)] <= limit)
        low = np.where(right, middle + 1, low)
        high = np.where(open_ & ~right, middle, high)
    return low


def _micro(times: pl.Series) -> Index:
    """Microseconds since 1970; a missing time becomes the lowest number there is, `TIMELESS`."""
    return times.to_numpy().astype("datetime64[us]").astype(np.int64)


def _fields(events: pl.DataFrame, codes: pl.Series) -> dict[str, npt.NDArray[Any]]:
    number = events["code"].cast(pl.Enum(codes)).to_physical()
    return {
        "code": number.to_numpy().astype(np.int32),
        "value": events["numeric_value"].to_numpy().astype(np.float32),
        "time": _micro(events["time"]),
    }


def newest(rows: pl.DataFrame) -> dict[str, Column]:
    """The newest known values that the task asks for, as one dense column; nothing where it asks for none."""
    names = [name for name in rows.columns if name.startswith(NEWEST)]
    if not names:
        return {}
    values = rows.select(pl.col(names).cast(pl.Float32).fill_null(float("nan"))).to_numpy()
    return {"newest": Dense(values.astype(np.float32), tuple(n.removeprefix(NEWEST) for n in names))}


def stratum(
    how: Stratum, window: Window, fields: Mapping[str, npt.NDArray[Any]], codes: list[str]
) -> npt.NDArray[Any]:
    """One stratum of each row, "unknown" where no event known at the index tells it: str [row]."""
    found = [re.search(how.code, code) for code in codes]
    matches = np.array([hit is not None for hit in found], bool)
    at = np.flatnonzero(matches[fields["code"]]) if len(codes) else np.zeros(0, np.int64)
    if not len(at):
        return np.full(len(window.stop), UNKNOWN)
    place = np.searchsorted(at, window.stop) - 1
    event = at[np.maximum(place, 0)]
    seen = (place >= 0) & (event >= window.first)
    if how.bands:
        return _banded(how.bands, fields["value"][event], (window.asked - fields["time"][event]) / YEAR, seen)
    names = np.array([(hit and hit.groups() and hit.group(hit.re.groups)) or UNKNOWN for hit in found])
    return np.where(seen, names[fields["code"][event]], UNKNOWN)


def _banded(
    bands: tuple[int, ...], value: npt.NDArray[Any], years: npt.NDArray[Any], seen: npt.NDArray[np.bool_]
) -> npt.NDArray[Any]:
    age = np.where(np.isnan(value), years, value)
    tops = [f"{low}–{high - 1}" for low, high in pairwise(bands)]
    names = np.array([UNKNOWN, *tops, f"{bands[-1]}+"])
    return names[np.where(seen, np.searchsorted(bands, age, side="right"), 0)]
