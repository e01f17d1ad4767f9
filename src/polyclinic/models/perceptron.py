"""A small network over the matrix of the table models, for any outcome that answers with numbers a row."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, ClassVar

import numpy as np
from annotated_types import Ge, Lt

from polyclinic.arrays import Array
from polyclinic.models import encoders
from polyclinic.models.linear import scaled_to, scaling
from polyclinic.models.model import Model
from polyclinic.models.training_settings import Training
from polyclinic.outcomes.raw import Head, Per
from polyclinic.samples import Samples
from polyclinic.state import State

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True, kw_only=True)
class Perceptron(Model):
    """Layers of rectified units with dropout, over numbers and summaries of sequences; early stopping by validation.

    Numbers are clipped to the training rows' 1st to 99th percentile and scaled; a gap is filled by the mean, and says so
    in an input of its own.

    Parameters
    ----------
    layers
        How many units each layer has.
    dropout
        The share of units that a training step leaves out.
    hours, coverage
        As in `TableEncoding`.
    training
        How it is trained.
    """

    layers: tuple[Annotated[int, Ge(1)], ...] = (64, 64)
    factors: Annotated[int, Ge(1)] = 2
    dropout: Annotated[float, Ge(0), Lt(1)] = 0.2
    coverage: float = 0.95
    hours: tuple[float, ...] = (8.0, 2.0)
    training: Training = field(
        default_factory=lambda: Training(epochs=60, batch=128, learning_rate=3e-3, weight_decay=0.05, patience=10)
    )

    serves: ClassVar[tuple[Per, ...]] = ("row",)

    def prepare(self, train: Samples) -> State:
        """Which columns and codes make the matrix, how they are scaled, and which of them have gaps."""
        matrix = encoders.learn(train, coverage=self.coverage, hours=self.hours)
        x = encoders.matrix(train, matrix).astype(np.float64)
        names = ("mean", "scale", "low", "high")
        bounds = dict(zip(names, scaling(x, train.weights), strict=True))
        return State({"matrix": matrix}, {**bounds, "gaps": np.flatnonzero(np.isnan(x).any(axis=0))})

    def encode(self, rows: Samples, state: State) -> dict[str, Array]:
        """input: float32 [row, number], scaled; then 1 for each gap of a number that had some in the training rows."""
        x = encoders.matrix(rows, state.values["matrix"]).astype(np.float64)
        bounds = (state.arrays[name] for name in ("mean", "scale", "low", "high"))
        gaps = np.isnan(x[:, state.arrays["gaps"]])
        return {"input": np.concatenate([scaled_to(x, *bounds), gaps], axis=1).astype(np.float32)}

    def network(self, state: State, head: Head) -> "nn.Module":
        """A `torch.nn.Module`: input [row, number] → raw [row, channel]."""
        from torch import Tensor, nn

        class WideAndDeep(nn.Module):
            """A linear way and a deep one, added up to a few factors, of which the answers are linear."""

            def __init__(self, wide: nn.Module, deep: nn.Module, factors: int) -> None:
                super().__init__()
                self.wide, self.deep, self.last = wide, deep, nn.Linear(factors, head.channels)

            def forward(self, input: Tensor) -> Tensor:
                raw: Tensor = self.last(self.wide(input) + self.deep(input))
                return raw

        width = first = len(state.arrays["mean"]) + len(state.arrays["gaps"])
        layers: list[nn.Module] = []
        for units in self.layers:
            layers += [nn.Linear(width, units), nn.ReLU(), nn.Dropout(self.dropout)]
            width = units
        between = min(self.factors, head.channels)
        return WideAndDeep(nn.Linear(first, between), nn.Sequential(*layers, nn.Linear(width, between)), between)
