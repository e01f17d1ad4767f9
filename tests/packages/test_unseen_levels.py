"""A level that no row of the study held is counted, and named in the rows that hold it."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from polyclinic import notes
from polyclinic.packages.predict import predict
from polyclinic.studies.run import run


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    """A package of a table with one category."""
    rng = np.random.default_rng(0)
    ward = rng.choice(["A", "B", "C "], 240)
    age = rng.integers(20, 90, 240)
    died = rng.random(240) < np.where(ward == "A", 0.7, 0.2)
    frame = pl.DataFrame({"home": np.arange(240) // 4, "ward": ward, "age": age, "died": died})
    document = {
        "name": "wards",
        "source": {"frame": frame},
        "target": {"column": "died", "kind": "binary"},
        "models": ["logistic"],
        "baselines": [],
        "split": {"separate": ["home"], "folds": 2},
        "evaluation": {"intervals": {"over": "home"}},
    }
    out = tmp_path_factory.mktemp("wards") / "run"
    run(document, out=out)
    return out / "package"


def test_rows_with_such_a_level_are_counted_by_column_without_a_patients_value(package):
    rows = pl.DataFrame({"ward": ["A", "a", "ZZZ", None, "C"], "age": [40] * 5, "home": [7, 8, 9, 10, 11]})
    with notes.collection() as collected:
        table = predict(package, rows)
    assert table["outside"].to_list() == [None, "ward", "ward", "ward missing", "ward"]
    (entry,) = [entry for entry in collected if entry.check == "ward"]
    assert entry.result == "3 rows hold a level not seen in training (pattern 'a', 'aaa'; known: 'A', 'B', 'C ')"
    assert "ZZZ" not in str(collected)
    assert table["predicted_boolean_probability"].null_count() == 0


def test_rows_whose_levels_are_all_known_are_answered_without_a_word(package):
    with notes.collection() as collected:
        table = predict(package, pl.DataFrame({"ward": ["A", "B", "C "], "age": [40] * 3}))
    assert table["outside"].to_list() == [None] * 3
    assert collected == []


def test_the_groups_of_the_study_name_the_rows(package):
    rows = pl.DataFrame({"ward": ["A", "B"], "age": [40, 50], "home": [7, 8]})
    assert predict(package, rows)["home"].to_list() == [7, 8]
    answered = pl.read_parquet(package.parent / "predictions.parquet")
    assert answered["home"].null_count() == 0
