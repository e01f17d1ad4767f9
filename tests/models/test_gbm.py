"""Boosted trees: the graph answers as the booster does, to the last row."""

from __future__ import annotations

from typing import ClassVar

import lightgbm
import numpy as np
import onnx
import pytest

from polyclinic import progress
from polyclinic.models.gbm import Gbm, graph
from polyclinic.models.model import Session
from polyclinic.outcomes.binary import Binary
from polyclinic.outcomes.outcome import Prepared
from polyclinic.state import State


def boosted(x: np.ndarray, y: np.ndarray, rounds: int = 30) -> lightgbm.Booster:
    how = {"objective": "binary", "min_data_in_leaf": 1, "min_data_in_bin": 1, "max_bin": 1000, "verbosity": -1,
           "num_threads": 1}  # fmt: skip
    return lightgbm.train(how, lightgbm.Dataset(x, y, params=how), rounds)


def test_gaps_and_many_columns_answer_as_the_booster():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(800, 20)).astype(np.float32)
    x[rng.random(x.shape) < 0.3] = np.nan
    y = (np.nan_to_num(x[:, 0]) + np.nan_to_num(x[:, 1]) > 0).astype(float)
    booster = boosted(x, y)
    raw = graph([booster], 20)({"x": x})["raw"][:, 0]
    np.testing.assert_allclose(raw, booster.predict(x, raw_score=True), atol=2e-6)


@pytest.mark.parametrize("start", [0.1, 1.0, 3.3, 70.0, 1e-3, -0.1, -7.7])
def test_values_that_are_neighbours_in_float32_stay_apart(start):
    values = [np.float32(start)]
    for _ in range(63):
        values.append(np.nextafter(values[-1], np.float32(np.inf)))
    x = np.repeat(np.array(values, np.float32), 8)[:, None]
    y = np.repeat(np.arange(64) % 2, 8).astype(float)
    booster = boosted(x, y, rounds=60)
    wanted = booster.predict(x, raw_score=True)
    assert len(np.unique(wanted)) > 2, "the booster itself tells the neighbours apart"
    np.testing.assert_allclose(graph([booster], 1)({"x": x})["raw"][:, 0], wanted, atol=2e-6)


def test_it_stops_when_validation_no_longer_gains():
    rows = Binary().planted(300, 1)
    train, watch = rows.take(np.arange(200)), rows.take(np.arange(200, 300))
    fitted = Gbm(patience=5, min_leaf=5).fit(train, watch, Prepared(Binary(), State()), Session())
    losses = [h["validation"] for h in fitted.history]
    assert len(losses) < Gbm().rounds
    assert int(np.argmin(losses)) == len(losses) - 6
    assert fitted.portable


def test_the_curve_of_many_training_rows_is_that_of_some_and_decides_nothing(monkeypatch):
    rows = Binary().planted(300, 1)
    train, watch = rows.take(np.arange(200)), rows.take(np.arange(200, 300))
    every = Gbm(rounds=30).fit(train, watch, Prepared(Binary(), State()), Session())
    monkeypatch.setattr("polyclinic.models.gbm.WATCHED", 20)
    some = Gbm(rounds=30).fit(train, watch, Prepared(Binary(), State()), Session())
    assert some.parts[0].graph == every.parts[0].graph
    assert [h["validation"] for h in some.history] == [h["validation"] for h in every.history]
    assert [h["train"] for h in some.history] != [h["train"] for h in every.history]


def test_rounds_show_how_far_a_fit_is():
    class Counting(progress.Reporter):
        done: ClassVar[list[str]] = []

        def track(self, items, *, text, total=None, expected=None):
            for item in items:
                self.done.append(f"{text} {total}")
                yield item

    rows = Binary().planted(300, 1)
    with progress.reporting(Counting()):
        Gbm(rounds=7).fit(rows, rows, Prepared(Binary(), State()), Session())
    assert Counting.done == ["trees 7"] * 7


def test_few_rows_are_divided_all_the_same():
    rows = Binary().planted(160, 0)
    train, watch = rows.take(np.arange(100)), rows.take(np.arange(100, 160))
    fitted = Gbm().fit(train, watch, Prepared(Binary(), State()), Session())
    answer = fitted.answer(watch, Binary())
    assert len(np.unique(answer.values)) > 2


def test_the_graph_names_its_operator_sets_in_one_order_in_any_process():
    x = np.random.default_rng(0).normal(size=(80, 2)).astype(np.float32)
    model = onnx.load_from_string(graph([boosted(x, (x[:, 0] > 0).astype(float))], 2).graph)
    assert [item.domain for item in model.opset_import] == ["", "ai.onnx.ml"]


def test_a_fit_prints_nothing_where_lightgbm_would_warn_that_it_looks_at_few_rows(monkeypatch, capfd, recwarn):
    monkeypatch.setattr("polyclinic.models.gbm.SAMPLED", 1)
    monkeypatch.setattr("polyclinic.models.gbm.FEWEST", 100)
    rows = Binary().planted(1_000, 1)
    Gbm(rounds=2).fit(rows, rows, Prepared(Binary(), State()), Session())
    assert "".join(capfd.readouterr()) == ""
    assert not [one for one in recwarn if "Dataset" in str(one.message)]
