"""Effort: one number a step, how much the wrist shakes, and a logistic curve over it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from polyclinic.models.model import Session
from polyclinic.packages.fitted import Fitted
from polyclinic.packages.parts import NamedPart
from polyclinic.samples import Samples
from polyclinic.samples.samples import of_rows
from polyclinic.state import State


@dataclass(frozen=True, kw_only=True)
class Effort:
    """rounds: steps of gradient descent."""

    rounds: int = 400

    def prepare(self, train: Samples) -> State:
        """Which column is read, and over how many samples a step lasts."""
        from polyclinic.samples import Ragged

        return State({"signal": next(iter(of_rows(train, Ragged))), "stride": train.target.stride})

    def encode(self, rows: Samples, state: State) -> dict[str, Any]:
        """effort: one float32 array [step] a row."""
        efforts = np.empty(len(rows), object)
        signals = rows.columns[state.values["signal"]].rows("value")
        efforts[:] = [effort(signal, state.values["stride"]) for signal in signals]
        return {"effort": efforts}

    def fit(self, train: Samples, validation: Samples, outcome: Any, session: Session) -> Fitted:
        """Plain gradient descent on the log loss over all steps."""
        state = self.prepare(train)
        x = np.concatenate(list(self.encode(train, state)["effort"])).astype(np.float64)
        y = np.concatenate(list(outcome.target(train))).astype(np.float64)
        weights = np.zeros(2)
        for _ in range(self.rounds):
            gap = 1 / (1 + np.exp(-(weights[0] * x + weights[1]))) - y
            weights -= 2.0 * np.array([(gap * x).mean(), gap.mean()])
        part = NamedPart("effort", answer, {"weights": weights})
        return Fitted(self, state, [part])


def effort(signal: npt.NDArray[np.float32], stride: int) -> npt.NDArray[np.float32]:
    """Mean absolute acceleration of each step: float32 [step]."""
    return np.abs(signal[: len(signal) // stride * stride]).reshape(-1, stride).mean(axis=1)


def answer(values: Mapping[str, Any], arrays: Mapping[str, Any], settings: Mapping[str, Any]) -> dict[str, Any]:
    """raw: float32 [step, 1], row after row; shape: int64 [row, 1]."""
    slope, offset = arrays["weights"]
    shape = np.array([[len(row)] for row in values["effort"]], np.int64).reshape(-1, 1)
    steps = np.concatenate([*values["effort"], np.zeros(0, np.float32)])
    return {"raw": (slope * steps + offset).astype(np.float32)[:, None], "shape": shape}
