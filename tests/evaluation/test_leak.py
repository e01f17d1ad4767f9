"""An input that is the label stops the run; one that nearly gives it is named."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from polyclinic import notes
from polyclinic.errors import BadData
from polyclinic.evaluation.leak import screen_inputs
from polyclinic.outcomes.binary import Binary
from polyclinic.samples import Dense, Ragged, Samples


def planted(n=200):
    """The first number and the newest `level` tell the answer, with a little noise: they are known, and strong."""
    return Binary().planted(n, 0)


def honest(n=1000):
    """Inputs that say something, none of them much."""
    samples, rng = planted(n), np.random.default_rng(1)
    weak = np.stack([samples.y + rng.normal(0, s, n) for s in (1.0, 1.5)], axis=1).astype(np.float32)
    return samples.with_column("x", Dense(weak, ("a", "b")), "input").with_column(
        "events", Dense(rng.normal(size=n).astype(np.float32)), "input"
    )


def with_events(samples, code, value):
    """Two events a row: noise, and then one of another code where `code` is 1."""
    rows = len(samples)
    rng = np.random.default_rng(2)
    codes = np.stack([np.zeros(rows, int), np.where(code > 0, 1, 0)], axis=1).ravel()
    values = np.stack([rng.normal(size=rows), value], axis=1).ravel().astype(np.float32)
    times = np.tile([0, 1], rows) + np.repeat(np.arange(rows) * 10, 2)
    start = np.arange(rows) * 2
    column = Ragged(start, start + 2, {"code": codes, "time": times, "value": values}, {"code": ("noise", "signal")})
    return samples.with_column("events", column, "input")


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
def test_a_column_that_tells_the_label_stops_the_run(leak):
    samples = planted()
    pair = np.stack([samples.X[:, 1], leak(samples.y.astype(float))], axis=1)
    with pytest.raises(BadData, match="outcome//b") as caught:
        screen_inputs(samples.with_column("outcome", Dense(pair, ("a", "b")), "input"))
    assert caught.value.at.column == "outcome//b"


def test_a_code_that_only_positive_rows_have_stops_the_run():
    samples = honest()
    with pytest.raises(BadData, match="'signal'"):
        screen_inputs(with_events(samples, samples.y, np.zeros(len(samples))))


def test_inputs_that_say_little_each_are_not_named():
    with notes.collection() as noted:
        assert screen_inputs(honest()) == []
    assert noted == []


def test_an_input_that_nearly_gives_the_answer_is_named_with_the_next_best():
    samples, rng = honest(), np.random.default_rng(3)
    late = samples.y + rng.normal(0, 0.45, len(samples))
    with notes.collection() as noted:
        (suspect,) = screen_inputs(samples.with_column("late", Dense(late.astype(np.float32)), "input"))
    assert (suspect.name, suspect.how) == ("late", "its value")
    assert 0.9 < suspect.auroc < 0.99
    assert 0.7 < suspect.next_best < 0.85
    assert noted[0].result.startswith("late: its value alone gives an AUROC of 0.9")


def test_a_level_that_all_positives_have_is_named_though_many_others_have_it_too():
    """As a follow-up status of `not reached` is: all who died have it, and a third of the living."""
    samples, rng = honest(), np.random.default_rng(3)
    unreached = (samples.y > 0) | (rng.random(len(samples)) < 0.3)
    levels = np.stack([unreached, ~unreached], axis=1).astype(np.float32)
    suspects = screen_inputs(samples.with_column("status", Dense(levels, ("unreached", "well")), "input"))
    assert {one.name for one in suspects} == {"status//unreached", "status//well"}


def test_gaps_that_all_positives_have_are_named():
    samples, rng = honest(), np.random.default_rng(3)
    gap = (samples.y > 0) | (rng.random(len(samples)) < 0.3)
    column = np.where(gap, np.nan, rng.normal(size=len(samples))).astype(np.float32)
    suspects = screen_inputs(samples.with_column("follow-up", Dense(column), "input"))
    assert [one.name for one in suspects] == ["follow-up"]


def test_of_a_timed_input_the_newest_value_of_each_code_is_compared_with_the_target():
    samples, rng = honest(), np.random.default_rng(3)
    near = samples.y + rng.normal(0, 0.4, len(samples))
    suspects = screen_inputs(with_events(samples, np.ones(len(samples)), near))
    assert [(one.name, one.how) for one in suspects] == [("signal", "its value")]
    assert screen_inputs(with_events(samples, np.ones(len(samples)), rng.normal(size=len(samples)))) == []


def test_of_a_timed_input_it_matters_too_whether_a_code_is_there():
    samples, rng = honest(), np.random.default_rng(3)
    there = np.where(rng.random(len(samples)) < 0.05, 1 - samples.y, samples.y)
    value = np.where(there > 0, np.nan, rng.normal(size=len(samples)))
    suspects = screen_inputs(with_events(samples, there, value))
    assert [(one.name, one.how) for one in suspects] == [("signal", "whether it is there")]


def test_a_handful_of_rows_that_a_column_separates_by_chance_is_no_leak():
    samples = planted().take(np.arange(12))
    assert screen_inputs(samples.with_column("lucky", Dense(samples.y), "input")) == []


def test_no_label_at_all_is_an_error():
    samples = planted()
    nothing = replace(samples.columns["y"], values=np.full(len(samples), np.nan, np.float32))
    with pytest.raises(BadData, match="no row has a label"):
        screen_inputs(samples.with_column("y", nothing, "target"))


@pytest.mark.parametrize("rates", [(40, 40), (41, 43), (30, 70), (0, 5)])
def test_a_category_whose_levels_have_any_rates_but_all_or_none_is_no_leak(rates):
    y_true = np.concatenate([np.arange(100) < rate for rate in rates]).astype(np.float32)
    levels = np.repeat(np.eye(2, dtype=np.float32), 100, axis=0)
    ids = np.arange(200)
    columns = {"sex": Dense(levels, ("F", "M")), "died": Dense(y_true)}
    if y_true.sum() >= 10:
        assert screen_inputs(Samples(ids, columns, {"sex": "input", "died": "target"}, {"row": ids})) == []


@given(st.lists(st.tuples(st.integers(0, 3), st.booleans()), min_size=60, max_size=200))
def test_the_labels_of_a_category_do_not_give_themselves_away(pairs):
    """Shares of positives that are counted in other parts separate the classes only where the levels do."""
    category, y_true = np.array([c for c, _ in pairs]), np.array([y for _, y in pairs], float)
    pure = all(len(set(y_true[category == level])) == 1 for level in set(category.tolist()))
    if 0 < y_true.sum() < len(y_true) and not pure:
        levels = np.eye(4, dtype=np.float32)[category]
        ids = np.arange(len(category))
        rows = Samples(
            ids, {"c": Dense(levels, tuple("abcd")), "y": Dense(y_true)}, {"c": "input", "y": "target"}, {"row": ids}
        )
        screen_inputs(rows)  # raises where an input is the answer


def test_a_number_whose_middle_is_the_answer_is_named():
    samples, rng = planted(400), np.random.default_rng(3)
    y, n = samples.y, len(samples)
    middle = np.where(y > 0, rng.normal(0, 0.1, n), rng.choice([-2, 2], n) + rng.normal(0, 0.1, n))
    column = Dense(middle.astype(np.float32))
    with notes.collection() as collected:
        screen_inputs(samples.with_column("middle", column, "input"))
    assert any(note.result.startswith("middle: its value alone") for note in collected)


def test_each_of_several_labels_is_looked_at_over_the_rows_where_it_is_known():
    rng = np.random.default_rng(0)
    y_true = rng.integers(0, 2, (200, 2)).astype(np.float32)
    y_true[:50, 1] = np.nan
    copy = np.where(np.isnan(y_true[:, 1]), rng.random(200), y_true[:, 1] * 3)
    columns = {"noise": Dense(rng.random(200)), "copy": Dense(copy), "labels": Dense(y_true, ("one", "two"))}
    roles = {"noise": "input", "copy": "input", "labels": "target"}
    with pytest.raises(BadData, match="'copy' gives the target all by itself"):
        screen_inputs(Samples(np.arange(200), columns, roles))
    roles["copy"] = "weight"
    assert screen_inputs(Samples(np.arange(200), columns, roles)) == []


def test_a_copy_of_a_number_is_refused_and_one_that_nearly_orders_the_rows_alike_is_noted():
    rng = np.random.default_rng(0)
    y = rng.normal(50, 10, 200).astype(np.float32)
    columns = {
        "y": Dense(y),
        "copy": Dense(3 * y - 7),
        "near": Dense(y + rng.normal(0, 1.5, 200)),
        "other": Dense(y[::-1]),
    }
    roles = {"y": "target", "copy": "input", "near": "input", "other": "input"}
    samples = Samples(np.arange(200), columns, roles)
    with pytest.raises(BadData, match="'copy' gives the target all by itself"):
        screen_inputs(samples)
    without = Samples(
        np.arange(200),
        {k: v for k, v in columns.items() if k != "copy"},
        {k: v for k, v in roles.items() if k != "copy"},
    )
    assert [suspect.name for suspect in screen_inputs(without)] == ["near"]


def test_each_class_and_each_target_is_looked_at():
    rng = np.random.default_rng(0)
    classes = rng.integers(0, 4, 200).astype(np.float32)
    columns = {"y": Dense(classes), "third": Dense((classes == 2).astype(np.float32)), "z": Dense(rng.normal(size=200))}
    with pytest.raises(BadData, match="'third' gives the target"):
        screen_inputs(Samples(np.arange(200), columns, {"y": "target", "third": "input", "z": "input"}))
    two = {"time": Dense(rng.exponential(size=200)), "event": Dense((classes > 1).astype(np.float32))}
    roles = {"time": "target", "event": "target", "leaks": "input"}
    leaking = Samples(np.arange(200), {**two, "leaks": Dense(-two["time"].values)}, roles)
    with pytest.raises(BadData, match="'leaks' gives the target"):
        screen_inputs(leaking)
