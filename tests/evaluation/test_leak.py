"""A column that is the label is found and named."""

from __future__ import annotations

import numpy as np
import pytest

from polyclinic.errors import BadData
from polyclinic.evaluation.leak import single_column
from polyclinic.outcomes.binary import Binary
from polyclinic.samples import Dense


def planted(n=200):
    return Binary().planted(n, 0)


def test_an_honest_column_is_left_alone_however_strong():
    single_column(planted())


@pytest.mark.parametrize(
    "leak",
    [
        lambda y: y,
        lambda y: -3.0 * y,
        lambda y: np.where(y > 0, 1.0, np.nan),
        lambda y: y + np.linspace(0, 0.5, len(y)),
    ],
    ids=["the label", "turned and scaled", "missing where negative", "separating"],
)
def test_a_column_that_tells_the_label_is_named(leak):
    samples = planted()
    pair = np.stack([samples.X[:, 1], leak(samples.y.astype(float))], axis=1)
    with pytest.raises(BadData, match="outcome//b") as caught:
        single_column(samples.with_column("outcome", Dense(pair, ("a", "b")), "input"))
    assert caught.value.at.column == "outcome//b"


def test_a_handful_of_rows_that_a_column_separates_by_chance_is_no_leak():
    samples = planted().take(np.arange(12))
    single_column(samples.with_column("lucky", Dense(samples.y), "input"))
