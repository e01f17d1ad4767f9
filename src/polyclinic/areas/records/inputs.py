"""Timelines as inputs: for each index row, the events that were known by then.

Stateless, and the same code for one patient at the bedside and for a million questions: events are sorted once
by subject and by when they became known, a part of the timeline at a time, and a window is two binary searches in those
arrays.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from polyclinic import progress
from polyclinic.areas.records.known_events import joined, known_events
from polyclinic.arrays import Array
from polyclinic.cohorts.durations import duration
from polyclinic.cohorts.sorted_times import position
from polyclinic.figures.numbers import how_many
from polyclinic.samples import Column, Dense, Ragged
from polyclinic.samples.columns import Index
from polyclinic.samples.inputs import InputColumns, Inputs
from polyclinic.timelines.availability import TIMELESS, instants
from polyclinic.timelines.event_arrays import EventArrays
from polyclinic.timelines.timeline import Timeline

if TYPE_CHECKING:
    from polyclinic.cohorts.task import Task

NEWEST = "newest//"
YEAR = 365.25 * 86_400e6
UNKNOWN = "unknown"
READ = ("subject_id", "time", "code", "numeric_value", "available_time", "end_time")
PART = 2 << 20
"""Bytes of shards whose events are read together: half a million events and more, which take 100 bytes each on the way."""


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
class RecordsInputs(Inputs):
    """The events of the last `lookback`, counted from when they were known.

    lookback: length of the window that ends with the question, both by availability: (index − lookback, index].
    min_subjects: a code counts once so many training subjects have it; learned by the models, not here.
    strata: name → which events give it.
    """

    lookback: str = "24h"
    min_subjects: int = 5
    strata: Mapping[str, Stratum] = field(default_factory=lambda: dict(STRATA))

    def columns(self, source: Timeline, rows: pl.DataFrame, task: "Task | None") -> InputColumns:
        """Columns `events` (code, value, time), `static` (code, value: what has no time), and `newest`, the
        newest values that the task itself names, where it names some.

        source: a `Timeline`; rows: `subject_id`, `prediction_time`, `newest//NAME`; task: a `Task` or None.
        """
        index_times, values = instants(rows["prediction_time"]), {} if task is None else task.values
        shown = (self._shown(part, rows, index_times) for part in source.parts(PART))
        events = joined([known_events(part, values) for part in shown])
        if events.infinite:
            progress.say(f"{how_many(events.infinite, 'event')} with an infinite value left out")
        first, last = events.of_subjects(rows["subject_id"].to_numpy())
        limits = np.full_like(index_times, TIMELESS), index_times - self._span, index_times
        timed, start, stop = (position(events.known, first, last, limit, after=True) for limit in limits)
        fields: dict[str, Array] = {"code": events.code, "value": events.value, "time": events.time}
        levels, spec = {"code": events.levels}, {"min_subjects": self.min_subjects}
        every = Ragged(first, stop, fields, levels, spec=spec)
        columns: dict[str, Column] = {
            "events": replace(every, start=np.maximum(start, timed)),
            "static": replace(every, stop=timed, values={n: fields[n] for n in ("code", "value")}),
        }
        if names := [name for name in rows.columns if name.startswith(NEWEST)]:
            newest = np.column_stack([rows[name].cast(pl.Float32).to_numpy() for name in names])
            columns["newest"] = Dense(newest, tuple(name.removeprefix(NEWEST) for name in names))
        return InputColumns(columns, strata={n: stratum(rule, every, index_times) for n, rule in self.strata.items()})

    def _shown(self, source: Timeline, rows: pl.DataFrame, index_times: Index) -> EventArrays:
        """The subjects' events that some window may show, those without a time, and those that give a stratum."""
        opens, shuts = (index_times.min() - self._span, index_times.max()) if len(index_times) else (0, 0)
        events = source.arrays if source.frame is not None else _events_of(source, rows)
        shown = (events.known == TIMELESS) | ((events.known >= opens) & (events.known <= shuts))
        if events.end is not None:
            shown |= events.end != TIMELESS
        if self.strata and len(others := np.flatnonzero(~shown)):
            patterns = "|".join(f"(?:{re.sub(r'[(](?![?])', '(?:', rule.code)})" for rule in self.strata.values())
            shown[others] = events.code[others].str.contains(patterns).fill_null(False).to_numpy()
        return events if shown.all() else events.take(np.flatnonzero(shown))

    @property
    def _span(self) -> int:
        return int(duration(self.lookback).total_seconds() * 1e6)

    def unreadable(self, rows: pl.DataFrame) -> dict[int, str]:
        """No row is unreadable: a patient without events is a patient without events."""
        return {}


def _events_of(source: Timeline, rows: pl.DataFrame) -> EventArrays:
    """The events of the subjects of these rows."""
    scanned, subjects = source.scan(), pl.Series(np.unique(rows["subject_id"].to_numpy())).implode()
    columns = [name for name in READ if name in scanned.collect_schema().names()]
    return EventArrays.of(
        scanned.filter(pl.col("subject_id").is_in(subjects)).select(columns).collect(engine="streaming")
    )


def stratum(rule: Stratum, known: Ragged, index_times: Index) -> Array:
    """One stratum of each row, "unknown" where no event known at the index gives it: str [row].

    known: of each row, every event known at its index time; index_times: int64 [row], microseconds since 1970.
    """
    matches = [re.search(rule.code, code) for code in known.levels["code"]]
    at = np.flatnonzero(np.array([match is not None for match in matches], bool)[known.values["code"]])
    if not len(at):
        return np.full(len(known), UNKNOWN)
    event = at[np.maximum(np.searchsorted(at, known.stop) - 1, 0)]
    number, value, time = (known.values[field][event] for field in ("code", "value", "time"))
    names = [(match and match.groups() and match.group(match.re.groups)) or UNKNOWN for match in matches]
    if rule.bands:
        names = [f"{low}–{high - 1}" for low, high in pairwise(rule.bands)] + [f"{rule.bands[-1]}+"]
        age = np.where(np.isnan(value), (index_times - time) / YEAR, value)
        number = np.searchsorted(rule.bands, age, side="right") - 1
    in_window = (event >= known.start) & (event < known.stop)
    return np.array([*names, UNKNOWN])[np.where(in_window, number, -1)]
