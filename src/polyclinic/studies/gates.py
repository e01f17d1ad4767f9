"""Conditions written before the run, and what became of them.

A gate is `passed` where the whole interval keeps it, `failed` where the whole interval breaks it, and `undecided` where
the interval holds the bound or where there is none. Where nothing was measured it is `not tested`. Too little evidence
is never `passed`.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import inf, isfinite, isinf
from typing import Literal, TypeAlias

from polyclinic.errors import UsageError
from polyclinic.evaluation.estimates import NO_ESTIMATE, Estimate
from polyclinic.evaluation.evaluated import Evaluated, MeasureFacts, Subgroup
from polyclinic.evaluation.measures import Measure, named

State: TypeAlias = Literal["passed", "failed", "undecided", "not tested"]

GRAVEST: Sequence[State] = ("failed", "undecided", "not tested", "passed")
"""What several subgroups come to: the first of these states that one of them is in."""


@dataclass(frozen=True, kw_only=True)
class Gates:
    """What must hold for the chosen model on test rows; what is left out is not tested.

    Attributes
    ----------
    better_than
        A model that it must beat on the outcome's first score.
    calibration_slope
        The least and the greatest slope.
    worst_subgroup
        Score → the least in every subgroup (the greatest, where lower is better); and `min_subjects`, the groups below
        which a subgroup is too small to be judged.
    min
        Score → the least on all rows (the greatest, where lower is better).
    within
        Score → the least and the greatest on all rows: of a score that is best near a value, such as a coverage.
    """

    better_than: str | None = None
    calibration_slope: tuple[float, float] | None = None
    worst_subgroup: dict[str, float] = field(default_factory=dict)
    min: dict[str, float] = field(default_factory=dict)
    within: dict[str, tuple[float, float]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        pairs = {"calibration_slope": self.calibration_slope or (0, 1), **self.within}
        for name, (low, high) in pairs.items():
            if not low < high:
                raise ValueError(f"{name} is two rising numbers, for example [0.8, 1.2]")

    def check(self, measures: Iterable[Measure]) -> None:
        """Raise `ValueError` for a bound that a score keeps or breaks whatever happens, or that has no one side."""
        known = list(measures)
        least = [*self.min.items(), *((n, b) for n, b in self.worst_subgroup.items() if n != "min_subjects")]
        for score, bound in least:
            measure = named(known, score)
            if measure.better not in ("high", "low"):
                raise ValueError(
                    f"{score} is best near {measure.best:g}: give two bounds, `within: {{{score}: [LOW, HIGH]}}`"
                )
            _possible(measure, bound)
        for score, bounds in self.within.items():
            for bound in bounds:
                _possible(named(known, score), bound)


def _possible(measure: Measure, bound: float) -> None:
    """Raise `ValueError` for a bound that lies outside what the score can be."""
    least, most = measure.bounds
    if not (isfinite(bound) and least <= bound <= most):
        raise ValueError(f"{measure.name} lies between {least:g} and {most:g}; a bound of {bound:g} decides nothing")


@dataclass(frozen=True, slots=True)
class GateResult:
    """What became of one gate.

    Attributes
    ----------
    gate
        Its name, with the score or the model that it is about.
    state
        See this module.
    measured, wanted
        In words and numbers.
    why
        What the state does not say by itself.
    numbers
        The score that decided: value, low, high, n.
    """

    gate: str
    state: State
    measured: str
    wanted: str
    why: str
    numbers: Estimate


def judge(gates: Gates, evaluated: Evaluated) -> list[GateResult]:
    """Judge the chosen model of an outcome by the gates of its study.

    Parameters
    ----------
    gates
        The conditions.
    evaluated
        What `evaluate` returns.

    Returns
    -------
    list of GateResult
        One a condition, in the order of the fields of `Gates`.

    Raises
    ------
    UsageError
        A gate names a model or a score that was not evaluated.
    """
    return list(_judged(gates, evaluated))


def _judged(gates: Gates, evaluated: Evaluated) -> Iterator[GateResult]:
    scores = evaluated.models[evaluated.chosen].test
    if gates.better_than is not None:
        yield _better(gates.better_than, evaluated, next(iter(scores), ""))
    if gates.calibration_slope is not None:
        yield _result("calibration slope", _slope(evaluated), gates.calibration_slope)
    mine = [s for s in evaluated.subgroups if s.model == evaluated.chosen]
    bounds = dict(gates.worst_subgroup)
    fewest = bounds.pop("min_subjects", 0)
    for score, bound in bounds.items():
        yield _worst(mine, score, _bounds(evaluated.measures, score, bound), fewest)
    for score, bound in gates.min.items():
        yield _result(score, _measured_score(scores, score), _bounds(evaluated.measures, score, bound))
    for score, pair in gates.within.items():
        yield _result(score, _measured_score(scores, score), pair)


def _measured_score(scores: Mapping[str, Estimate], score: str) -> Estimate:
    if score not in scores:
        raise UsageError(f"a gate names {score!r}, which is not scored", fix=f"name one of {', '.join(scores)}")
    return scores[score]


def _slope(evaluated: Evaluated) -> Estimate:
    """The calibration slope of the answers in use."""
    calibrations = evaluated.calibration.get(evaluated.chosen, {})
    in_use = calibrations.get("after") or calibrations.get("before")
    slope = getattr(in_use, "slope_interval", NO_ESTIMATE)
    return slope if isinstance(slope, Estimate) else NO_ESTIMATE


def _better(other: str, evaluated: Evaluated, score: str) -> GateResult:
    if other not in evaluated.models:
        what = f"the gate better_than names {other!r}, which is no model of this study"
        raise UsageError(what, fix=f"name one of {', '.join(evaluated.models)}")
    if other == evaluated.chosen:
        why = f"validation chose {other} itself"
        return GateResult(f"better than {other}", "failed", "nothing", "better", why, NO_ESTIMATE)
    pairs = (c for c in evaluated.comparisons if (c.a, c.b, c.score) == (evaluated.chosen, other, score))
    difference = next((c.difference for c in pairs), NO_ESTIMATE)
    return _result(f"better than {other} ({score})", difference, _bounds(evaluated.measures, score, 0.0), strict=True)


def _worst(subgroups: Sequence[Subgroup], score: str, bounds: tuple[float, float], fewest: float) -> GateResult:
    """Judge each subgroup that is large enough; the gravest state among them decides, the others are counted."""
    large = [s for s in subgroups if s.groups >= fewest and _score(s, score).value is not None]
    left_out = len(subgroups) - len(large)
    rest = f"{left_out} of {len(subgroups)} subgroups are too small to judge" if left_out else ""
    by_state: dict[State, list[Subgroup]] = {}
    for subgroup in large:
        by_state.setdefault(_state(_score(subgroup, score), bounds), []).append(subgroup)
    name = f"worst subgroup: {score}"
    if not large:
        why = rest or "no subgroup was measured"
        return GateResult(name, "not tested", _measured(NO_ESTIMATE), _words(bounds), why, NO_ESTIMATE)
    state = next(s for s in GRAVEST if s in by_state)
    worst = _lowest(by_state[state], score, bounds)
    listed = [
        f"{s}: {'; '.join(f'{_named(g)} {_measured(_score(g, score))}' for g in by_state[s])}"
        for s in ("failed", "undecided")
        if s in by_state
    ]
    why = ". ".join(filter(None, [*listed, rest]))
    numbers = _score(worst, score)
    return GateResult(f"{name} ({_named(worst)})", state, _measured(numbers), _words(bounds), why, numbers)


def _score(subgroup: Subgroup, score: str) -> Estimate:
    return subgroup.scores.get(score, NO_ESTIMATE)


def _lowest(subgroups: Iterable[Subgroup], score: str, bounds: tuple[float, float]) -> Subgroup:
    """The subgroup with the worst value: the greatest, where the score is bounded from above alone."""
    worst = max if isinf(bounds[0]) else min
    return worst(subgroups, key=lambda s: _score(s, score).value or 0.0)


def _named(subgroup: Subgroup) -> str:
    return f"{subgroup.column} {subgroup.level}"


def _bounds(measures: Mapping[str, MeasureFacts], score: str, bound: float) -> tuple[float, float]:
    """Least and most that are wanted of a score."""
    return (-inf, bound) if score in measures and measures[score].better == "low" else (bound, inf)


def _result(gate: str, score: Estimate, bounds: tuple[float, float], *, strict: bool = False) -> GateResult:
    state = _state(score, bounds, strict=strict)
    why = ""
    if state == "undecided":
        why = (
            "the interval reaches over the bound" if score.has_interval else "there are too few groups for an interval"
        )
        why += ": too little evidence"
    return GateResult(gate, state, _measured(score), _words(bounds, strict=strict), why, score)


def _state(score: Estimate, bounds: tuple[float, float], *, strict: bool = False) -> State:
    """strict: whether a bound itself breaks the gate."""
    (least, most), low, high = bounds, score.low, score.high
    if score.value is None:
        return "not tested"
    if low is None or high is None:
        return "undecided"
    if (least < low and high < most) or (not strict and least <= low and high <= most):
        return "passed"
    outside = high <= least or most <= low if strict else high < least or most < low
    return "failed" if outside else "undecided"


def _words(bounds: tuple[float, float], *, strict: bool = False) -> str:
    least, most = bounds
    if isinf(least):
        return f"{'below' if strict else 'at most'} {most:g}"
    return f"{'above' if strict else 'at least'} {least:g}" if isinf(most) else f"{least:g} to {most:g}"


def _measured(score: Estimate) -> str:
    if score.value is None:
        return "nothing"
    if score.low is None or score.high is None:
        return f"{score.value:.3f}"
    return f"{score.value:.3f} ({score.low:.3f} to {score.high:.3f})"
