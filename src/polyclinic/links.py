"""Between probabilities and log odds, without SciPy, which takes longer to import than a package needs to answer."""

import numpy as np
import numpy.typing as npt

EDGE = 1e-12


def expit(x: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """The logistic function, exact in both tails.

    >>> expit([0.0, 800.0]).tolist()
    [0.5, 1.0]
    """
    return np.asarray(np.exp(-np.logaddexp(0, -np.asarray(x, np.float64))))


def logit(probability: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Log odds, float64; probabilities are kept 1e-12 from 0 and 1."""
    inside = np.clip(np.asarray(probability, np.float64), EDGE, 1 - EDGE)
    return np.asarray(np.log(inside) - np.log1p(-inside))


def recalibrated(probability: npt.ArrayLike, slope: float, intercept: float) -> npt.NDArray[np.float64]:
    """Probabilities moved on the logit by the slope and the intercept of a line."""
    return expit(intercept + slope * logit(probability))


def softmax(scores: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Log scores → probabilities that add up to 1 over the last axis.

    >>> softmax([[0.0, 0.0], [1000.0, 0.0]]).tolist()
    [[0.5, 0.5], [1.0, 0.0]]
    """
    values = np.asarray(scores, np.float64)
    weights = np.exp(values - values.max(axis=-1, keepdims=True, initial=-np.inf))
    return np.asarray(weights / weights.sum(axis=-1, keepdims=True))


def tempered(probabilities: npt.ArrayLike, temperature: float) -> npt.NDArray[np.float64]:
    """Probabilities of classes [row, class] whose logarithms are divided by the temperature; kept 1e-12 from 0."""
    return softmax(np.log(np.clip(np.asarray(probabilities, np.float64), EDGE, 1.0)) / temperature)
