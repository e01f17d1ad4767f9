"""A score without a block of rows is the score of the rows that are left, however it comes by it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from polyclinic.evaluation.blocks import Blocks
from polyclinic.evaluation.calibration import level, line
from polyclinic.evaluation.patient_days import alert_rates
from polyclinic.evaluation.scores import at_threshold, auprc, auroc, brier, log_loss, restricted, without

SCORES = {"auroc": auroc, "auprc": auprc, "brier": brier, "log_loss": log_loss}


def scores(y_true, probability):
    days = np.linspace(0.1, 2, len(y_true))
    return {
        **{name: score(y_true, probability) for name, score in SCORES.items()},
        **at_threshold(y_true, probability, 0.5),
        **alert_rates(y_true, probability >= 0.5, days),
        **level(y_true, probability),
        **line(y_true, probability),
    }


@st.composite
def problems(draw):
    """Few rows of one or two classes, answers with ties, and blocks of which some are empty."""
    rows, count = draw(st.integers(1, 30)), draw(st.integers(1, 6))
    y_true = draw(arrays(float, rows, elements=st.sampled_from([0.0, 1.0])))
    probability = draw(arrays(float, rows, elements=st.integers(1, 19).map(lambda k: k / 20)))
    block = draw(arrays(np.int64, rows, elements=st.integers(0, count - 1)))
    return y_true, probability, Blocks(block, count)


def by_weights(score, blocks):
    return score(blocks.weights(np.arange(blocks.count)))


@given(problems())
def test_left_out_is_what_weights_of_zero_give(problem):
    y_true, probability, blocks = problem
    for name, score in scores(y_true, probability).items():
        assert without(score, blocks) == pytest.approx(by_weights(score, blocks), abs=1e-5, nan_ok=True), name


@given(problems(), st.data())
def test_so_it_is_for_some_of_the_rows(problem, data):
    y_true, probability, blocks = problem
    rows = np.flatnonzero(data.draw(arrays(bool, len(y_true))))
    for name, score in scores(y_true[rows], probability[rows]).items():
        part = restricted(score, rows)
        assert without(part, blocks) == pytest.approx(by_weights(part, blocks), abs=1e-5, nan_ok=True), name


def test_many_rows_in_many_blocks_of_uneven_size():
    rng = np.random.default_rng(3)
    blocks = Blocks(np.minimum(rng.geometric(0.05, 20_000), 300) - 1, 300)
    logit = rng.normal(-1, 1.5, 20_000)
    y_true, probability = (rng.random(20_000) < 1 / (1 + np.exp(-logit))) * 1.0, 1 / (1 + np.exp(-1.3 * logit))
    for name, score in scores(y_true, probability).items():
        assert without(score, blocks) == pytest.approx(by_weights(score, blocks), abs=2e-6), name


def test_a_score_that_knows_only_weights_is_called_with_the_weights_of_each_block():
    blocks = Blocks(np.array([0, 0, 1, 2]), 3)
    assert without(lambda weights: weights.sum(axis=1), blocks).tolist() == [2, 3, 3]
