"""The finding says what came out, in numbers, and what not to believe."""

from __future__ import annotations

import pytest
from tests.reports.sample_reports import difference, imaging, molecules, records, score

from polyclinic.reports.finding import finding


def test_it_opens_with_the_question_and_whom_it_was_asked_of():
    text = finding(records())
    assert text.startswith("Will mean arterial pressure fall below 65 mmHg within the next two hours? ")
    assert "9,890 rows from 100 patients; 1,831 (18.5 %) are positive" in text


def test_the_chosen_model_stands_with_its_score_and_interval():
    assert "Validation chose gbm among 4 models: AUROC 0.786 (95 % interval 0.761 to 0.811)" in finding(
        records()
    )


def test_a_difference_whose_interval_includes_nought_is_level():
    text = finding(records())
    assert "clearly better than last-value (+0.064, 0.043 to 0.085)" in text
    assert "level with transformer (+0.008, −0.005 to 0.021) and logistic" in text


def test_a_comparison_is_read_from_the_side_of_the_chosen_model():
    assert "clearly better than mpnn (+0.050, 0.030 to 0.070)" in finding(molecules())


def test_a_lower_brier_score_is_the_better_one():
    report = records()
    report["comparisons"] = [difference("gbm", "last-value", "hypotension", "brier", -0.013, 0.005)]
    assert "clearly better than last-value (−0.013, −0.018 to −0.008)" in finding(report)


def test_a_studied_model_that_loses_is_said_to_have_lost():
    text = finding(molecules())
    assert "The study set out to test mpnn, which was not chosen: the package holds the baseline gbm." in text


def test_with_few_patients_a_change_of_seed_is_said_to_be_as_large_as_most_gaps():
    text = finding(records())
    assert (
        "With only 100 patients, about 12 of them for validation in a fold, a change of seed is as large as most gaps"
        in text
    )


def test_with_many_groups_nothing_is_said_of_seeds():
    assert "seed" not in finding(molecules())


@pytest.mark.parametrize("make", [molecules, imaging])
def test_where_there_are_no_patients_none_is_named(make):
    assert "patient" not in finding(make()).lower()


def test_cross_fitting_is_said_to_estimate_the_procedure():
    assert "estimate the procedure" in finding(records())
    assert "estimate the procedure" not in finding(molecules())


@pytest.mark.parametrize(
    ("slope", "words"), [(1.0, "can be read as they stand"), (0.7, "too extreme"), (1.4, "too cautious")]
)
def test_calibration_is_told_in_words(slope, words):
    report = molecules()
    report["calibration"]["gbm"]["crosses"]["after"]["slope"] = slope
    assert words in finding(report)


def test_no_calibration_is_no_sentence():
    assert "probabilities" not in finding(imaging())


def test_a_gate_that_failed_is_named_with_what_was_measured():
    report = imaging()
    report["gates"] = [
        {"gate": "dice", "state": "failed", "measured": score(0.7, 0.01), "wanted": "at least 0.75"}
    ]
    assert "failed: dice (measured 0.700 (0.690 to 0.710), wanted at least 0.75)" in finding(report)


def test_a_gate_without_evidence_is_not_said_to_have_held():
    assert "2 held; not tested, for want of evidence: worst subgroup" in finding(records())


def test_a_subgroup_that_is_served_worse_is_named():
    assert "clearly worse for race Black or African American (0.690, 0.650 to 0.730)" in finding(records())


def test_a_score_without_interval_says_so():
    report = molecules()
    report["models"]["gbm"]["crosses"]["test"]["auroc"] |= {"low": None, "high": None}
    assert "AUROC 0.930 (no interval)" in finding(report)
