"""Calibration and threshold of a candidate, learned from validation answers, and the predictions that follow.

The rows of a test fold are scored by what other groups taught: calibration and threshold for a fold come from the
validation answers of all folds, without those of groups in its own test part. A validation row is treated as the test
row that it is in another fold. What ships is learned from all validation answers.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from polyclinic import config
from polyclinic.arrays import Array
from polyclinic.decisions import Decision
from polyclinic.outcomes.adjustment import Adjustment
from polyclinic.outcomes.outcome import Outcome
from polyclinic.outcomes.raw import Raw, concatenate
from polyclinic.samples import Samples
from polyclinic.samples.columns import Index
from polyclinic.samples.identity import with_identity
from polyclinic.samples.prediction_columns import FOLD, IDENTITY, MODEL, OUTCOME, PATH, ROW_ID, SPLIT, SUBJECT, TIME
from polyclinic.samples.splits import HELD_OUT, Fold
from polyclinic.studies.fits import FoldFit
from polyclinic.studies.study import Candidate, Study


@dataclass(frozen=True)
class Settled:
    """What validation answers settle of a model: what is done to its answers, and what is decided by them."""

    adjustment: Adjustment | None = None
    decision: Decision | None = None

    def document(self) -> dict[str, object]:
        """As the key of a step reads it."""
        items = {"adjustment": self.adjustment, "decision": self.decision}
        return {key: None if item is None else [item.name, config.settings_of(item)] for key, item in items.items()}

    def apply(self, answer: Raw) -> Raw:
        """The answers after the adjustment."""
        return answer if self.adjustment is None else self.adjustment.apply(answer)


@dataclass(frozen=True, eq=False)
class Tuned:
    """A candidate's fold models, and what was learned from their validation answers.

    Attributes
    ----------
    settled
        Learned from all validation answers: what ships.
    by_fold
        Fold → what scores its test rows, learned from the validation answers of groups outside its test part.
    table
        Its rows of the predictions table: every fold's validation and test rows, with their labels.
    """

    candidate: Candidate
    fits: Sequence[FoldFit]
    settled: Settled
    by_fold: Mapping[str, Settled]
    table: pl.DataFrame


@dataclass(frozen=True, eq=False)
class ValidationAnswers:
    """The validation answers of all folds.

    Attributes
    ----------
    place
        Positions of the rows among the samples, int64 [row].
    y_score
        Linked answers, one a row, not calibrated.
    truth, groups
        What happened, as the outcome writes it; and what calibration is judged over, [row].
    """

    place: Index
    y_score: Raw
    truth: pl.DataFrame
    groups: Array

    @classmethod
    def of(cls, study: Study, samples: Samples, fits: Sequence[FoldFit], outcome: Outcome) -> "ValidationAnswers":
        """Read the answers of a candidate's fold models."""
        place = np.concatenate([f.fold.validation for f in fits])
        rows = samples.take(place)
        outcome.check(rows, "the validation rows")
        groups = study.evaluation.interval_groups(rows.groups, rows.row_id)
        return cls(place, concatenate([f.answers("validation") for f in fits]), outcome.truth(rows), groups)

    def settled(self, outcome: Outcome, rule: Mapping[str, float], without: Index) -> Settled:
        """Learn from the answers for rows that are not in `without`."""
        kept = ~np.isin(self.place, without)
        y_score, truth = Raw(self.y_score.values[kept]), self.truth.filter(kept)
        adjustment = outcome.adjust(y_score, truth, self.groups[kept])
        adjusted = Settled(adjustment).apply(y_score)
        return Settled(adjustment, outcome.decide(adjusted, truth, rule))


def check_labels(outcome: Outcome, samples: Samples, folds: Sequence[Fold]) -> None:
    """Raise `BadData` where a fold leaves nothing to learn from: before hours are spent on fits."""
    validation = np.concatenate([fold.validation for fold in folds])
    for fold in folds:
        outcome.check(samples.take(fold.train), f"the training rows of fold {fold.name}")
        outside = samples.take(np.setdiff1d(validation, fold.test))
        outcome.check(outside, f"the validation rows that decide for fold {fold.name}")


