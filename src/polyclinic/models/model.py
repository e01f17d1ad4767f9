"""What a model is. A frozen dataclass of settings; it sees columns, its settings and its state, nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np

from polyclinic.outcomes.outcome import Head, Outcome
from polyclinic.packages.fitted import Fitted
from polyclinic.packages.state import State
from polyclinic.samples import Samples


@dataclass(frozen=True, slots=True)
class Session:
    """The circumstances of one fit. Everything random derives from `seed`."""

    seed: int = 0
    device: str = "auto"
    threads: int = 2


@runtime_checkable
class Model(Protocol):
    """Every model learns a state from training rows and encodes rows with it, in NumPy, one row or a million."""

    def prepare(self, train: Samples) -> State:
        """Vocabulary, scaling, chosen columns: from training rows alone."""

    def encode(self, rows: Samples, state: State) -> Mapping[str, Any]:
        """Named arrays, first axis the row; an object array holds one array a row where shapes differ."""


@runtime_checkable
class Network(Model, Protocol):
    """A torch model: the one training loop fits it (`training.loop`) with the settings that it carries.

    Optional: `training: Recipe`-like fields, `draw(batch, rng)`, `parts(onnx, state) -> [Part]`, `batch`.
    """

    def network(self, state: State, head: Head) -> Any:
        """A `torch.nn.Module`; its forward takes tensors named as `encode` names them and returns raw."""


@runtime_checkable
class OwnLoop(Model, Protocol):
    """A model that brings its own loop: trees, rules, adversarial pairs, policies."""

    def fit(self, train: Samples, validation: Samples, outcome: Outcome, session: Session) -> Fitted:
        """Learn from `train`; stop or choose by `validation`."""


class Drawing(Protocol):
    """A network that draws patches or augments."""

    def draw(self, batch: dict[str, Any], rng: np.random.Generator | None) -> dict[str, Any]:
        """A batch of encoded rows (with "target") as the network will see it; rng None: nothing random."""
