"""A linear answer as an ONNX graph, and what every model of two answers asks of its outcome."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from polyclinic import dependencies
from polyclinic.errors import UsageError
from polyclinic.outcomes.outcome import Outcome
from polyclinic.packages.parts import OnnxPart
from polyclinic.samples import Samples

Floats = npt.NDArray[np.float64]
OPSET, IR = 20, 10


def two_answers(rows: Samples, outcome: Outcome, model: Any) -> Floats:
    """The targets, 0 or 1: float64 [row]. Raises `UsageError` where the outcome is of another kind."""
    head = outcome.head(rows)
    target = np.asarray(outcome.target(rows), float) if (head.per, head.channels) == ("row", 1) else None
    if target is None or not np.isin(target, (0.0, 1.0)).all():
        raise UsageError(
            f"{type(model).__name__.lower()} answers yes or no once a row; {outcome.kind!r} asks for something else",
            fix="take the model `naive`, or one that is made for this outcome (`polyclinic list models`)",
        )
    return target


def log_odds(share: npt.ArrayLike, n: int) -> Floats:
    """Log odds of a share seen among n; none or all count as half a row, so that it stays finite."""
    inside = np.clip(np.asarray(share, float), 0.5 / max(n, 1), 1 - 0.5 / max(n, 1))
    return np.asarray(np.log(inside / (1 - inside)))


def constant(bias: npt.ArrayLike, width: int) -> OnnxPart:
    """A graph that gives the same answer for every row of `x` [row, width]."""
    answer = np.atleast_1d(np.asarray(bias, float))
    empty = np.zeros(width)
    return linear(np.zeros((width, len(answer))), answer, empty, empty + 1, empty, empty)


def linear(weights: Floats, bias: Floats, mean: Floats, scale: Floats, low: Floats, high: Floats) -> OnnxPart:
    """raw = ((x held between low and high, its gaps filled by the mean) − mean) / scale · weights + bias.

    weights: [feature, channel]; bias: [channel]; mean, scale, low, high: [feature]. Takes `x` float32
    [row, feature] and reckons in float64, so that one row and a million agree.
    """
    helper = dependencies.need("onnx", extra="train", to="write a model as an ONNX graph").helper
    names = ("low", "high", "mean", "scale", "weights", "bias")
    given = (low, high, mean, scale, weights, bias)
    steps = [
        ("Cast", ["x"], "wide", {"to": 11}),
        ("Max", ["wide", "low"], "above", {}),
        ("Min", ["above", "high"], "held", {}),
        ("IsNaN", ["wide"], "gap", {}),
        ("Where", ["gap", "mean", "held"], "full", {}),
        ("Sub", ["full", "mean"], "centred", {}),
        ("Div", ["centred", "scale"], "scaled", {}),
        ("MatMul", ["scaled", "weights"], "product", {}),
        ("Add", ["product", "bias"], "sum", {}),
        ("Cast", ["sum"], "raw", {"to": 1}),
    ]
    nodes = [helper.make_node(kind, inputs, [output], **more) for kind, inputs, output, more in steps]
    held = [helper.make_tensor(n, 11, v.shape, v.ravel().tolist()) for n, v in zip(names, given, strict=True)]
    taken = [helper.make_tensor_value_info("x", 1, [None, len(mean)])]
    answers = [helper.make_tensor_value_info("raw", 1, [None, len(bias)])]
    graph = helper.make_graph(nodes, "linear", taken, answers, held)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR)
    return OnnxPart(bytes(model.SerializeToString(deterministic=True)))
