"""Predictions and labels made elsewhere, brought into the form of the predictions table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from polyclinic.errors import BadData, Place, UnknownName, UsageError
from polyclinic.evaluation.scores import Array

PROBABILITY, TRUTH = "predicted_boolean_probability", "boolean_value"
PREDICTED = (PROBABILITY, "predicted_boolean_value", "uncalibrated_probability", "path", "refused")
RUN = ("model", "fold", "split", "outcome")
KNOWN_KEYS = (("row_id",), ("subject_id", "prediction_time"))


@dataclass(frozen=True, eq=False)
class Given:
    """predictions: the predictions table with the truth; row_id, groups, strata: [row]; steps: who fell out on the way."""

    predictions: pl.DataFrame
    outcome: Any
    row_id: Array
    groups: Mapping[str, Array]
    strata: Mapping[str, Array]
    steps: Mapping[str, pl.DataFrame]

    def cohort(self) -> dict[str, Any]:
        """The flow, how many rows and groups are scored, and what their targets are; of the first model."""
        rows = list(self.steps.values())[-1]
        flow = [
            {"step": name, "rows": f.height, "groups": self._groups(f), "past_index": name == "labelled"}
            for name, f in self.steps.items()
        ]
        target: dict[str, Any] = {"labelled": rows.height}
        if TRUTH in rows.columns:
            target = {"positive": int(rows[TRUTH].sum()), **target}
        targets = {self.outcome.kind: target}
        return {"attrition": flow, "rows": rows.height, "groups": self._groups(rows), "targets": targets}

    def _groups(self, rows: pl.DataFrame) -> dict[str, int]:
        return {name: rows[name].n_unique() for name in self.groups if name in rows.columns}


def read(
    predictions: Path, labels: Path | None, group: str | None, outcome: Any, strata: Sequence[str]
) -> Given:
    """Read, join and check. outcome: an outcome, or its class, whose settings the table then tells (`of_table`)."""
    table, place = _table(predictions), Place(file=str(predictions))
    truth = None if labels is None else _table(labels)
    if "outcome" in table.columns:
        table = table.filter(pl.col("outcome") == outcome.kind)
    if "model" not in table.columns:
        table = table.with_columns(model=pl.lit(predictions.stem))
    if not {"fold", "split"} <= set(table.columns):
        table = table.drop("fold", "split", strict=False).with_columns(fold=pl.lit("0"), split=pl.lit("test"))
    table = table.filter(pl.col("fold").cast(pl.String) != "package")
    if truth is None:
        table, truth, keys = _apart(table)
    else:
        table = table.drop(*(c for c in (TRUTH, "reference") if c in truth.columns), strict=False)
        keys = _shared(table, truth, place, Place(file=str(labels)))
    _once(truth, keys, Place(file=str(labels or predictions)))
    _once(table, [*keys, "model", "fold", "split"], place)
    if outcome.kind == "binary":
        table = table.rename({_sole(table, PROBABILITY, [*keys, group], place, pl.Float64): PROBABILITY})
        truth = truth.rename(
            {_sole(truth, TRUTH, [*keys, group], Place(file=str(labels or predictions)), pl.Boolean): TRUTH}
        )
        truth = truth.with_columns(_yes_or_no(truth[TRUTH]))
        _probabilities(table, place)
    rest = [c for c in truth.columns if c not in table.columns or c in keys]
    numbered = truth.select(rest).with_columns(row_id_=pl.int_range(truth.height))
    joined = table.join(numbered, on=keys, how="inner", maintain_order="left")
    if joined.is_empty():
        raise BadData(
            f"no row of the predictions has a row in the labels (joined by {', '.join(keys)})",
            at=place,
            fix="check that both files name patients and times alike",
        )
    joined = joined.drop("row_id", strict=False).rename({"row_id_": "row_id"})
    made = (
        outcome.of_table(joined)
        if hasattr(outcome, "of_table")
        else outcome()
        if isinstance(outcome, type)
        else outcome
    )
    about = joined.unique("row_id", keep="first").sort("row_id")
    columns = {
        name: about[_column(about, name, place)].to_numpy() for name in [*([group] if group else []), *strata]
    }
    first = [
        f.filter(pl.col("model") == table["model"][0], pl.col("split") == "test") for f in (table, joined)
    ]
    steps = {"rows of the predictions": first[0], "with a row in the labels": first[1]}
    steps["labelled"] = first[1].drop_nulls(list(getattr(made, "truth_columns", ())))
    groups = {group: columns[group]} if group else {}
    levels = {name: columns[name] for name in strata}
    return Given(joined, made, about["row_id"].to_numpy(), groups, levels, steps)


def _table(path: Path) -> pl.DataFrame:
    """A CSV or Parquet file; paths in it are taken from its own folder."""
    if not path.is_file():
        raise UsageError(f"no such file: {path}", at=Place(file=str(path)), fix="check the path")
    try:
        if path.suffix == ".parquet":
            frame = pl.read_parquet(path)
        else:
            frame = pl.read_csv(path, try_parse_dates=True, infer_schema_length=None)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise BadData(
            "cannot be read as CSV or Parquet", at=Place(file=str(path)), fix="check the file"
        ) from error
    here = [c for c in ("path", "reference") if frame.schema.get(c) == pl.String]
    folder = path.resolve().parent
    return frame.with_columns(
        pl.col(c).map_elements(lambda p: str(folder / p), return_dtype=pl.String) for c in here
    )


def _apart(table: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame, list[str]]:
    """Predictions that hold the truth: the same as two tables. Without known keys, models list their rows in one order."""
    keys = next((list(k) for k in KNOWN_KEYS if set(k) <= set(table.columns)), None)
    if keys is None or table.select(*keys, "model", "fold", "split").is_duplicated().any():
        keys = ["row_id"]
        table = table.with_columns(row_id=pl.int_range(pl.len()).over("model"))
    told = [c for c in table.columns if c in (*keys, *RUN, *PREDICTED) or c.startswith("dice//")]
    if PROBABILITY not in told:
        told += [c for c in table.columns if c not in told and table.schema[c].is_float()]
    truth = table.unique(keys, keep="first", maintain_order=True)
    return table.select(told), truth.drop(c for c in told if c not in keys), keys


def _shared(table: pl.DataFrame, truth: pl.DataFrame, here: Place, there: Place) -> list[str]:
    keys = [c for c in table.columns if c in truth.columns and c not in (*RUN, *PREDICTED, TRUTH)]
    if not keys:
        raise BadData(
            f"predictions and labels share no column ({', '.join(table.columns)}; {', '.join(truth.columns)})",
            at=here,
            fix="give both the columns that name a row, for example subject_id and prediction_time",
        )
    for key in keys:
        pair = table.schema[key], truth.schema[key]
        alike = pair[0] == pair[1] or all(t.is_temporal() for t in pair) or all(t.is_integer() for t in pair)
        if not alike:
            raise BadData(
                f"the column {key!r} is {pair[0]} in the predictions and {pair[1]} in the labels",
                at=Place(file=there.file, column=key),
                fix="write it alike in both files",
            )
    return keys


def _once(frame: pl.DataFrame, keys: Sequence[str], at: Place) -> None:
    twice = int(frame.select(keys).is_duplicated().sum())
    if twice:
        raise BadData(
            f"{twice} rows have the same {', '.join(keys)} as another",
            at=at,
            fix="keep one row each, or add the column that tells them apart (`model` for several models)",
        )


def _sole(frame: pl.DataFrame, wanted: str, other: Sequence[str | None], at: Place, kind: Any) -> str:
    """The column of that name, or the only one that it could be."""
    if wanted in frame.columns:
        return wanted
    left = [c for c in frame.columns if c not in (*other, *RUN, *PREDICTED, "row_id")]
    found = [c for c in left if _could_be(frame[c], kind)]
    if len(found) != 1:
        listed = ", ".join(map(repr, found)) or f"none of {', '.join(map(repr, frame.columns))}"
        what = "the probability" if kind == pl.Float64 else "what happened"
        raise BadData(f"cannot tell which column is {what}: {listed}", at=at, fix=f"call it {wanted!r}")
    return found[0]


def _could_be(column: pl.Series, kind: Any) -> bool:
    if kind == pl.Float64:
        return column.dtype.is_float()
    return column.dtype == pl.Boolean or (
        column.dtype.is_numeric() and column.drop_nulls().is_in([0, 1]).all()
    )


def _yes_or_no(column: pl.Series) -> pl.Series:
    values = column.fill_nan(None) if column.dtype.is_float() else column
    if column.dtype != pl.Boolean and not (
        column.dtype.is_numeric() and values.drop_nulls().is_in([0, 1]).all()
    ):
        raise BadData(
            "what happened is not yes or no: there are values other than 0, 1, true and false",
            at=Place(column=TRUTH),
            fix="write true or false, and nothing where it is not known",
        )
    return values.cast(pl.Boolean).alias(TRUTH)


def _probabilities(table: pl.DataFrame, at: Place) -> None:
    given = table if "refused" not in table.columns else table.filter(pl.col("refused").is_null())
    column = given[PROBABILITY]
    wrong = ~column.is_between(0, 1).fill_null(False) if column.dtype.is_numeric() else pl.Series([True])
    if wrong.any():
        raise BadData(
            f"{int(wrong.sum())} predictions are no probability between 0 and 1",
            at=Place(file=at.file, column=PROBABILITY, row=wrong.arg_max()),
            fix="give probabilities (after the sigmoid), one for every row, or a reason in a column `refused`",
        )


def _column(frame: pl.DataFrame, name: str, at: Place) -> str:
    if name not in frame.columns:
        raise UnknownName("column", name, frame.columns, at=at)
    return name
