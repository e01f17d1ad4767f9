"""The report document: its schema, what it refuses, and small counts that nobody outside may read."""

from __future__ import annotations

import copy
import json
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from tests.reports.sample_reports import imaging, molecules, records, score, section

from polyclinic.errors import BadData
from polyclinic.reports import schema
from polyclinic.reports.document import ReportDocument
from polyclinic.reports.page import render
from polyclinic.reports.sections.training_curves import TrainingCurves
from polyclinic.reports.sections.usefulness import Usefulness

KINDS = [records, molecules, imaging]


def faults(report: ReportDocument, against: dict[str, Any]) -> list[str]:
    content = json.loads(report.to_json())
    return [f"{fault.json_path}: {fault.message}" for fault in Draft202012Validator(against).iter_errors(content)]


def test_the_schema_that_ships_is_the_one_that_the_document_generates():
    assert schema.shipped() == schema.generated(), "write it anew: python -m polyclinic.reports.schema"
    Draft202012Validator.check_schema(schema.generated())


@pytest.mark.parametrize("make", KINDS)
@pytest.mark.parametrize("min_cell", [1, 5, 50])
def test_every_report_is_valid_under_its_own_schema_and_under_the_agreed_one(make, min_cell, shared):
    agreed = json.loads((shared / "examples" / "report.schema.json").read_text(encoding="utf-8"))
    report = ReportDocument.of(make()).suppressed(min_cell)
    assert faults(report, agreed) == []
    assert faults(report, schema.generated()) == []


@pytest.mark.parametrize("make", KINDS)
def test_a_report_that_is_written_and_read_is_the_same(make):
    report = ReportDocument.of(make())
    again = ReportDocument.read(json.loads(report.to_json()))
    assert again == report
    assert again.to_json() == report.to_json()


@pytest.mark.parametrize("revision", [None, 1, 3, "2"])
def test_a_report_of_another_version_is_refused_in_one_sentence_that_says_what_to_do(revision):
    with pytest.raises(BadData, match="written by another version") as error:
        ReportDocument.read(records() | {"revision": revision})
    assert "polyclinic run" in str(error.value)


@pytest.mark.parametrize("content", [None, [], "report", 7])
def test_what_is_no_mapping_is_no_report(content):
    with pytest.raises(BadData, match="not a report"):
        ReportDocument.read(content)


def test_a_fault_is_named_by_its_key_and_without_its_value():
    report = records()
    report["cohort"]["attrition"][1]["rows"] = "Mrs Miller"
    with pytest.raises(BadData, match=r"key cohort\.attrition\.1\.rows") as error:
        ReportDocument.of(report)
    assert "Miller" not in str(error.value)


def test_a_missing_key_is_named():
    report = records()
    del report["gates"]
    with pytest.raises(BadData, match="key gates"):
        ReportDocument.of(report)


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_a_number_that_json_cannot_hold_is_refused(number):
    report = records()
    report["models"]["gbm"]["hypotension"]["test"]["auroc"]["value"] = number
    with pytest.raises(BadData):
        ReportDocument.of(report)


LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
JSON = st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3))


