"""What answers of several classes are like in use: what is confused, calibration by class, sets of classes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from polyclinic.arrays import Array, Floats
from polyclinic.decisions import PredictionSets
from polyclinic.evaluation import calibration, class_scores
from polyclinic.evaluation.class_measures import SET_COVERAGE, SET_SIZE
from polyclinic.evaluation.estimates import Estimate
from polyclinic.evaluation.evaluated import SubgroupScores
from polyclinic.evaluation.evaluated_rows import EvaluatedRows
from polyclinic.evaluation.jackknife import jackknife
from polyclinic.evaluation.outcome_section import OutcomeSection
from polyclinic.evaluation.scored_rows import ScoredRows
from polyclinic.evaluation.scores import SHARE, Score, ratio
from polyclinic.notes import note
from polyclinic.samples.frames import of_lists
from polyclinic.samples.prediction_columns import (
    CLASS,
    PREDICTED_CLASS,
    PREDICTION_SET,
    PROBABILITIES,
    UNCALIBRATED_PROBABILITIES,
)

FEWEST_ROWS = 10
"""Rows of a class and of its rest from which on its calibration is measured."""


@dataclass(frozen=True, slots=True)
class ClassRecord:
    """One class: how many test rows it has, how many of them are recognised, how many that are called so are so."""

    name: str
    rows: int
    recall: Estimate
    precision: Estimate
    calibration: calibration.Calibration | None


@dataclass(frozen=True, eq=False)
class ClassEvaluation:
    """The test rows of an outcome of several classes under evaluation; names: of the classes, in their order."""

    rows: EvaluatedRows
    names: Sequence[str]

    @property
    def test(self) -> ScoredRows:
        """The test rows."""
        return self.rows.test

    def codes(self, model: str) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Class numbers of the truth and of what a model decided for; -1 where it decided for none."""
        numbers = {name: code for code, name in enumerate(self.names)}
        frame = self.test.frames[model].select(CLASS, PREDICTED_CLASS)
        coded = [
            frame[name].replace_strict(numbers, default=-1, return_dtype=pl.Int64).fill_null(-1)
            for name in frame.columns
        ]
        return coded[0].to_numpy(), coded[1].to_numpy()

    def probabilities(self, model: str, column: str = PROBABILITIES) -> Floats:
        """float64 [row, class]."""
        return of_lists(self.test.frames[model][column], len(self.names))

    # -- calibration ---------------------------------------------------------------------------------------------

    def calibrations(self) -> dict[str, dict[str, calibration.Calibration]]:
        """Model → of the class that it decides for, whether it is right as often as its probability says."""
        return {model: self._calibration(model) for model in self.test.frames}

    def _calibration(self, model: str) -> dict[str, calibration.Calibration]:
        frame = self.test.frames[model]
        versions = {"before": PROBABILITIES}
        if UNCALIBRATED_PROBABILITIES in frame.columns and not frame[UNCALIBRATED_PROBABILITIES].has_nulls():
            versions = {"before": UNCALIBRATED_PROBABILITIES, "after": PROBABILITIES}
        y_true, y_pred = self.codes(model)
        right = (y_true == y_pred).astype(np.float64)
        highest = {when: self.probabilities(model, column).max(axis=1) for when, column in versions.items()}
        return {
            when: calibration.report(right, values, self.test.groups, seed=self.rows.seed)
            for when, values in highest.items()
        }

    # -- sections ------------------------------------------------------------------------------------------------

    def sections(self) -> list[OutcomeSection]:
        """What the chosen model confuses; none without test rows of it."""
        model = self.rows.chosen
        if model not in self.test.frames:
            return []
        y_true, y_pred = self.codes(model)
        self._note_absent(model, y_true)
        undecided = np.bincount(y_true[y_pred < 0], minlength=len(self.names))
        decided = y_pred >= 0
        record = {
            "model": model,
            "classes": list(self.names),
            "counts": class_scores.confusion(y_true[decided], y_pred[decided], len(self.names)).tolist(),
            "undecided": undecided.tolist(),
            "by_class": self._by_class(model, y_true, y_pred),
            **self._sets(model),
        }
        return [OutcomeSection("classes", {"outcomes": {self.rows.outcome: record}})]

    def _note_absent(self, model: str, y_true: Array) -> None:
        """Note the classes without a test row, in all folds together or in one of them."""
        folds = self.test.frames[model]["fold"]
        parts = {"the test rows": np.ones(len(y_true), bool)}
        if folds.n_unique() > 1:
            parts |= {f"the test rows of fold {fold}": (folds == fold).to_numpy() for fold in sorted(folds.unique())}
        for where, rows in parts.items():
            counts = np.bincount(y_true[rows], minlength=len(self.names))
            if absent := [name for name, count in zip(self.names, counts, strict=True) if not count]:
                why = "Nothing is measured of it there; means over classes are those of the others."
                note("classes without a row", f"{', '.join(absent)}: no row in {where}", why)

    def _by_class(self, model: str, y_true: Array, y_pred: Array) -> list[ClassRecord]:
        """Recall, precision and calibration of each class."""
        scores: dict[tuple[str, int], Score] = {}
        for code in range(len(self.names)):
            true, called = (y_true == code).astype(np.float64), (y_pred == code).astype(np.float64)
            scores |= {("recall", code): ratio(true * called, true, SHARE)}
            scores |= {("precision", code): ratio(true * called, called, SHARE)}
        replicates = jackknife(scores, self.test.groups, classes=y_true, seed=self.rows.seed)
        probabilities = self.probabilities(model)
        return [
            ClassRecord(
                name=name,
                rows=int((y_true == code).sum()),
                recall=replicates.estimate(("recall", code)),
                precision=replicates.estimate(("precision", code)),
                calibration=self._of_class(y_true == code, probabilities[:, code]),
            )
            for code, name in enumerate(self.names)
        ]

    def _of_class(self, is_class: npt.NDArray[np.bool_], probability: Array) -> calibration.Calibration | None:
        """The calibration of the probability of one class; None where it, or its rest, has too few rows."""
        if min(is_class.sum(), (~is_class).sum()) < FEWEST_ROWS:
            return None
        return calibration.report(is_class.astype(np.float64), probability, self.test.groups, seed=self.rows.seed)

    def _sets(self, model: str) -> dict[str, object]:
        """Coverage, size, and how many sets have so many classes; nothing where there are no sets."""
        if (scores := self.set_scores(model, np.arange(len(self.test.groups)))) is None:
            return {}
        replicates = jackknife(scores, self.test.groups, seed=self.rows.seed)
        sizes = self.test.frames[model][PREDICTION_SET].list.len().to_numpy()
        shipped = (self.rows.shipped or {}).get(model)
        wanted = shipped.coverage if isinstance(shipped, PredictionSets) else None
        return {
            "coverage": replicates.estimate(SET_COVERAGE.name),
            "size": replicates.estimate(SET_SIZE.name),
            "sizes": np.bincount(sizes.astype(np.int64), minlength=len(self.names) + 1).tolist(),
            "wanted": wanted,
        }

    def set_scores(self, model: str, rows: Array) -> dict[str, Score] | None:
        """Whether the set of each of these rows has the true class, and its size; None where there are no sets."""
        frame = self.test.frames[model][rows]
        if PREDICTION_SET not in frame.columns or frame[PREDICTION_SET].has_nulls():
            return None
        contained = frame.select(pl.col(PREDICTION_SET).list.contains(pl.col(CLASS)).cast(pl.Float64))
        sizes = frame[PREDICTION_SET].list.len().cast(pl.Float64).to_numpy()
        return {
            SET_COVERAGE.name: SET_COVERAGE.score(contained[PREDICTION_SET].to_numpy()),
            SET_SIZE.name: SET_SIZE.score(sizes),
        }


def calibrations(rows: EvaluatedRows, names: Sequence[str]) -> Mapping[str, Mapping[str, object]]:
    """Registered among `evaluations`; see `Outcome.calibration`."""
    return ClassEvaluation(rows, names).calibrations()


def sections(rows: EvaluatedRows, names: Sequence[str]) -> list[OutcomeSection]:
    """Registered among `evaluations`; see `Outcome.sections`."""
    return ClassEvaluation(rows, names).sections()


def in_use(rows: EvaluatedRows, model: str) -> SubgroupScores | None:
    """Registered among `evaluations`: coverage and size of sets; None where there are none. See `Outcome.in_use`."""
    evaluation = ClassEvaluation(rows, ())
    if evaluation.set_scores(model, np.arange(0)) is None:
        return None
    return SubgroupScores(
        lambda at: evaluation.set_scores(model, at) or {}, (SET_COVERAGE, SET_SIZE), compared=(SET_COVERAGE.name,)
    )
