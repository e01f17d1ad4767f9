"""What a model is. A frozen dataclass of settings; it sees columns, its settings and its state, nothing else."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np

from polyclinic import memory
from polyclinic.arrays import Array
from polyclinic.outcomes.outcome import Prepared
from polyclinic.outcomes.raw import Head, Per
from polyclinic.packages.fitted import Fitted
from polyclinic.packages.parts import OnnxPart, Part
from polyclinic.samples import Samples
from polyclinic.state import State

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True, slots=True)
class Session:
    """The circumstances of one fit. Everything random derives from `seed`.

    memory: bytes that encoded rows may fill; no answer depends on it.
    allow_code: whether settings may name code that is neither polyclinic's nor scikit-learn's (`--allow-code`).
    """

    seed: int = 0
    device: str = "auto"
    threads: int = 2
    memory: int = field(default_factory=memory.budget)
    allow_code: bool = False


class Model(Protocol):
    """Every model learns a state from training rows and encodes rows with it, in NumPy, one row or a million."""

    def prepare(self, train: Samples) -> State:
        """Vocabulary, scaling, chosen columns: from training rows alone."""

    def encode(self, rows: Samples, state: State) -> Mapping[str, Array]:
        """Named arrays, first axis the row; an object array holds one array a row where shapes differ."""


@runtime_checkable
class NamesCode(Protocol):
    """A model whose settings name code by a dotted name; a study checks it before anything is run."""

    def check_code(self, *, allow_code: bool) -> None:
        """Raise `UsageError` for a name that may not be imported. Imports nothing that it refuses."""


@runtime_checkable
class NamesAnswers(Protocol):
    """A model that says what it can answer for; one that does not is asked only when it is fitted."""

    @property
    def serves(self) -> tuple[Per, ...]:
        """What gets an answer of it: rows, elements of a column, points of a grid, sets."""


class Network(Model, Protocol):
    """A torch model: the one training loop fits it (`training.loop`) with the settings that it carries.

    It carries `training: Training`. It may also be `Augmented` or `InParts`, and have `answers`, rows answered at a
    time, and `dynamic`, name → axes that vary beside the first.
    """

    def network(self, state: State, head: Head) -> "nn.Module":
        """A `torch.nn.Module`; its forward takes tensors named as `encode` names them and returns raw."""


@runtime_checkable
class Augmented(Protocol):
    """A torch model that changes each batch before its network reads it."""

    def draw(self, batch: dict[str, Array], rng: np.random.Generator | None) -> dict[str, Array]:
        """Encoded rows, with `target`, as the network reads them: patches cut, augmented; nothing random where `rng`
        is None.
        """


@runtime_checkable
class InParts(Protocol):
    """A torch model whose graph is one part of several: what cuts a volume, the graph, what stitches the answers."""

    def parts(self, onnx: OnnxPart, state: State) -> Sequence[Part]:
        """The parts that answer, in their order; `onnx` is the exported network."""


@runtime_checkable
class OwnLoop(Model, Protocol):
    """A model that brings its own loop: trees, rules, adversarial pairs, policies."""

    def fit(self, train: Samples, validation: Samples, outcome: Prepared, session: Session) -> Fitted:
        """Learn from `train`; stop or choose by `validation`."""
