"""What the report says beside the scores: cohort, table 1, training, environment; and writing it all down."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import polars as pl

from polyclinic import atomic, config, datasets, fingerprint
from polyclinic.evaluation.evaluator import evaluate
from polyclinic.outcomes.outcome import Outcome
from polyclinic.reports.composition import core_of, sections_of
from polyclinic.reports.document import ReportDocument
from polyclinic.reports.publishing import environment, publish
from polyclinic.reports.report import Report
from polyclinic.reports.results import StepRecord
from polyclinic.reports.sections.training_curves import Epoch, Fit, TrainingCurves
from polyclinic.samples import Dense, Ragged, Samples
from polyclinic.samples.assembly import SelectedRows
from polyclinic.samples.frames import write_table
from polyclinic.samples.samples import names_of, of_rows
from polyclinic.samples.splits import Fold
from polyclinic.studies.fits import FoldFit, Tuned
from polyclinic.studies.gates import judge
from polyclinic.studies.steps import Done, Steps
from polyclinic.studies.study import Study
from polyclinic.timelines.rows import RowTable
from polyclinic.timelines.timeline import Timeline

MOST_CODES = 20


class RunState(Protocol):
    """What a report reads of a run."""

    study: Study
    out: Path
    steps: Steps

    @property
    def outcome(self) -> Outcome: ...

    @property
    def rows(self) -> Samples: ...

    @property
    def folds(self) -> list[Fold]: ...

    @property
    def source(self) -> Timeline | RowTable: ...

    @property
    def where(self) -> tuple[Path, str]: ...


def asked_of(asked: SelectedRows, source: Timeline | RowTable) -> dict[str, Any]:
    """`attrition`, who fell out at each step, before and behind the index; `set_aside`, the values that do not count; `sanity`."""
    if asked.cohort is not None:
        steps = [asdict(step) for step in asked.cohort.attrition]
        told = {"set_aside": dict(asked.cohort.set_aside), "sanity": asked.cohort.warnings()}
        return {"attrition": steps, **told}
    if isinstance(source, RowTable):
        counts = {"rows of the source": source.summary()["rows_in"], "rows that can be read": asked.rows.height}
    else:
        counts = {"rows of the labels": asked.rows.height}
        counts["of whom something is known by then"] = asked.rows.height - len(asked.refused)
    flow = [{"step": name, "rows": rows, "groups": {}, "past_index": False} for name, rows in counts.items()]
    return {"attrition": flow, "set_aside": {}, "sanity": []}


def about(study: Study, source_format: str) -> dict[str, Any]:
    """What the package says of itself; a registered data set's name and licence go wherever the model goes."""
    named = {"study": study.name, "title": study.title, "intended_use": study.intended_use}
    told = {**named, "source_format": source_format, "seed": study.seed}
    if study.source.data is None:
        return told
    entry = datasets.listing()[study.source.data]
    return {**told, "data": entry.name, "data_licence": entry.licence, "data_commercial": entry.commercial}


def report(run: RunState, tuned: Sequence[Tuned], chosen: Tuned, predictions: pl.DataFrame) -> ReportDocument:
    """Everything that `report.json` holds of one run, whenever it was made."""
    study, source, name = run.study, run.study.source, chosen.candidate.name
    rows: Any = {key: getattr(run.rows, key) for key in ("row_id", "groups", "strata")}
    roles = {t.candidate.name: t.candidate.role for t in tuned}
    scored = evaluate(predictions, run.outcome, study.evaluation, **rows, roles=roles, chosen=name, seed=study.seed)
    learned = {"calibration": dict(chosen.calibration), "threshold": chosen.threshold}
    combined = {"models": [name], "members": len(chosen.fits), **learned}
    asked = cohort(run)
    content: dict[str, Any] = {
        "study": study.name,
        "title": study.title,
        "intended_use": study.intended_use,
        "cohort": asked,
        "environment": environment(),
        "data": {source.data or source.format or "table": fingerprint.of_folder(run.where[0])},
        "sanity": asked.pop("sanity"),
        "package": {"portable": all(f.fitted().portable for f in chosen.fits), **combined},
        **core_of(scored),
        "sections": [*sections_of(scored), TrainingCurves(fits=[trained(one) for t in tuned for one in t.fits])],
    }
    return ReportDocument.of({**content, "gates": judge(study.gates, scored.document())})


def cohort(run: RunState) -> dict[str, Any]:
    """The cohort: flow, groups, targets, table 1, what is missing, how rows were divided; `sanity`."""
    rows, kind, parts = run.rows, run.outcome.kind, ("train", "validation", "test")
    divided = np.unique(np.concatenate([getattr(f, p) for f in run.folds for p in parts]))
    every, known = rows.take(rows.labelled), rows.take(divided)
    size = {"rows": len(known), "groups": groups(known)}
    asked = json.loads((run.steps.done["cohort"].folder / "asked.json").read_text())
    steps = asked["attrition"]
    if steps and steps[-1]["rows"] != len(every):
        steps.append({"step": "labelled", "rows": len(every), "groups": groups(every), "past_index": True})
    if len(known) != len(every):
        steps.append({"step": "named in the split file", **size, "past_index": False})
    found: dict[str, Any] = {
        **asked,
        "sanity": asked["sanity"] + both_sides(rows, run.folds),
        **size,
        "targets": {kind: run.outcome.summary(known)},
        "table1": table1(known, kind),
        "missing": missing(known),
        "splits": [division(rows.take(getattr(f, p)), f.name, p, kind) for f in run.folds for p in parts],
        "summary": source_summary(run.source.summary()),
    }
    if known.time is not None:
        found["time"] = {"first": str(known.time.min())[:10], "last": str(known.time.max())[:10]}
    return found


