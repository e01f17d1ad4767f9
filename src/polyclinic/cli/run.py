"""`polyclinic run`: a study, from its data to its report and its package."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Argument, Option

from polyclinic.cli import screen

if TYPE_CHECKING:
    from polyclinic.reports.report import Report

Study = Annotated[str, Argument(help="A name from `polyclinic list studies`, or a YAML file.")]
AllowCode = Annotated[
    bool, Option("--allow-code", help="Let models name code from outside scikit-learn and LightGBM, and run it.")
]
DryRun = Option("--dry-run", help="List the steps and which are reused; do nothing.")
EXAMPLE = "polyclinic run hypotension --set split.folds=3 --out runs/hypotension"


def command(
    study: Study,
    out: Annotated[Path | None, Option(help="The folder of the run; runs/NAME if left out.")] = None,
    settings: screen.Settings = None,
    dry_run: Annotated[bool, DryRun] = False,
    allow_code: AllowCode = False,
    as_json: screen.AsJson = False,
) -> None:
    """Run a study: data, models, report and package.

    Steps that nothing has changed are reused, so the same command goes on after a stop."""
    from polyclinic.errors import CheckFailed
    from polyclinic.studies.run import run as work

    folder = out or Path("runs") / Path(study).stem.removesuffix(".study")
    made = work(study, out=folder, settings=settings or [], dry_run=dry_run, allow_code=allow_code)
    if dry_run:
        steps = [{"step": s.step, "reused": s.reused} for s in made.document.steps]
        screen.show_json(steps) if as_json else screen.tree({"steps": steps})
        return
    screen.show_json(made.document.model_dump(mode="json")) if as_json else tell(made)
    if failed := [gate.gate for gate in made.document.gates if gate.state == "failed"]:
        fix = "read why in the report before anybody uses the package"
        raise CheckFailed(f"gate not held: {', '.join(failed)}", fix=fix)


def tell(made: Report) -> None:
    """The finding, the gates, and where things lie."""
    from rich.padding import Padding
    from rich.text import Text

    screen.say(Padding(Text(made.finding), (1, 0)))
    for gate in made.document.gates:
        screen.say(f"gate {screen.cell(gate.gate)}: {gate.state} (measured {screen.cell(gate.measured)})")
    screen.say(f"report   {made.page}\npackage  {made.package}")
