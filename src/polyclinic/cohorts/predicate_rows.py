"""Of which rows a predicate holds at their index time: subgroups such as `treated`."""

from collections.abc import Mapping
from datetime import timedelta

import numpy as np
import numpy.typing as npt
import polars as pl

from polyclinic.cohorts.predicates import Plain
from polyclinic.cohorts.sorted_times import MICROSECOND, position
from polyclinic.cohorts.task import Task
from polyclinic.cohorts.task_parser import parse_task
from polyclinic.errors import Place, UnknownName, UsageError
from polyclinic.timelines.availability import known_at

COLUMN_KEYS = ("column", "value", "value_min", "value_max", "value_min_inclusive", "value_max_inclusive")


def predicate_of(name: str, document: Mapping[str, object] | str, task: Task | None) -> Plain:
    """A predicate in the task's own words (`{code: …, value_min: …}`), or the name of one of the task's predicates."""
    at = Place(key=f"evaluation.subgroups.{name}")
    if isinstance(document, str):
        predicates = task.predicates if task else {}
        if document not in predicates:
            raise UnknownName("predicate", document, predicates, at=at)
        predicate = predicates[document]
    else:
        predicate = parse_task({"predicates": {name: dict(document)}, "trigger": name}).predicates[name]
    if not isinstance(predicate, Plain):
        what, fix = f"the subgroup {name!r} is no predicate over single events", "write it with `code`"
        raise UsageError(what, at=at, fix=fix)
    return predicate


def holds_before(
    predicate: Plain, events: pl.LazyFrame, index: pl.DataFrame, lookback: timedelta | None
) -> npt.NDArray[np.bool_]:
    """Whether an event of the predicate was known at each index time, in the look-back before it.

    Parameters
    ----------
    predicate, events
        The predicate, and the events of the subjects of the index.
    index
        `subject_id`, `prediction_time`, [row].
    lookback
        How far back an event counts, both by when it was known; None: as far as the record reaches.

    Returns
    -------
    bool [row]. An event without a time counts always.
    """
    known = known_at(events.collect_schema().names()).cast(pl.Datetime("us"))
    table = events.filter(predicate.holds()).select("subject_id", known=known).collect(engine="streaming")
    always = table.filter(pl.col("known").is_null())["subject_id"].unique()
    timed = table.drop_nulls("known").sort("subject_id", "known")
    who, when = timed["subject_id"].to_numpy(), timed["known"].to_physical().to_numpy()
    subject = index["subject_id"].to_numpy()
    now = index["prediction_time"].cast(pl.Datetime("us")).to_physical().to_numpy()
    low, high = (np.searchsorted(who, subject, side) for side in ("left", "right"))
    until = position(when, low, high, now, after=True)
    first = low if lookback is None else position(when, low, high, now - lookback // MICROSECOND, after=True)
    return np.asarray((until > first) | np.isin(subject, always.to_numpy()))


def column_holds(name: str, document: Mapping[str, object] | str, rows: pl.DataFrame) -> npt.NDArray[np.bool_]:
    """Whether a comparison of a column holds, bool [row]: `{column: age, value_min: 65}` or `{column: sex, value: f}`.

    Bounds are not included unless `value_min_inclusive` or `value_max_inclusive` says so; a missing value is no.
    """
    at = Place(key=f"evaluation.subgroups.{name}")
    if not isinstance(document, Mapping) or "column" not in document:
        what = f"the subgroup {name!r} is no comparison of a column"
        raise UsageError(what, at=at, fix=f"for example  {name}: {{column: age, value_min: 65}}")
    for key in document:
        if key not in COLUMN_KEYS:
            raise UnknownName("key", str(key), COLUMN_KEYS, at=at)
    if document["column"] not in rows.columns:
        raise UnknownName("column", str(document["column"]), rows.columns, at=at)
    column, tests = pl.col(document["column"]), []
    if "value" in document:
        tests.append(column.cast(pl.String) == str(document["value"]))
    number = column.cast(pl.Float64, strict=False)
    if "value_min" in document:
        least = _bound(document, "value_min", at)
        tests.append(number >= least if document.get("value_min_inclusive") else number > least)
    if "value_max" in document:
        most = _bound(document, "value_max", at)
        tests.append(number <= most if document.get("value_max_inclusive") else number < most)
    if not tests:
        raise UsageError(
            f"the subgroup {name!r} compares with nothing", at=at, fix="add `value`, `value_min` or `value_max`"
        )
    return np.asarray(rows.select(pl.all_horizontal(tests).fill_null(False)).to_series().to_numpy())


def _bound(document: Mapping[str, object], key: str, at: Place) -> float:
    value = document[key]
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise UsageError(f"{key} of a subgroup is no number", at=at, fix=f"write a number, for example  {key}: 65")
    return float(value)
