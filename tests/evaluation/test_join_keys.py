"""Keys that two files write differently: whole floats join, and otherwise the error says how each file writes them."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from polyclinic.errors import BadData
from polyclinic.evaluation.join_keys import style
from polyclinic.reports.external import evaluate

ROWS = 120


@pytest.fixture
def document(tmp_path):
    """The report of two CSV files, whose keys are written in two ways."""
    rng = np.random.default_rng(0)
    died = rng.random(ROWS) < 0.4
    risk = np.where(died, 0.6, 0.4) + 0.3 * (rng.random(ROWS) - 0.5)

    def of(predicted, labelled, **more):
        keys = [{"pid": [form(i) for i in range(ROWS)], **more} for form in (predicted, labelled)]
        pl.DataFrame({**keys[0], "risk": risk}).write_csv(tmp_path / "mine.csv")
        pl.DataFrame({**keys[1], "died": died}).write_csv(tmp_path / "labels.csv")
        return evaluate(tmp_path / "mine.csv", labels=tmp_path / "labels.csv", out=tmp_path / "out").document

    return of


def scores(report):
    return report.models["mine"]["binary"].test


@pytest.mark.parametrize(("predicted", "labelled"), [("{}.0", "{}"), ("{}", "{}.0"), ("{}.0", "{}.0")])
def test_whole_floats_of_a_csv_join_as_those_of_parquet_do(document, predicted, labelled):
    assert scores(document(predicted.format, labelled.format)) == scores(document(str, str))


@pytest.mark.parametrize(
    ("predicted", "labelled", "says"),
    [
        ("{:04}", "{}", "pid: digits with zeros in front in the predictions, digits in the labels"),
        ("{}", "P{}", "pid: digits in the predictions, text in the labels"),
        ("{}.5", "{}", "pid: digits with a point in the predictions, digits in the labels"),
    ],
)
def test_keys_that_are_written_in_two_ways_are_named_with_both(document, predicted, labelled, says):
    with pytest.raises(BadData) as error:
        document(predicted.format, labelled.format)
    assert f"joined by pid ({says})" in str(error.value)
    assert "write pid alike in both files" in str(error.value)


def test_keys_without_a_common_value_are_named(document):
    with pytest.raises(BadData) as error:
        document(str, lambda i: i + 1000, ward=["a"] * ROWS)
    assert "pid: digits in both; ward: text in both" in str(error.value)
    assert "no value of pid is in both files" in str(error.value)


def test_columns_that_name_no_row_are_to_be_left_out(document):
    with pytest.raises(BadData, match="leave out of one file what names no row"):
        document(str, lambda i: (i + 1) % ROWS, ward=list(range(ROWS)))


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (["1", "20", None], "digits"),
        (["0", "07"], "digits with zeros in front"),
        ([" 1.0", "2.00 "], "digits with a point and zeros behind it"),
        (["1.5", "2"], "text"),
        ([1.5, 2.0], "digits with a point"),
        ([None, None], "text"),
    ],
)
def test_the_style_of_a_key_is_that_of_all_its_values(values, words):
    column = pl.Series(values, dtype=None if isinstance(values[0], float) else pl.String)
    assert style(column) == words
