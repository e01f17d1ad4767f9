"""`polyclinic demo`: the shipped study on real patients, then one patient through its package."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Option

from polyclinic.cli import output, run

if TYPE_CHECKING:
    import polars as pl

STUDY = "hypotension"
EXAMPLE = "polyclinic demo --out demo"


def command(
    out: Annotated[Path, Option(help="The folder of the run.")] = Path("demo"), settings: output.Settings = None
) -> None:
    """Real ICU patients, a model, its report and its package, in four to five minutes.

    Runs the shipped study `hypotension` on the open MIMIC-IV demo (100 patients, 2 MB), then answers for one patient from its package."""
    from polyclinic.studies import run as studies

    output.say("Will mean arterial pressure fall below 65 mmHg within the next two hours?\n")
    report = studies.run(STUDY, out=out, settings=settings or [])
    ingested = next(step.folder for step in report.document.steps if step.step == "ingest")
    timeline = out / ingested / "source"
    patient = predict_one_patient(report.predictions(), timeline, out)
    run.show_report(report)
    output.say(f"\nOne patient through the package, without torch ({out / 'one_patient.parquet'}):")
    columns = ["prediction_time", "predicted_boolean_probability"]
    output.table(["at", "probability"], patient.select(columns).tail(5).iter_rows())
    output.say("\nThree things to try next")
    output.say(f"  1. open {report.page} and read the finding, then where the model works worst")
    output.say("  2. change one line; only the evaluation is done again, and nothing is trained:")
    output.say_command("run", STUDY, *changed(settings), "--out", out)
    output.say("  3. look at the timeline, and select a cohort of your own (see docs/how-to/your-own-task.md):")
    output.say_command("describe", timeline)
    output.say_command("cohort", timeline, STUDY, "--out", out / "labels.parquet")


def changed(settings: list[str] | None) -> list[str]:
    """The settings of this demo and one more, as words of a command."""
    every = [*(settings or []), "evaluation.operating_point.specificity=0.95"]
    return [word for setting in every for word in ("--set", setting)]


def predict_one_patient(predictions: pl.DataFrame, timeline: Path, out: Path) -> pl.DataFrame:
    """Take one patient's events out of the run's timeline (a MEDS data set) and predict from them with the package."""
    from polyclinic import atomic
    from polyclinic.packages.predict import predict
    from polyclinic.timelines.ingest import open_source

    subject = predictions.filter(fold="package")["subject_id"].drop_nulls().sort()[0]
    events = open_source(timeline).scan().filter(subject_id=subject).collect()
    with atomic.folder(out / "one_patient") as part:
        (part / "data").mkdir()
        events.write_parquet(part / "data" / "0.parquet")
    return predict(out / "package", out / "one_patient", out=out / "one_patient.parquet")
