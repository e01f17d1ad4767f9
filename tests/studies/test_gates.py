"""Gates: passed, failed, undecided, not tested."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from polyclinic.errors import UsageError
from polyclinic.evaluation.calibration import report as calibrated
from polyclinic.evaluation.estimates import Estimate
from polyclinic.evaluation.evaluated import Comparison, Evaluated, MeasureFacts, ModelScores, Subgroup
from polyclinic.studies.gates import Gates, judge
from polyclinic.studies.study_parser import load_study


def score(value, low=None, high=None):
    return Estimate(value, low, high, n=100)


TEST = {"auroc": score(0.8, 0.75, 0.85), "brier": score(0.10, 0.08, 0.12), "coverage": score(0.9, 0.87, 0.93)}
MEASURES = {
    "auroc": MeasureFacts("AUROC", "high"),
    "brier": MeasureFacts("Brier score", "low"),
    "coverage": MeasureFacts("Coverage", "near:0.9"),
}


def report(**changed: Any) -> Evaluated:
    """The deep model and a baseline, evaluated."""
    plain = Evaluated(
        name="binary",
        measures=MEASURES,
        roles={"deep": "model", "last-value": "baseline"},
        chosen="deep",
        constant=(),
        seed=0,
        models={model: ModelScores(test=TEST) for model in ("deep", "last-value")},
        comparisons=[],
        subgroups=[],
    )
    return replace(plain, **changed)


def states(gates, **changed):
    return [g.state for g in judge(gates, report(**changed))]


DIFFERENCES = [
    (score(0.05, 0.03, 0.07), "passed"),
    (score(0.05, -0.01, 0.11), "undecided"),
    (score(-0.01, -0.03, 0.01), "undecided"),
    (score(-0.02, -0.03, -0.01), "failed"),
    (score(0.0, 0.0, 0.0), "failed"),
    (score(0.05), "undecided"),
    (score(None), "not tested"),
]


@pytest.mark.parametrize(("difference", "state"), DIFFERENCES)
def test_better_than_needs_an_interval_above_zero(difference, state):
    pair = Comparison("deep", "last-value", "binary", "test", "auroc", difference)
    assert states(Gates(better_than="last-value"), comparisons=[pair]) == [state]


def test_without_the_comparison_nothing_is_tested():
    assert states(Gates(better_than="last-value")) == ["not tested"]


def test_a_baseline_is_not_better_than_itself():
    assert states(Gates(better_than="deep")) == ["failed"]


def test_a_model_that_is_not_there_is_an_error_that_lists_those_that_are():
    with pytest.raises(UsageError, match="last-value"):
        judge(Gates(better_than="last-valeu"), report())


SLOPES = [
    (score(1.0, 0.9, 1.1), "passed"),
    (score(1.0, 0.7, 1.3), "undecided"),
    (score(0.837, 0.740, 0.957), "undecided"),
    (score(1.25, 1.1, 1.4), "undecided"),
    (score(1.4, 1.21, 1.5), "failed"),
    (score(0.6, 0.5, 0.7), "failed"),
    (score(1.0), "undecided"),
    (score(None), "not tested"),
]


@pytest.mark.parametrize(("slope", "state"), SLOPES)
def test_a_slope_passes_where_its_whole_interval_lies_between_the_bounds(slope, state):
    of_deep = replace(calibrated(np.array([0.0, 1.0]), np.array([0.4, 0.6]), np.arange(2)), slope_interval=slope)
    calibration = {"deep": {"after": of_deep}}
    assert states(Gates(calibration_slope=(0.8, 1.2)), calibration=calibration) == [state]


@given(st.floats(0, 1), st.floats(0, 0.5), st.floats(0, 0.5), st.floats(0.01, 0.99))
def test_a_state_follows_from_where_the_bound_lies_to_the_interval(value, below, above, bound):
    low, high = value - below, value + above
    models = {"deep": ModelScores(test={"auroc": score(value, low, high)})}
    (state,) = states(Gates(min={"auroc": bound}), models=models)
    assert state == ("passed" if low >= bound else "failed" if high < bound else "undecided")


def subgroup(level, groups, numbers, column="sex"):
    return Subgroup(column, level, 90, groups, "binary", "deep", groups < 20, {"auroc": numbers})


WORST = Gates(worst_subgroup={"auroc": 0.65, "min_subjects": 20})
GOOD = subgroup("f", 30, score(0.8, 0.7, 0.9))
BAD = subgroup("m", 30, score(0.5, 0.4, 0.6))
WIDE = subgroup("x", 30, score(0.76, 0.55, 0.90), column="race")
TINY = subgroup("y", 5, score(0.2, 0.1, 0.3))
ONE_CLASS = subgroup("z", 40, score(None))


@pytest.mark.parametrize(
    ("subgroups", "state"),
    [
        ([GOOD], "passed"),
        ([GOOD, TINY], "passed"),
        ([GOOD, WIDE], "undecided"),
        ([GOOD, WIDE, BAD], "failed"),
        ([GOOD, subgroup("w", 30, score(0.8))], "undecided"),
        ([TINY], "not tested"),
        ([ONE_CLASS], "not tested"),
        ([], "not tested"),
    ],
)
def test_the_gravest_state_of_the_large_enough_subgroups_decides(subgroups, state):
    assert states(WORST, subgroups=subgroups) == [state]


def test_a_good_value_without_evidence_is_not_hidden_by_a_lower_value_that_passes():
    """.738 (.685 to .789) is lower than .76 (.55 to .90), but it is the second that nobody can rely on."""
    lower = subgroup("65–79", 60, score(0.738, 0.685, 0.789), column="age_band")
    (gate,) = judge(WORST, report(subgroups=[lower, WIDE]))
    assert (gate.state, gate.gate) == ("undecided", "worst subgroup: auroc (race x)")
    assert gate.measured == "0.760 (0.550 to 0.900)"


def test_each_subgroup_that_fails_or_is_undecided_is_named_and_the_rest_is_counted():
    (gate,) = judge(WORST, report(subgroups=[GOOD, WIDE, BAD, TINY, ONE_CLASS]))
    assert gate.gate == "worst subgroup: auroc (sex m)"
    assert gate.why == (
        "failed: sex m 0.500 (0.400 to 0.600). undecided: race x 0.760 (0.550 to 0.900). "
        "2 of 5 subgroups are too small to judge"
    )
    (passed,) = judge(WORST, report(subgroups=[GOOD, TINY]))
    assert passed.why == "1 of 2 subgroups are too small to judge"


def test_a_least_score_is_a_greatest_where_lower_is_better():
    assert states(Gates(min={"auroc": 0.7, "brier": 0.2})) == ["passed", "passed"]
    assert states(Gates(min={"auroc": 0.9, "brier": 0.05})) == ["failed", "failed"]
    assert [g.wanted for g in judge(Gates(min={"auroc": 0.9, "brier": 0.05}), report())] == [
        "at least 0.9",
        "at most 0.05",
    ]


@pytest.mark.parametrize(
    ("bounds", "state"), [((0.85, 0.95), "passed"), ((0.88, 0.95), "undecided"), ((0.5, 0.8), "failed")]
)
def test_a_score_that_is_best_near_a_value_has_two_bounds(bounds, state):
    assert states(Gates(within={"coverage": bounds})) == [state]


def test_no_gates_judge_nothing():
    assert states(Gates()) == []


@pytest.mark.parametrize(
    ("gates", "words"),
    [
        ({"min": {"auroc": 99}}, "auroc lies between 0 and 1; a bound of 99 decides nothing"),
        ({"min": {"log_loss": -1}}, "log_loss lies between 0 and inf"),
        ({"min": {"auroc": float("nan")}}, "a bound of nan decides nothing"),
        ({"worst_subgroup": {"auroc": -0.5, "min_subjects": 20}}, "a bound of -0.5 decides nothing"),
        ({"calibration_slope": [1.2, 0.8]}, "two rising numbers"),
    ],
)
def test_a_bound_that_decides_nothing_is_refused_when_the_study_is_read(gates, words):
    document = {"name": "x", "source": {"frame": "x.csv"}, "target": {"column": "y", "kind": "binary"}}
    with pytest.raises(UsageError, match=words):
        load_study({**document, "models": ["gbm"], "gates": gates})


def test_a_study_with_possible_bounds_is_read():
    document = {"name": "x", "source": {"frame": "x.csv"}, "target": {"column": "y", "kind": "binary"}}
    gates = {"min": {"auroc": 0.7, "log_loss": 1.5}, "worst_subgroup": {"auroc": 0.6, "min_subjects": 20}}
    assert load_study({**document, "models": ["gbm"], "gates": gates}).gates.min["log_loss"] == 1.5
