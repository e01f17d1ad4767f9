"""`polyclinic cohort`: a timeline and a task → labels, with how many rows each step removed."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from polyclinic.cli import output
from polyclinic.figures.numbers import how_many

EXAMPLE = "polyclinic cohort timeline/ mortality.yaml --out labels.parquet"


def command(
    timeline: output.Events,
    task: Annotated[
        str, Argument(help="A task: a YAML file (every ACES file is one), or a name from `polyclinic list tasks`.")
    ],
    out: Annotated[Path, Option(help="The .parquet or .csv file of labels to write (MEDS label schema).")],
    predicates: Annotated[Path | None, Option(help="A file of predicates that completes the task.")] = None,
    as_json: output.AsJson = False,
) -> None:
    """Extract the cohort of a task from a timeline: its labels, and how many rows each step removed."""
    from polyclinic.cohorts.extract import extract
    from polyclinic.cohorts.task_parser import load_task
    from polyclinic.errors import Place, UsageError
    from polyclinic.samples.frames import writable, write_table
    from polyclinic.timelines.ingest import open_source
    from polyclinic.timelines.timeline import Timeline

    writable(out)
    source = open_source(timeline)
    if not isinstance(source, Timeline):
        fix = "say `target: {column: …}` in a study instead, and use `polyclinic run`"
        what = "a task needs times, and this table has none"
        raise UsageError(what, at=Place(file=str(timeline)), fix=fix)
    cohort = extract(load_task(task, predicates), source).require()
    labelled = bool(cohort.labels["boolean_value"].count())
    write_table(cohort.labels, out)
    steps = [{k: v for k, v in asdict(step).items() if k != "excluded"} for step in cohort.attrition]
    warnings = cohort.warnings()
    if as_json:
        size = {"rows": cohort.labels.height, "positive": cohort.positive}
        flow = {"set_aside": cohort.set_aside, "attrition": steps, "sanity": warnings}
        output.show_json({"out": str(out), **size, **flow})
        return
    for step in steps:
        step["groups"] = ", ".join(how_many(count, name) for name, count in step["groups"].items())
    output.tree({"set aside": cohort.set_aside} if cohort.set_aside else {})
    output.tree({"attrition": steps})
    for warning in warnings:
        output.say(f"warning: {warning['check']}: {warning['result']}\n  {warning['why']}")
    rows = cohort.labels.height
    share = f", {cohort.positive:,} positive ({100 * cohort.positive / rows:.1f} %)" if rows and labelled else ""
    output.say(f"{how_many(rows, 'label')}{share} written to {out}")
