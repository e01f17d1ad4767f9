"""What the report says beside the scores: cohort, table 1, training, environment; and writing it all down."""

from __future__ import annotations

import json
import os
import platform
import shutil
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from polyclinic import atomic, config, datasets, fingerprint
from polyclinic.packages.package import ModelPackage
from polyclinic.packages.question import Asked
from polyclinic.reports import page, schema
from polyclinic.reports.finding import finding
from polyclinic.reports.report import Report
from polyclinic.samples import Dense, Ragged, Samples
from polyclinic.samples.samples import names_of
from polyclinic.studies.evaluate import evaluate
from polyclinic.studies.fits import Tuned
from polyclinic.studies.gates import judge
from polyclinic.studies.study import Study
from polyclinic.timelines.rows import RowTable
from polyclinic.timelines.timeline import Timeline

if TYPE_CHECKING:
    from polyclinic.studies.run import Run
    from polyclinic.studies.steps import Done

LIBRARIES = ("numpy", "polars", "scikit-learn", "lightgbm", "torch", "onnxruntime")
MOST_CODES = 20


def attrition(asked: Asked, source: Timeline | RowTable) -> list[dict[str, Any]]:
    """Who fell out at each step, before and behind the index."""
    if asked.cohort is not None:
        return [
            {
                "step": s.step,
                "rows": s.rows,
                "groups": dict(s.groups),
                "past_index": s.past_index,
                "excluded": s.excluded,
            }
            for s in asked.cohort.attrition
        ]
    summary = source.summary()
    steps = [("rows of the source", summary["rows_in"]), ("rows that can be read", asked.rows.height)]
    return [{"step": name, "rows": rows, "groups": {}, "past_index": False} for name, rows in steps]


def licence(study: Study) -> dict[str, Any]:
    """The name and the licence of a registered data set: they go wherever the model goes."""
    if study.source.data is None:
        return {}
    entry = datasets.listing()[study.source.data]
    return {"data": entry.name, "data_licence": entry.licence, "data_commercial": entry.commercial}


def for_card(
    study: Study, package: ModelPackage, validation: Mapping[str, float], limits: Mapping[str, Any]
) -> dict[str, Any]:
    """What the model card says. It knows validation rows alone: test rows must not change a byte of the package."""
    return {
        "title": study.title,
        "name": study.name,
        "intended_use": study.intended_use,
        "about": dict(package.about),
        "outcome": package.question.kind,
        "model": package.members[0].name,
        "members": len(package.members),
        "portable": package.portable,
        "calibration": dict(package.calibration),
        "threshold": package.threshold,
        "validation": dict(validation),
        "limits": dict(limits),
        "past_index": bool(package.question.task),
    }


def report(run: Run, tuned: Sequence[Tuned], chosen: int, predictions: pl.DataFrame) -> dict[str, Any]:
    """Everything that `report.json` holds."""
    study, rows = run.study, run.rows
    kind = run.outcome.kind
    roles = {t.candidate.name: t.candidate.role for t in tuned}
    document: dict[str, Any] = {
        "format": 1,
        "study": study.name,
        "title": study.title,
        "intended_use": study.intended_use,
        "finding": "",
        "roles": roles,
        "chosen": {kind: tuned[chosen].candidate.name},
        "seed": study.seed,
        "cohort": cohort(run),
        "training": training(tuned),
        "environment": environment(),
        "data": data(run),
        "sanity": [],
        "package": packaged(tuned[chosen]),
    }
    document |= evaluate(
        predictions.filter(pl.col("fold") != "package"),
        run.outcome,
        study.evaluation,
        row_id=rows.row_id,
        groups=rows.groups,
        strata=rows.strata,
        roles=roles,
        chosen=tuned[chosen].candidate.name,
        seed=study.seed,
    )
    document["gates"] = judge(study.gates, document)
    return document


def packaged(chosen: Tuned) -> dict[str, Any]:
    """What the package holds."""
    return {
        "portable": all(f.fitted().portable for f in chosen.fits),
        "models": [chosen.candidate.name],
        "members": len(chosen.fits),
        "calibration": dict(chosen.calibration),
        "threshold": chosen.threshold,
    }


def cohort(run: Run) -> dict[str, Any]:
    """The cohort: flow, groups, targets, table 1, what is missing, how rows were divided."""
    rows, kind = run.rows, run.outcome.kind
    folder = next(d.folder for d in run.steps.done if d.name == "cohort")
    labelled = rows.take(rows.labelled)
    steps = json.loads((folder / "attrition.json").read_text())
    if steps and steps[-1]["rows"] != len(labelled):
        steps.append(
            {"step": "labelled", "rows": len(labelled), "groups": groups(labelled), "past_index": True}
        )
    found: dict[str, Any] = {
        "attrition": steps,
        "rows": len(labelled),
        "groups": groups(labelled),
        "targets": {kind: run.outcome.summary(labelled)},
        "table1": table1(labelled, kind),
        "missing": missing(labelled),
        "splits": [division(labelled_part, f.name, part, kind) for f, part, labelled_part in parts(run)],
        "summary": source_summary(run.source.summary()),
    }
    if rows.time is not None:
        found["time"] = {"from": str(labelled.time.min())[:10], "to": str(labelled.time.max())[:10]}  # type: ignore[union-attr]
    return found


