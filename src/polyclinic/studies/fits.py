"""Fitting every candidate on every fold, and what its fold models answer for rows that they did not learn from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Self

import numpy as np
import polars as pl

from polyclinic import config, fingerprint, memory, registry, seeds
from polyclinic.models.model import Session
from polyclinic.outcomes.outcome import Outcome, Raw, concatenate
from polyclinic.packages.fitted import Fitted
from polyclinic.samples import Samples
from polyclinic.samples.identity import with_identity
from polyclinic.samples.splits import HELD_OUT, Fold
from polyclinic.studies.data_steps import StudySamples, file_formats
from polyclinic.studies.steps import FinishedStep, StepCode, Steps
from polyclinic.studies.study import Candidate, Study
from polyclinic.training.loop import fit


@dataclass(frozen=True, eq=False)
class FoldFit:
    """One candidate on one fold: where its model and its answers lie."""

    candidate: Candidate
    fold: Fold
    step: FinishedStep

    def fitted(self) -> Fitted:
        """The fold's model, read back: what answers is what was stored."""
        return Fitted.read(self.step.folder / "state", self.step.folder / "parts")

    def answers(self, part: str) -> Raw:
        """Linked answers for the validation or the test rows, one a row."""
        return Raw(np.load(self.step.folder / f"{part}.npy"))


@dataclass(frozen=True, eq=False)
class FitWork:
    """One candidate that is to be fitted on one fold, and the step that it is: its name, what goes in, its code."""

    candidate: Candidate
    fold: Fold
    session: Session
    name: str
    inputs: Mapping[str, Any]
    code: StepCode

    @classmethod
    def of(cls, study: Study, samples: StudySamples, fold: Fold, candidate: Candidate) -> Self:
        """The work that a study asks for."""
        outcome, training = study.question.outcome, study.training
        seed = seeds.derive(study.seed, candidate.name, fold.name)
        bound = memory.budget() if training.memory is None else int(training.memory * memory.GIB)
        session = Session(
            seed=seed, device=training.device, threads=training.threads, memory=bound, allow_code=study.allow_code
        )
        inputs = {
            "samples": samples.fit_key,
            "rows": fingerprint.of_arrays(fold.train, fold.validation, fold.test),
            "outcome": [outcome.kind, study.question.target],
            "model": [candidate.name, candidate.registered, config.settings_of(candidate.model)],
            "session": {"seed": seed, "device": training.device, "threads": training.threads},
        }
        named = registry.entry("models", candidate.registered), registry.entry("outcomes", outcome.kind)
        code = StepCode(make_fit, (*(entry.target for entry in named), *file_formats(samples.rows)))
        return cls(candidate, fold, session, f"fit-{candidate.name}-{fold.name}", inputs, code)

    def seconds(self, steps: Steps) -> float | None:
        """How long it will take, judged by the last fit of this candidate in this folder; 0 where it is there."""
        if steps.has(self.name, self.inputs, self.code):
            return 0.0
        return steps.seconds_of(f"fit-{self.candidate.name}")


def fit_fold(work: FitWork, samples: StudySamples, outcome: Outcome, steps: Steps) -> FoldFit:
    """Fit one candidate on one fold, or reuse what was fitted before."""
    make = partial(make_fit, work=work, rows=samples.rows, outcome=outcome)
    return FoldFit(work.candidate, work.fold, steps.step(work.name, work.inputs, work.code, make))


def make_fit(folder: Path, work: FitWork, rows: Samples, outcome: Outcome) -> None:
    """Fit a candidate on the training rows of a fold; write its state, its parts and its answers for held out rows."""
    candidate, fold = work.candidate, work.fold
    train, validation = rows.take(fold.train), rows.take(fold.validation)
    _checked(outcome, train, f"the training rows of fold {fold.name}")
    fitted = fit(candidate.model, train, validation, outcome, work.session).named(candidate.registered)
    fitted.save(folder / "state", folder / "parts")
    for part in HELD_OUT:
        _keep(folder, part, fitted, rows.take(getattr(fold, part)), outcome)


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
            found = linked(pl.read_parquet(one.step.folder / f"{part}.parquet"), one.step.folder, out)
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
        if not (name.exists() and name.samefile(step / path)):
            name.parent.mkdir(parents=True, exist_ok=True)
            name.unlink(missing_ok=True)
            name.hardlink_to(step / path)
        moved.append(name.relative_to(out).as_posix())
    return table.with_columns(path=pl.Series(moved, dtype=pl.String))
