"""What the report says beside the scores: cohort, table 1, training, environment; and writing it all down."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from polyclinic import atomic, config, datasets
from polyclinic.evaluation.evaluated import Evaluated
from polyclinic.evaluation.evaluated_rows import Cases
from polyclinic.evaluation.evaluator import evaluate
from polyclinic.evaluation.outcome_section import OutcomeSection
from polyclinic.inspection.deletion import deletions
from polyclinic.inspection.permutation import permutation_importance
from polyclinic.notes import Note
from polyclinic.outcomes.outcome import Outcome
from polyclinic.reports.cohort_facts import main_group
from polyclinic.reports.composition import core_of, sections_of
from polyclinic.reports.document import ReportDocument
from polyclinic.reports.publishing import environment, publish
from polyclinic.reports.report import Report
from polyclinic.reports.results import NoteRecord, StepRecord
from polyclinic.reports.sections.deletion_test import DeletionTest
from polyclinic.reports.sections.input_importance import InputImportances
from polyclinic.reports.sections.training_curves import Epoch, Fit, TrainingCurves
from polyclinic.reports.table_one import few_valued, table_one
from polyclinic.samples import Dense, Ragged, Samples
from polyclinic.samples.frames import write_table
from polyclinic.samples.splits import Fold
from polyclinic.studies.data_steps import IngestedSource, StudyCohort, StudySamples
from polyclinic.studies.fits import FoldFit
from polyclinic.studies.gates import judge
from polyclinic.studies.steps import Steps
from polyclinic.studies.study import Study
from polyclinic.studies.tuning import Tuned

MOST_CODES = 20


@dataclass(frozen=True, eq=False)
class EvaluatedRun:
    """What a report is made from.

    Attributes
    ----------
    models
        Every candidate with its fold models, in the order of the study.
    chosen
        The one of them that the package holds.
    choices
        Fold → the name of the one that other groups choose for it; empty without folds.
    predictions
        The predictions of every model and of the package.
    folder
        The folder of the run.
    """

    study: Study
    source: IngestedSource
    cohort: StudyCohort
    samples: StudySamples
    folds: Sequence[Fold]
    models: Sequence[Tuned]
    chosen: Tuned
    choices: Mapping[str, str]
    predictions: pl.DataFrame
    folder: Path

    @property
    def cases(self) -> Cases | None:
        """The rows, where single ones may be shown: of a registered set that is plainly free, or where the study says so."""
        study = self.study
        public = study.source.data is not None and datasets.listing()[study.source.data].free
        return Cases(self.samples.rows, self.folder) if public or study.report.show_cases else None


def about(study: Study, source_format: str) -> dict[str, object]:
    """What the package says of itself; a registered data set's name and licence go wherever the model goes."""
    named = {"study": study.name, "title": study.title, "intended_use": study.intended_use}
    facts = {**named, "source_format": source_format, "seed": study.seed}
    if study.source.data is None:
        return facts
    entry = datasets.listing()[study.source.data]
    return {**facts, "data": entry.name, "data_licence": entry.licence, "data_commercial": entry.commercial}


def report(run: EvaluatedRun) -> ReportDocument:
    """Everything that `report.json` holds of one run, whenever it was made."""
    study, source, chosen = run.study, run.study.source, run.chosen
    flow, evaluated, settled = cohort(run), scores(run), chosen.settled
    fits = [trained(fit) for model in run.models for fit in model.fits]
    content: dict[str, Any] = {
        "study": study.name,
        "title": study.title,
        "intended_use": study.intended_use,
        "command": f"polyclinic run study.yaml --out again{' --allow-code' if study.allow_code else ''}",
        "cohort": flow,
        "environment": environment(),
        "data": {source.data or source.format or "table": run.source.location.digest},
        "sanity": flow.pop("sanity"),
        "package": {
            "portable": all(fit.fitted().portable for fit in chosen.fits),
            "models": [chosen.candidate.name],
            "members": len(chosen.fits),
            "adjustment": "" if settled.adjustment is None else settled.adjustment.describe(),
            "decision": "" if settled.decision is None else settled.decision.describe(),
        },
        **core_of([evaluated]),
        "sections": [
            *sections_of([evaluated], [OutcomeSection("evidence", {"ascertainment": run.cohort.ascertainment()})]),
            importances(run),
            *deletion_test(run),
            TrainingCurves(fits=fits),
        ],
    }
    return ReportDocument.of({**content, "gates": judge(study.gates, evaluated)})


def scores(run: EvaluatedRun) -> Evaluated:
    """What the evaluation found; see `evaluate`."""
    rows, study = run.samples.rows, run.study
    return evaluate(
        run.predictions,
        study.question.outcome,
        study.evaluation,
        row_id=rows.row_id,
        groups=rows.groups,
        strata=rows.strata,
        roles={model.candidate.name: model.candidate.role for model in run.models},
        chosen=run.chosen.candidate.name,
        choices=run.choices,
        shipped={model.candidate.name: model.settled.decision for model in run.models},
        cases=run.cases,
        seed=study.seed,
    )


def importances(run: EvaluatedRun) -> InputImportances:
    """Which inputs matter to the chosen model."""
    rows, study, chosen = run.samples.rows, run.study, run.chosen
    groups = study.evaluation.interval_groups(rows.groups, rows.row_id)
    fits = [(fit.fitted(), fit.fold) for fit in chosen.fits]
    parts = permutation_importance(fits, rows, study.question.outcome, groups=groups, seed=study.seed)
    return InputImportances.model_validate({"model": chosen.candidate.name, "importances": parts})


