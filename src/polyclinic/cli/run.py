"""`polyclinic run`: a study, from its data to its report and its package."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Argument, Option

from polyclinic.cli import output

if TYPE_CHECKING:
    from polyclinic.reports.report import Report
    from polyclinic.studies.run_plan import Plan

Study = Annotated[str, Argument(help="A name from `polyclinic list studies`, or a YAML file.")]
AllowCode = Annotated[
    bool, Option("--allow-code", help="Let models name code from outside scikit-learn and LightGBM, and run it.")
]
DryRun = Option("--dry-run", help="Check the study, list its steps and which are reused; run nothing.")
EXAMPLE = "polyclinic run hypotension --set split.folds=3 --out runs/hypotension"


def command(
    study: Study,
    out: Annotated[
        Path | None, Option(help="The folder of the run; without it, runs/ and the name of the study.")
    ] = None,
    settings: output.Settings = None,
    dry_run: Annotated[bool, DryRun] = False,
    allow_code: AllowCode = False,
    as_json: output.AsJson = False,
) -> None:
    """Run a study: data, models, report and package.

    Steps that nothing has changed are reused, so the same command goes on after a stop."""
    from polyclinic.errors import CheckFailed
    from polyclinic.studies import run as studies

    if dry_run:
        show_plan(studies.plan(study, out=out, settings=settings or [], allow_code=allow_code), as_json=as_json)
        return
    report = studies.run(study, out=out, settings=settings or [], allow_code=allow_code)
    output.show_json(report.document.model_dump(mode="json")) if as_json else show_report(report)
    if failed := [gate.gate for gate in report.document.gates if gate.state == "failed"]:
        fix = "read why in the report before anybody uses the package"
        raise CheckFailed(f"gate failed: {', '.join(failed)}", fix=fix)


def show_plan(plan: Plan, *, as_json: bool) -> None:
    """The steps, which are there already, and how long the others took before."""
    if as_json:
        output.show_json([asdict(step) for step in plan.steps])
        return
    marks = {"yes": "reused", "no": "to be made", "depends": "depends on the steps before it"}
    rows = [[step.name, marks[step.reused], step.seconds] for step in plan.steps]
    output.table(["step", "", "seconds when last made"], rows, title=f"{plan.study}, in {plan.folder}")


def show_report(report: Report) -> None:
    """The finding, what to know before use by name, the gates, and where things lie."""
    output.say_paragraph(report.finding)
    if titles := dict.fromkeys(caution.title for caution in report.document.cautions):
        output.say(f"before you use this, read on the page: {'; '.join(titles)}")
    for gate in report.document.gates:
        output.say(f"gate {output.cell(gate.gate)}: {gate.state} (measured {output.cell(gate.measured)})")
    output.say(f"report   {report.page}")
    if report.package.is_dir():
        output.say(f"package  {report.package}")
