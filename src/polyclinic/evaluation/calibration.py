"""Does 0.8 mean 80 %? Slope, intercept, expected error and the curve; and logistic recalibration.

Slope and intercept are those of a logistic regression of `y_true` on the logit of the probability (Cox 1958):
1 and 0 are perfect, a slope below 1 is too sure of itself.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from polyclinic.evaluation.estimates import Estimate
from polyclinic.evaluation.jackknife import jackknife
from polyclinic.evaluation.scores import SHARE, Array, Score, finite, of_all, ratio
from polyclinic.links import expit

EDGE = 1e-12
REGION = 5.991
"""The 95 % point of the χ² distribution with two degrees of freedom."""


def logit(probability: Array) -> npt.NDArray[np.float64]:
    """Log odds, float64; probabilities are kept 1e-12 from 0 and 1."""
    inside = np.clip(np.asarray(probability, np.float64), EDGE, 1 - EDGE)
    return np.asarray(np.log(inside) - np.log1p(-inside))


def line(y_true: Array, probability: Array) -> Mapping[str, Score]:
    """`slope` and `intercept` of the recalibration line as weighted scores.

    Newton's method for a block of replicates at once, from the fit of all rows. NaN where there is no finite fit:
    one class only, one probability for all, or classes that the probability separates.
    """
    x, y = logit(probability), np.asarray(y_true, np.float64)
    middle, spread = (float(x.mean()), float(x.std())) if len(x) else (0.0, 0.0)
    x = (x - middle) / spread if spread > 1e-9 else np.zeros(len(x))
    begin = np.array([[logit(y.mean()) if len(y) else 0.0, 0.0]])
    first = _newton(np.ones((1, len(y))), x, y, begin.copy(), steps=60, close=1e-9)
    start = first if np.isfinite(first).all() else begin

    def fitted(weights: Array) -> Array:
        return _newton(weights, x, y, np.repeat(start, len(weights), axis=0), steps=30, close=1e-3)

    def slope(weights: Array) -> npt.NDArray[np.float64]:
        return np.asarray(fitted(weights)[:, 1] / max(spread, 1e-9))

    def intercept(weights: Array) -> npt.NDArray[np.float64]:
        return np.asarray(fitted(weights) @ np.array([1.0, -middle / max(spread, 1e-9)]))

    return {"intercept": intercept, "slope": slope}


def _newton(weights: Array, x: Array, y: Array, line: Array, *, steps: int, close: float) -> Array:
    """Intercept and slope [replicate, 2]. Steps shrink quadratically: one below `close` leaves an error of its square."""
    kind = weights.dtype
    powers = np.stack([np.ones_like(x), x, x * x], axis=1).astype(kind)
    x, y = x.astype(kind), y.astype(kind)
    found, active = np.full(line.shape, np.nan), np.arange(len(line))
    for _ in range(steps):
        if not len(active):
            break
        w = weights[active] if len(active) < len(weights) else weights
        step = _step(w, x, y, powers, line[active].astype(kind))
        line[active] += np.clip(step, -2, 2)
        size = np.abs(step).max(axis=1)
        done = size < close
        found[active[done]] = line[active[done]]
        active = active[~done & np.isfinite(size) & (np.abs(line[active]).max(axis=1) < 50)]
    return found


def _step(weights: Array, x: Array, y: Array, powers: Array, line: Array) -> Array:
    from scipy import special  # in place and in float32, for many resamples; a package that answers never comes here

    p = line[:, 1:] * x
    p += line[:, :1]
    special.expit(p, out=p)
    gradient = (weights * (y - p)) @ powers[:, :2]
    p *= 1 - p
    p *= weights
    a, b, c = (p @ powers).astype(np.float64).T
    determinant = a * c - b * b
    determinant[determinant <= 1e-9 * np.maximum(a * c, 1e-30)] = np.nan
    g, h = gradient.astype(np.float64).T
    return np.asarray(np.stack([c * g - b * h, a * h - b * g], axis=1) / determinant[:, None])


def recalibration(y_true: Array, probability: Array, groups: Array) -> dict[str, float]:
    """`slope` and `intercept` to put on the logit: those of `line` where it is clearly not the perfect one, else none.

    Clearly: 1 and 0 lie outside of the 95 % region of slope and intercept, by a Wald test with their covariance over
    groups. A line that a few groups might as well have drawn by chance makes probabilities worse (tests
    before updating: Vergouwe et al., Statistics in Medicine 2017). None as well where there is no finite fit, where
    there are too few groups for an interval, and where the order would be turned.
    """
    replicates = jackknife(line(y_true, probability), groups)
    fitted = np.array([replicates.points["slope"], replicates.points["intercept"]])
    covariance, off = replicates.covariance("slope", "intercept"), fitted - (1, 0)
    usable = np.isfinite(fitted).all() and fitted[0] > 0 and np.isfinite(covariance).all() and covariance.any()
    clear = usable and off @ np.linalg.pinv(covariance) @ off > REGION
    return dict(zip(("slope", "intercept"), fitted.tolist(), strict=True)) if clear else {}


def recalibrated(probability: Array, calibration: Mapping[str, float]) -> npt.NDArray[np.float64]:
    """Probabilities after the recalibration."""
    return np.asarray(expit(calibration["intercept"] + calibration["slope"] * logit(probability)))


def bins(probability: Array, count: int = 10) -> npt.NDArray[np.int64]:
    """The bin of each row: `count` bins of like size, equal probabilities in one bin; int64 [row], from 0, none empty."""
    edges = np.unique(np.quantile(probability, np.linspace(0, 1, count + 1)[1:-1]))
    _, found = np.unique(np.searchsorted(edges, probability, side="right"), return_inverse=True)
    return np.asarray(found, np.int64)


def report(y_true: Array, probability: Array, groups: Array, *, seed: int = 0) -> dict[str, Any]:
    """How well probabilities are calibrated.

    `slope` with `slope_interval`, `intercept`, `ece` (mean gap between predicted and observed over ten bins of like
    size, weighed by rows) and `curve`: a point a bin, with the interval of what was observed. Null: cannot be had.
    """
    bin_of = bins(probability)
    count = int(bin_of.max(initial=-1)) + 1
    inside = [bin_of == k for k in range(count)]
    shares: dict[Any, Score] = {k: ratio(y_true * rows, rows, SHARE) for k, rows in enumerate(inside)}
    fit = line(y_true, probability)
    replicates = jackknife({**shares, "slope": fit["slope"]}, groups, y_true=y_true, seed=seed)
    points = [_point(probability[rows], replicates.estimate(k)) for k, rows in enumerate(inside)]
    gaps = [abs(p["observed"] - p["predicted"]) * p["n"] for p in points]
    slope = replicates.estimate("slope")
    return {
        "slope": slope.value,
        "slope_interval": slope,
        "intercept": finite(of_all(fit["intercept"], len(y_true))),
        "ece": float(sum(gaps) / len(y_true)) if count else None,
        "curve": points,
    }


def _point(probability: Array, observed: Estimate) -> dict[str, Any]:
    interval = {"observed": observed.value, "low": observed.low, "high": observed.high}
    return {"predicted": float(probability.mean()), **interval, "n": len(probability)}