def tune(study: Study, samples: Samples, fits: Sequence[FoldFit], outcome: Outcome, out: Path) -> Tuned:
    """Learn calibration and threshold, and write down what the candidate then predicts.

    Parameters
    ----------
    fits
        One candidate on every fold.
    out
        The folder of the run, where predictions that are files get their names.
    """
    candidate = fits[0].candidate
    if fits[0].gives_files:
        table = pl.concat([_files(samples, one, part, outcome, out) for one in fits for part in HELD_OUT])
        return Tuned(candidate, fits, Settled(), {}, table)
    answers, rule = ValidationAnswers.of(study, samples, fits, outcome), study.evaluation.operating_point
    shipped = answers.settled(outcome, rule, without=np.zeros(0, np.int64))
    by_fold = {one.fold.name: answers.settled(outcome, rule, without=one.fold.test) for one in fits}
    tester = np.full(len(samples), -1)
    for number, one in enumerate(fits):
        tester[one.fold.test] = number
    settled = [*by_fold.values(), shipped]  # the last, -1, is for rows that no fold tests

    def rows() -> Iterator[pl.DataFrame]:
        for one in fits:
            for part in HELD_OUT:
                place, y_score = getattr(one.fold, part), one.answers(part)
                for number in np.unique(tester[place]):
                    here = tester[place] == number
                    some, theirs = samples.take(place[here]), Raw(y_score.values[here])
                    yield _predictions(some, theirs, settled[number], one, part, outcome, out)

    return Tuned(candidate, fits, shipped, by_fold, pl.concat(rows(), how="diagonal"))


def _predictions(
    rows: Samples, answer: Raw, settled: Settled, one: FoldFit, part: str, outcome: Outcome, out: Path
) -> pl.DataFrame:
    """Rows of the predictions table for answers that are numbers."""
    columns = outcome.predictions(settled.apply(answer), rows, decision=settled.decision, folder=out)
    head = identity(rows, outcome.kind, one.candidate.name, one.fold.name, part)
    tables = head, outcome.truth(rows), columns, outcome.unadjusted(answer, settled.decision)
    return pl.concat([table for table in tables if table.width], how="horizontal")


def _files(samples: Samples, one: FoldFit, part: str, outcome: Outcome, out: Path) -> pl.DataFrame:
    """Rows of the predictions table for answers that are files."""
    rows = samples.take(getattr(one.fold, part))
    columns = linked(pl.read_parquet(one.step.folder / f"{part}.parquet"), one.step.folder, out)
    head = identity(rows, outcome.kind, one.candidate.name, one.fold.name, part)
    return head.hstack(outcome.truth(rows).drop(columns.columns, strict=False)).hstack(columns)


def identity(rows: Samples, kind: str, model: str, fold: str, split: str) -> pl.DataFrame:
    """The first columns of the predictions table; what the caller calls the rows stands beside their number."""
    subject = np.asarray(rows.groups.get("subject"))
    number = subject if subject.dtype.kind in "iu" else None
    known = {ROW_ID: rows.row_id, SUBJECT: number, TIME: rows.time}
    named = {OUTCOME: kind, MODEL: model, FOLD: fold, SPLIT: split}
    table = pl.DataFrame(known, IDENTITY).with_columns(pl.lit(v).alias(k) for k, v in named.items())
    return with_identity(table, rows.identity)


def linked(table: pl.DataFrame, step: Path, out: Path) -> pl.DataFrame:
    """Give the files of a step a second name under the run, so that the steps may be thrown away."""
    if PATH not in table.columns:
        return table
    target = out / "predictions" / step.name
    moved = []
    for path in table[PATH]:
        name = target / Path(path).parent.name / Path(path).name
        if not (name.exists() and name.samefile(step / path)):
            name.parent.mkdir(parents=True, exist_ok=True)
            name.unlink(missing_ok=True)
            name.hardlink_to(step / path)
        moved.append(name.relative_to(out).as_posix())
    return table.with_columns(pl.Series(PATH, moved, pl.String))
