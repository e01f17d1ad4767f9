"""Fitting every candidate on every fold, and what its fold models answer for rows that they did not learn from."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Self

import numpy as np

from polyclinic import config, fingerprint, memory, registry, seeds
from polyclinic.models.model import Session
from polyclinic.outcomes.outcome import Outcome
from polyclinic.outcomes.raw import Raw
from polyclinic.packages.fitted import Fitted
from polyclinic.samples import Samples
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

    @property
    def gives_files(self) -> bool:
        """Whether its predictions are files, which lie in the step."""
        return not (self.step.folder / "test.npy").exists()


@dataclass(frozen=True, eq=False)
class FitWork:
    """One candidate that is to be fitted on one fold, and the step that it is: its name, what goes in, its code."""

    candidate: Candidate
    fold: Fold
    session: Session
    name: str
    inputs: Mapping[str, object]
    code: StepCode

    @classmethod
    def of(cls, study: Study, samples: StudySamples, fold: Fold, candidate: Candidate) -> Self:
        """The fits that a study needs."""
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
    outcome.check(train, f"the training rows of fold {fold.name}")
    fitted = fit(candidate.model, train, validation, outcome, work.session).named(candidate.registered)
    fitted.save(folder / "state", folder / "parts")
    for part in HELD_OUT:
        _keep(folder, part, fitted, rows.take(getattr(fold, part)), outcome)


def _keep(folder: Path, part: str, fitted: Fitted, rows: Samples, outcome: Outcome) -> None:
    """Answers of rows stay numbers, which are yet to be adjusted; those of voxels are written as predictions at once."""
    if outcome.head(rows, fitted.outcome_state).per == "row":
        np.save(folder / f"{part}.npy", fitted.answer(rows, outcome).values)
        return
    fitted.predict(rows, outcome, folder=folder / part).write_parquet(folder / f"{part}.parquet")