def deletion_test(run: EvaluatedRun) -> list[DeletionTest]:
    """What the chosen model cannot do without, where the inputs have parts that can be made unknown; else nothing."""
    rows, study, chosen = run.samples.rows, run.study, run.chosen
    groups = study.evaluation.interval_groups(rows.groups, rows.row_id)
    fits = [(fit.fitted(), fit.fold) for fit in chosen.fits]
    readers = run.samples.question.readers.items()
    curves = deletions(fits, rows, study.question.outcome, readers, groups=groups, seed=study.seed)
    document = {"model": chosen.candidate.name, "curves": curves}
    return [DeletionTest.model_validate(document)] if curves else []


def cohort(run: EvaluatedRun) -> dict[str, object]:
    """The cohort: flow, groups, targets, table 1, what is missing, how rows were divided; `sanity`."""
    rows, outcome, parts = run.samples.rows, run.study.question.outcome, ("train", "validation", "test")
    divided = np.unique(np.concatenate([getattr(f, p) for f in run.folds for p in parts]))
    every, known = rows.take(rows.labelled), rows.take(divided)
    size = {"rows": len(known), "groups": groups(known)}
    facts = run.cohort.attrition
    steps = list(facts["attrition"])
    if steps and steps[-1]["rows"] != len(every):
        steps.append({"step": "labelled", "rows": len(every), "groups": groups(every), "past_index": True})
    if len(known) != len(every):
        steps.append({"step": "named in the split file", **size, "past_index": False})
    document: dict[str, Any] = {
        "attrition": steps,
        "set_aside": facts["set_aside"],
        "sanity": facts["sanity"] + both_sides(rows, run.folds),
        **size,
        "targets": {outcome.kind: outcome.facts(known)},
        "table1": table_one(known, main_group(groups(known)), outcome.answer_parts(known)),
        "missing": missing(known),
        "splits": [division(rows.take(getattr(f, p)), f.name, p, outcome) for f in run.folds for p in parts],
        "summary": source_summary(run.source.data.summary()),
    }
    if known.time is not None:
        document["time"] = {"first": str(known.time.min())[:10], "last": str(known.time.max())[:10]}
    return document


def division(rows: Samples, fold: str, part: str, outcome: Outcome) -> dict[str, object]:
    """How many rows, groups and rows of each answer a part of a fold has."""
    answers = {name: int(here.sum()) for name, here in outcome.answer_parts(rows).items()}
    return {"fold": fold, "split": part, "rows": len(rows), "groups": groups(rows), "answers": answers}


def both_sides(rows: Samples, folds: Sequence[Fold]) -> list[dict[str, object]]:
    """Entries of `sanity` for groups that the split does not keep apart: subjects learned from and held out."""
    entries = []
    for name, values in rows.groups.items():
        shared = [np.intersect1d(values[np.append(f.train, f.validation)], values[f.test]) for f in folds]
        if n := len(np.unique(np.concatenate(shared))):
            result = f"{n:,} of {len(np.unique(values)):,}"
            why = f"A model may know them again: add {name} to `separate` of the split."
            entries.append(
                {"check": f"{name}s learned from and held out", "applies": True, "result": result, "why": why}
            )
    return entries


def groups(rows: Samples) -> dict[str, int]:
    """How many of each group there are; rows that are their own group are not counted again."""
    return {name: len(np.unique(v)) for name, v in rows.groups.items() if name != "row"}


def source_summary(summary: Mapping[str, object]) -> dict[str, object]:
    """The counts of the ingest that a reader wants to see."""
    kept = {k: v for k, v in summary.items() if isinstance(v, (int, str)) or k == "non_events"}
    return {k: v for k, v in kept.items() if k != "events_out" or kept.get("kind") != "rows"}


def missing(rows: Samples) -> list[dict[str, object]]:
    """Share of rows without a value, by dense input and, for timed columns, by the most frequent codes."""
    entries = []
    for name, column in rows.inputs.items():
        if isinstance(column, Ragged):
            entries += _missing_codes(column) if {"code", "time"} <= set(column.values) else []
        elif not isinstance(column, Dense) or few_valued(column):
            entries.append({"column": name, "share": round(1 - float(column.present.mean()), 4)})
    return entries


def _missing_codes(column: Ragged) -> list[dict[str, object]]:
    counts, names = column.rows_with("code"), column.levels["code"]
    shares = 1 - counts / len(column)
    most = [k for k in np.argsort(-counts, kind="stable")[:MOST_CODES] if counts[k]]
    return [{"column": names[k], "share": round(float(shares[k]), 4)} for k in most]


def trained(one: FoldFit) -> Fit:
    """The record of one fit: how long it took, and its curve where it has one."""
    curve = [dict(h) for h in one.fitted().history]
    losses = [h["validation"] for h in curve if "validation" in h]
    best = curve[int(np.argmin(losses))].get("epoch") if losses else None
    epochs = [Epoch.model_validate(epoch) for epoch in curve]
    return Fit(model=one.candidate.name, fold=one.fold.name, seconds=one.step.seconds, best=best, curve=epochs)


def write(
    run: EvaluatedRun, document: ReportDocument, steps: Steps, run_notes: Sequence[Note], folder: Path
) -> ReportDocument:
    """Write report.json, report.html, study.yaml and the scores; gives the document as written.

    What differs from run to run is added now: the steps and what was noted.
    """
    records = [
        StepRecord(step=step.name, seconds=step.seconds, reused=step.reused, folder=f"steps/{step.folder.name}")
        for step in steps.finished.values()
    ]
    noted = [NoteRecord.model_validate(asdict(note)) for note in dict.fromkeys(run_notes)]
    document = document.model_copy(update={"steps": records, "notes": noted})
    document = publish(document, folder, run.study.report.min_cell)
    atomic.write_text(folder / "study.yaml", config.dump(run.study.document()))
    write_table(Report(folder, document).scores(), folder / "tables" / "scores.csv")
    return document
