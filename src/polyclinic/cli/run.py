"""`polyclinic run`: a study, from its data to its report and its package."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from polyclinic.cli import screen

Study = Annotated[str, typer.Argument(help="A name from `polyclinic list studies`, or a YAML file.")]


EXAMPLE = "polyclinic run hypotension --set split.folds=3 --out runs/hypotension"


def command(
    study: Study,
    out: Annotated[Path | None, typer.Option(help="The folder of the run; runs/NAME if left out.")] = None,
    settings: screen.Settings = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="List the steps and which are reused; do nothing.")
    ] = False,
    as_json: screen.AsJson = False,
) -> None:
    """Run a study: data, models, report and package.

    Steps that nothing has changed are reused, so the same command goes on after a stop."""
    from polyclinic import progress
    from polyclinic.studies.run import run as work

    folder = out or Path("runs") / Path(study).stem.removesuffix(".study")
    with progress.reporting(progress.Console()):
        made = work(study, out=folder, settings=settings or [], dry_run=dry_run)
    if dry_run:
        steps = made.document["steps"]
        screen.show_json(steps) if as_json else screen.tree({"steps": steps})
        return
    report = screen.read_report(folder)
    screen.show_json(report) if as_json else tell(report, folder)
    refuse_failed(report)


def tell(report: dict[str, Any], folder: Path) -> None:
    """The finding, the gates, and where things lie."""
    from rich.padding import Padding
    from rich.text import Text

    screen.say(Padding(Text(report["finding"]), (1, 0)))
    for gate in report["gates"]:
        screen.say(
            f"gate {screen.cell(gate['gate'])}: {gate['state']} (measured {screen.cell(gate['measured'])})"
        )
    screen.say(f"report   {folder / 'report.html'}\npackage  {folder / 'package'}")


def refuse_failed(report: dict[str, Any]) -> None:
    """Raise `FoundWanting` where a gate failed: exit code 1, the run is kept."""
    from polyclinic.errors import FoundWanting

    failed = [gate["gate"] for gate in report["gates"] if gate["state"] == "failed"]
    if failed:
        raise FoundWanting(
            f"gate not held: {', '.join(map(str, failed))}",
            fix="read why in the report before anybody uses the package",
        )
