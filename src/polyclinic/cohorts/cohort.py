"""What a task finds in a timeline: who is asked when, what happened, and who fell out at which step."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from html import escape

import polars as pl

from polyclinic.cohorts.task import Task
from polyclinic.errors import BadData, Place
from polyclinic.timelines.timeline import Timeline

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

    index: every row that is asked: `subject_id` int64, `prediction_time` Datetime(us), `boolean_value` (null where
    unlabelled) and a float32 `newest//NAME` for each predicate in `at_risk.last`; sorted by subject and time.
    fulfilled: for each row of the index, whether every criterion holds, those past the index too.
    set_aside: code → what `values` set aside.
    """

    task: Task
    index: pl.DataFrame
    attrition: list[Step]
    fulfilled: pl.Series
    set_aside: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    source: Timeline | pl.LazyFrame | None = None

    @property
    def labels(self) -> pl.DataFrame:
        """The rows for which every criterion holds, in the MEDS label schema; without a label in a task that has none."""
        return self.index.filter(self.fulfilled).select(
            "subject_id", pl.col("prediction_time").cast(pl.Datetime("us")), "boolean_value"
        )

    def require(self) -> Cohort:
        """The cohort itself; raises `BadData` where it holds nobody, naming the step that left it empty."""
        if self.index.height:
            return self
        empty = next((n for n, s in enumerate(self.attrition) if not s.excluded and not s.rows), 0)
        before = [s for s in self.attrition[:empty] if s.rows]
        if before and before[-1].excluded:
            why, fix = (
                f"the last {before[-1].rows} fell out at: {before[-1].step}",
                "widen that criterion of the task",
            )
        else:
            why = (
                f"there are no {self.attrition[empty].step}"
                if self.attrition
                else "the timeline has no events"
            )
            fix = "look with `polyclinic describe` which codes the timeline has, and compare them with the task's"
        raise BadData(f"the cohort matches nobody: {why}", at=Place(key=self._key()), fix=fix)

    def _key(self) -> str:
        return next(
            (k for k in ("trigger", "every", "labels") if self.task.document.get(k) is not None), "windows"
        )

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td>{'– ' if s.excluded else ''}{escape(s.step)}{' (labels only)' if s.past_index else ''}</td>"
            f"<td style='text-align:right'>{s.rows:,}</td>"
            f"<td>{', '.join(f'{n:,} {escape(g)}s' for g, n in s.groups.items())}</td></tr>"
            for s in self.attrition
        )
        return f"<table><thead><tr><th>step</th><th>rows</th><th>of</th></tr></thead><tbody>{rows}</tbody></table>"
