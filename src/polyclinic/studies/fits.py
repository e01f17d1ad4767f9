"""Fitting every candidate on every fold, and what its fold models answer for rows that they did not learn from."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from polyclinic import config, registry, seeds
from polyclinic.models.model import Session
from polyclinic.outcomes.outcome import Raw, concatenate
from polyclinic.packages.fitted import Fitted
from polyclinic.samples import Samples
from polyclinic.samples.splits import Fold
from polyclinic.studies.steps import Done, Steps
from polyclinic.studies.study import Candidate, Study
from polyclinic.training.loop import fit

CODE = ("polyclinic.training", "polyclinic.packages", "polyclinic.outcomes", "polyclinic.samples")
HELD_OUT = ("validation", "test")


@dataclass(frozen=True, eq=False)
class FoldFit:
    """One candidate on one fold: where its model and its answers lie."""

    candidate: Candidate
    fold: Fold
    done: Done

    def fitted(self) -> Fitted:
        """The fold's model, read back: what answers is what was stored."""
        return Fitted.load(self.done.folder / "state", self.done.folder / "parts")

    def rows(self, part: str) -> Any:
        """Positions of a part's rows in the samples."""
        return getattr(self.fold, part)

    def answers(self, part: str) -> Raw:
        """Linked answers for the validation or the test rows."""
        with np.load(self.done.folder / f"{part}.npz") as stored:
            return Raw(stored["values"], stored.get("shape", None))

    def table(self, part: str) -> pl.DataFrame:
        """Predictions that were written at once, because they are files."""
        return pl.read_parquet(self.done.folder / f"{part}.parquet")

    def seconds(self) -> float:
        """How long the fit took when it was made."""
        return float((self.done.folder / "seconds.txt").read_text())


def fit_fold(
    study: Study, samples: Samples, fold: Fold, candidate: Candidate, steps: Steps, above: Mapping[str, Any]
) -> FoldFit:
    """Fit one candidate on one fold, or reuse what was fitted before."""
    entry = registry.entry("models", candidate.registered)
    seed = seeds.derive(study.seed, candidate.name, fold.name)
    session = Session(seed=seed, device=study.training.device, threads=study.training.threads)
    inputs = {
        **above,
        "split": config.settings_of(study.split),
        "fold": fold.name,
        "model": [candidate.name, candidate.registered, config.settings_of(candidate.model)],
        "session": config.settings_of(session),
    }
    module = entry.target.partition(":")[0]

    def make(folder: Path) -> None:
        began = time.perf_counter()
        outcome = study.question.outcome
        train, validation = samples.take(fold.train), samples.take(fold.validation)
        _check(outcome, train, f"the training rows of fold {fold.name}")
        fitted = fit(candidate.model, train, validation, outcome, session).named(candidate.registered)
        (folder / "seconds.txt").write_text(f"{time.perf_counter() - began:.2f}")
        fitted.save(folder / "state", folder / "parts")
        for part in HELD_OUT:
            _keep(folder, part, fitted, samples.take(getattr(fold, part)), outcome)

    name = f"fit-{candidate.name}-{fold.name}"
    return FoldFit(candidate, fold, steps.step(name, inputs, (*CODE, "polyclinic.models", module), make))


def _check(outcome: Any, rows: Samples, where: str) -> None:
    if hasattr(outcome, "check"):
        outcome.check(outcome.target(rows), where)


def _keep(folder: Path, part: str, fitted: Fitted, rows: Samples, outcome: Any) -> None:
    """Answers stay numbers where they are yet to be calibrated; otherwise predictions are written at once."""
    if hasattr(outcome, "calibrate"):
        answer = fitted.answer(rows, outcome)
        kept = {"values": answer.values} | ({} if answer.shape is None else {"shape": answer.shape})
        np.savez(folder / f"{part}.npz", **kept)  # type: ignore[arg-type]
        return
    size = fitted.batch
    chunks = [rows.take(np.arange(i, min(i + size, len(rows)))) for i in range(0, len(rows), size)]
    tables = [
        outcome.predictions(fitted.answer(c, outcome), c, threshold=None, folder=folder / part)
        for c in chunks
    ]
    pl.concat(tables).write_parquet(folder / f"{part}.parquet")


