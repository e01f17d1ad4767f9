"""Inputs of imaging: one volume a row, named now and read when a model asks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import polars as pl

from polyclinic.areas.imaging import volumes
from polyclinic.areas.imaging.formats.nifti import Nifti
from polyclinic.errors import BadData
from polyclinic.samples import File
from polyclinic.samples.frames import need_columns
from polyclinic.samples.inputs import InputColumns


@dataclass(frozen=True, slots=True, kw_only=True)
class ImagingInputs:
    """column: the column of the rows that names each volume's file; case: the column that names the case."""

    column: str = "image"
    case: str = "case"

    def columns(self, source: Any, rows: pl.DataFrame, task: Any) -> InputColumns:
        """The volumes as a `File` column, and the group `case`; see `Inputs.columns`."""
        need_columns(rows, [self.column])
        references = rows[self.column].fill_null("").to_numpy().astype(str)
        how = {**Nifti.files["image"], **getattr(source, "files", {}).get(self.column, {})}
        image = File(references, how["reader"], {"writer": how["writer"], "channels": 1})
        return InputColumns({self.column: image}, {"case": self._cases(rows)})

    def unreadable(self, rows: pl.DataFrame) -> dict[int, str]:
        """Position → why a volume cannot be read, judged by its header."""
        reasons = ((at, _reason(path)) for at, path in enumerate(rows[self.column].fill_null("")))
        return {at: reason for at, reason in reasons if reason}

    def _cases(self, rows: pl.DataFrame) -> Any:
        named = self.case if self.case in rows.columns else self.column
        return rows[named].cast(pl.String).fill_null("unknown").to_numpy().astype(str)


def _reason(path: str) -> str:
    try:
        volumes.grid(path)
    except BadData as error:
        return error.what
    return ""
