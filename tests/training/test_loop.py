"""The training loop: what it learns, what it repeats, when it stops."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

import numpy as np
import pytest

pytest.importorskip("torch")

from polyclinic.errors import BadData, UsageError
from polyclinic.models.model import Session
from polyclinic.models.training_settings import Training
from polyclinic.outcomes.binary import Binary
from polyclinic.samples import Dense, Samples
from polyclinic.state import State
from polyclinic.training.loop import fit, rate


@dataclass(frozen=True)
class Perceptron:
    """A small network over dense inputs."""

    training: Training = field(default_factory=lambda: Training(epochs=12, patience=3))

    def prepare(self, train: Samples) -> State:
        return State({"width": train.X.shape[1]})

    def encode(self, rows: Samples, state: State) -> dict[str, np.ndarray]:
        return {"x": rows.X.astype(np.float32)}

    def network(self, state: State, head):
        import torch

        class Net(torch.nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.layer = torch.nn.Linear(state.values["width"], head.channels)

            def forward(self, x):
                if self.training and kernel["backwards"]:
                    first, *others = (x * self.layer.weight).flip(1).unbind(1)
                    return sum(others, first)[:, None] + self.layer.bias
                return self.layer(x)

        return Net()


kernel = {"backwards": False}
"""Whether a network adds up its inputs from the last to the first while it learns, as another processor may."""


def fitted(seed: int = 3, training: Training | None = None):
    samples = Binary().planted(600, 0)
    model = Perceptron(training) if training else Perceptron()
    return fit(
        model, samples.take(np.arange(450)), samples.take(np.arange(450, 600)), Binary(), Session(seed=seed)
    ), samples


def test_the_same_seed_gives_the_same_graph_to_the_byte() -> None:
    assert fitted()[0].parts[0].graph == fitted()[0].parts[0].graph


@pytest.mark.parametrize(("precision", "alike"), [("single", False), ("double", True)])
def test_in_double_precision_the_order_of_sums_does_not_reach_the_weights(monkeypatch, precision, alike) -> None:
    how = Training(epochs=12, patience=3, precision=precision)
    graph = fitted(training=how)[0].parts[0].graph
    monkeypatch.setitem(kernel, "backwards", True)
    assert (fitted(training=how)[0].parts[0].graph == graph) == alike


def test_another_seed_gives_other_weights() -> None:
    assert fitted(1)[0].parts[0].graph != fitted(2)[0].parts[0].graph


def test_what_is_answered_does_not_depend_on_the_batch() -> None:
    model, samples = fitted()
    whole = model.answer(samples, Binary()).values
    single = np.concatenate([model.answer(samples.take([i]), Binary()).values for i in range(5)])
    assert np.abs(whole[:5] - single).max() < 1e-6


def test_a_network_trained_batch_by_batch_is_the_one_trained_on_rows_in_memory() -> None:
    rows = Binary().planted(600, 0)
    train, watch = rows.take(np.arange(450)), rows.take(np.arange(450, 600))
    graphs = [fit(Perceptron(), train, watch, Binary(), Session(memory=m)).parts[0].graph for m in (1, 1 << 30)]
    assert graphs[0] == graphs[1]


def test_the_loss_falls_and_training_stops_by_patience() -> None:
    model, _ = fitted(training=Training(epochs=60, learning_rate=0.5, patience=1, schedule="constant"))
    losses = [h["validation"] for h in model.history]
    assert min(losses) < losses[0]
    assert len(losses) < 60
    assert losses.index(min(losses)) == len(losses) - 2


def test_balanced_weights_move_the_answers_towards_the_rarer_class() -> None:
    plain = fitted()[0]
    balanced = fitted(training=Training(epochs=12, patience=3, class_weights="balanced"))[0]
    samples = Binary().planted(600, 0)
    share = samples.y.mean()
    moved = balanced.answer(samples, Binary()).values.mean() - plain.answer(samples, Binary()).values.mean()
    assert np.sign(moved) == np.sign(0.5 - share)


def test_no_rows_is_an_error_that_says_which() -> None:
    samples = Binary().planted(20, 0)
    with pytest.raises(BadData, match="no validation rows"):
        fit(Perceptron(), samples, samples.take([]), Binary(), Session())


def test_a_validation_loss_that_is_no_number_stops_the_fit() -> None:
    samples = Binary().planted(60, 0)
    x = samples.columns["x"].values.copy()
    x[50:] = np.nan
    samples = samples.with_column("x", Dense(x), "input")
    with pytest.raises(BadData, match="validation loss is nan after epoch 1") as stopped:
        fit(Perceptron(), samples.take(np.arange(40)), samples.take(np.arange(40, 60)), Binary(), Session())
    assert "learning_rate" in stopped.value.fix


def test_a_fit_that_is_interrupted_stops_at_once_and_leaves_no_thread_at_work(monkeypatch) -> None:
    def interrupt(self, raw, batch, state):
        raise KeyboardInterrupt

    monkeypatch.setattr(Binary, "loss", interrupt)
    with pytest.raises(KeyboardInterrupt):
        fitted()
    assert not [t for t in threading.enumerate() if t.name.startswith("ThreadPoolExecutor")]


def test_the_cosine_falls_from_one_to_nothing_after_its_warm_up() -> None:
    factor = rate(Training(warmup=0.1), 100)
    assert factor(0) < factor(9)
    assert factor(100) == pytest.approx(0, abs=1e-9)


def test_a_model_with_neither_a_network_nor_a_fit_is_refused_by_its_name():
    class Encodes:
        def prepare(self, train: Samples) -> State:
            return State({})

        def encode(self, rows: Samples, state: State) -> dict[str, np.ndarray]:
            return {"x": rows.X}

    rows = Binary().planted(20, 0)
    with pytest.raises(UsageError, match="Encodes cannot be fitted: it has neither `fit` nor `network`"):
        fit(Encodes(), rows, rows, Binary(), Session())