def parts(run: Run) -> list[tuple[Any, str, Samples]]:
    """Each fold's parts with their rows."""
    named = ("train", "validation", "test")
    return [(f, part, run.rows.take(getattr(f, part))) for f in run.folds for part in named]


def division(rows: Samples, fold: str, part: str, kind: str) -> dict[str, Any]:
    """How many rows, groups and positives a part of a fold has."""
    positive = {"positive": int(np.nansum(rows.y))} if kind == "binary" else {}
    return {"fold": fold, "split": part, "rows": len(rows), "groups": groups(rows), **positive}


def groups(rows: Samples) -> dict[str, int]:
    """How many of each group there are; rows that are their own group are not counted again."""
    return {name: len(np.unique(v)) for name, v in rows.groups.items() if name != "row"}


def source_summary(summary: Mapping[str, Any]) -> dict[str, Any]:
    """The counts of the ingest that a reader wants to see."""
    left_out = {"events_out"} if summary.get("kind") == "rows" else set()
    kept = {k: v for k, v in summary.items() if isinstance(v, (int, str)) or k == "non_events"}
    return {k: v for k, v in kept.items() if k not in left_out}


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
    for name, column in few_valued(rows):
        values = column.values.reshape(len(rows), -1)
        for n, v in zip(names_of(name, column), values.T, strict=True):
            level, told = ("share", _share) if np.isin(v, (0, 1)).all() else ("median (quartiles)", _middle)
            found.append({"variable": n, "level": level, **{p: told(v[m]) for p, m in parts.items()}})
    return found


def few_valued(rows: Samples) -> list[tuple[str, Dense]]:
    """Dense inputs of a dozen numbers at most: what a reader can take in."""
    dense = [(n, c) for n, c in rows.inputs.items() if isinstance(c, Dense) and c.values.dtype.kind == "f"]
    return [(name, column) for name, column in dense if np.prod(column.values.shape[1:]) <= 12]


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
        elif not isinstance(column, Dense) or np.prod(column.values.shape[1:]) <= 12:
            found.append({"column": name, "share": round(1 - float(column.present.mean()), 4)})
    return found


def _missing_codes(column: Ragged) -> list[dict[str, Any]]:
    row, position = column.elements()
    pairs = np.unique(np.stack([row, column.values["code"][position].astype(np.int64)]), axis=1)
    seen = np.bincount(pairs[1], minlength=len(column.levels["code"]))
    most = np.argsort(-seen, kind="stable")[:MOST_CODES]
    return [
        {"column": column.levels["code"][k], "share": round(1 - float(seen[k]) / len(column), 4)}
        for k in most
        if seen[k]
    ]


def training(tuned: Sequence[Tuned]) -> list[dict[str, Any]]:
    """One record a fit: how long it took, and its curve where it has one."""
    found = []
    for one in (f for t in tuned for f in t.fits):
        curve = [dict(h) for h in one.fitted().history]
        losses = [h["validation"] for h in curve if "validation" in h]
        best = curve[int(np.argmin(losses))].get("epoch") if losses else None
        name, fold = one.candidate.name, one.fold.name
        found.append({"model": name, "fold": fold, "seconds": one.seconds(), "best": best, "curve": curve})
    return found


def environment() -> dict[str, Any]:
    """What is needed to run it again to the same figures."""
    return {
        "python": platform.python_version(),
        "polyclinic": version("polyclinic"),
        "platform": platform.platform(terse=True),
        "cpu": f"{platform.machine()}, {os.cpu_count()} processors",
        "versions": {name: found for name in LIBRARIES if (found := _version(name))},
    }


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def data(run: Run) -> dict[str, str]:
    """SHA-256 of the source: one for the whole, by its name."""
    name = run.study.source.data or run.study.source.format or "table"
    return {name: fingerprint.of_folder(run.where[0])}


def write(run: Run, evaluated: Done) -> Report:
    """Write report.json, report.html and study.yaml whole or not at all; what differs from run to run is added now."""
    document = json.loads((evaluated.folder / "report.json").read_text(encoding="utf-8"))
    steps = run.steps.done
    document["steps"] = [
        {
            "step": d.name,
            "seconds": d.seconds,
            "reused": d.reused,
            "folder": d.folder.relative_to(run.out).as_posix(),
        }
        for d in steps
    ]
    document = schema.suppress(document, run.study.report.min_cell)
    document["finding"] = finding(document)
    schema.validate(document)
    atomic.write_text(run.out / "report.json", json.dumps(document, indent=1, ensure_ascii=False))
    atomic.write_text(run.out / "report.html", page.render(document))
    atomic.write_text(run.out / "study.yaml", config.dump(run.study.document()))
    tables(run, document)
    return Report(run.out, document)


def tables(run: Run, document: Mapping[str, Any]) -> None:
    """Scores and subgroups as CSV, for whoever wants the numbers."""
    folder = run.out / "tables"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    Report(run.out, dict(document)).scores().write_csv(folder / "scores.csv")
