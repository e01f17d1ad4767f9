"""The format of report.json, and small counts that nobody outside may read."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.reports.sample_reports import imaging, molecules, records

from polyclinic.errors import BadData
from polyclinic.reports import schema


@pytest.mark.parametrize("make", [records, molecules, imaging])
def test_a_report_of_each_kind_is_valid_before_and_after_suppression(make):
    schema.validate(make())
    schema.validate(schema.suppress(make(), 5))


def test_the_schema_that_ships_is_the_one_that_was_agreed(shared):
    agreed = json.loads((shared / "examples" / "report.schema.json").read_text(encoding="utf-8"))
    assert schema.schema() == agreed


def test_a_fault_is_told_with_its_key_and_without_its_value():
    report = records()
    report["cohort"]["attrition"][1]["rows"] = "Mrs Miller"
    with pytest.raises(BadData, match=r"key cohort\.attrition\.1\.rows") as error:
        schema.validate(report)
    assert "Miller" not in str(error.value)


def test_a_missing_key_is_named():
    report = records()
    del report["gates"]
    with pytest.raises(BadData, match="'gates' is a required property"):
        schema.validate(report)


def test_small_counts_are_suppressed_in_cohort_table_1_and_subgroups():
    report = records()
    report["cohort"]["splits"][0]["groups"] = {"subject": 4}
    report["cohort"]["attrition"][0] |= {"rows": 3, "groups": {"subject": 2}}
    told = schema.suppress(report, 5)
    assert told["cohort"]["attrition"][0]["rows"] == "<5"
    assert told["cohort"]["attrition"][0]["groups"] == {"subject": "<5"}
    assert told["cohort"]["splits"][0]["groups"] == {"subject": "<5"}
    assert told["cohort"]["splits"][0]["fold"] == "0"
    assert told["cohort"]["table1"][-1] == {
        "variable": "race",
        "level": "other",
        "all": "<5",
        "negative": "<5",
        "positive": "<5",
    }
    assert told["subgroups"][3]["groups"] == "<5"
    assert told["cohort"]["missing"] == report["cohort"]["missing"]


def test_a_suppressed_subgroup_shows_no_score():
    report = records()
    report["subgroups"][0] |= {"n": 3, "groups": 1}
    told = schema.suppress(report, 5)["subgroups"][0]
    assert told["scores"]["auroc"] == {"value": None, "low": None, "high": None, "n": "<5"}
    assert told["too_small"]


def test_the_report_that_was_given_is_left_as_it_is():
    report = records()
    schema.suppress(report, 50)
    assert report == records()


@given(st.integers(0, 30), st.integers(2, 20))
def test_no_count_of_somebody_below_the_least_cell_is_ever_shown(n, least):
    report = imaging()
    report["cohort"] |= {"rows": n, "groups": {"image": n}, "targets": {"mask": {"positive": n}}}
    told = schema.suppress(report, least)["cohort"]
    shown = f"<{least}" if 0 < n < least else n  # nobody is nobody's secret
    assert (told["rows"], told["groups"]["image"], told["targets"]["mask"]["positive"]) == (shown, shown, shown)
