"""The finding: three sentences that say what was predicted, how good it is, and what an alert is worth."""

from __future__ import annotations

from typing import Any

import pytest
from tests.reports.sample_reports import constant, difference, imaging, molecules, records, score, section

from polyclinic.reports.document import ReportDocument
from polyclinic.reports.finding import finding
from polyclinic.reports.report import Report


def finding_text(report: dict[str, Any]) -> str:
    return finding(ReportDocument.of(report))


def test_it_is_three_sentences():
    first, second, third = finding_text(records()).split(". ")
    assert first.startswith("“Will mean arterial pressure fall below 65 mmHg within the next two hours?” was predicted")
    assert second.startswith("The chosen model, gbm, has an AUROC of 0.786")
    assert third.startswith("At its threshold")


def test_the_first_says_for_whom_and_how_often_it_happened():
    assert "9,890 rows from 100 patients; 1,831 of the rows (18.5 %) are positive" in finding_text(records())


def test_where_each_patient_is_one_row_the_positive_ones_are_patients_too():
    report = records()
    report["cohort"]["groups"] = {"subject": report["cohort"]["rows"]}
    assert "for 9,890 patients; 1,831 of them (18.5 %) are positive" in finding_text(report)


@pytest.mark.parametrize("title", ["scale", "Evaluation of mine.csv", "Segment the hippocampus.", ""])
def test_a_title_that_is_no_question_stands_in_a_sentence_that_is_one(title):
    first = finding_text(records() | {"title": title}).split("; ")[0]
    name = title.rstrip(".") or "hypotension"
    assert first == f"This report, “{name}”, is about predictions for 9,890 rows from 100 patients"


def test_a_suppressed_count_has_no_share():
    report = records()
    report["cohort"]["targets"]["hypotension"]["positive"] = "<5"
    assert "; <5 of the rows are positive" in finding_text(report)


def test_the_second_stands_with_its_interval_and_beside_the_baselines():
    text = finding_text(records())
    assert "an AUROC of 0.786 (95 % interval 0.761 to 0.811) on rows that it had not learned from" in text
    assert (
        "clearly better than last-value (0.722) and not clearly different from transformer (0.778) and logistic" in text
    )


@pytest.mark.parametrize("beside", [{}, {"validation": {"auroc": score(0.8)}}])
def test_rows_are_test_rows_only_where_there_are_others(beside):
    report = records()
    for scores in report["models"].values():
        scores["hypotension"] = {"test": scores["hypotension"]["test"], **beside}
    assert f"on 9,890 {'test rows' if beside else 'rows'}" in finding_text(report)


def test_a_lower_brier_score_is_the_better_one():
    report = records()
    report["comparisons"] = [difference("gbm", "last-value", "hypotension", "brier", -0.013, 0.005)]
    for scores in report["models"].values():
        scores["hypotension"]["test"] = {"brier": scores["hypotension"]["test"]["brier"]}
    assert "clearly better than last-value (0.128)" in finding_text(report)


def test_the_third_says_how_many_of_100_alerts_are_right_and_how_many_there_are_a_day():
    third = finding_text(records()).split(". ")[2]
    assert "44 of 100 alerts are right (41 to 47), 41 of 100 positive rows are found" in third
    assert "there are 3.7 alerts a patient-day" in third


def test_where_there_are_no_days_alerts_are_counted_by_rows():
    report = records()
    section(report, "usefulness")["points"][0]["alerts_per_day"] = None
    assert "there are 15.6 alerts in 100 rows" in finding_text(report)


@pytest.mark.parametrize(
    ("measured", "words"),
    [
        (0.91, "the operating point was reached (specificity 0.910 where 0.900 was required)"),
        (
            0.885,
            "the operating point was nearly reached (specificity 0.885 where 0.900 was required, which lies within",
        ),
        (0.70, "the operating point was missed (specificity 0.700 where 0.900 was required)"),
    ],
)
def test_whether_the_operating_point_was_reached_is_said(measured, words):
    report = records()
    section(report, "usefulness")["points"][0]["scores"]["specificity"] = score(measured)
    assert words in finding_text(report)


def test_no_alert_at_all_is_said_and_nothing_is_claimed_of_100():
    report = records()
    section(report, "usefulness")["points"][0] |= {"alerts_per_100": score(0.0, 0.0)}
    assert "gives no alert at all" in finding_text(report)
    assert "of 100 alerts" not in finding_text(report)


def test_without_a_threshold_there_is_no_third_sentence():
    assert "threshold" not in finding_text(imaging())


@pytest.mark.parametrize("make", [molecules, imaging])
def test_where_there_are_no_patients_none_is_named(make):
    assert "patient" not in finding_text(make()).lower()


def test_a_score_without_interval_says_so():
    report = molecules()
    report["models"]["gbm"]["crosses"]["test"]["auroc"] |= {"low": None, "high": None}
    assert "AUROC of 0.930 (no interval)" in finding_text(report)


@pytest.mark.parametrize("make", [records, molecules])
def test_a_chosen_model_that_answers_all_alike_is_said_to_rank_by_chance(make):
    text = finding_text(constant(make(), "gbm"))
    assert "the same answer: it does not distinguish rows and ranks no better than chance" in text
    assert "of 100 alerts" not in text


def test_a_score_that_cannot_be_computed_is_said_to_be_none():
    report = molecules()
    report["models"]["gbm"]["crosses"]["test"]["auroc"] = score(None)
    assert "its AUROC cannot be computed on these rows" in finding_text(report)


def test_where_no_model_was_chosen_that_is_said():
    assert "No model was chosen." in finding_text(molecules() | {"chosen": {}})


def test_a_notebook_shows_the_finding_as_text_and_each_score_with_its_interval(tmp_path):
    html = Report(tmp_path, ReportDocument.of(molecules() | {"finding": "<script>"}))._repr_html_()
    assert "<p>&lt;script&gt;</p>" in html
    assert "0.910\u00a0to\u00a00.950" in html
