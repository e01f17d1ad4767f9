"""Fitting every candidate on every fold, and what its fold models answer for rows that they did not learn from."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from polyclinic import config, registry, seeds
from polyclinic.evaluation.evaluator import HELD_OUT
from polyclinic.models.model import Session
from polyclinic.outcomes.outcome import Raw, concatenate
from polyclinic.packages.fitted import Fitted
from polyclinic.samples import Samples
from polyclinic.samples.identity import with_identity
from polyclinic.samples.splits import Fold
from polyclinic.studies.steps import Done, Steps
from polyclinic.studies.study import Candidate, Study
from polyclinic.training.loop import fit

CODE = ("polyclinic.training", "polyclinic.packages", "polyclinic.outcomes", "polyclinic.samples")


@dataclass(frozen=True, eq=False)
class FoldFit:
    """One candidate on one fold: where its model and its answers lie."""

    candidate: Candidate
    fold: Fold
    done: Done

    def fitted(self) -> Fitted:
        """The fold's model, read back: what answers is what was stored."""
        return Fitted.read(self.done.folder / "state", self.done.folder / "parts")

    def answers(self, part: str) -> Raw:
        """Linked answers for the validation or the test rows, one a row."""
        return Raw(np.load(self.done.folder / f"{part}.npy"))

    def seconds(self) -> float:
        """How long the fit took when it was made."""
        return float((self.done.folder / "seconds.txt").read_text())


def fit_fold(
    study: Study, samples: Samples, fold: Fold, candidate: Candidate, steps: Steps, above: Mapping[str, Any]
) -> FoldFit:
    """Fit one candidate on one fold, or reuse what was fitted before."""
    module = registry.entry("models", candidate.registered).target.partition(":")[0]
    seed = seeds.derive(study.seed, candidate.name, fold.name)
    how = study.training
    session = Session(seed=seed, device=how.device, threads=how.threads, allow_code=study.allow_code)
    model = [candidate.name, candidate.registered, config.settings_of(candidate.model)]
    inputs = {**above, "fold": fold.name, "model": model, "session": _decisive(session)}

    def make(folder: Path) -> None:
        began = time.perf_counter()
        outcome = study.question.outcome
        train, validation = samples.take(fold.train), samples.take(fold.validation)
        _checked(outcome, train, f"the training rows of fold {fold.name}")
        fitted = fit(candidate.model, train, validation, outcome, session).named(candidate.registered)
        (folder / "seconds.txt").write_text(f"{time.perf_counter() - began:.2f}")
        fitted.save(folder / "state", folder / "parts")
        for part in HELD_OUT:
            _keep(folder, part, fitted, samples.take(getattr(fold, part)), outcome)

    name = f"fit-{candidate.name}-{fold.name}"
    return FoldFit(candidate, fold, steps.step(name, inputs, (*CODE, "polyclinic.models", module), make))


def _decisive(session: Session) -> dict[str, Any]:
    """What of the session decides how a fit comes out; whether code is allowed does not."""
    return {"seed": session.seed, "device": session.device, "threads": session.threads}


def _checked(outcome: Any, rows: Samples, where: str) -> Any:
    """The target of these rows; raises where the outcome finds nothing in them to learn."""
    target = outcome.target(rows)
    if hasattr(outcome, "check"):
        outcome.check(target, where)
    return target


def _keep(folder: Path, part: str, fitted: Fitted, rows: Samples, outcome: Any) -> None:
    """Answers stay numbers where they are yet to be calibrated; otherwise predictions are written at once."""
    if hasattr(outcome, "calibrate"):
        np.save(folder / f"{part}.npy", fitted.answer(rows, outcome).values)
        return
    fitted.predict(rows, outcome, folder=folder / part).write_parquet(folder / f"{part}.parquet")


@dataclass(frozen=True, eq=False)
class Tuned:
    """A candidate's fold models, its one calibration and its one threshold, both from pooled validation answers.

    table: its rows of the predictions table: every fold's validation and test rows, with what really happened.
    """

    candidate: Candidate
    fits: Sequence[FoldFit]
    calibration: Mapping[str, float]
    threshold: float | None
    table: pl.DataFrame


def tune(study: Study, samples: Samples, fits: Sequence[FoldFit], outcome: Any, out: Path) -> Tuned:
    """Calibrate on pooled validation answers, choose the threshold on them, and tell what that predicts.

    out: the folder of the run, where predictions that are files get their names.
    """
    calibration, threshold, rule = {}, None, study.evaluation.operating_point
    if hasattr(outcome, "calibrate"):
        answer = concatenate([f.answers("validation") for f in fits])
        rows = samples.take(np.concatenate([f.fold.validation for f in fits]))
        target = _checked(outcome, rows, "the validation rows")
        calibration = outcome.calibrate(answer, target, study.evaluation.interval_groups(rows.groups, rows.row_id))
        threshold = outcome.decide(outcome.calibrated(answer, calibration), target, rule) if rule else None

    def told(one: FoldFit, part: str) -> pl.DataFrame:
        rows = samples.take(getattr(one.fold, part))
        if hasattr(outcome, "calibrate"):
            before = one.answers(part)
            after = outcome.calibrated(before, calibration)
            found = outcome.predictions(after, rows, threshold=threshold, folder=out)
            found = found.with_columns(uncalibrated_probability=pl.Series(before.values[:, 0]))
        else:
            found = linked(pl.read_parquet(one.done.folder / f"{part}.parquet"), one.done.folder, out)
        head = identity(rows, outcome.kind, one.candidate.name, one.fold.name, part)
        return head.hstack(outcome.truth(rows).drop(found.columns, strict=False)).hstack(found)

    table = pl.concat([told(one, part) for one in fits for part in HELD_OUT], how="diagonal")
    return Tuned(fits[0].candidate, fits, calibration, threshold, table)


def identity(rows: Samples, kind: str, model: str, fold: str, split: str) -> pl.DataFrame:
    """The first columns of the predictions table; what the caller calls the rows stands beside their number."""
    subject = np.asarray(rows.groups.get("subject"))
    number = subject if subject.dtype.kind in "iu" else None
    known = {"row_id": rows.row_id, "subject_id": number, "prediction_time": rows.time}
    schema: Any = {"row_id": pl.Int64, "subject_id": pl.Int64, "prediction_time": pl.Datetime("us")}
    named = {"outcome": kind, "model": model, "fold": fold, "split": split}
    table = pl.DataFrame(known, schema).with_columns(pl.lit(v).alias(k) for k, v in named.items())
    return with_identity(table, rows.identity)


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
