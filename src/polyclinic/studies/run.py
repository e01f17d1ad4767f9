"""`polyclinic.run` and `polyclinic.plan`: from a study to its predictions, its report and its package, step by step."""

import json
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from polyclinic import atomic, config, notes, progress, registry
from polyclinic.code_closure import JUDGING
from polyclinic.documents import FILE_NAME
from polyclinic.errors import Interrupted, Place, UsageError
from polyclinic.evaluation.choosing import best, best_by_fold, chosen_and_nested
from polyclinic.evaluation.scores import of_all
from polyclinic.outcomes.outcome import Outcome
from polyclinic.packages.limits import Policy, limits_of
from polyclinic.packages.package import ModelPackage
from polyclinic.packages.question import Question
from polyclinic.reports.card import card
from polyclinic.reports.document import ReportDocument
from polyclinic.reports.report import Report
from polyclinic.samples import Samples
from polyclinic.samples.frames import as_polars, read_table, write_table
from polyclinic.samples.prediction_columns import TIME
from polyclinic.samples.splits import Fold
from polyclinic.studies import run_report
from polyclinic.studies.data_steps import (
    IngestedSource,
    StudyCohort,
    StudySamples,
    cohort_step,
    file_formats,
    ingest_step,
    leak_step,
    samples_step,
)
from polyclinic.studies.fits import FitWork, fit_fold
from polyclinic.studies.run_plan import Plan, PlannedStep
from polyclinic.studies.run_report import EvaluatedRun
from polyclinic.studies.steps import FinishedStep, StepCode, Steps, only_run
from polyclinic.studies.study import Study
from polyclinic.studies.study_parser import StudyLike, load_study
from polyclinic.studies.tuning import Tuned, check_labels, linked, tune
from polyclinic.timelines.timeline import Timeline
from polyclinic.timelines.zones import SiteClock

LAST_STEPS = ("package", "answer", "evaluate")


def run(
    study: StudyLike, *, out: Path | str | None = None, settings: Sequence[str] = (), allow_code: bool = False
) -> Report:
    """Run a study, or what of it has not been run before.

    Parameters
    ----------
    study
        A registered name, a YAML file, or a mapping, whose source may be `{"frame": a data frame}` and whose models
        may be scikit-learn estimators.
    out
        The folder of the run; `runs/` and the study's name if left out.
    settings
        `key=value` strings, each of which changes one key of the study.
    allow_code
        Whether models may name estimators from outside scikit-learn and LightGBM, whose code is then run.

    Returns
    -------
    Report
        The report of the run, as it stands in `report.json`.

    Raises
    ------
    PolyclinicError
        For whatever is wrong with the study or its data. A run that was stopped goes on from its finished steps when
        it is called again.
    """
    document, folder = _study_and_folder(study, out, settings, allow_code=allow_code)
    stored = with_stored_frame(document, folder)
    checked = load_study(stored, settings, allow_code=allow_code, check_sources=True)
    _refuse_folder_of_another(folder, checked.name)
    try:
        with only_run(folder / "steps"), notes.collection() as own:
            return _report(checked, folder, Steps(folder / "steps"), own)
    except KeyboardInterrupt as stop:
        what, fix = "stopped; what was finished is kept", "run the same command again to go on"
        raise Interrupted(what, fix=fix) from stop


def plan(
    study: StudyLike, *, out: Path | str | None = None, settings: Sequence[str] = (), allow_code: bool = False
) -> Plan:
    """List the steps of a study, and which of them are there already; nothing is made or written.

    Parameters
    ----------
    study, out, settings, allow_code
        As in `run`.

    Returns
    -------
    Plan
        The steps in their order.

    Raises
    ------
    PolyclinicError
        For whatever is wrong with the study.
    """
    document, folder = _study_and_folder(study, out, settings, allow_code=allow_code)
    with tempfile.TemporaryDirectory() as scratch:
        stored = with_stored_frame(document, Path(scratch))
        checked = load_study(stored, settings, allow_code=allow_code, check_sources=True)
        return Plan(checked.name, folder, tuple(_planned(checked, Steps(folder / "steps", planned=True))))


