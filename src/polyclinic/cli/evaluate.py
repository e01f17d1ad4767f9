"""`polyclinic evaluate`: the same report for predictions made by anything."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from polyclinic.cli import run, screen

EXAMPLE = "polyclinic evaluate mine.csv --labels labels.csv --group subject_id --out runs/mine"


def command(
    predictions: Annotated[Path, typer.Argument(help="CSV or Parquet, one row a prediction.")],
    labels: Annotated[
        Path | None, typer.Option(help="CSV or Parquet with the truth; left out if it stands in PREDICTIONS.")
    ] = None,
    group: Annotated[
        str | None, typer.Option(help="Column whose rows belong together (the patient).")
    ] = None,
    out: Annotated[Path, typer.Option(help="The folder of the report.")] = Path("runs/evaluation"),
    outcome: Annotated[str, typer.Option(help="A name from `polyclinic list outcomes`.")] = "binary",
    as_json: screen.AsJson = False,
) -> None:
    """The same report for predictions made by anything."""
    from polyclinic import progress
    from polyclinic.studies.evaluate import evaluate_file

    with progress.reporting(progress.Console()):
        evaluate_file(predictions, labels=labels, group=group, out=out, outcome=outcome)
    report = screen.read_report(out)
    if as_json:
        screen.show_json(report)
        return
    screen.say(report["finding"])
    screen.say(f"report   {out / 'report.html'}")
    run.refuse_failed(report)
