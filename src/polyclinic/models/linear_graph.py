"""A linear answer as an ONNX graph."""

from typing import Any

import numpy as np
import numpy.typing as npt

from polyclinic import dependencies
from polyclinic.arrays import Floats
from polyclinic.packages.parts import OnnxPart

GRAPH = """<ir_version: 10, opset_import: ["": 20]>
linear (float[row, feature] x) => (float[row, channel] raw)
{
    wide = Cast <to = 11> (x)
    above = Max (wide, low)
    within = Min (above, high)
    gap = IsNaN (wide)
    full = Where (gap, mean, within)
    centred = Sub (full, mean)
    scaled = Div (centred, scale)
    product = MatMul (scaled, weights)
    sum = Add (product, bias)
    raw = Cast <to = 1> (sum)
}"""


def log_odds(share: npt.ArrayLike, n: int) -> Floats:
    """The log odds of shares of `n` rows; none or all count as half a row, so that they stay finite."""
    from scipy.special import logit

    half_a_row = 0.5 / max(n, 1)
    return np.asarray(logit(np.clip(np.asarray(share, float), half_a_row, 1 - half_a_row)))


def constant(bias: npt.ArrayLike, width: int) -> OnnxPart:
    """A graph that gives the same answer for every row of `x` [row, width]."""
    answer = np.atleast_1d(np.asarray(bias, float))
    empty = np.zeros(width)
    return linear(np.zeros((width, len(answer))), answer, empty, empty + 1, empty, empty)


def linear(weights: Floats, bias: Floats, mean: Floats, scale: Floats, low: Floats, high: Floats) -> OnnxPart:
    """A graph that gives `raw` = ((x clipped to low … high, its gaps filled by the mean) − mean) / scale · weights + bias.

    It takes `x`, float32 [row, feature], and reckons in float64, so that one row and a million agree.

    Parameters
    ----------
    weights
        [feature, channel].
    bias
        [channel].
    mean, scale, low, high
        [feature].
    """
    dependencies.need("onnx", extra="train", to="write a model as an ONNX graph")
    from onnx import numpy_helper, parser

    constants = {"low": low, "high": high, "mean": mean, "scale": scale, "weights": weights, "bias": bias}
    model = parser.parse_model(GRAPH)
    for name, values in constants.items():
        model.graph.initializer.append(numpy_helper.from_array(np.asarray(values, float), name))
    return written(model)


def written(model: Any) -> OnnxPart:
    """An ONNX model as a part: the same model gives the same bytes in any process."""
    model.opset_import.sort(key=lambda item: item.domain)  # converters keep these in a set
    return OnnxPart(bytes(model.SerializeToString(deterministic=True)))
