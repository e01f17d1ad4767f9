"""`polyclinic evaluate`: the same report for predictions made by anything."""

from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from polyclinic.cli import output, run

EXAMPLE = "polyclinic evaluate mine.csv --labels labels.csv --group subject_id --out runs/mine"


def command(
    predictions: Annotated[Path, Argument(help="CSV or Parquet with a probability in each row.")],
    labels: Annotated[
        Path | None,
        Option(
            help="CSV or Parquet with what happened, joined by the columns that both files have; not needed where PREDICTIONS hold it."
        ),
    ] = None,
    group: Annotated[
        str | None, Option(help="The column whose rows belong together (the patient); intervals are over it.")
    ] = None,
    out: Annotated[Path, Option(help="The folder of the report.")] = Path("runs/evaluation"),
    outcome: Annotated[str, Option(help="A name from `polyclinic list outcomes`.")] = "binary",
    as_json: output.AsJson = False,
) -> None:
    """Evaluate predictions that were made by any program: the same report as of a run.

    The probability is the column `predicted_boolean_probability`, or the only one of decimal numbers; the truth is
    `boolean_value`, or the only column of 0 and 1."""
    from polyclinic.reports.external import evaluate

    report = evaluate(predictions, labels=labels, group=group, out=out, outcome=outcome)
    if as_json:
        output.show_json(report.document.model_dump(mode="json"))
    else:
        run.show_report(report)
