"""`polyclinic predict`: a package and a source in, one row out for each row in."""

from __future__ import annotations

import tempfile
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl

from polyclinic import atomic
from polyclinic.errors import PolyclinicError
from polyclinic.packages.package import ModelPackage
from polyclinic.timelines.ingest import ingest, open_source
from polyclinic.timelines.rows import RowTable
from polyclinic.timelines.timeline import Timeline


def predict(
    package: Path | str | ModelPackage,
    source: Path | str | Timeline | RowTable,
    *,
    format: str | None = None,
    out: Path | None = None,
    at: datetime | None = None,
) -> pl.DataFrame:
    """Answer for every row of a source.

    source: data as they lie (read as the package's own format, or `format`), an ingested folder or a MEDS data set.
    out: where the predictions table goes; files that an outcome needs (label maps) go to a folder beside it.
    at: one index time for all, in place of the task's own.
    Raises `BadPackage` for a package that was altered, `BadData` for a source that cannot be read.
    """
    made = package if isinstance(package, ModelPackage) else ModelPackage.open(Path(package))
    files = Path(tempfile.mkdtemp()) if out is None else out.parent / f"{out.stem}_files"
    with tempfile.TemporaryDirectory() as scratch:
        opened = opened_source(source, format or made.about.get("source_format"), Path(scratch) / "source")
        table = made.predict(opened, at=at, folder=files)
    if out is not None:
        with atomic.file(out) as part:
            table.write_csv(part) if out.suffix == ".csv" else table.write_parquet(part)
    return table


def opened_source(source: Any, format: str | None, scratch: Path) -> Timeline | RowTable:
    """An ingested source as it is; anything else is ingested to `scratch` first, without a bound on what is refused."""
    if isinstance(source, (Timeline, RowTable)):
        return source
    path = Path(source)
    if format in (None, "meds") or (path / "data").is_dir():
        try:
            return open_source(path)
        except PolyclinicError:
            if format in (None, "meds"):
                raise
    return ingest(format, path, scratch, max_quarantined=1.0)