@dataclass(frozen=True, eq=False)
class Tuned:
    """A candidate's fold models, its one calibration and its one threshold, both from pooled validation answers."""

    candidate: Candidate
    fits: Sequence[FoldFit]
    calibration: Mapping[str, float]
    threshold: float | None


def tune(study: Study, samples: Samples, fits: Sequence[FoldFit], outcome: Any) -> Tuned:
    """Calibrate on pooled validation answers, then choose the threshold on them."""
    candidate = fits[0].candidate
    if not hasattr(outcome, "calibrate"):
        return Tuned(candidate, fits, {}, None)
    answer = concatenate([f.answers("validation") for f in fits])
    target = np.concatenate([outcome.target(samples.take(f.rows("validation"))) for f in fits])
    _check(outcome, samples.take(np.concatenate([f.rows("validation") for f in fits])), "the validation rows")
    calibration = outcome.calibrate(answer, target)
    rule = study.evaluation.operating_point
    threshold = outcome.decide(outcome.calibrated(answer, calibration), target, rule) if rule else None
    return Tuned(candidate, fits, calibration, threshold)


def predictions(tuned: Tuned, samples: Samples, outcome: Any, out: Path) -> pl.DataFrame:
    """Rows of the predictions table: every fold's validation and test rows, with what really happened."""
    tables = [_part(tuned, f, part, samples, outcome, out) for f in tuned.fits for part in HELD_OUT]
    return pl.concat(tables, how="diagonal")


def _part(tuned: Tuned, one: FoldFit, part: str, samples: Samples, outcome: Any, out: Path) -> pl.DataFrame:
    rows = samples.take(one.rows(part))
    if hasattr(outcome, "calibrate"):
        before = one.answers(part)
        after = outcome.calibrated(before, tuned.calibration)
        found = outcome.predictions(after, rows, threshold=tuned.threshold, folder=out)
        found = found.with_columns(uncalibrated_probability=pl.Series(before.values[:, 0]))
    else:
        found = linked(one.table(part), one.done.folder, out)
    head = identity(rows, outcome.kind, tuned.candidate.name, one.fold.name, part)
    known = [c for c in outcome.truth(rows).iter_columns() if c.name not in found.columns]
    whole: pl.DataFrame = pl.concat([head, pl.DataFrame(known), found], how="horizontal")
    return whole


def identity(rows: Samples, kind: str, model: str, fold: str, split: str) -> pl.DataFrame:
    """The first columns of the predictions table."""
    subject = rows.groups.get("subject")
    numbers = subject is not None and np.asarray(subject).dtype.kind in "iu"
    nothing = pl.Series([None] * len(rows), dtype=pl.Int64)
    when = (
        pl.Series([None] * len(rows), dtype=pl.Datetime("us")) if rows.time is None else pl.Series(rows.time)
    )
    return pl.DataFrame(
        {
            "row_id": rows.row_id,
            "subject_id": pl.Series(np.asarray(subject, np.int64)) if numbers else nothing,
            "prediction_time": when.cast(pl.Datetime("us")),
        }
    ).with_columns(outcome=pl.lit(kind), model=pl.lit(model), fold=pl.lit(fold), split=pl.lit(split))


def linked(table: pl.DataFrame, step: Path, out: Path) -> pl.DataFrame:
    """Give the files of a step a second name under the run, so that the steps may be thrown away."""
    if "path" not in table.columns:
        return table
    target = out / "predictions" / step.name
    moved = []
    for path in table["path"]:
        name = target / Path(path).parent.name / Path(path).name
        if not name.exists():
            name.parent.mkdir(parents=True, exist_ok=True)
            name.hardlink_to(step / path)
        moved.append(name.relative_to(out).as_posix())
    return table.with_columns(path=pl.Series(moved, dtype=pl.String))
