"""The cohort of a task: subjects and index times, labels, and how many rows each step removed."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Self

import polars as pl

from polyclinic.cohorts.predicates import Plain
from polyclinic.cohorts.task import Task
from polyclinic.errors import BadData, Place, UnknownName
from polyclinic.figures.html import table
from polyclinic.figures.numbers import how_many
from polyclinic.timelines.timeline import Timeline
from polyclinic.timelines.zones import SiteClock

KEYS = ["subject_id", "prediction_time"]


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the flow: rows (and subjects) that are there, or that fell out here (`excluded`).

    past_index: whether the step looks past the index time, so that it restricts labels only.
    """

    step: str
    rows: int
    groups: dict[str, int]
    past_index: bool = False
    excluded: bool = False


@dataclass(frozen=True, eq=False)
class Cohort:
    """The answer of `extract`.

    index: every row of the cohort: `subject_id` int64, `prediction_time` Datetime(us) on the clock of
    `Timeline.scan`, `boolean_value` (null where
    unlabelled) and a float32 `newest//NAME` for each predicate in `at_risk.last`; sorted by subject and time.
    fulfilled: for each row of the index, whether every criterion holds, those past the index too.
    source: the events that the task read; set_aside: code → what `values` set aside; unmatched: plain predicates that no
    event fulfils; mixed_units: codes whose values the task holds against bounds, and the several units they come in.
    """

    task: Task
    index: pl.DataFrame
    attrition: list[Step]
    fulfilled: pl.Series
    source: Timeline | pl.LazyFrame
    set_aside: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    unmatched: tuple[str, ...] = ()
    mixed_units: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def labels(self) -> pl.DataFrame:
        """The rows for which every criterion holds, in the MEDS label schema; without a label in a task that has none."""
        columns = "subject_id", pl.col("prediction_time").cast(pl.Datetime("us")), "boolean_value"
        labels = self.index.filter(self.fulfilled).select(columns)
        # Where the site has a zone, on its wall clock, with `utc_offset`.
        return self.source.clock.to_disk(labels, ["prediction_time"]) if isinstance(self.source, Timeline) else labels

    def require(self) -> Self:
        """The cohort itself; raises `BadData` where it holds nobody, naming the step that left it empty."""
        if self.attrition and self.attrition[-1].rows:
            return self
        empty = next((n for n, s in enumerate(self.attrition) if not s.excluded and not s.rows), 0)
        before = [s for s in self.attrition[:empty] if s.rows]
        fix = "widen that criterion of the task"
        if before and before[-1].excluded:
            why = f"the last {before[-1].rows} fell out at: {before[-1].step}"
        elif self.attrition:
            why, fix = f"there are no {self.attrition[empty].step}", self._codes()
        else:
            why, fix = "the timeline has no events", "check what was ingested"
        raise BadData(f"the cohort matches nobody: {why}", at=Place(key=self._key()), fix=fix)

    def _codes(self) -> str:
        """What to do where nothing starts: codes of the task that no event has, with the nearest that there are."""
        look = "look with `polyclinic describe` which codes the timeline has"
        if not (absent := self._absent(self.task.predicates)):
            return f"{look}, and compare them with the task's"
        return f"no event has the code {'; '.join([*absent.values()][:3])}: correct the task, or {look}"

    def _absent(self, names: Iterable[str]) -> dict[str, str]:
        """Of these predicates those whose code no event has: the code, and the nearest that there are."""
        events = self.source.scan() if isinstance(self.source, Timeline) else self.source
        codes = events.select(pl.col("code").unique().sort()).collect(engine="streaming")
        absent = {}
        for name in names:
            predicate = self.task.predicates[name]
            if isinstance(predicate, Plain) and codes.filter(predicate.codes()).is_empty():
                plain = [text.strip("^$.*") for text in predicate.wanted]
                near = [c for text in plain for c in get_close_matches(text, codes["code"], n=1, cutoff=0.4)]
                nearest = f", nearest: {' or '.join(dict.fromkeys(near))}" if near else ""
                absent[name] = f"{' or '.join(predicate.wanted)} ({name}{nearest})"
        return absent

    @property
    def positive(self) -> int:
        """How many labels are true."""
        return int(self.labels["boolean_value"].sum() or 0)

    def warnings(self) -> list[dict[str, object]]:
        """Entries of the report's `sanity`: what in these events makes the task mean something else than it says.

        Predicates that no event fulfils (a criterion on one does nothing), and bounds on a code that comes in several
        units (one number means two things).
        """
        return [*self._unmatched_predicates(), *self._mixed_units()]

    def _unmatched_predicates(self) -> list[dict[str, object]]:
        if not self.unmatched:
            return []
        absent = self._absent(self.unmatched)
        wrong_values = "its code occurs, never with such a value"
        result = "; ".join(absent.get(name, f"{name}: {wrong_values}") for name in self.unmatched)
        why = "A criterion on it leaves out nobody, or everybody: see that code and values are written as in the data."
        return [{"check": "predicates that no event fulfils", "applies": True, "result": result, "why": why}]

    def _mixed_units(self) -> list[dict[str, object]]:
        if not self.mixed_units:
            return []
        result = "; ".join(f"{code} comes in {' and '.join(units)}" for code, units in self.mixed_units.items())
        why = "The task compares such values with one number: convert them to one unit at ingest, or name one code a unit."
        return [{"check": "codes with several units", "applies": True, "result": result, "why": why}]

    def _key(self) -> str:
        return next((k for k in ("trigger", "every", "labels") if self.task.document.get(k) is not None), "windows")

    def _repr_html_(self) -> str:
        rows = []
        for s in self.attrition:
            step = f"{'– ' if s.excluded else ''}{s.step}{' (labels only)' if s.past_index else ''}"
            rows.append([step, s.rows, ", ".join(how_many(n, group) for group, n in s.groups.items())])
        return table(rows, ["step", "rows", "of"])


def as_index(table: pl.DataFrame, timeline: Timeline | pl.LazyFrame, at: Place | None = None) -> pl.DataFrame:
    """A table of subjects and index times, with the types, the clock and the order of an index of this timeline.

    Subjects may be named as in the timeline or as in its source; times may have a zone where those of the timeline do.

    Raises `UnknownName` for a column that it lacks, `BadData` where one holds something else.
    """
    for name in KEYS:
        if name not in table.columns:
            raise UnknownName("column", name, table.columns, at=at)
    source, file = timeline if isinstance(timeline, Timeline) else Timeline(""), at.file if at and at.file else "index"
    clock = source.clock if isinstance(timeline, Timeline) else SiteClock()
    table = clock.index_times(table, "prediction_time", file)
    try:
        ids = source.subject_numbers(table["subject_id"]).cast(pl.Int64)
        return table.with_columns(ids).sort(KEYS, maintain_order=True)
    except pl.exceptions.PolarsError as error:
        what = "a table of index times holds numbers in subject_id and times in prediction_time"
        fix = "write subjects as in the timeline and times as 2026-01-31T12:00:00"
        raise BadData(what, at=at, fix=fix) from error
