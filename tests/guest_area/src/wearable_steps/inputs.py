"""Rows of recordings → one ragged column of samples, grouped by person."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from polyclinic.samples import Ragged
from polyclinic.samples.inputs import InputColumns, Inputs


@dataclass(frozen=True, kw_only=True)
class StepsInputs(Inputs):
    """Nothing to set."""

    def columns(self, source: Any, rows: pl.DataFrame, task: Any) -> InputColumns:
        """acceleration: ragged, float32, in units of gravity."""
        groups = {"person": rows["person"].to_numpy().astype(str)}
        return InputColumns({"acceleration": ragged(rows["acceleration"])}, groups)

    def unreadable(self, rows: pl.DataFrame) -> dict[int, str]:
        """Recordings without a sample."""
        empty = rows["acceleration"].list.len().fill_null(0) == 0
        return dict.fromkeys(empty.arg_true().to_list(), "no samples")


def ragged(lists: pl.Series, *, of: str | None = None, stride: int = 1) -> Ragged:
    """A list column as a ragged one."""
    lengths = lists.list.len().fill_null(0).to_numpy().astype(np.int64)
    values = lists.explode(empty_as_null=False, keep_nulls=False).cast(pl.Float32).to_numpy()
    stop = np.cumsum(lengths)
    return Ragged(stop - lengths, stop, {"value": values}, of=of, stride=stride)
