"""`polyclinic cohort`: a timeline and a task → labels, with who fell out at which step."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from polyclinic.cli import screen

EXAMPLE = "polyclinic cohort timeline/ mortality.yaml --out labels.parquet"


def command(
    timeline: Annotated[Path, typer.Argument(help="An ingested folder, or a MEDS data set.")],
    task: Annotated[str, typer.Argument(help="A task: a YAML file (every ACES file is one), or a name.")],
    out: Annotated[
        Path, typer.Option(help="The Parquet (or .csv) file of labels to write (MEDS label schema).")
    ],
    predicates: Annotated[
        Path | None, typer.Option(help="A file of predicates that completes the task.")
    ] = None,
    as_json: screen.AsJson = False,
) -> None:
    """Ask a task of a timeline: labels, and who fell out where."""
    from polyclinic import progress
    from polyclinic.cohorts.extract import extract
    from polyclinic.cohorts.task import Task
    from polyclinic.errors import Place, UsageError
    from polyclinic.samples.frames import write_table
    from polyclinic.timelines.ingest import open_source
    from polyclinic.timelines.timeline import Timeline

    source = open_source(timeline)
    if not isinstance(source, Timeline):
        raise UsageError(
            "a task asks about time, and this table has none",
            at=Place(file=str(timeline)),
            fix="say `target: {column: …}` in a study instead, and use `polyclinic run`",
        )
    with progress.reporting(progress.Console()):
        found = extract(Task.load(task, predicates), source).require()
    write_table(found.labels, out)
    steps = [step_of(step) for step in found.attrition]
    if as_json:
        screen.show_json({"out": str(out), "rows": found.labels.height, "attrition": steps})
        return
    screen.tree({"attrition": [{**s, "groups": _words(s["groups"])} for s in steps]})
    screen.say(f"{found.labels.height:,} labels written to {out}")


def step_of(step: Any) -> dict[str, Any]:
    """One step of the attrition as plain values."""
    return {"step": step.step, "rows": step.rows, "groups": dict(step.groups), "past_index": step.past_index}


def _words(groups: dict[str, int]) -> str:
    return ", ".join(f"{count:,} {name}" for name, count in groups.items())
