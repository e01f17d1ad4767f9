"""`polyclinic evaluate`: the same report for predictions made by anything."""

from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from polyclinic.cli import output, run

EXAMPLE = "polyclinic evaluate mine.csv --labels labels.csv --group subject_id --out runs/mine"


def command(
    predictions: Annotated[Path, Argument(help="CSV or Parquet, one row a prediction.")],
    labels: Annotated[
        Path | None, Option(help="CSV or Parquet with the truth; left out if it stands in PREDICTIONS.")
    ] = None,
    group: Annotated[str | None, Option(help="Column whose rows belong together (the patient).")] = None,
    out: Annotated[Path, Option(help="The folder of the report.")] = Path("runs/evaluation"),
    outcome: Annotated[str, Option(help="A name from `polyclinic list outcomes`.")] = "binary",
    as_json: output.AsJson = False,
) -> None:
    """The same report for predictions made by anything."""
    from polyclinic.reports.external import evaluate

    report = evaluate(predictions, labels=labels, group=group, out=out, outcome=outcome)
    if as_json:
        output.show_json(report.document.model_dump(mode="json"))
    else:
        run.show_report(report)