def _refuse_folder_of_another(folder: Path, name: str) -> None:
    """Raise `UsageError` where the folder holds the run of a study of another name, which would be lost."""
    kept = folder / "study.yaml"
    if not kept.is_file():
        return
    document = config.read(kept)
    other = document.get("name") if isinstance(document, Mapping) else None
    if other != name:
        what = f"this folder holds the run of another study, {other!r}"
        raise UsageError(what, at=Place(file=str(folder)), fix="name another folder with --out, or remove this one")


def _study_and_folder(
    study: StudyLike, out: Path | str | None, settings: Sequence[str], *, allow_code: bool
) -> tuple[StudyLike, Path]:
    """The study, and the folder of its run: `runs/` and the study's name where none is named."""
    if out is not None:
        return study, Path(out)
    if isinstance(study, Study):
        name = study.name
    elif isinstance(study, Mapping):
        name = str(study.get("name") or "study")
    else:
        name = load_study(study, settings, allow_code=allow_code).name
    if not FILE_NAME.fullmatch(name):
        what = f"the name of the study, {name!r}, is no name for a folder"
        raise UsageError(what, at=Place(key="name"), fix="name a folder for the run: --out FOLDER, or out=")
    return study, Path("runs") / name


def with_stored_frame(study: StudyLike, folder: Path) -> StudyLike:
    """A study whose source is a data frame, with the frame stored in a folder, so that the run can be made again."""
    source = study.get("source") if isinstance(study, Mapping) else None
    if not isinstance(study, Mapping) or not isinstance(source, Mapping):
        return study
    frame = source.get("frame")
    if frame is None or isinstance(frame, str | Path):
        return study
    path = folder / "source.parquet"
    write_table(as_polars(frame), path)
    return {**study, "source": {**source, "frame": str(path)}}


def _planned(study: Study, steps: Steps) -> Iterator[PlannedStep]:
    """The steps before the models exactly; the fits exactly where the samples are there; the others by name."""
    source = ingest_step(study, steps)
    cohort = cohort_step(study, source, steps)
    samples = samples_step(study, source, cohort, steps)
    study = _with_target(study, samples)
    leak_step(samples, steps)
    if samples.step.exists:
        for work in fit_work(study, samples, samples.folds(study.split, study.seed)):
            fit_fold(work, samples, study.question.outcome, steps)
    for step in steps.finished.values():
        yield PlannedStep(step.name, "yes" if step.reused else "no", steps.seconds_of(step.name))
    if not samples.step.exists:
        for name in (f"fit-{c.name}-{k}" for c in study.candidates for k in range(study.split.folds or 1)):
            yield PlannedStep(name, "no", steps.seconds_of(name))
    all_reused = samples.step.exists and all(step.reused for step in steps.finished.values())
    for name in LAST_STEPS:
        yield PlannedStep(name, "depends" if all_reused else "no", steps.seconds_of(name))


def _with_target(study: Study, samples: StudySamples) -> Study:
    """The study with what its rows decide of the target written out: the names of the classes."""
    return replace(study, question=replace(study.question, target=samples.question.target))


def _report(study: Study, folder: Path, steps: Steps, own: Sequence[notes.Note]) -> Report:
    """Every step in turn.

    own: what is noted outside the steps while this runs.
    """
    source = ingest_step(study, steps)
    cohort = cohort_step(study, source, steps)
    samples = samples_step(study, source, cohort, steps)
    study = _with_target(study, samples)
    leak_step(samples, steps)
    study.evaluation.check_names(samples.rows.groups, samples.rows.strata)
    folds = samples.folds(study.split, study.seed)
    models = fitted_models(study, samples, folds, steps, folder)
    chosen, choices = choose(study, models)
    flattery = chosen_and_nested(_tables(models), chosen.candidate.name, choices, study.question.outcome)
    package = package_step(study, source, samples, chosen, flattery, steps)
    answers = answer_step(samples, source, cohort, package, steps)
    predictions = predictions_table(study.question.outcome, samples.rows, models, answers, folder, source)
    evaluated = EvaluatedRun(study, source, cohort, samples, folds, models, chosen, choices, predictions, folder)
    step = evaluate_step(evaluated, package, steps)
    return publish(evaluated, step, package, steps, [*steps.notes(), *own], folder)


