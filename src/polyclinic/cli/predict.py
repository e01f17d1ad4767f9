"""`polyclinic predict`: answers of a package; torch is not needed."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Argument, Option

from polyclinic.cli import output
from polyclinic.figures.numbers import how_many

if TYPE_CHECKING:
    import polars as pl

EXAMPLE = "polyclinic predict demo/package timeline/ --out predictions.parquet"


def command(
    package: output.Package,
    source: Annotated[Path, Argument(help="Data in the package's format, an ingested folder, or MEDS.")],
    out: Annotated[
        Path | None, Option(help="The .parquet or .csv file to write; without it, the first rows are printed.")
    ] = None,
    format_name: Annotated[
        str | None, Option("--format", help="The format of SOURCE, where it is not the package's own.")
    ] = None,
    at: Annotated[
        datetime | None, Option(help="Predict at this one time for every patient, instead of the times of the task.")
    ] = None,
    index: Annotated[
        Path | None,
        Option(
            help="A table of the times to predict at (subject_id, prediction_time), for a package made from a table of labels."
        ),
    ] = None,
    as_json: output.AsJson = False,
) -> None:
    """Predict for new data with a package; no outcome and no torch needed."""
    from polyclinic.packages.predict import predict as answer

    frame = answer(package, source, format=format_name, out=out, at=at, index=index)
    if as_json:
        output.show_json(frame.to_dicts() if out is None else {"rows": frame.height, "out": str(out)})
    elif out is None:
        shown, title = (
            short(frame.head(20)),
            how_many(frame.height, "row") + (", the first 20" if frame.height > 20 else ""),
        )
        output.table(shown.columns, shown.iter_rows(), title=title)
    else:
        refused = frame.height - frame["refused"].null_count()
        said = f", {refused:,} of them refused (see the column `refused`)" if refused else ""
        written = f"{how_many(frame.height, 'row')} written to {out}{said}"
        print(written)  # without rich, which a cold start need not load


def short(frame: pl.DataFrame) -> pl.DataFrame:
    """What differs from row to row, identifiers as they are written."""
    import polars as pl

    alike = {"outcome", "model", "fold", "split"}
    kept = [c for c in frame.columns if c not in alike and frame[c].null_count() < frame.height]
    return frame.select(kept).with_columns(pl.col(pl.Int64).cast(pl.String))
