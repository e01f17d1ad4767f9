"""Gates: passed, failed, undecided, not tested."""

from __future__ import annotations

from typing import Any

import pytest

from polyclinic.errors import UsageError
from polyclinic.studies.gates import Gates, judge


def score(value, low=None, high=None):
    return {"value": value, "low": low, "high": high, "n": 100}


def report(**changed: Any) -> dict[str, Any]:
    test = {"auroc": score(0.8, 0.75, 0.85), "brier": score(0.10, 0.08, 0.12)}
    plain = {
        "chosen": {"binary": "deep"},
        "models": {m: {"binary": {"test": test}} for m in ("deep", "last-value")},
        "comparisons": [],
        "calibration": {},
        "subgroups": [],
    }
    return {**plain, **changed}


def states(gates, **changed):
    return [g["state"] for g in judge(gates, report(**changed))]


INTERVALS = [
    (score(0.05, 0.03, 0.07), "passed"),
    (score(0.05, -0.01, 0.11), "undecided"),
    (score(-0.01, -0.03, 0.01), "undecided"),
    (score(-0.03, -0.05, -0.01), "failed"),
    (score(0.05), "undecided"),
    (score(None), "not tested"),
]


@pytest.mark.parametrize(("difference", "state"), INTERVALS)
def test_better_than_wants_an_interval_above_zero(difference, state):
    found = {"a": "deep", "b": "last-value", "outcome": "binary", "score": "auroc", "difference": difference}
    assert states(Gates(better_than="last-value"), comparisons=[found]) == [state]


def test_without_the_comparison_nothing_is_tested():
    assert states(Gates(better_than="last-value")) == ["not tested"]


def test_a_baseline_is_not_better_than_itself():
    assert states(Gates(better_than="deep")) == ["failed"]


def test_a_model_that_is_not_there_is_an_error_that_lists_those_that_are():
    with pytest.raises(UsageError, match="last-value"):
        judge(Gates(better_than="last-valeu"), report())


@pytest.mark.parametrize(
    ("slope", "state"),
    [
        (score(1.0, 0.9, 1.1), "passed"),
        (score(1.0, 0.7, 1.3), "undecided"),
        (score(0.837, 0.740, 0.957), "undecided"),
        (score(1.3, 1.1, 1.5), "undecided"),
        (score(1.5, 1.3, 1.7), "failed"),
        (score(1.0), "undecided"),
        (score(None), "not tested"),
    ],
)
def test_a_slope_passes_where_its_whole_interval_lies_between_the_bounds(slope, state):
    calibration = {"deep": {"binary": {"after": {"slope_interval": slope}}}}
    assert states(Gates(calibration_slope=(0.8, 1.2)), calibration=calibration) == [state]


def subgroup(level, groups, found):
    named = {"column": "sex", "level": level, "outcome": "binary", "model": "deep"}
    return {**named, "groups": groups, "n": 90, "too_small": False, "scores": {"auroc": found}}


def test_the_worst_of_the_large_enough_subgroups_decides():
    gates = Gates(worst_subgroup={"auroc": 0.65, "min_subjects": 20})
    good, bad = subgroup("f", 30, score(0.8, 0.7, 0.9)), subgroup("m", 30, score(0.55, 0.5, 0.6))
    tiny = subgroup("x", 5, score(0.2, 0.1, 0.3))
    assert states(gates, subgroups=[good, tiny]) == ["passed"]
    assert states(gates, subgroups=[good, bad]) == ["failed"]
    assert states(gates, subgroups=[tiny]) == ["not tested"]
    (judged,) = judge(gates, report(subgroups=[good, bad]))
    assert (judged["gate"], judged["measured"]) == ("worst subgroup: auroc (sex m)", "0.550 (0.500 to 0.600)")


def test_a_least_score_is_a_greatest_where_lower_is_better():
    assert states(Gates(min={"auroc": 0.7, "brier": 0.2})) == ["passed", "passed"]
    assert states(Gates(min={"auroc": 0.9, "brier": 0.05})) == ["failed", "failed"]
    assert [g["wanted"] for g in judge(Gates(min={"auroc": 0.9, "brier": 0.05}), report())] == [
        "at least 0.9",
        "at most 0.05",
    ]


def test_no_gates_judge_nothing():
    assert states(Gates()) == []