# -- the models ------------------------------------------------------------------------------------------------------


def fit_work(study: Study, samples: StudySamples, folds: Sequence[Fold]) -> list[FitWork]:
    """Every candidate on every fold. Baselines first: they are quick, and show early what is wrong with the data."""
    ordered = sorted(study.candidates, key=lambda candidate: candidate.role)
    return [FitWork.of(study, samples, fold, candidate) for candidate in ordered for fold in folds]


def fitted_models(
    study: Study, samples: StudySamples, folds: Sequence[Fold], steps: Steps, folder: Path
) -> list[Tuned]:
    """Every candidate on every fold, with what was learned from its validation answers."""
    work, outcome = fit_work(study, samples, folds), study.question.outcome
    check_labels(outcome, samples.rows, folds)
    tracked = progress.track(work, text="fitting", total=len(work), expected=lambda one: one.seconds(steps))
    fits = [fit_fold(one, samples, outcome, steps) for one in tracked]
    by_candidate = [[fit for fit in fits if fit.candidate is candidate] for candidate in study.candidates]
    return [tune(study, samples.rows, each, outcome, folder) for each in by_candidate]


def choose(study: Study, models: Sequence[Tuned]) -> tuple[Tuned, dict[str, str]]:
    """The candidate with the best score on all validation rows; and fold → the one that other groups choose for it."""
    named, outcome, score = {model.candidate.name: model for model in models}, study.question.outcome, study.choose.by
    table = _tables(models)
    chosen = best(table, list(named), outcome, score)
    return named[chosen], best_by_fold(table, list(named), outcome, score)


def _tables(models: Sequence[Tuned]) -> pl.DataFrame:
    """The predictions of all candidates."""
    return pl.concat([model.table for model in models], how="diagonal")


# -- what leaves -----------------------------------------------------------------------------------------------------


def package_step(
    study: Study,
    source: IngestedSource,
    samples: StudySamples,
    chosen: Tuned,
    flattery: tuple[float, float] | None,
    steps: Steps,
) -> FinishedStep:
    """The mean of the chosen model's folds, with its calibration, threshold, limits and card.

    flattery: what `chosen_and_nested` returns; the card says it.
    """
    about = run_report.about(study, source.location.format_name)
    combined = [chosen.settled.document(), config.settings_of(study.split)]
    inputs: dict[str, object] = {"fits": [fit.step.key for fit in chosen.fits], "about": about, "combined": combined}
    inputs |= {"limits": config.settings_of(study.limits), "flattery": list(flattery or ())}
    outside = study.limits.outside
    make = partial(write_package, samples=samples, chosen=chosen, about=about, outside=outside, flattery=flattery)
    return steps.step("package", inputs, StepCode(write_package, _targets(study, samples), JUDGING), make)


def write_package(
    folder: Path,
    samples: StudySamples,
    chosen: Tuned,
    about: Mapping[str, Any],
    outside: Policy,
    flattery: tuple[float, float] | None,
) -> None:
    """Write the package of the chosen model to the folder `package` of a step."""
    learned = samples.rows.take(np.unique(np.concatenate([fit.fold.train for fit in chosen.fits])))
    held_out = samples.rows.take(np.unique(np.concatenate([fit.fold.validation for fit in chosen.fits])))
    members, limits = [fit.fitted() for fit in chosen.fits], limits_of(learned, held_out, outside=outside)
    package = ModelPackage(samples.question, members, about, chosen.settled.adjustment, chosen.settled.decision, limits)
    validation = chosen.table.filter(split="validation")
    outcome = samples.question.outcome
    scores, titles = outcome.scores(validation), {measure.name: measure.title for measure in outcome.measures}
    values = {titles[name]: of_all(score, validation.height) for name, score in scores.items()}
    package.save(folder / "package", card(package, values, flattery))


