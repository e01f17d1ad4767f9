"""A fit fills no more memory with encoded rows than its budget; what it learns does not depend on it."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from polyclinic import memory
from polyclinic.errors import UsageError
from polyclinic.models.gbm import Gbm
from polyclinic.models.linear import Logistic
from polyclinic.models.model import Session
from polyclinic.outcomes.binary import Binary
from polyclinic.outcomes.outcome import Prepared
from polyclinic.samples import Samples
from polyclinic.state import State

LIMITED = """
import resource, sys
import numpy as np
from polyclinic import dependencies
from polyclinic.models.model import Session
from polyclinic.outcomes.binary import Binary
from polyclinic.samples import Dense, Ragged, Samples
from polyclinic.training.loop import fit

LIMIT, ROWS, CODES = 24 << 20, 160_000, 24

def wide_windows():
    '''Windows over few events: small as they are stored, 100 MiB when they are summed up for every row.'''
    rng = np.random.default_rng(0)
    count = 4_000
    time = np.sort(rng.integers(0, 7_200_000_000, count))
    code = np.arange(count, dtype=np.int32) % CODES
    fields = {"code": code, "time": time, "value": rng.normal(size=count).astype(np.float32)}
    stop = np.sort(rng.integers(200, count, ROWS))
    events = Ragged(stop - 100, stop, fields, {"code": [f"c{k}" for k in range(CODES)]})
    answer = (fields["value"][stop - 1] > 0).astype(np.float32)
    columns = {"events": events, "y": Dense(answer, ("y",))}
    times = (time[stop - 1] + 1).astype("datetime64[us]")
    return Samples(np.arange(ROWS), columns, {"events": "input", "y": "target"}, time=times)

rows = wide_windows()
train, watch = rows.take(np.arange(ROWS * 3 // 4)), rows.take(np.arange(ROWS * 3 // 4, ROWS))
MODEL
small = train.take(np.arange(12_000))
fit(model, small, watch.take(np.arange(500)), Binary(), Session(threads=1))  # libraries and graphs are loaded by now
encoded = len(rows) * sum(v.nbytes for v in encode(small.take(np.arange(10))).values()) // 10
assert encoded > 4 * LIMIT, encoded
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
fit(model, train, watch, Binary(), Session(threads=1, memory=LIMIT))
print(encoded, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024)
"""
GBM = """
from polyclinic.models.gbm import Gbm
model = Gbm(rounds=3, coverage=0.0, hours=(2.0,))
encode = lambda some: model.encode(some, model.prepare(some))
"""
NETWORK = """
from dataclasses import dataclass, field
from polyclinic.models import encoders
from polyclinic.state import State
from polyclinic.models.training_settings import Training

@dataclass(frozen=True)
class Linear:
    training: Training = field(default_factory=lambda: Training(epochs=1, batch=256, share=0.1))
    def prepare(self, train):
        return State({"matrix": encoders.learn(train.take(np.arange(min(500, len(train)))), coverage=0.0, hours=(2.0,))})
    def encode(self, rows, state):
        return {"x": np.nan_to_num(encoders.matrix(rows, state.values["matrix"]))}
    def network(self, state, head):
        import torch
        class Net(torch.nn.Module):
            def __init__(self):
                super().__init__()
                self.layer = torch.nn.Linear(len(encoders.names(state.values["matrix"])), 1)
            def forward(self, x):
                return self.layer(x)
        return Net()

model = Linear()
encode = lambda some: model.encode(some, model.prepare(some))
"""


@pytest.mark.slow
@pytest.mark.parametrize(("model", "share"), [(GBM, 0.9), (NETWORK, 0.5)], ids=["gbm", "network"])
def test_a_set_of_four_times_the_limit_is_trained_on_without_holding_it(model: str, share: float) -> None:
    """The peak of a fresh process stays below the encoded rows alone; LightGBM keeps bins, a byte a number, and a sample."""
    code = LIMITED.replace("MODEL\n", model, 1)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    encoded, growth = map(int, done.stdout.split()[-2:])
    assert growth < share * encoded


def parts() -> tuple[Samples, Samples]:
    rows = Binary().planted(600, 0)
    return rows.take(np.arange(450)), rows.take(np.arange(450, 600))


def test_trees_learned_in_blocks_are_those_learned_in_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    train, watch = parts()
    whole = Gbm(rounds=20).fit(train, watch, Prepared(Binary(), State()), Session())
    monkeypatch.setattr("polyclinic.models.gbm.BLOCK", 64)
    blocks = Gbm(rounds=20).fit(train, watch, Prepared(Binary(), State()), Session(memory=1))
    assert blocks.parts[0].graph == whole.parts[0].graph


def test_a_model_that_holds_all_rows_says_what_it_needs_before_it_starts() -> None:
    with pytest.raises(UsageError, match="logistic holds all encoded rows") as refused:
        Logistic().fit(*parts(), Prepared(Binary(), State()), Session(memory=1000))
    assert "gbm" in refused.value.fix
    assert "training: {memory" in refused.value.fix


def test_the_budget_is_a_quarter_of_the_tightest_limit() -> None:
    code = "import resource; resource.setrlimit(resource.RLIMIT_AS, (8 << 30, 8 << 30))"
    show = f"{code}; from polyclinic import memory; print(memory.budget())"
    limited = int(subprocess.run([sys.executable, "-c", show], capture_output=True, text=True, check=True).stdout)
    assert limited == min(2 << 30, memory.budget())
