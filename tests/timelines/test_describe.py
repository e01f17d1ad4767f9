"""Describing a source: searched by a pattern, said how many of how many, ingested or not."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path

import polars as pl
import pytest

from polyclinic.errors import BadData, UsageError
from polyclinic.timelines import describe
from polyclinic.timelines.ingest import describe_source, ingest, open_source


@pytest.fixture
def meds(tmp_path) -> Path:
    """40 codes, of which LAB//7 is the commonest; an empty code; times in Chicago."""
    codes = [f"LAB//{n}" for n in range(40)] + ["LAB//7"] * 3 + ["  "]
    times = pl.Series([datetime(2024, 7, 1, 12)] * len(codes)).dt.replace_time_zone("America/Chicago")
    frame = pl.DataFrame({"subject_id": [1] * len(codes), "time": times, "code": codes})
    (tmp_path / "meds" / "data").mkdir(parents=True)
    frame.write_parquet(tmp_path / "meds" / "data" / "0.parquet")
    (tmp_path / "meds" / "data" / "notes.txt").write_text("no Parquet")
    return tmp_path / "meds"


def test_the_commonest_codes_are_listed_and_how_many_there_are(meds):
    facts = describe_source(meds)
    assert describe.listed_of(facts) == "30 of 40 codes, the commonest"
    assert facts["commonest"][0]["code"] == "LAB//7"
    assert facts["left_out"] == {"code: missing": 1}


def test_a_pattern_lists_every_code_that_matches_capitals_or_not(meds):
    facts = describe_source(meds, codes="lab//1")
    assert {c["code"] for c in facts["commonest"]} == {"LAB//1", *(f"LAB//1{n}" for n in range(10))}
    assert describe.listed_of(facts) == "11 of 40 codes"
    with pytest.raises(UsageError, match="not a pattern"):
        describe_source(meds, codes="LAB//(")


def test_times_are_described_on_the_wall_clock(meds, tmp_path):
    ingest("meds", meds, tmp_path / "out", max_quarantined=1.0)
    for source in (meds, tmp_path / "out"):
        facts = describe_source(source)
        assert (facts["time"]["first"], facts["zone"]) == ("2024-07-01T12:00:00", "America/Chicago")


def test_a_file_that_is_no_table_is_named_in_the_counts_of_the_ingest(meds, tmp_path):
    summary = ingest("meds", meds, tmp_path / "out", max_quarantined=1.0).summary()
    assert summary["files"]["data/notes.txt"]["noted"] == {"a file that is no Parquet, not read": 1}


def test_a_table_file_is_described_without_being_ingested_first(tmp_path):
    (tmp_path / "rows.csv").write_text("id,age\n007,60\n7,70\n")
    facts = describe_source(tmp_path / "rows.csv")
    assert (facts["rows"], [c["column"] for c in facts["columns"]]) == (2, ["id", "age"])  # not the number of a row
    assert facts["ingest"]["noted"] == {"kept as text: column 'id', written as codes": 2}
    assert describe.listed_of(describe_source(tmp_path / "rows.csv", codes="AGE")) == "1 of 2 columns"


@pytest.mark.parametrize(
    ("layout", "what", "fix"), [(None, "an older", "ingest the source again"), (99, "a newer", "update")]
)
def test_a_folder_of_another_layout_gets_one_sentence_that_says_what_to_do(meds, tmp_path, layout, what, fix):
    ingest("meds", meds, tmp_path / "out", max_quarantined=1.0)
    path = tmp_path / "out" / "metadata" / "summary.json"
    summary = json.loads(path.read_text()) | {"layout": layout}
    path.write_text(json.dumps({k: v for k, v in summary.items() if v is not None}))
    with pytest.raises(BadData, match=f"ingested by {what} version") as caught:
        open_source(tmp_path / "out")
    assert fix in caught.value.fix


def test_a_table_keeps_the_zone_of_its_times(tmp_path):
    (tmp_path / "rows.csv").write_text("x,t\n1,2024-11-03T01:45:00-05:00\n2,2024-11-03T01:15:00-06:00\n")
    table = ingest("table", tmp_path / "rows.csv", tmp_path / "out", zone="America/Chicago")
    assert table.rows()["t"].is_sorted()
    assert table.rows()["t"].dt.strftime("%H:%M%z").to_list() == ["01:45-0500", "01:15-0600"]
    assert table.summary()["zone"] == "America/Chicago"


def test_a_link_that_leads_out_of_the_folder_is_refused(meds, tmp_path):
    elsewhere = tmp_path / "elsewhere.parquet"
    (meds / "data" / "0.parquet").rename(elsewhere)
    (meds / "data" / "0.parquet").symlink_to(elsewhere)
    with pytest.raises(BadData, match="a link that leads out of its folder"):
        open_source(meds).describe()
