"""Rows that a model cannot distinguish: the same inputs again, perhaps with another label."""

import numpy as np
import numpy.typing as npt
import polars as pl

from polyclinic.arrays import Array
from polyclinic.figures.numbers import how_many, plural
from polyclinic.notes import note
from polyclinic.samples.columns import Dense
from polyclinic.samples.samples import Samples

FEW = 20
"""Whole numbers of more values than this are measurements, which differ where nothing contradicts itself."""


def note_repeats(rows: Samples, unit: str = "") -> None:
    """Note how many things stand in several rows, and how many of them have contradicting labels.

    Parameters
    ----------
    rows
        Samples with their target.
    unit
        The group whose rows are one thing, however it was written (`molecule`). Without one, rows with equal inputs are
        compared, where every input is a dense column.
    """
    keys = _keys(rows, unit)
    if keys is None:
        return
    labels = rows.having("target")
    known = np.asarray(rows.labelled & (keys != ""))
    table = pl.DataFrame({"key": keys[known]})
    targets = [c.values for c in labels.values() if isinstance(c, Dense) and c.values.ndim == 1]
    if len(targets) == 1 and _classes(targets[0][known]):
        table = table.with_columns(label=targets[0][known])
    else:
        table = table.with_columns(label=0)
    counted = table.group_by("key").agg(rows=pl.len(), labels=pl.col("label").n_unique())
    several, contradicting = counted.filter(pl.col("rows") > 1), counted.filter(pl.col("labels") > 1)
    one, many = (unit, plural(unit)) if unit else ("set of equal inputs", "sets of equal inputs")
    if unit and several.height:
        stand = how_many(several.height, f"{one} stands", f"{many} stand")
        result = f"{stand} in several rows ({several['rows'].sum():,} of {how_many(table.height, 'row')})"
        note(
            "repeats",
            result,
            f"They count more than the others; `separate: [{unit}]` keeps each on one side of a split.",
        )
    if contradicting.height:
        have = how_many(contradicting.height, f"{one} has", f"{many} have")
        result = f"{have} contradicting labels ({contradicting['rows'].sum():,} of {how_many(table.height, 'row')})"
        why = "No model of these inputs can be right in all of these rows: look at their labels."
        note("labels", result, why, "serious")


def _keys(rows: Samples, unit: str) -> npt.NDArray[np.object_] | None:
    """What is equal in rows that are one thing: object [row], "" where there is nothing to compare."""
    if unit:
        return rows.groups[unit].astype(object)
    inputs = list(rows.inputs.values())
    dense = [c.values.reshape(len(rows), -1) for c in inputs if isinstance(c, Dense)]
    if not dense or len(dense) < len(inputs):
        return None
    matrix = np.concatenate(dense, axis=1).astype(np.float64) + 0.0  # -0 is 0
    matrix[np.isnan(matrix)] = np.nan  # one NaN, whichever it was
    return np.array([row.tobytes() for row in matrix], object)


def _classes(values: Array) -> bool:
    """Whether labels are few whole numbers: yes or no, or classes."""
    levels = np.unique(values)
    return bool(len(levels) <= FEW and (levels == np.round(levels)).all())
