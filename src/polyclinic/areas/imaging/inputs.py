"""Inputs of imaging: one volume a row, named now and read when a model asks."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from polyclinic.areas.imaging.formats.nifti import refusal
from polyclinic.samples import File
from polyclinic.samples.frames import need_columns
from polyclinic.samples.inputs import InputColumns
from polyclinic.timelines.format import file_reader
from polyclinic.timelines.rows import RowTable


@dataclass(frozen=True, slots=True, kw_only=True)
class ImagingInputs:
    """column: the column of the rows that names each volume's file; case: the column that names the case."""

    column: str = "image"
    case: str = "case"

    def columns(self, source: Any, rows: pl.DataFrame, task: Any) -> InputColumns:
        """The volumes as a `File` column, and the group `case`; see `Inputs.columns`."""
        need_columns(rows, [self.column])
        references = rows[self.column].fill_null("").to_numpy().astype(str)
        known = source.files if isinstance(source, RowTable) else {}
        image = File(references, known.get(self.column) or file_reader("nifti/image"), {"channels": 1})
        case = rows[self.case if self.case in rows.columns else self.column].cast(pl.String)
        cases = case.fill_null("unknown").to_numpy().astype(str)
        return InputColumns({self.column: image}, {"case": cases})

    def unreadable(self, rows: pl.DataFrame) -> dict[int, str]:
        """Position → why a volume cannot be read, judged by its header."""
        paths = enumerate(rows[self.column].fill_null(""))
        return {at: why[1] for at, path in paths if (why := refusal(Path(path), None))}
