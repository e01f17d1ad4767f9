"""`polyclinic demo`: the shipped study on real patients, then one patient through its package."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from polyclinic.cli import run, screen

if TYPE_CHECKING:
    import polars as pl

STUDY = "hypotension"


EXAMPLE = "polyclinic demo --out demo"


def command(
    out: Annotated[Path, typer.Option(help="The folder of the run.")] = Path("demo"),
    settings: screen.Settings = None,
) -> None:
    """Real ICU patients, a model, its report and its package, in about two minutes.

    Runs the shipped study `hypotension` on the open MIMIC-IV demo (100 patients, 2 MB), then asks its package about one patient."""
    from polyclinic import progress
    from polyclinic.studies.run import run as work

    screen.say("Will mean arterial pressure fall below 65 mmHg within the next two hours?\n")
    with progress.reporting(progress.Console()):
        work(STUDY, out=out, settings=settings or [])
        patient = ask_for_one_patient(out)
    report = screen.read_report(out)
    run.tell(report, out)
    screen.say(f"\nOne patient through the package, without torch ({out / 'one_patient.parquet'}):")
    columns = ["prediction_time", "predicted_boolean_probability"]
    screen.table(["asked at", "probability"], patient.select(columns).tail(5).iter_rows())
    screen.say(next_things(out))


def ask_for_one_patient(out: Path) -> pl.DataFrame:
    """Take one patient's events out of the run's timeline and predict from them with the package."""
    import polars as pl

    from polyclinic.packages.predict import predict

    asked = pl.read_parquet(out / "predictions.parquet").filter(pl.col("fold") == "package")
    subject = asked["subject_id"].drop_nulls().sort()[0]
    source = out / "one_patient"
    write_one_patient(timeline_of(out), subject, source)
    return predict(out / "package", source, out=out / "one_patient.parquet")


def timeline_of(out: Path) -> Path:
    """The ingested timeline that the run kept."""
    steps = screen.read_report(out)["steps"]
    return out / str(next(step["folder"] for step in steps if step["step"] == "ingest")) / "source"


def write_one_patient(timeline: Path, subject: int, out: Path) -> None:
    """A MEDS data set that holds one subject."""
    from polyclinic import atomic
    from polyclinic.timelines.ingest import open_source

    events = open_source(timeline).scan()
    with atomic.folder(out) as part:
        (part / "data").mkdir()
        events.filter(subject_id=subject).collect().write_parquet(part / "data" / "0.parquet")


def next_things(out: Path) -> str:
    """Three things to try after the demo."""
    return f"""
Three things to try next
  1. open {out / "report.html"} and read the finding, then whom the model serves worst
  2. polyclinic run {STUDY} --set evaluation.operating_point.specificity=0.95 --out {out}
     (only the evaluation is done again; nothing is trained)
  3. polyclinic describe {timeline_of(out)}
     then put a question of your own to it: polyclinic cohort, see docs/how-to/your-own-task.md
"""
