"""The contract of outcomes: the planted problem, the head, the loss and the scores fit each other."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from polyclinic.checks import outcome_checks, outcomes
from polyclinic.errors import CheckFailed
from polyclinic.outcomes.binary import Binary
from polyclinic.outcomes.raw import Head
from polyclinic.outcomes.voxels import Voxels


@pytest.mark.parametrize("outcome", [Binary(), Voxels({1: "small", 2: "large"})], ids=["binary", "voxels"])
@pytest.mark.parametrize("check", outcome_checks(), ids=lambda check: check.__name__)
def test_the_shared_outcomes_keep_the_contract(check, outcome, tmp_path):
    check(outcome, tmp_path)


class MeansOverRows(Binary):
    """Its loss mixes the rows of a batch."""

    def loss(self, raw, batch, state):
        return super().loss(raw, batch, state).mean()


class PromisesAColumn(Binary):
    """Its head names a column that nobody has."""

    def head(self, rows, state):
        return Head("element:signal", 1)


class DropsRows(Binary):
    """Answers only where it knows the truth."""

    def predictions(self, answer, rows, *, decision, folder):
        return super().predictions(answer, rows, decision=decision, folder=folder).head(3)


class ForgetsItsSeed(Binary):
    """Plants another problem each time."""

    def planted(self, n, seed):
        return super().planted(n, int(np.random.default_rng().integers(1_000_000)))


class CountsOrder(Binary):
    """Its score depends on which row comes first."""

    def scores(self, frame):
        first = float(frame["boolean_value"][0])
        return {**super().scores(frame), "brier": lambda weights: weights[:, 0] * first}


class CopiesTheTruth(Binary):
    """Predicts what it is told."""

    def predictions(self, answer, rows, *, decision, folder):
        frame = super().predictions(answer, rows, decision=decision, folder=folder)
        truth = self.truth(rows)["boolean_value"].cast(float)
        return frame.with_columns(predicted_boolean_probability=truth.fill_null(frame["predicted_boolean_probability"]))


class LossOfTheWrongSign(Binary):
    """The better the answer, the higher its loss."""

    def loss(self, raw, batch, state):
        return -super().loss(raw, batch, state)


class IgnoresWeights(Binary):
    """Its first score is that of all rows, whatever they weigh."""

    def scores(self, frame):
        scores = dict(super().scores(frame))
        plain = scores["auroc"]
        return {**scores, "auroc": lambda weights: np.repeat(plain(np.ones((1, weights.shape[1]))), len(weights))}


class LowIsCalledHigh(Binary):
    """Its first score is better when low, and says the contrary."""

    @property
    def measures(self):
        auroc, auprc, brier, log_loss = super().measures
        return replace(brier, better="high"), auroc, auprc, log_loss


@pytest.mark.parametrize(
    ("wrong", "check"),
    [
        (MeansOverRows, outcomes.loss_is_one_number_a_row),
        (PromisesAColumn, outcomes.planted_problem_fits_its_head),
        (DropsRows, outcomes.every_row_gets_a_prediction_and_a_truth),
        (ForgetsItsSeed, outcomes.same_seed_same_problem),
        (CountsOrder, outcomes.every_score_is_measured_whatever_the_order),
        (CopiesTheTruth, outcomes.predictions_do_not_read_the_truth),
        (LossOfTheWrongSign, outcomes.learning_by_its_loss_makes_its_first_score_better),
        (LowIsCalledHigh, outcomes.learning_by_its_loss_makes_its_first_score_better),
        (IgnoresWeights, outcomes.a_weight_of_two_is_the_row_twice),
    ],
    ids=lambda item: item.__name__,
)
def test_a_wrong_outcome_is_caught_by_the_check_that_says_so(wrong, check, tmp_path: Path):
    with pytest.raises(CheckFailed):
        check(wrong(), tmp_path)