def answer_step(
    samples: StudySamples, source: IngestedSource, cohort: StudyCohort, package: FinishedStep, steps: Steps
) -> FinishedStep:
    """Every selected row, answered by the package itself: what `polyclinic predict` repeats."""
    inputs = {"package": package.key, "ingest": source.step.key, "cohort": cohort.step.key, "files": samples.fit_key}
    code = StepCode(write_answers, tuple(file_formats(samples.rows)))
    make = partial(write_answers, package=package.folder / "package", question=samples.question, source=source)
    return steps.step("answer", inputs, code, make)


def write_answers(folder: Path, package: Path, question: Question, source: IngestedSource) -> None:
    """Write what the package answers for the source; files go to the folder `files` of the step."""
    timed = question.labels is not None and isinstance(source.data, Timeline)
    index = read_table(Path(str(question.labels))) if timed else None
    answers = ModelPackage.open(package).predict(source.data, index=index, folder=folder / "files")
    answers.write_parquet(folder / "answers.parquet")


def _targets(study: Study, samples: StudySamples) -> tuple[str, ...]:
    """The registered targets that the package and the evaluation of a study reach: outcome, measures, readers."""
    outcome = study.question.outcome
    known = registry.entries("measures")
    measures = [known[measure.name] for measure in outcome.measures if measure.name in known]
    named = [registry.entry("outcomes", outcome.kind), *measures]
    sections = registry.entries("sections").values()
    return (*(entry.target for entry in [*named, *sections]), *file_formats(samples.rows))


def predictions_table(
    outcome: Outcome,
    rows: Samples,
    models: Sequence[Tuned],
    answers: FinishedStep,
    folder: Path,
    source: IngestedSource,
) -> pl.DataFrame:
    """The predictions of every model, and below them what the package answered.

    Times stand on the site's wall clock, with `utc_offset` beside them where the source has a zone.
    """
    own = linked(pl.read_parquet(answers.folder / "answers.parquet"), answers.folder, folder)
    truth = outcome.truth(rows).with_columns(row_id=pl.Series(rows.row_id))
    own = own.join(truth, on="row_id", how="left", maintain_order="left")
    clock = source.data.clock if isinstance(source.data, Timeline) else SiteClock()
    tables = [clock.to_disk(model.table, [TIME]) for model in models]
    return pl.concat([*tables, own], how="diagonal_relaxed")


def evaluate_step(evaluated: EvaluatedRun, package: FinishedStep, steps: Steps) -> FinishedStep:
    """The document of the report, but for what differs from run to run."""
    inputs = {
        "fits": [fit.step.key for model in evaluated.models for fit in model.fits],
        "learned": [_learned(model) for model in evaluated.models],
        "package": package.key,
        "samples": evaluated.samples.step.key,
        "study": evaluated.study.document(),
    }
    targets = _targets(evaluated.study, evaluated.samples)
    reached: tuple[str | Callable[..., Any], ...] = (predictions_table, *targets)
    code = StepCode(write_evaluation, reached, JUDGING)
    return steps.step("evaluate", inputs, code, partial(write_evaluation, evaluated=evaluated))


def _learned(model: Tuned) -> list[object]:
    """What a model learned from validation answers."""
    return [model.settled.document(), {fold: one.document() for fold, one in model.by_fold.items()}]


def write_evaluation(folder: Path, evaluated: EvaluatedRun) -> None:
    """Write the document of the report to `report.json` of a step."""
    (folder / "report.json").write_text(run_report.report(evaluated).to_json(), encoding="utf-8")


def publish(
    evaluated: EvaluatedRun,
    step: FinishedStep,
    package: FinishedStep,
    steps: Steps,
    run_notes: Sequence[notes.Note],
    folder: Path,
) -> Report:
    """Write everything that a run leaves beside its steps.

    All of it is made first, and then put in the place of what an earlier run left: report.json goes first and comes
    last, so that no report ever stands beside the package of another run.
    """
    document = ReportDocument.read(json.loads((step.folder / "report.json").read_text(encoding="utf-8")))
    with atomic.together(folder, last="report.json") as stage:
        document = run_report.write(evaluated, document, steps, run_notes, stage)
        write_table(evaluated.predictions, stage / "predictions.parquet")
        shutil.copytree(package.folder / "package", stage / "package")
    return Report(folder, document)
