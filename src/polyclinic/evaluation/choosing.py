"""Choosing a model on validation rows, and how much the choice flatters the model that was chosen.

The rows of a test fold are scored by what other groups chose: the choice for a fold is made on the validation rows of
all folds that do not stand in its test part. What ships is chosen on all validation rows. Scored by fold, each fold
with its own choice, a study estimates its whole procedure, choosing included (nested cross-validation: Varma and Simon,
BMC Bioinformatics 2006); the chosen model's own score on the same rows is a little better than that.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np
import polars as pl

from polyclinic.evaluation.measures import Measure, named
from polyclinic.evaluation.predictions import labelled
from polyclinic.evaluation.scores import Score, of_all


class Measurable(Protocol):
    """An outcome, as far as it scores predictions."""

    @property
    def truth_columns(self) -> tuple[str, ...]:
        """What is null where a row is unlabelled."""

    @property
    def measures(self) -> Sequence[Measure]:
        """Its scores; the first one decides where nobody names another."""

    def scores(self, frame: pl.DataFrame) -> Mapping[str, Score]:
        """Name of a measure → weighted score of labelled rows of the predictions table."""


def best(predictions: pl.DataFrame, models: Sequence[str], outcome: Measurable, score: str | None = None) -> str:
    """The model with the best score on validation rows; the first one where there are no such rows.

    Parameters
    ----------
    predictions
        The predictions table with the labels in it.
    models
        The models to choose among.
    outcome
        The outcome that measures them.
    score
        The name of the score; the outcome's first one where it is None.
    """
    return _best(_validation(predictions, outcome), models, outcome, score)


def best_by_fold(
    predictions: pl.DataFrame, models: Sequence[str], outcome: Measurable, score: str | None = None
) -> dict[str, str]:
    """Fold → the model with the best score on the validation rows that do not stand in the test part of that fold.

    Empty where there are no validation rows, or only one fold. The parameters are those of `best`.
    """
    validation = _validation(predictions, outcome)
    tested = predictions.filter(split="test").select("fold", "row_id").unique()
    folds = sorted(tested["fold"].unique()) if validation.height else []
    return {
        fold: _best(validation.join(tested.filter(fold=fold), on="row_id", how="anti"), models, outcome, score)
        for fold in (folds if len(folds) > 1 else ())
    }


def chosen_rows(frames: Mapping[str, pl.DataFrame], choices: Mapping[str, str]) -> pl.DataFrame:
    """The test rows of each fold as the model of its choice has them.

    Parameters
    ----------
    frames
        Model → its test rows, of the same rows in the same order.
    choices
        Fold → model.
    """
    rows = [frames[model].filter(fold=fold) for fold, model in choices.items()]
    return pl.concat(rows, how="diagonal").sort("row_id", "fold")


def chosen_and_nested(
    predictions: pl.DataFrame, chosen: str, choices: Mapping[str, str], outcome: Measurable, score: str | None = None
) -> tuple[float, float] | None:
    """The score of the chosen model on test rows, and that of each fold's own choice; None without such choices."""
    if not choices:
        return None
    tests = labelled(predictions.filter(split="test"), outcome)
    nested = chosen_rows({model: tests.filter(model=model) for model in choices.values()}, choices)
    name = _measure(outcome, score).name
    values = [of_all(outcome.scores(rows)[name], rows.height) for rows in (tests.filter(model=chosen), nested)]
    return values[0], values[1]


def _validation(predictions: pl.DataFrame, outcome: Measurable) -> pl.DataFrame:
    return labelled(predictions.filter(split="validation"), outcome)


def _best(validation: pl.DataFrame, models: Sequence[str], outcome: Measurable, score: str | None) -> str:
    measure = _measure(outcome, score)
    frames = [validation.filter(model=model) for model in models]
    values = [of_all(outcome.scores(f)[measure.name], f.height) if f.height else np.nan for f in frames]
    return models[int(np.argmin([measure.loss(value) for value in values]))]


def _measure(outcome: Measurable, score: str | None) -> Measure:
    """The measure that decides; raises `UnknownName`."""
    return outcome.measures[0] if score is None else named(outcome.measures, score)
