"""`polyclinic report`: draw the page of a finished run anew."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from polyclinic.cli import screen

EXAMPLE = "polyclinic report runs/hypotension"


def command(
    run: Annotated[Path, typer.Argument(help="The folder of a finished run.")],
    as_json: screen.AsJson = False,
) -> None:
    """Draw the page of a finished run again from its report.json."""
    from polyclinic import atomic
    from polyclinic.reports.page import render

    document = screen.read_report(run)
    if as_json:
        screen.show_json(document)
        return
    atomic.write_text(run / "report.html", render(document))
    screen.say(f"report   {run / 'report.html'}")
