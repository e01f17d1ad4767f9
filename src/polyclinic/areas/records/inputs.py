"""Timelines as inputs: to each question, the events that were known when it was asked.

Stateless, and the same code for one patient at the bedside and for a million questions: events are sorted once
by subject and by when they became known, and a window is two binary searches in those arrays.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

import numpy as np
import polars as pl

from polyclinic import progress
from polyclinic.cohorts.durations import duration
from polyclinic.cohorts.moments import position
from polyclinic.cohorts.values import plausible
from polyclinic.samples import Column, Dense, Ragged
from polyclinic.samples.columns import Array, Index
from polyclinic.samples.inputs import InputColumns
from polyclinic.timelines.availability import known_at

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
        # Streaming holds back memory, and doubles the time of one patient.
        engine: Any = "streaming" if getattr(source, "held", None) is None else "in-memory"
        told = self._told(source.scan(), rows).collect(engine=engine)
        if infinite := told["numeric_value"].is_infinite().sum():
            progress.say(f"{infinite:,} events with an infinite value are left out")
        events = known_events(told, {} if task is None else task.values)
        subject, wanted = (frame["subject_id"].to_numpy() for frame in (events, rows))
        first, last = (np.searchsorted(subject, wanted, side).astype(np.int64) for side in ("left", "right"))
        known, asked = _micro(events["known"]), _micro(rows["prediction_time"])
        limits = np.full_like(asked, TIMELESS), asked - self._span, asked
        timed, start, stop = (position(known, first, last, limit, after=True) for limit in limits)
        codes = events["code"].unique().sort()
        number = events["code"].cast(pl.Enum(codes)).to_physical().to_numpy().astype(np.int32)
        value = events["numeric_value"].to_numpy().astype(np.float32)
        fields: dict[str, Any] = {"code": number, "value": value, "time": _micro(events["time"])}
        levels, spec = {"code": codes.to_list()}, {"min_subjects": self.min_subjects}
        every = Ragged(first, stop, fields, levels, spec=spec)
        columns: dict[str, Column] = {
            "events": replace(every, start=np.maximum(start, timed)),
            "static": replace(every, stop=timed, values={"code": number, "value": value}),
        }
        if names := [name for name in rows.columns if name.startswith(NEWEST)]:
            newest = rows.select(pl.col(names).cast(pl.Float32).fill_null(float("nan"))).to_numpy()
            columns["newest"] = Dense(newest, tuple(name.removeprefix(NEWEST) for name in names))
        return InputColumns(columns, strata={n: stratum(how, every, asked) for n, how in self.strata.items()})

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
        mine = pl.col("subject_id").is_in(subjects)
        told_of = events.filter(mine, pl.any_horizontal(shown, *ended, *stratum))
        return told_of.select(name for name in READ if name in names)

    @property
    def _span(self) -> int:
        return int(duration(self.lookback).total_seconds() * 1e6)

    def unreadable(self, rows: pl.DataFrame) -> dict[int, str]:
        """No row is unreadable: a patient without events is a patient without events."""
        return {}


def known_events(events: pl.DataFrame, values: Mapping[str, Any]) -> pl.DataFrame:
    """The plausible events with `known`, when they became known; sorted by subject and `known`.

    An event's end is an event of its own (`CODE//end`), known no sooner than it came.
    """
    events = plausible(events, values).with_columns(known=known_at(events.columns))
    if "end_time" in events.columns:
        end: dict[str, Any] = {"time": "end_time", "code": pl.col("code") + "//end"}
        end |= {"numeric_value": pl.lit(None, pl.Float32), "known": pl.max_horizontal("known", "end_time")}
        ends = events.filter(pl.col("end_time").is_not_null()).with_columns(**end)
        events = pl.concat([events, ends])
    kept = events.select("subject_id", "time", "code", "numeric_value", "known")
    return kept.sort("subject_id", "known", maintain_order=True)


def _micro(times: pl.Series) -> Index:
    """Microseconds since 1970; a missing time becomes the lowest number there is, `TIMELESS`."""
    return times.to_numpy().astype("datetime64[us]").astype(np.int64)


def stratum(how: Stratum, known: Ragged, asked: Index) -> Array:
    """One stratum of each row, "unknown" where no event known at the index tells it: str [row].

    known: of each row, every event known when it is asked; asked: when that is, in microseconds since 1970.
    """
    found = [re.search(how.code, code) for code in known.levels["code"]]
    at = np.flatnonzero(np.array([hit is not None for hit in found], bool)[known.values["code"]])
    if not len(at):
        return np.full(len(known), UNKNOWN)
    event = at[np.maximum(np.searchsorted(at, known.stop) - 1, 0)]
    number, value, time = (known.values[field][event] for field in ("code", "value", "time"))
    names = [(hit and hit.groups() and hit.group(hit.re.groups)) or UNKNOWN for hit in found]
    if how.bands:
        names = [f"{low}–{high - 1}" for low, high in pairwise(how.bands)] + [f"{how.bands[-1]}+"]
        age = np.where(np.isnan(value), (asked - time) / YEAR, value)
        number = np.searchsorted(how.bands, age, side="right") - 1
    seen = (event >= known.start) & (event < known.stop)
    return np.array([*names, UNKNOWN])[np.where(seen, number, -1)]
