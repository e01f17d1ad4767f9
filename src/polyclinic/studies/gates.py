"""Conditions written before the run, and what became of them.

A gate is `passed` where the whole interval keeps it, `failed` where the whole interval breaks it, and `undecided` where
the interval holds the bound or where there is none. Where nothing was measured it is `not tested`. Too little evidence
is never `passed`.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import inf, isfinite, isinf
from typing import Any, Literal, TypeAlias

from polyclinic.errors import UsageError
from polyclinic.evaluation.scores import LOWER_IS_BETTER, range_of

ScoreEntry: TypeAlias = Mapping[str, Any]
State: TypeAlias = Literal["passed", "failed", "undecided", "not tested"]

NOTHING: ScoreEntry = {"value": None, "low": None, "high": None, "n": 0}
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
    """

    better_than: str | None = None
    calibration_slope: tuple[float, float] | None = None
    worst_subgroup: dict[str, float] = field(default_factory=dict)
    min: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        low, high = self.calibration_slope or (0, 1)
        if not low < high:
            raise ValueError("calibration_slope is two rising numbers, for example [0.8, 1.2]")
        for score, bound in [*self.min.items(), *self.worst_subgroup.items()]:
            if score != "min_subjects":
                _possible(score, bound)


def _possible(score: str, bound: float) -> None:
    """Raise `ValueError` for a bound that the score keeps or breaks whatever happens."""
    least, most = range_of(score)
    if not (isfinite(bound) and least <= bound <= most):
        raise ValueError(f"{score} lies between {least:g} and {most:g}; a bound of {bound:g} decides nothing")


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
    numbers: ScoreEntry


def judge(gates: Gates, report: Mapping[str, Any]) -> list[GateResult]:
    """Judge the chosen model of each outcome by the gates of its study.

    Parameters
    ----------
    gates
        The conditions.
    report
        What `evaluate` returns: `chosen, models, comparisons, calibration, subgroups`.

    Returns
    -------
    list of GateResult
        One a condition and outcome, in the order of the fields of `Gates`.

    Raises
    ------
    UsageError
        A gate names a model or a score that the report does not have.
    """
    return [gate for chosen in report["chosen"].items() for gate in _judged(gates, report, *chosen)]


def _judged(gates: Gates, report: Mapping[str, Any], outcome: str, model: str) -> Iterator[GateResult]:
    scores = report["models"][model][outcome].get("test", {})
    if gates.better_than is not None:
        yield _better(gates.better_than, report, outcome, model, next(iter(scores), ""))
    if gates.calibration_slope is not None:
        calibrations = report["calibration"].get(model, {}).get(outcome, {})
        in_use = calibrations.get("after") or calibrations.get("before") or {}
        yield _result("calibration slope", in_use.get("slope_interval", NOTHING), gates.calibration_slope)
    of_model = [s for s in report["subgroups"] if (s["model"], s["outcome"]) == (model, outcome)]
    bounds = dict(gates.worst_subgroup)
    fewest = bounds.pop("min_subjects", 0)
    for score, bound in bounds.items():
        yield _worst(of_model, score, bound, fewest)
    for score, bound in gates.min.items():
        if score not in scores:
            what = f"the gate min names {score!r}, which is not scored"
            raise UsageError(what, fix=f"name one of {', '.join(scores)}")
        yield _result(score, scores[score], _bounds(score, bound))


def _better(other: str, report: Mapping[str, Any], outcome: str, model: str, score: str) -> GateResult:
    if other not in report["models"]:
        what = f"the gate better_than names {other!r}, which is no model of this study"
        raise UsageError(what, fix=f"name one of {', '.join(report['models'])}")
    if other == model:
        why = f"validation chose {other} itself"
        return GateResult(f"better than {other}", "failed", "nothing", "better", why, NOTHING)
    pair = {"a": model, "b": other, "outcome": outcome, "score": score}
    differences = (c["difference"] for c in report["comparisons"] if pair.items() <= c.items())
    bounds = _bounds(score, 0.0)
    return _result(f"better than {other} ({score})", next(differences, NOTHING), bounds, strict=True)


def _worst(subgroups: Sequence[Mapping[str, Any]], score: str, bound: float, fewest: float) -> GateResult:
    """Judge each subgroup that is large enough; the gravest state among them decides, the others are counted."""
    bounds = _bounds(score, bound)
    large = [s for s in subgroups if s["groups"] >= fewest and _score(s, score)["value"] is not None]
    left_out = len(subgroups) - len(large)
    rest = f"{left_out} of {len(subgroups)} subgroups are too small to judge" if left_out else ""
    by_state: dict[State, list[Mapping[str, Any]]] = {}
    for subgroup in large:
        by_state.setdefault(_state(_score(subgroup, score), bounds), []).append(subgroup)
    name = f"worst subgroup: {score}"
    if not large:
        why = rest or "no subgroup was measured"
        return GateResult(name, "not tested", _measured(NOTHING), _words(bounds), why, NOTHING)
    state = next(s for s in GRAVEST if s in by_state)
    worst = _lowest(by_state[state], score)
    listed = [
        f"{s}: {'; '.join(f'{_named(g)} {_measured(_score(g, score))}' for g in by_state[s])}"
        for s in ("failed", "undecided")
        if s in by_state
    ]
    why = ". ".join(filter(None, [*listed, rest]))
    numbers = _score(worst, score)
    return GateResult(f"{name} ({_named(worst)})", state, _measured(numbers), _words(bounds), why, numbers)


def _score(subgroup: Mapping[str, Any], score: str) -> ScoreEntry:
    numbers: ScoreEntry = subgroup["scores"].get(score, NOTHING)
    return numbers


def _lowest(subgroups: Iterable[Mapping[str, object]], score: str) -> Mapping[str, object]:
    """The subgroup with the worst value."""
    worst = max if score in LOWER_IS_BETTER else min
    return worst(subgroups, key=lambda s: _score(s, score)["value"])


def _named(subgroup: Mapping[str, object]) -> str:
    return f"{subgroup['column']} {subgroup['level']}"


def _bounds(score: str, bound: float) -> tuple[float, float]:
    """Least and most that are wanted of a score."""
    return (-inf, bound) if score in LOWER_IS_BETTER else (bound, inf)


def _result(gate: str, score: ScoreEntry, bounds: tuple[float, float], *, strict: bool = False) -> GateResult:
    state = _state(score, bounds, strict=strict)
    why = ""
    if state == "undecided":
        without = score["low"] is None or score["high"] is None
        why = "there are too few groups for an interval" if without else "the interval reaches over the bound"
        why += ": too little evidence"
    return GateResult(gate, state, _measured(score), _words(bounds, strict=strict), why, score)


def _state(score: ScoreEntry, bounds: tuple[float, float], *, strict: bool = False) -> State:
    """strict: whether a bound itself breaks the gate."""
    (least, most), value, low, high = bounds, score["value"], score["low"], score["high"]
    if value is None:
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


def _measured(score: ScoreEntry) -> str:
    value, low, high = score["value"], score["low"], score["high"]
    if value is None:
        return "nothing"
    return f"{value:.3f}" if low is None or high is None else f"{value:.3f} ({low:.3f} to {high:.3f})"
