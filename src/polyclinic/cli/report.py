"""`polyclinic report`: draw the page of a finished run anew."""

from pathlib import Path
from typing import Annotated

from typer import Argument

from polyclinic.cli import output

EXAMPLE = "polyclinic report runs/hypotension"


def command(
    run: Annotated[Path, Argument(help="The folder of a finished run.")], as_json: output.AsJson = False
) -> None:
    """Draw the page of a finished run again from its report.json."""
    from polyclinic import atomic
    from polyclinic.reports.page import render
    from polyclinic.reports.report import Report

    report = Report.open(run)
    if as_json:
        output.show_json(report.document.model_dump(mode="json"))
        return
    atomic.write_text(report.page, render(report.document))
    output.say(f"report   {report.page}")
