"""`polyclinic predict`: a package and a source in, one row out for each row in."""

import tempfile
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl

from polyclinic.errors import BadData, PolyclinicError, UnknownName
from polyclinic.packages.package import ModelPackage
from polyclinic.samples.frames import as_polars, read_table, writable, write_table
from polyclinic.timelines.ingest import ingest, open_source
from polyclinic.timelines.rows import RowTable
from polyclinic.timelines.timeline import Timeline


def predict(
    package: Path | str | ModelPackage,
    source: Any,
    *,
    format: str | None = None,
    out: Path | None = None,
    at: datetime | None = None,
    index: Path | str | None = None,
) -> pl.DataFrame:
    """Answer for every row of a source.

    source: data as they lie (read as the package's own format, or `format`), an ingested folder, a MEDS data set,
    an opened `Timeline` or `RowTable`, or a data frame of rows.
    out: where the predictions table goes; files that an outcome needs (label maps) go to a folder beside it.
    at: one index time for all, in place of the task's own; index: a table of index times (`subject_id`,
    `prediction_time`), for a package that was made from a table of labels and has no task.
    Raises `BadPackage` for a package that was altered, `BadData` for a source that cannot be read or does not fit.
    """
    if out is not None:
        writable(out)
    made = package if isinstance(package, ModelPackage) else ModelPackage.open(Path(package))
    files = Path(tempfile.mkdtemp()) if out is None else out.parent / f"{out.stem}_files"
    with tempfile.TemporaryDirectory() as scratch:
        opened = opened_source(source, format or made.source_format, Path(scratch) / "source")
        try:
            rows = None if index is None else read_table(Path(index))
            table = made.predict(opened, at=at, index=rows, folder=files)
        except UnknownName as error:
            what = f"the source does not fit this package: {error.what}"
            raise BadData(what, at=error.at, fix=error.fix) from error
    if out is not None:
        write_table(table, out)
    return table


def opened_source(source: Any, format: str | None, scratch: Path) -> Timeline | RowTable:
    """An ingested source as it is; anything else is ingested to `scratch` first, without a bound on what is refused."""
    if isinstance(source, (Timeline, RowTable)):
        return source
    if not isinstance(source, (str, Path)):
        as_polars(source).write_parquet(f"{scratch}.parquet")
        return ingest("table", Path(f"{scratch}.parquet"), scratch, max_quarantined=1.0)
    path = Path(source)
    if format in (None, "meds") or (path / "data").is_dir():
        try:
            return open_source(path)
        except PolyclinicError:
            if format in (None, "meds"):
                raise
    return ingest(format, path, scratch, max_quarantined=1.0)
