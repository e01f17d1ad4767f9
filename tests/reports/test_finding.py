"""The finding says what came out, in numbers, and what not to believe."""

from __future__ import annotations

import pytest
from tests.reports.sample_reports import calibration, constant, difference, imaging, molecules, records, score

from polyclinic.reports.finding import finding
from polyclinic.reports.report import Report


def test_it_opens_with_the_question_and_whom_it_was_asked_of():
    text = finding(records())
    assert text.startswith("Will mean arterial pressure fall below 65 mmHg within the next two hours? ")
    assert "9,890 rows from 100 patients; 1,831 (18.5 %) are positive" in text


def test_the_chosen_model_stands_with_its_score_and_interval():
    assert "Validation chose gbm among 4 models: AUROC 0.786 (95 % interval 0.761 to 0.811)" in finding(records())


def test_a_difference_whose_interval_includes_nought_is_level():
    text = finding(records())
    assert "clearly better than last-value (+0.064, 0.043 to 0.085)" in text
    assert "level with transformer (+0.008, −0.005 to 0.021) and logistic" in text


def test_the_chosen_model_is_compared_though_it_is_a_baseline():
    assert "clearly better than mpnn (+0.050, 0.030 to 0.070)" in finding(molecules())


def test_a_lower_brier_score_is_the_better_one():
    report = records()
    report["comparisons"] = [difference("gbm", "last-value", "hypotension", "brier", -0.013, 0.005)]
    for scores in report["models"].values():
        scores["hypotension"]["test"] = {"brier": scores["hypotension"]["test"]["brier"]}
    assert "clearly better than last-value (−0.013, −0.018 to −0.008)" in finding(report)


def test_a_studied_model_that_loses_is_said_to_have_lost():
    text = finding(molecules())
    assert "The study set out to test mpnn, which was not chosen: the package holds the baseline gbm." in text


def test_with_few_patients_a_change_of_seed_is_said_to_be_as_large_as_most_gaps():
    text = finding(records())
    assert (
        "With only 100 patients, about 12 of them for validation in a fold, a change of seed can be as large as most gaps"
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
    report["gates"] = [{"gate": "dice", "state": "failed", "measured": score(0.7, 0.01), "wanted": "at least 0.75"}]
    assert "failed: dice (measured 0.700 (0.690 to 0.710), wanted at least 0.75)" in finding(report)


def test_a_gate_without_evidence_is_not_said_to_have_held():
    assert "2 held; not tested, for want of evidence: worst subgroup" in finding(records())


def test_a_subgroup_that_is_served_worse_is_named():
    assert "clearly worse for race Black or African American (0.690, 0.650 to 0.730)" in finding(records())


def test_a_score_without_interval_says_so():
    report = molecules()
    report["models"]["gbm"]["crosses"]["test"]["auroc"] |= {"low": None, "high": None}
    assert "AUROC 0.930 (no interval)" in finding(report)


def test_a_chosen_model_that_answers_all_alike_is_said_to_rank_by_chance():
    for make in (records, molecules):
        text = finding(constant(make(), "gbm"))
        assert "the same answer: it tells no row from another and ranks no better than chance" in text
        assert "The probabilities of gbm" not in text


def test_a_baseline_that_answers_all_alike_is_explained_where_it_is_compared():
    text = finding(constant(records(), "last-value"))
    told = "of these, last-value gives every row of a fold the same answer: a rank score that is chance"
    assert told in text
    both = finding(constant(constant(records(), "last-value"), "logistic"))
    assert "of these, last-value and logistic give every row of a fold the same answer" in both


@pytest.mark.parametrize(
    ("value", "words"), [(0.52, "not shown to rank better than chance"), (0.4, "ranks worse than chance"), (0.6, "")]
)
def test_an_interval_that_includes_chance_is_told_in_plain_words(value, words):
    report = molecules()
    report["models"]["gbm"]["crosses"]["test"]["auroc"] = score(value, 0.05)
    assert words in finding(report)
    assert ("AUROC of chance is 0.5" in finding(report)) == bool(words)


def recalibrated(before: tuple[float, float], after: tuple[float, float]) -> str:
    report, found = molecules(), calibration(1.0)
    for when, (slope, ece) in (("before", before), ("after", after)):
        found[when] |= {"slope": score(slope, 0.05), "ece": ece}
    report["calibration"]["gbm"]["crosses"] = found
    return finding(report)


@pytest.mark.parametrize(
    ("after", "words"),
    [
        ((1.02, 0.030), "recalibration made the average gap (2.0 points before) worse"),
        ((0.95, 0.010), "recalibration made the slope (1.04 before) worse"),
        ((0.90, 0.030), "made the slope (1.04 before) and the average gap (2.0 points before) worse"),
        ((1.00, 0.020), ""),
    ],
)
def test_recalibration_that_made_it_worse_is_said_to_have_done_so(after, words):
    text = recalibrated((1.04, 0.020), after)
    assert words in text
    assert ("recalibration made" in text) == bool(words)


def test_probabilities_that_were_left_as_they_were_are_said_to_be_so():
    report = molecules()
    entry = report["calibration"]["gbm"]["crosses"]
    entry["after"] = dict(entry["before"])
    text = finding(report)
    assert "gbm, as given (validation gave no reason to recalibrate them)" in text
    assert "after recalibration" not in text


def test_a_slope_that_the_rows_cannot_tell_is_not_called_right_or_wrong():
    report = molecules()
    report["calibration"]["gbm"]["crosses"]["after"]["slope"] = score(0.8, 0.5)
    text = finding(report)
    assert "are not shown to be right or wrong (slope 0.80, 0.300 to 1.300: too little evidence" in text
    assert "too extreme" not in text


def test_a_comparison_that_was_not_made_is_named():
    assert "not compared with the other models" in finding(molecules() | {"comparisons": []})
    report = molecules()
    del report["models"]["mpnn"]
    assert "No other model stands beside it" in finding(report | {"comparisons": []})


def test_a_score_that_cannot_be_computed_is_said_to_be_none():
    report = molecules()
    report["models"]["gbm"]["crosses"]["test"]["auroc"] = score(None)
    assert "its AUROC cannot be computed on these rows" in finding(report)


def test_nothing_is_said_of_a_package_where_there_is_none():
    assert "the package answers with the mean of those 5 models" in finding(records())
    assert "package" not in finding(records() | {"package": None})


def test_a_warning_is_pointed_at():
    report = molecules()
    report["sanity"] = [{"check": "near_leak", "applies": True, "why": "w", "result": "column x alone has AUROC 0.996"}]
    assert "Read the warnings before believing any of this: near leak." in finding(report)


def test_a_notebook_shows_the_finding_as_text_and_each_score_with_its_interval(tmp_path):
    html = Report(tmp_path, molecules() | {"finding": "<script>"})._repr_html_()
    assert "<p>&lt;script&gt;</p>" in html
    assert "0.910\u00a0to\u00a00.950" in html


def test_a_slope_without_an_interval_says_nothing():
    report = molecules()
    report["calibration"]["gbm"]["crosses"]["after"]["slope"] = {"value": 0.1, "low": None, "high": None, "n": 9}
    assert "are not shown to be right or wrong" in finding(report)
