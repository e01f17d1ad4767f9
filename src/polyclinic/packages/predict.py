"""`polyclinic predict`: a package and a source in, one row out for each row in."""

import tempfile
from datetime import datetime
from pathlib import Path

import polars as pl

from polyclinic.errors import BadData, Place, PolyclinicError, UnknownName, UsageError
from polyclinic.packages.package import ModelPackage
from polyclinic.samples.frames import as_polars, read_table, writable, write_table
from polyclinic.timelines.ingest import ingest, open_source
from polyclinic.timelines.rows import RowTable
from polyclinic.timelines.timeline import Timeline


def predict(
    package: Path | str | ModelPackage,
    source: object,
    *,
    format: str | None = None,
    out: Path | str | None = None,
    at: datetime | None = None,
    index: Path | str | None = None,
) -> pl.DataFrame:
    """Answer for every row of a source.

    Parameters
    ----------
    package
        A package: the folder, a `.zip` of it, the folder of a run, or one that is open.
    source
        Data as they lie (read in the package's own format, or in `format`), an ingested folder, a MEDS data set, an
        opened `Timeline` or `RowTable`, or a data frame of rows.
    out
        The `.parquet` or `.csv` file to write. Files that an outcome answers with (label maps) go to a folder beside it.
    at
        One index time for all, in place of the task's own.
    index
        A table of index times (`subject_id`, `prediction_time`), for a package that was made from a table of labels
        and has no task.

    Returns
    -------
    DataFrame
        The predictions table: one row for each row of the source, in its order.

    Raises
    ------
    BadPackage
        For a package that was altered.
    BadData
        For a source that cannot be read or does not fit.
    UsageError
        Where the package answers with files and `out` is left out.
    """
    target = None if out is None else Path(out)
    if target is not None:
        writable(target)
    opened = package if isinstance(package, ModelPackage) else ModelPackage.open(Path(package))
    with tempfile.TemporaryDirectory() as scratch:
        data = opened_source(source, format or opened.source_format, Path(scratch) / "source")
        files = _nowhere(Path(scratch)) if target is None else target.parent / f"{target.stem}_files"
        try:
            rows = None if index is None else read_table(Path(index))
            table = opened.predict(data, at=at, index=rows, folder=files)
        except UnknownName as error:
            what = f"the source does not fit this package: {error.what}"
            raise BadData(what, at=error.at, fix=error.fix) from error
        except FileExistsError as error:
            what, fix = "this package answers with files, and nothing says where they go", "name a table to write: out"
            raise UsageError(what, at=Place(key="out"), fix=fix) from error
    if target is not None:
        write_table(table, target)
    return table


def _nowhere(folder: Path) -> Path:
    """A path at which no folder can be made: whoever answers with files fails at the first one."""
    path = folder / "nowhere"
    path.touch()
    return path


def opened_source(source: object, format: str | None, scratch: Path) -> Timeline | RowTable:
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
            if format in (None, "meds") or (path / "metadata" / "summary.json").is_file():
                raise
    return ingest(format, path, scratch, max_quarantined=1.0)
