"""The transformer: what it makes of a row, what it learns, and that its graph answers as it does."""

from __future__ import annotations

import importlib.util
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import ndtri
from sklearn.metrics import roc_auc_score

from polyclinic.areas.records.models.transformer import (
    KNOTS,
    Transformer,
    frequent,
    knots,
    normal_quantile,
    normal_scores,
)
from polyclinic.errors import BadData
from polyclinic.models import encoders
from polyclinic.models.model import Session
from polyclinic.models.training_settings import Training
from polyclinic.outcomes.binary import Binary
from polyclinic.outcomes.outcome import Head
from polyclinic.samples import Dense, Ragged, Samples
from polyclinic.state import State

BINARY = Binary()
SMALL = Transformer(events=8, width=16, layers=1, training=Training(epochs=10, batch=32, learning_rate=1e-2))
needs_torch = pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="needs torch")


def planted(n: int = 600) -> Samples:
    return BINARY.planted(n, 4)


def values_of(column: Ragged, code: int) -> np.ndarray:
    return column.values["value"][column.values["code"] == code]


def test_scores_of_training_values_are_about_standard_normal():
    column = planted(900).columns["events"]
    table = knots(column, ["level", "noise"])
    scores = normal_scores(values_of(column, 0), np.zeros(len(values_of(column, 0)), int), table)
    assert abs(scores.mean()) < 0.05
    assert 0.9 < scores.std() < 1.05


@settings(deadline=None)
@given(st.lists(st.integers(-20, 20).map(float), min_size=2, max_size=60), st.lists(st.floats(-30, 30, width=32)))
def test_a_higher_value_never_has_a_lower_score(train, requested):
    column = Ragged(
        np.array([0]),
        np.array([len(train)]),
        {
            "code": np.zeros(len(train), np.int32),
            "value": np.array(train, np.float32),
            "time": np.zeros(len(train), np.int64),
        },
        {"code": ["a"]},
    )
    value = np.sort(np.array(requested, np.float32))
    scores = normal_scores(value, np.zeros(len(value), int), knots(column, ["a"]))
    assert (np.diff(scores) >= -1e-6).all()
    assert (np.abs(scores) <= -ndtri(0.5 / KNOTS) + 1e-6).all()


def test_a_missing_value_and_a_code_that_never_varies_score_nothing():
    table = np.stack([np.full(KNOTS, 3.0), np.linspace(0, 1, KNOTS)]).astype(np.float32)
    assert normal_scores(np.array([7, np.nan], np.float32), np.array([0, 1]), table).tolist() == [0, 0]


def test_each_event_counts_once_however_many_windows_it_lies_in():
    values = {"code": np.zeros(3, np.int32), "value": np.array([1, 2, 3], np.float32), "time": np.arange(3)}
    once = Ragged(np.array([0]), np.array([3]), values, {"code": ["a"]})
    often = Ragged(np.array([0, 0, 0]), np.array([1, 2, 3]), values, {"code": ["a"]})
    np.testing.assert_array_equal(knots(once, ["a"]), knots(often, ["a"]))


def test_events_of_other_rows_move_nothing_that_is_learned():
    rows = planted(60)
    train = rows.take(np.arange(0, 60, 2))
    column = train.columns["events"]
    others = np.ones(len(column.values["value"]), bool)
    others[column.elements()[1]] = False
    changed = {**column.values, "value": np.where(others, np.float32(1e6), column.values["value"])}
    other = Ragged(column.start, column.stop, changed, column.levels)
    one, two = SMALL.prepare(train), SMALL.prepare(train.with_column("events", other, "input"))
    np.testing.assert_array_equal(one.arrays["knots"], two.arrays["knots"])


def test_a_code_counts_once_enough_subjects_have_it():
    values = {"code": np.array([0, 1, 0, 0]), "value": np.zeros(4, np.float32), "time": np.arange(4)}
    column = Ragged(np.arange(4), np.arange(1, 5), values, {"code": ["often", "once"]}, spec={"min_subjects": 2})
    assert frequent(column, np.array([1, 1, 2, 3])) == ["often"]
    assert frequent(column.take(np.array([0, 1])), np.array([1, 1])) == ["often", "once"], "one subject: what it has"


