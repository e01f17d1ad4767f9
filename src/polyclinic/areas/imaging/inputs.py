"""Inputs of imaging: one volume a row, named now and read at their first use."""

from dataclasses import dataclass
from pathlib import Path

import polars as pl

from polyclinic.areas.imaging.formats.nifti import refusal
from polyclinic.areas.imaging.listing import stem
from polyclinic.samples import File
from polyclinic.samples.frames import need_columns
from polyclinic.samples.inputs import InputColumns, Inputs
from polyclinic.timelines.format import file_reader
from polyclinic.timelines.rows import RowTable


@dataclass(frozen=True, slots=True, kw_only=True)
class ImagingInputs(Inputs):
    """One volume a row.

    Parameters
    ----------
    column
        The column of the rows that names each volume's file.
    case
        The column that names the case; where the rows have none, a case has the name of its file.
    """

    column: str = "image"
    case: str = "case"

    def columns(self, source: object, rows: pl.DataFrame, task: object) -> InputColumns:
        """The volumes as a `File` column, and the group `case`; see `Inputs.columns`."""
        need_columns(rows, [self.column])
        references = rows[self.column].fill_null("").to_numpy().astype(str)
        known = source.files if isinstance(source, RowTable) else {}
        image = File(references, known.get(self.column) or file_reader("nifti/image"), {"channels": 1})
        cases = self._cases(rows).fill_null("unknown").to_numpy().astype(str)
        return InputColumns({self.column: image}, {"case": cases})

    def files(self, rows: pl.DataFrame) -> list[str]:
        """The volumes' paths."""
        return rows[self.column].drop_nulls().to_list() if self.column in rows.columns else []

    def unreadable(self, rows: pl.DataFrame) -> dict[int, str]:
        """Position → why a volume cannot be read, judged by its header."""
        paths = enumerate(rows[self.column].fill_null(""))
        return {position: fault[1] for position, path in paths if (fault := refusal(Path(path), None))}

    def identity(self, rows: pl.DataFrame) -> dict[str, pl.Series]:
        """`case`: predicted label maps are named by it."""
        return {"case": self._cases(rows)}

    def _cases(self, rows: pl.DataFrame) -> pl.Series:
        if self.case in rows.columns:
            return rows[self.case].cast(pl.String)
        paths = rows[self.column].cast(pl.String)
        return pl.Series([None if path is None else stem(Path(path)) for path in paths], dtype=pl.String)
