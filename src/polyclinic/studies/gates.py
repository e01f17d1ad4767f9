"""Conditions written before the run: passed, failed, undecided, or not tested.

A gate has passed where the whole interval keeps it, failed where the whole interval does not, is undecided in between
or where there is no interval, and was not tested where nothing could be measured: too little evidence is never "passed".
"""

import operator
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import inf, isinf
from typing import Any, TypeAlias

from polyclinic.errors import UsageError
from polyclinic.evaluation.scores import LOWER_IS_BETTER

Score: TypeAlias = Mapping[str, Any]
NOTHING: Score = {"value": None, "low": None, "high": None, "n": 0}


@dataclass(frozen=True, kw_only=True)
class Gates:
    """What must hold for the chosen model on test rows; what is left out is not asked.

    better_than: a model that it must beat on the outcome's first score; calibration_slope: from, to;
    worst_subgroup: score → least in every subgroup, and `min_subjects`, below which a subgroup does not count;
    min: score → least on all rows (greatest, where lower is better).
    """

    better_than: str | None = None
    calibration_slope: tuple[float, float] | None = None
    worst_subgroup: dict[str, float] = field(default_factory=dict)
    min: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        low, high = self.calibration_slope or (0, 1)
        if low >= high:
            raise ValueError("calibration_slope is two rising numbers, for example [0.8, 1.2]")


def judge(gates: Gates, report: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The gates of a report: `gate, state, measured, wanted, why` in words and `numbers`, for each outcome.

    Raises `UsageError` where a gate names a model or a score that the report does not have.
    """
    return [gate for chosen in report["chosen"].items() for gate in _each(gates, report, *chosen)]


def _each(gates: Gates, report: Mapping[str, Any], outcome: str, model: str) -> Iterator[dict[str, Any]]:
    scores = report["models"][model][outcome].get("test", {})
    if gates.better_than is not None:
        yield _better(gates.better_than, report, outcome, model, next(iter(scores), ""))
    if gates.calibration_slope is not None:
        found = report["calibration"].get(model, {}).get(outcome, {})
        given = found.get("after") or found.get("before") or {}
        yield _judged("calibration slope", given.get("slope_interval", NOTHING), gates.calibration_slope)
    mine = [s for s in report["subgroups"] if (s["model"], s["outcome"]) == (model, outcome)]
    wanted = dict(gates.worst_subgroup)
    fewest = wanted.pop("min_subjects", 0)
    for score, bound in wanted.items():
        yield _worst([s for s in mine if s["groups"] >= fewest], score, bound, fewest)
    for score, bound in gates.min.items():
        if score not in scores:
            what = f"the gate min names {score!r}, which is not scored"
            raise UsageError(what, fix=f"name one of {', '.join(scores)}")
        yield _judged(score, scores[score], _bounds(score, bound))


def _better(other: str, report: Mapping[str, Any], outcome: str, model: str, score: str) -> dict[str, Any]:
    if other not in report["models"]:
        what = f"the gate better_than names {other!r}, which is no model of this study"
        raise UsageError(what, fix=f"name one of {', '.join(report['models'])}")
    if other == model:
        return _entry(f"better than {other}", "failed", NOTHING, "better", f"validation chose {other} itself")
    asked = {"a": model, "b": other, "outcome": outcome, "score": score}
    found = (c["difference"] for c in report["comparisons"] if asked.items() <= c.items())
    return _judged(f"better than {other} ({score})", next(found, NOTHING), _bounds(score, 0.0), strict=True)


def _worst(subgroups: Sequence[Score], score: str, bound: float, fewest: float) -> dict[str, Any]:
    gate, bounds = f"worst subgroup: {score}", _bounds(score, bound)
    scored = [s for s in subgroups if s["scores"].get(score, NOTHING)["value"] is not None]
    if not scored:
        why = f"no subgroup is large enough to be scored (at least {fewest:g} groups)"
        return _entry(gate, "not tested", NOTHING, _words(bounds), why)
    pick = max if score in LOWER_IS_BETTER else min
    worst = pick(scored, key=lambda s: s["scores"][score]["value"])
    return _judged(f"{gate} ({worst['column']} {worst['level']})", worst["scores"][score], bounds)


def _bounds(score: str, bound: float) -> tuple[float, float]:
    """Least and most that are wanted of a score."""
    return (-inf, bound) if score in LOWER_IS_BETTER else (bound, inf)


def _judged(gate: str, score: Score, bounds: tuple[float, float], *, strict: bool = False) -> dict[str, Any]:
    least, most = bounds
    below = operator.lt if strict else operator.le
    low, high = score["low"], score["high"]
    why = ""
    if score["value"] is None:
        state, why = "not tested", "nothing could be measured"
    elif low is None or high is None:
        state, why = "undecided", "there are too few groups for an interval"
    elif below(least, low) and below(high, most):
        state = "passed"
    elif not below(least, high) or not below(low, most):
        state = "failed"
    else:
        state, why = "undecided", "the interval reaches beyond what is wanted: too little evidence"
    return _entry(gate, state, score, _words(bounds, strict=strict), why)


def _words(bounds: tuple[float, float], *, strict: bool = False) -> str:
    least, most = bounds
    if isinf(least):
        return f"{'below' if strict else 'at most'} {most:g}"
    return f"{'above' if strict else 'at least'} {least:g}" if isinf(most) else f"{least:g} to {most:g}"


def _entry(gate: str, state: str, score: Score, wanted: str, why: str) -> dict[str, Any]:
    value, low, high = score["value"], score["low"], score["high"]
    measured = "nothing" if value is None else f"{value:.3f}"
    measured += "" if low is None or high is None else f" ({low:.3f} to {high:.3f})"
    told = {"gate": gate, "state": state, "measured": measured, "wanted": wanted, "why": why}
    return {**told, "numbers": dict(score)}
