"""Before you use this: what is doubtful is named, what is right is not claimed beyond what was measured."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.reports.sample_reports import constant, imaging, molecules, records, score, section

from polyclinic.reports.calibration_words import calibration_verdict
from polyclinic.reports.cautions import cautions
from polyclinic.reports.document import ReportDocument
from polyclinic.reports.results import Calibrations


def texts(report: dict[str, Any]) -> dict[str, str]:
    return {caution.title: caution.text for caution in cautions(ReportDocument.of(report))}


# -- calibration -----------------------------------------------------------------------------------------------------


def calibrations(slope: Any, level: Any, **more: Any) -> Calibrations:
    return Calibrations.model_validate({"before": {"slope": slope, "observed_expected": level, **more}})


def sentence(slope: Any, level: Any) -> str:
    return calibration_verdict("gbm", calibrations(slope, level)).sentence


@pytest.mark.parametrize(
    ("slope", "level", "words"),
    [
        (score(1.0, 0.05), score(1.0, 0.05), "agree with what happened, in level and in spread"),
        (score(1.0, 0.05), score(0.9, 0.08), "they are too high on average, and their spread is right"),
        (score(0.97, 0.1), score(0.34, 0.1), "they are too high on average, and their spread is right"),
        (score(1.0, 0.05), score(1.3, 0.1), "they are too low on average"),
        (score(0.7, 0.1), score(0.8, 0.1), "too high on average, and they are too extreme"),
        (score(1.4, 0.1), score(1.0, 0.05), "their level is right, and they are too cautious"),
        (score(0.8, 0.5), score(1.0, 0.05), "too little evidence to judge their spread"),
        (score(1.0, 0.05), score(1.0, 0.6), "too little evidence to judge their level"),
        (score(1.0, 0.05), None, "their level was not measured"),
    ],
)
def test_the_words_follow_from_level_and_slope_together(slope, level, words):
    assert words in sentence(slope, level)


def test_a_slope_or_a_level_without_an_interval_is_no_evidence():
    alone = {"value": 1.0, "low": None, "high": None, "n": 90}
    assert "Do not read" in sentence(alone, score(1.0, 0.05))
    assert "Do not read" in sentence(score(1.0, 0.05), alone)


RATIOS = st.floats(0.2, 3.0)


@given(RATIOS, RATIOS)
def test_probabilities_are_never_called_right_when_level_or_slope_is_far_off(slope, level):
    verdict = calibration_verdict("gbm", calibrations(score(slope, 0.04), score(level, 0.04)))
    far = min(abs(slope - 1), abs(level - 1)) > 0.15 or max(abs(slope - 1), abs(level - 1)) > 0.3
    assert not (far and verdict.can_be_trusted)
    assert verdict.can_be_trusted == ("agree with what happened" in verdict.sentence)


def test_what_was_predicted_and_what_happened_stand_beside_the_level():
    curve = [{"predicted": 0.1, "observed": 0.08, "n": 50}, {"predicted": 0.3, "observed": 0.29, "n": 150}]
    verdict = calibration_verdict("gbm", calibrations(score(1.0, 0.05), score(0.95, 0.02), curve=curve))
    assert "25.0 % predicted, 23.8 % observed; observed : expected 0.95" in verdict.sentence


def test_recalibration_that_made_it_worse_is_said_to_have_done_so():
    before = {"slope": score(1.04, 0.05), "observed_expected": score(1.0, 0.05), "ece": 0.01}
    after = {"slope": score(1.01, 0.05), "observed_expected": score(0.9, 0.05), "ece": 0.03}
    text = calibration_verdict("gbm", Calibrations.model_validate({"before": before, "after": after})).sentence
    assert "Recalibration made the level (0.00 before) and the mean error (0.010 before) worse." in text


def test_probabilities_that_were_left_as_they_were_are_said_to_be_so():
    before = {"slope": score(1.0, 0.05), "observed_expected": score(1.0, 0.05)}
    text = calibration_verdict("gbm", Calibrations.model_validate({"before": before, "after": before})).sentence
    assert "gave no reason to recalibrate them" in text


def test_no_calibration_is_no_caution():
    assert "Calibration" not in texts(imaging())
    assert "Calibration" not in texts(constant(records(), "gbm"))


# -- the others ------------------------------------------------------------------------------------------------------


def test_gates_that_did_not_pass_are_named_with_what_was_measured():
    report = imaging()
    report["gates"] = [
        {"gate": "dice", "state": "failed", "measured": "0.700 (0.690 to 0.710)", "wanted": "at least 0.75"}
    ]
    text = texts(report)["Gates"]
    assert text == (
        "0 of 1 conditions that were set before the run passed. "
        "Failed: dice (measured 0.700 (0.690 to 0.710), wanted at least 0.75)."
    )


def test_gates_that_all_passed_need_no_caution():
    assert "Gates" not in texts(imaging())


def test_a_gate_without_evidence_is_not_counted_as_passed():
    assert texts(records())["Gates"].startswith("2 of 3 conditions that were set before the run passed. Not tested:")


def test_a_check_that_warns_stands_first_and_in_full():
    report = records()
    leak = {"check": "near_leak", "applies": True, "why": "Is it known by then?", "result": "x alone has AUROC 0.996"}
    report["sanity"] = [leak]
    first = cautions(ReportDocument.of(report))[0]
    assert (first.title, first.text) == ("Near leak", "x alone has AUROC 0.996. Is it known by then?")


def test_notes_are_named_and_counted_where_they_are_many():
    notes = [{"check": f"note {i}", "result": f"{i} rows", "why": "w", "step": "fit"} for i in range(6)]
    text = texts(records() | {"notes": notes})["Noted during the run"]
    assert (
        text == "note 0: 0 rows; note 1: 1 rows; note 2: 2 rows; note 3: 3 rows; 2 more stand under “Checks and notes”."
    )
    assert "Noted during the run" not in texts(records())


def test_the_most_serious_stands_first_and_notes_stand_after_the_gates():
    report = records()
    report["notes"] = [
        {"check": "split.validation", "result": "has no say", "why": "", "step": "", "level": "detail"},
        {"check": "repeats", "result": "60 molecules stand in several rows", "why": "", "step": "samples"},
        {"check": "labels", "result": "10 rows contradict", "why": "Look.", "step": "samples", "level": "serious"},
    ]
    report["sanity"] = [{"check": "leak", "applies": True, "why": "", "result": "x alone has AUROC 0.996"}]
    report["choosing"] = {"hypotension": choosing("gbm", "logistic")}
    titles = [caution.title for caution in cautions(ReportDocument.of(report))]
    known = [
        "Leak", "Labels", "Gates", "Calibration", "Subgroups", "The studied model was not chosen", "Choosing",
        "Few decide", "Noted during the run", "Few data", "What was scored",
    ]  # fmt: skip
    assert titles == [title for title in known if title in titles]
    assert {"Leak", "Labels", "Gates", "Choosing", "Noted during the run"} <= set(titles)


def test_a_serious_note_is_said_in_full_and_a_detail_is_counted():
    report = records()
    report["notes"] = [
        {"check": "labels", "result": "10 rows contradict", "why": "Look at them.", "level": "serious"},
        {"check": "repeats", "result": "60 stand in several rows", "why": "", "level": "notable"},
        {"check": "split.validation", "result": "has no say", "why": "", "level": "detail"},
    ]
    every = texts(report)
    assert every["Labels"] == "10 rows contradict. Look at them."
    assert every["Noted during the run"] == "repeats: 60 stand in several rows; 1 more stands under “Checks and notes”."


def choosing(first, second):
    """What choosing costs where one fold would have been scored by another model."""
    nested, optimism = ({"auroc": score(value, 0.01)} for value in (0.783, 0.003))
    return {"by_fold": {"0": first, "1": second}, "nested": nested, "optimism": optimism}


def test_choosing_that_flatters_is_a_caution_and_choosing_that_does_not_is_none():
    text = texts(records() | {"choosing": {"hypotension": choosing("gbm", "logistic")}})["Choosing"]
    assert "AUROC is 0.783" in text
    assert "flatters gbm by 0.003" in text
    assert "Choosing" not in texts(records() | {"choosing": {"hypotension": choosing("gbm", "gbm")}})


SPREAD = {"group": "subject", "groups": 100, "rows": 9890, "median_rows": 70, "most_rows": 680, "few": 10}
SPREAD |= {"share_of_rows": 0.41, "share_of_positives": 0.55, "positive_rows": 1831, "positive_groups": 80}


@pytest.mark.parametrize(("effective", "is_uneven"), [(40.0, True), (80.0, False)])
def test_a_few_patients_that_decide_are_named(effective, is_uneven):
    report = records()
    section(report, "evidence")["concentration"] |= SPREAD | {"effective_groups": effective}
    cautions = texts(report)
    assert ("Few decide" in cautions) == is_uneven
    if is_uneven:
        expected = "The 10 patients with most rows hold 41 % of the rows and 55 % of the positive ones"
        assert cautions["Few decide"].startswith(expected)
        assert "carry as much evidence as 40.0 of one size" in cautions["Few decide"]


def test_intervals_that_are_worth_little_are_said_to_be():
    report = records()
    report["models"]["gbm"]["hypotension"]["test"]["auroc"]["evidence"] = "little"
    assert "may be too narrow" in texts(report)["Intervals"]


@pytest.mark.parametrize("change", [{"warns": False}, {"applies": False}, {"result": score(0.51)}, {"result": None}])
def test_a_check_that_found_nothing_is_no_caution(change):
    check = {"check": "shuffled labels", "applies": True, "why": "w", "result": "something"}
    assert "shuffled labels" not in texts(records() | {"sanity": [check | change]})


@pytest.mark.parametrize(
    ("value", "words"), [(0.52, "not shown to rank better than chance"), (0.4, "ranks worse than chance")]
)
def test_an_interval_that_contains_chance_is_said_to_do_so(value, words):
    report = molecules()
    assert "Chance" not in texts(report)
    report["models"]["gbm"]["crosses"]["test"]["auroc"] = score(value, 0.05)
    assert words in texts(report)["Chance"]


def test_a_subgroup_that_is_served_worse_is_named():
    assert "race Black or African American (0.690, 0.650 to 0.730)" in texts(records())["Subgroups"]


def test_a_studied_model_that_loses_is_said_to_have_lost():
    text = texts(molecules())["The studied model was not chosen"]
    assert text.startswith("The study set out to test mpnn, which was not chosen: the package holds the baseline gbm.")
    assert "the baseline gbm was" in texts(molecules() | {"package": None})["The studied model was not chosen"]


def test_cross_fitting_is_said_to_estimate_the_procedure():
    assert "The scores estimate the procedure; the package" in texts(records())["What was scored"]
    assert texts(records() | {"package": None})["What was scored"].endswith("The scores estimate the procedure.")
    assert "What was scored" not in texts(molecules())


def test_with_few_patients_a_change_of_seed_is_said_to_be_as_large_as_most_gaps():
    assert (
        "With 100 patients, a change of the seed can move scores by as much as most gaps"
        in texts(records())["Few data"]
    )
    assert "Few data" not in texts(molecules())