def division(rows: Samples, fold: str, part: str, kind: str) -> dict[str, Any]:
    """How many rows, groups and positives a part of a fold has."""
    positive = {"positive": int(np.nansum(rows.y))} if kind == "binary" else {}
    return {"fold": fold, "split": part, "rows": len(rows), "groups": groups(rows), **positive}


def both_sides(rows: Samples, folds: Sequence[Fold]) -> list[dict[str, Any]]:
    """Entries of `sanity` for groups that the split does not keep apart: subjects learned from and held out."""
    found = []
    for name, values in rows.groups.items():
        seen = [np.intersect1d(values[np.append(f.train, f.validation)], values[f.test]) for f in folds]
        if n := len(np.unique(np.concatenate(seen))):
            result = f"{n:,} of {len(np.unique(values)):,}"
            why = f"A model may know them again: add {name} to `separate` of the split."
            found.append({"check": f"{name}s learned from and held out", "applies": True, "result": result, "why": why})
    return found


def groups(rows: Samples) -> dict[str, int]:
    """How many of each group there are; rows that are their own group are not counted again."""
    return {name: len(np.unique(v)) for name, v in rows.groups.items() if name != "row"}


def source_summary(summary: Mapping[str, Any]) -> dict[str, Any]:
    """The counts of the ingest that a reader wants to see."""
    kept = {k: v for k, v in summary.items() if isinstance(v, (int, str)) or k == "non_events"}
    return {k: v for k, v in kept.items() if k != "events_out" or kept.get("kind") != "rows"}


def table1(rows: Samples, kind: str) -> list[dict[str, Any]]:
    """Counts by stratum, and median with quartiles of few-valued dense inputs; by answer where it is yes or no."""
    parts = {"all": np.ones(len(rows), bool)}
    if kind == "binary":
        parts |= {"negative": rows.y == 0, "positive": rows.y == 1}
    found = []
    for name, values in rows.strata.items():
        for level in np.unique(values):
            counts = {part: int((mask & (values == level)).sum()) for part, mask in parts.items()}
            found.append({"variable": name, "level": str(level), **counts})
    for name, column in of_rows(rows, Dense).items():
        if not few_valued(column) or column.values.dtype.kind != "f":
            continue
        values = column.values.reshape(len(rows), -1)
        for n, v in zip(names_of(name, column), values.T, strict=True):
            level, told = ("share", _share) if np.isin(v, (0, 1)).all() else ("median (quartiles)", _middle)
            found.append({"variable": n, "level": level, **{p: told(v[m]) for p, m in parts.items()}})
    return found


def few_valued(column: Dense) -> bool:
    """Whether a row has a dozen numbers at most: what a reader can take in."""
    return bool(np.prod(column.values.shape[1:]) <= 12)


def _share(values: Any) -> str:
    return f"{values.mean():.1%}".replace("%", " %") if len(values) else "none"


def _middle(values: Any) -> str:
    known = values[np.isfinite(values)]
    if len(known) == 0:
        return "none"
    low, middle, high = np.quantile(known, [0.25, 0.5, 0.75])
    return f"{middle:.3g} ({low:.3g} to {high:.3g})"


def missing(rows: Samples) -> list[dict[str, Any]]:
    """Share of rows without a value, by dense input and, for timed columns, by the codes seen most."""
    found = []
    for name, column in rows.inputs.items():
        if isinstance(column, Ragged):
            found += _missing_codes(column) if {"code", "time"} <= set(column.values) else []
        elif not isinstance(column, Dense) or few_valued(column):
            found.append({"column": name, "share": round(1 - float(column.present.mean()), 4)})
    return found


def _missing_codes(column: Ragged) -> list[dict[str, Any]]:
    seen, names = column.rows_with("code"), column.levels["code"]
    shares = 1 - seen / len(column)
    most = [k for k in np.argsort(-seen, kind="stable")[:MOST_CODES] if seen[k]]
    return [{"column": names[k], "share": round(float(shares[k]), 4)} for k in most]


def trained(one: FoldFit) -> Fit:
    """The record of one fit: how long it took, and its curve where it has one."""
    curve = [dict(h) for h in one.fitted().history]
    losses = [h["validation"] for h in curve if "validation" in h]
    best = curve[int(np.argmin(losses))].get("epoch") if losses else None
    epochs = [Epoch.model_validate(epoch) for epoch in curve]
    return Fit(model=one.candidate.name, fold=one.fold.name, seconds=one.seconds(), best=best, curve=epochs)


def write(run: RunState, evaluated: Done) -> Report:
    """Write report.json, report.html, study.yaml and the scores; what differs from run to run is added now."""
    document = ReportDocument.read(json.loads((evaluated.folder / "report.json").read_text(encoding="utf-8")))
    steps = [
        StepRecord(step=d.name, seconds=d.seconds, reused=d.reused, folder=f"steps/{d.folder.name}")
        for d in run.steps.done.values()
    ]
    document = publish(document.model_copy(update={"steps": steps}), run.out, run.study.report.min_cell)
    atomic.write_text(run.out / "study.yaml", config.dump(run.study.document()))
    made = Report(run.out, document)
    write_table(made.scores(), run.out / "tables" / "scores.csv")
    return made
