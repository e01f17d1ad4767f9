"""Table 1: every variable stands once, counted by level or summed up in numbers."""

from __future__ import annotations

import numpy as np

from polyclinic.reports.table_one import table_one
from polyclinic.samples import Dense, Samples

SEX = np.array(["f", "m", "f", "f"])


def rows(strata: dict[str, np.ndarray]) -> Samples:
    columns = {
        "sex": Dense((SEX[:, None] == ["f", "m"]).astype(np.float32), ("f", "m")),
        "age": Dense(np.array([[50.0], [60], [70], [80]], np.float32), ("age",)),
    }
    return Samples(np.arange(4), columns, dict.fromkeys(columns, "input"), strata=strata)


def lines(strata: dict[str, np.ndarray]) -> list[tuple[str, str]]:
    return [(row.variable, row.level) for row in table_one(rows(strata), "", {})]


def test_a_category_that_is_a_stratum_too_stands_once():
    assert lines({"sex": SEX}) == [("rows", ""), ("sex", "f"), ("sex", "m"), ("age", "median (quartiles)")]


def test_a_category_that_is_no_stratum_stands_with_its_shares():
    shares = [("sex//f", "share"), ("sex//m", "share"), ("age", "median (quartiles)")]
    assert lines({}) == [("rows", ""), *shares]


def test_a_number_that_is_a_stratum_too_keeps_its_median():
    assert ("age", "median (quartiles)") in lines({"age": np.array(["50", "60", "70", "80"])})
