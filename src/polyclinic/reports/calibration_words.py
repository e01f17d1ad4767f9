"""What calibration means for the one who reads a probability: from level and slope together, never from one alone.

A slope of 1 says that high probabilities are as much too high as low ones; only the level says whether they are too
high altogether (Van Calster et al., BMC Medicine 2019).
"""

from dataclasses import dataclass
from enum import Enum

from polyclinic.figures.numbers import number, percent
from polyclinic.reports.quantities import Score
from polyclinic.reports.results import CalibrationResult, Calibrations
from polyclinic.reports.wording import listed

WIDEST = (0.8, 1.25)
"""An interval that reaches beyond is too wide to call a slope or a level right."""


class Finding(Enum):
    """What the interval of a slope or of a level says: at 1, below, above, too wide to say, or not measured."""

    RIGHT = "right"
    BELOW = "below"
    ABOVE = "above"
    UNSURE = "unsure"
    UNKNOWN = "unknown"


def judged(score: Score | None, negligible: float) -> Finding:
    """A ratio whose perfect value is 1; a deviation of at most `negligible` does not count, however sure it is."""
    if score is None or score.value is None:
        return Finding.UNKNOWN
    if score.low is None or score.high is None:
        return Finding.UNSURE
    near = abs(score.value - 1) <= negligible
    if not near and not score.contains(1, digits=2):
        return Finding.BELOW if score.value < 1 else Finding.ABOVE
    return Finding.RIGHT if WIDEST[0] <= score.low and score.high <= WIDEST[1] else Finding.UNSURE


@dataclass(frozen=True)
class CalibrationVerdict:
    """Level and slope of one model's probabilities, judged.

    Attributes
    ----------
    can_be_trusted
        Whether both level and slope were measured well enough and found right.
    sentence
        The same in words, with the numbers.
    """

    can_be_trusted: bool
    sentence: str


LEVELS = {
    Finding.RIGHT: "their level is right",
    Finding.BELOW: "they are too high on average",
    Finding.ABOVE: "they are too low on average",
    Finding.UNSURE: "there is too little evidence to judge their level",
    Finding.UNKNOWN: "their level was not measured",
}
SLOPES = {
    Finding.RIGHT: "their spread is right",
    Finding.BELOW: "they are too extreme, low ones too low compared with high ones",
    Finding.ABOVE: "they are too cautious, low ones too high compared with high ones",
    Finding.UNSURE: "there is too little evidence to judge their spread",
    Finding.UNKNOWN: "their spread was not measured",
}


def calibration_verdict(model: str, calibrations: Calibrations) -> CalibrationVerdict | None:
    """The verdict on the probabilities that a model gives in use; None where nothing was measured."""
    current = calibrations.current
    if current is None or not current.slope.known:
        return None
    level, slope = judged(current.observed_expected, 0.05), judged(current.slope, 0.1)
    trusted = level is Finding.RIGHT and slope is Finding.RIGHT
    if trusted:
        words = f"The probabilities of {model} agree with what happened, in level and in spread"
    else:
        words = f"Do not read the probabilities of {model} as they stand: {LEVELS[level]}, and {SLOPES[slope]}"
    sentences = [f"{words} ({_numbers(current)}).", _recalibrated(calibrations)]
    return CalibrationVerdict(trusted, " ".join(filter(None, sentences)))


def _numbers(result: CalibrationResult) -> str:
    parts = []
    if (level := result.observed_expected) and level.known:
        predicted, observed = means(result)
        shares = f"{percent(predicted)} predicted, {percent(observed)} observed; " if predicted is not None else ""
        parts.append(f"{shares}observed : expected {_with_interval(level)}")
    parts.append(f"slope {_with_interval(result.slope)}")
    return "; ".join(parts)


def _with_interval(score: Score) -> str:
    """Two decimals: enough for a ratio whose perfect value is 1."""
    if not score.has_interval:
        return f"{number(score.value, 2)}, no interval"
    return f"{number(score.value, 2)}, {number(score.low, 2)} to {number(score.high, 2)}"


def means(result: CalibrationResult) -> tuple[float | None, float | None]:
    """The mean prediction and the observed share over the bins of the curve; None where they are not known."""
    rows = predicted = observed = 0.0
    for point in result.curve:
        if isinstance(point.n, str) or point.predicted is None or point.observed is None:
            return None, None
        rows += point.n
        predicted += point.n * point.predicted
        observed += point.n * point.observed
    return (predicted / rows, observed / rows) if rows else (None, None)


def _recalibrated(calibrations: Calibrations) -> str:
    """What recalibration did: nothing, or what it made worse, in the digits that are shown."""
    if calibrations.left_as_they_were:
        return "The validation rows gave no reason to recalibrate them."
    before, after = calibrations.before, calibrations.after
    if not (calibrations.recalibrated and before and after):
        return ""
    worse = [
        f"the {name} ({number(was, digits)} before)"
        for name, was, now, digits in (
            ("level", _off(before.observed_expected), _off(after.observed_expected), 2),
            ("slope", _off(before.slope), _off(after.slope), 2),
            ("mean error", _value(before.ece), _value(after.ece), 3),
        )
        if was is not None and now is not None and round(now, digits) > round(was, digits)
    ]
    return f"Recalibration made {listed(worse)} worse." if worse else ""


def _value(score: Score | None) -> float | None:
    return score.value if score else None


def _off(score: Score | None) -> float | None:
    return abs(score.value - 1) if score and score.value is not None else None