def paths(value: Any, here: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The keys to every value of a mapping, up to three entries of each list."""
    inside = value.items() if isinstance(value, dict) else enumerate(value[:3]) if isinstance(value, list) else ()
    return [here, *(path for key, one in inside for path in paths(one, (*here, key)))]


@settings(max_examples=30, deadline=None)
@given(st.data())
def test_a_report_in_which_anything_is_replaced_by_anything_is_drawn_or_refused(data):
    report = copy.deepcopy(molecules())
    *above, last = data.draw(st.sampled_from([path for path in paths(report) if path]))
    node = report
    for key in above:
        node = node[key]
    node[last] = data.draw(JSON)
    try:
        document = ReportDocument.read(report)
    except BadData:
        return
    assert "<html" in render(document)


# -- sections --------------------------------------------------------------------------------------------------------


def test_sections_are_read_as_what_is_registered_for_their_kind():
    report = ReportDocument.of(records())
    assert report.section(Usefulness).point("gbm", "hypotension").threshold == 0.312
    assert len(report.section(TrainingCurves).fits) == 5
    assert ReportDocument.of(imaging()).section(TrainingCurves) is None


def test_a_section_whose_type_is_not_installed_is_kept_and_not_drawn():
    report = molecules()
    stranger = {"kind": "spectrogram", "channels": [1, 2, {"a": "b"}]}
    report["sections"].append(stranger)
    document = ReportDocument.read(report)
    assert json.loads(document.to_json())["sections"][-1] == stranger
    assert "spectrogram" not in render(document)


def test_a_section_that_does_not_hold_what_its_type_says_is_refused():
    report = records()
    section(report, "usefulness")["decision"]["hypotension"]["all"] = [0.1]
    with pytest.raises(BadData, match=r"key sections\.0"):
        ReportDocument.of(report)


@dataclass(frozen=True)
class MeasuredScore:
    """A result as an evaluation hands it on: a frozen dataclass that knows nothing of the report."""

    value: float
    low: float
    high: float
    n: int
    draws: tuple[float, ...] = field(default=())


def test_frozen_dataclasses_of_an_evaluation_are_taken_as_they_are():
    report = molecules()
    report["models"]["gbm"]["crosses"]["test"]["auroc"] = MeasuredScore(0.9, 0.8, 0.95, 204)
    score = ReportDocument.of(report).models["gbm"]["crosses"].test["auroc"]
    assert (score.value, score.low, score.high, score.n) == (0.9, 0.8, 0.95, 204)


# -- suppression -----------------------------------------------------------------------------------------------------


def suppressed(report: dict[str, Any], least: int = 5) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(ReportDocument.of(report).suppressed(least).to_json())
    return content


def test_small_counts_are_suppressed_in_cohort_table_1_and_subgroups():
    report = records()
    report["cohort"]["splits"][0]["groups"] = {"subject": 4}
    report["cohort"]["attrition"][0] |= {"rows": 3, "groups": {"subject": 2}}
    shown = suppressed(report)
    assert shown["cohort"]["attrition"][0]["rows"] == "<5"
    assert shown["cohort"]["attrition"][0]["groups"] == {"subject": "<5"}
    assert shown["cohort"]["splits"][0]["groups"] == {"subject": "<5"}
    assert shown["cohort"]["splits"][0]["fold"] == "0"
    assert shown["subgroups"][3]["groups"] == "<5"
    assert shown["cohort"]["missing"] == report["cohort"]["missing"]


def test_the_share_of_a_suppressed_count_is_suppressed_with_it():
    other = next(row for row in suppressed(records())["cohort"]["table1"] if row["level"] == "other")
    for cell in (other["all"], *other["by_answer"].values()):
        assert cell == {"rows": "<5", "groups": "<5", "share": None, "text": ""}


def test_a_suppressed_subgroup_shows_no_score():
    report = records()
    report["subgroups"][0] |= {"n": 3, "groups": 1, "in_use": {"calibration_slope": score(1.0)}}
    shown = suppressed(report)["subgroups"][0]
    auroc = shown["scores"]["auroc"]
    assert (auroc["value"], auroc["low"], auroc["high"], auroc["n"]) == (None, None, None, "<5")
    assert shown["too_small"]
    assert shown["in_use"]["calibration_slope"]["value"] is None


@given(st.integers(0, 30), st.integers(2, 20))
def test_no_count_of_somebody_below_the_least_cell_is_ever_shown(n, least):
    report = imaging()
    report["cohort"] |= {"rows": n, "groups": {"image": n}, "targets": {"mask": {"positive": n}}}
    hidden = suppressed(report, least)["cohort"]
    shown = f"<{least}" if 0 < n < least else n  # nobody is nobody's secret
    assert (hidden["rows"], hidden["groups"]["image"], hidden["targets"]["mask"]["positive"]) == (shown, shown, shown)