def test_a_row_is_its_newest_events_newest_last():
    rows = planted(50)
    state = SMALL.prepare(rows)
    batch = Transformer(events=2).encode(rows, state)
    column = rows.columns["events"]
    one = int(np.flatnonzero(column.lengths == 1)[0])
    assert batch["code"].shape == (50, 2)
    assert batch["code"][one, 0] == 0, "what is not there is padding, before the events"
    assert (batch["code"][:, -1] == 1).all(), "the newest event of every planted row is `level`"
    np.testing.assert_allclose(batch["age"][:, -1], np.log1p(1 / 60), rtol=1e-4)


def test_training_hides_events_and_nothing_else_does():
    batch = {"code": np.ones((50, 8), np.int64), "value": np.ones((50, 8), np.float32)}
    drawn = SMALL.draw(batch, np.random.default_rng(1))
    assert 0.05 < (drawn["code"] == 0).mean() < 0.3
    assert SMALL.draw(batch, None) is batch


def test_without_events_the_error_says_which_sequences_there_are():
    rows = planted(10)
    with pytest.raises(BadData, match="no timed sequence 'labs'"):
        Transformer(column="labs").prepare(rows)


def test_an_event_with_an_infinite_value_is_refused_by_its_code():
    rows = planted(10)
    column = rows.columns["events"]
    values = {**column.values, "value": np.full(len(column.values["value"]), np.inf, np.float32)}
    rows = rows.with_column("events", replace(column, values=values), "input")
    with pytest.raises(BadData, match="an event 'level' has an infinite value"):
        SMALL.encode(rows, SMALL.prepare(planted(10)))


def test_an_answer_an_element_is_refused():
    with pytest.raises(BadData, match="answers once a row"):
        SMALL.network(State(), Head("element:events", 1))


@pytest.fixture(scope="module")
def fitted():
    pytest.importorskip("torch")
    from polyclinic.training.loop import fit

    rows = planted()
    only_events = Samples(
        rows.row_id,
        {n: c for n, c in rows.columns.items() if n != "x"},
        {n: r for n, r in rows.roles.items() if n != "x"},
        rows.groups,
        rows.time,
    )
    parts = [only_events.take(np.arange(a, b)) for a, b in ((0, 400), (400, 500), (500, 600))]
    return fit(SMALL, parts[0], parts[1], BINARY, Session(seed=1)), parts[2]


def test_it_learns_from_the_events_alone(fitted):
    model, test = fitted
    read = model.encoded(test)
    around = model.of_encoded({**read, "beside": np.zeros_like(read["beside"])})
    for raw in (model.raw(test), around):
        assert roc_auc_score(test.y, raw.values[:, 0]) > 0.9


def test_one_row_is_answered_as_among_others_and_without_events_too(fitted):
    model, test = fitted
    together = model.answer(test, BINARY).values
    alone = np.concatenate([model.answer(test.take([i]), BINARY).values for i in range(10)])
    np.testing.assert_allclose(alone, together[:10], atol=1e-6)
    column = test.columns["events"]
    empty = Ragged(column.start, column.start, column.values, column.levels)
    assert np.isfinite(model.raw(test.with_column("events", empty, "input")).values).all()


@needs_torch
def test_padding_changes_nothing():
    import torch

    rows = planted(40)
    state = SMALL.prepare(rows)
    torch.manual_seed(0)
    net = SMALL.network(state, Head("row", 1)).eval()
    answers = []
    for length in (8, 20):
        batch = Transformer(events=length).encode(rows, state)
        answers.append(net(**{k: torch.as_tensor(v) for k, v in batch.items()}).detach().numpy())
    np.testing.assert_allclose(*answers, atol=1e-5)


def test_dense_inputs_and_summaries_of_codes_go_beside_the_events():
    rows = planted(30).with_column("newest", Dense(np.full((30, 1), np.nan, np.float32), ("map",)), "input")
    state = SMALL.prepare(rows)
    beside = SMALL.encode(rows, state)["beside"]
    named = encoders.names(state.values["matrix"])
    assert beside.shape == (30, len(named))
    assert {"newest//map", "events//level//last 8h", "events//level//mean 2h"} <= set(named)
    assert np.isfinite(beside).all()


def test_the_normal_quantile_is_scipy_s():
    p = np.concatenate([np.linspace(1e-6, 1 - 1e-6, 2001), [0.5 / 65, 0.075, 0.925]])
    np.testing.assert_allclose(normal_quantile(p), ndtri(p), rtol=1e-14, atol=1e-15)
