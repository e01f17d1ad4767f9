"""Conditions written before the run: held, failed, or not tested.

A gate is held where the whole interval keeps it, failed where the value itself does not, and not tested in between
or where there is nothing to measure: too little evidence is never "held".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from polyclinic.errors import UsageError
from polyclinic.evaluation.scores import LOWER_IS_BETTER

Bounds: TypeAlias = tuple[float | None, float | None]
NOTHING: dict[str, Any] = {"value": None, "low": None, "high": None, "n": 0}


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


def judge(gates: Gates, report: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The gates of a report: `gate, state, measured, wanted, why` in words and `numbers`, for each outcome.

    Raises `UsageError` where a gate names a model or a score that the report does not have.
    """
    found = []
    for outcome, model in report["chosen"].items():
        if gates.better_than is not None:
            found.append(_better(gates.better_than, report, outcome, model))
        if gates.calibration_slope is not None:
            found.append(_slope(gates.calibration_slope, report, outcome, model))
        if gates.worst_subgroup:
            found += _worst(gates.worst_subgroup, report, outcome, model)
        found += [_least(score, bound, report, outcome, model) for score, bound in gates.min.items()]
    return found


def _better(other: str, report: Mapping[str, Any], outcome: str, model: str) -> dict[str, Any]:
    gate = f"better than {other}"
    if other not in report["models"]:
        raise UsageError(
            f"the gate better_than names {other!r}, which is no model of this study",
            fix=f"name one of {', '.join(report['models'])}",
        )
    if other == model:
        return _entry(gate, "failed", NOTHING, "better", f"validation chose {other} itself")
    first = next(iter(report["models"][model][outcome]["test"]), "")
    asked = (model, other, outcome, first)
    same = [c["difference"] for c in report["comparisons"] if _names(c) == asked]
    return _judged(f"{gate} ({first})", same[0] if same else NOTHING, *_bounds(first, 0.0), strict=True)


def _names(comparison: Mapping[str, Any]) -> tuple[str, str, str, str]:
    return comparison["a"], comparison["b"], comparison["outcome"], comparison["score"]


def _slope(bounds: Bounds, report: Mapping[str, Any], outcome: str, model: str) -> dict[str, Any]:
    found = report["calibration"].get(model, {}).get(outcome, {})
    given = found.get("after") or found.get("before") or {}
    return _judged("calibration slope", given.get("slope_interval", NOTHING), *bounds)


def _worst(
    wanted: Mapping[str, float], report: Mapping[str, Any], outcome: str, model: str
) -> list[dict[str, Any]]:
    fewest = wanted.get("min_subjects", 0)
    mine = [
        s
        for s in report["subgroups"]
        if (s["model"], s["outcome"]) == (model, outcome) and s["groups"] >= fewest
    ]
    return [
        _worst_of(mine, score, bound, fewest) for score, bound in wanted.items() if score != "min_subjects"
    ]


def _worst_of(
    subgroups: Sequence[Mapping[str, Any]], score: str, bound: float, fewest: float
) -> dict[str, Any]:
    gate, bounds = f"worst subgroup: {score}", _bounds(score, bound)
    scored = [s for s in subgroups if s["scores"].get(score, NOTHING)["value"] is not None]
    if not scored:
        why = f"no subgroup is large enough to be scored (at least {fewest:g} groups)"
        return _entry(gate, "not tested", NOTHING, _words(*bounds, strict=False), why)
    pick = max if score in LOWER_IS_BETTER else min
    worst = pick(scored, key=lambda s: s["scores"][score]["value"])
    return _judged(f"{gate} ({worst['column']} {worst['level']})", worst["scores"][score], *bounds)


def _least(score: str, bound: float, report: Mapping[str, Any], outcome: str, model: str) -> dict[str, Any]:
    scores = report["models"][model][outcome]["test"]
    if score not in scores:
        raise UsageError(
            f"the gate min names {score!r}, which is not scored", fix=f"name one of {', '.join(scores)}"
        )
    return _judged(score, scores[score], *_bounds(score, bound))


def _bounds(score: str, bound: float) -> Bounds:
    """Least and most that are wanted of a score."""
    return (None, bound) if score in LOWER_IS_BETTER else (bound, None)


def _judged(
    gate: str, score: Mapping[str, Any], least: float | None, most: float | None, *, strict: bool = False
) -> dict[str, Any]:
    def kept(number: float) -> bool:
        over = least is None or (number > least if strict else number >= least)
        return over and (most is None or (number < most if strict else number <= most))

    value, low, high = score["value"], score["low"], score["high"]
    wanted = _words(least, most, strict=strict)
    if value is None or low is None or high is None:
        return _entry(gate, "not tested", score, wanted, "there are too few groups for an interval")
    if not kept(value):
        return _entry(gate, "failed", score, wanted, "")
    if kept(low) and kept(high):
        return _entry(gate, "held", score, wanted, "")
    return _entry(
        gate, "not tested", score, wanted, "the interval reaches beyond what is wanted: too little evidence"
    )


def _words(least: float | None, most: float | None, *, strict: bool) -> str:
    if least is not None and most is not None:
        return f"{least:g} to {most:g}"
    if most is not None:
        return f"{'below' if strict else 'at most'} {most:g}"
    return f"{'above' if strict else 'at least'} {least:g}"


def _entry(gate: str, state: str, score: Mapping[str, Any], wanted: str, why: str) -> dict[str, Any]:
    value, low, high = score["value"], score["low"], score["high"]
    measured = "nothing" if value is None else f"{value:.3f}"
    measured += "" if low is None or high is None else f" ({low:.3f} to {high:.3f})"
    return {
        "gate": gate,
        "state": state,
        "measured": measured,
        "wanted": wanted,
        "why": why,
        "numbers": dict(score),
    }
