"""Ingest: the books add up, the bytes repeat, bad input gives an error that helps."""

from __future__ import annotations

import contextlib
import subprocess
from datetime import datetime

import polars as pl
import pyarrow.parquet as pq
import pytest
from meds.schema import CodeMetadataSchema, DataSchema, DatasetMetadataSchema

from polyclinic import fingerprint
from polyclinic.errors import BadData, UnknownName, UsageError
from polyclinic.timelines.ingest import detect, ingest, open_source
from polyclinic.timelines.rows import RowTable
from polyclinic.timelines.timeline import Timeline


@pytest.fixture
def meds(tmp_path):
    """A small MEDS data set: 40 subjects in two files, one row of them without a code."""
    folder = tmp_path / "meds"
    for name, first in (("train", 0), ("held_out", 20)):
        rows = [(s, None, "SEX//F", None) for s in range(first, first + 20)]
        rows += [(s, datetime(2100, 1, 1 + h), "HR", float(h)) for s in range(first, first + 20) for h in range(9)]
        frame = pl.DataFrame(rows, ["subject_id", "time", "code", "numeric_value"], orient="row")
        if first:
            frame = frame.with_columns(code=pl.when(pl.int_range(pl.len()) == 5).then(None).otherwise("code"))
        (folder / "data" / name).mkdir(parents=True)
        frame.write_parquet(folder / "data" / name / "0.parquet")
    return folder


def adds_up(tally) -> bool:
    return tally["rows_in"] == tally["used"] + tally["quarantined"] + sum(tally["non_events"].values())


def test_meds_goes_in_and_comes_out_in_the_schema_of_meds(meds, tmp_path):
    timeline = ingest("meds", meds, tmp_path / "out")
    for shard in timeline.shards():
        DataSchema.validate(pq.read_table(shard))
    metadata = tmp_path / "out" / "metadata"
    CodeMetadataSchema.validate(pq.read_table(metadata / "codes.parquet"))
    DatasetMetadataSchema.validate(__import__("json").loads((metadata / "dataset.json").read_text()))
    assert timeline.scan().collect().height == 399


def test_the_counts_add_up_for_each_file_and_in_all_and_the_refused_row_is_in_quarantine(meds, tmp_path):
    summary = ingest("meds", meds, tmp_path / "out").summary()
    assert all(adds_up(tally) for tally in (summary, *summary["files"].values()))
    assert (summary["rows_in"], summary["used"], summary["quarantined"]) == (400, 399, 1)
    (file,) = (tmp_path / "out" / "quarantine").glob("*.parquet")
    (row,) = pl.read_parquet(file).to_dicts()
    assert row == {
        "file": "data/held_out/0.parquet", "row": 5, "column": "code", "reason": "missing", "whole_row": True
    }  # fmt: skip


def test_an_infinite_number_is_quarantined_and_named_in_the_summary(meds, tmp_path):
    path = meds / "data" / "train" / "0.parquet"
    row = pl.int_range(pl.len())
    value = pl.when(row == 30).then(float("-inf")).when(row == 31).then(1e300).otherwise("numeric_value")
    pl.read_parquet(path).with_columns(numeric_value=value).write_parquet(path)
    timeline = ingest("meds", meds, tmp_path / "out")
    assert (timeline.summary()["rows_in"], timeline.summary()["used"], timeline.summary()["quarantined"]) == (
        400,
        397,
        3,
    )
    named = {"file": "data/train/0.parquet", "column": "numeric_value", "reason": "an infinite number"}
    assert named | {"count": 2, "first_row": 30} in timeline.summary()["reasons"]
    assert timeline.scan().collect()["numeric_value"].is_infinite().sum() == 0


def test_two_runs_give_the_same_bytes(meds, tmp_path):
    for name in ("one", "two"):
        ingest("meds", meds, tmp_path / name)
    assert fingerprint.of_folder(tmp_path / "one") == fingerprint.of_folder(tmp_path / "two")


def test_too_much_in_quarantine_stops_and_leaves_nothing(meds, tmp_path):
    with pytest.raises(BadData, match="1 of 400 rows cannot be read") as caught:
        ingest("meds", meds, tmp_path / "out", max_quarantined=0.001)
    assert (caught.value.at.file, caught.value.at.row, caught.value.at.column) == ("data/held_out/0.parquet", 5, "code")
    assert not (tmp_path / "out").exists()
    assert [p.name for p in tmp_path.iterdir()] == ["meds"]


def test_a_meds_data_set_is_opened_as_it_is(meds):
    timeline = open_source(meds)
    assert isinstance(timeline, Timeline)
    assert {"numeric_value", "text_value"} <= set(timeline.scan().collect_schema().names())
    assert timeline.summary() == {}


def test_a_finished_ingest_is_opened_as_what_it_is(meds, tmp_path):
    (tmp_path / "a.csv").write_text("x,y\n1,2\n")
    ingest("table", tmp_path / "a.csv", tmp_path / "rows")
    ingest("meds", meds, tmp_path / "events")
    assert isinstance(open_source(tmp_path / "rows"), RowTable)
    assert isinstance(open_source(tmp_path / "events"), Timeline)


def test_an_empty_folder_says_so(tmp_path):
    (tmp_path / "nothing").mkdir()
    with pytest.raises(BadData, match="empty"):
        ingest("meds", tmp_path / "nothing", tmp_path / "out")


def test_a_folder_that_is_not_there_says_so(tmp_path):
    with pytest.raises(UsageError, match="no such file or folder"):
        ingest("meds", tmp_path / "nowhere", tmp_path / "out")


def test_a_wrong_folder_names_what_was_looked_for_and_what_it_looks_like(meds, tmp_path):
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters" / "a.txt").write_text("dear colleague")
    with pytest.raises(BadData, match="looked for Parquet files with subject_id, time and code in data/"):
        ingest("meds", tmp_path / "letters", tmp_path / "out")
    with pytest.raises(BadData) as caught:
        ingest("table", meds, tmp_path / "out")
    assert "this looks like meds" in caught.value.fix


def test_a_format_is_found_by_sniffing(meds, tmp_path):
    assert detect(meds) == "meds"
    (tmp_path / "a.csv").write_text("x,y\n1,2\n")
    assert detect(tmp_path / "a.csv") == "table"
    (tmp_path / "a.txt").write_text("dear colleague")
    with pytest.raises(BadData, match="no format knows this source"):
        detect(tmp_path / "a.txt")


def test_a_misspelt_format_suggests_the_nearest(meds, tmp_path):
    with pytest.raises(UnknownName) as caught:
        ingest("mds", meds, tmp_path / "out")
    assert "meds" in caught.value.fix


def test_a_parquet_that_was_cut_short_is_named(meds, tmp_path):
    file = meds / "data" / "train" / "0.parquet"
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(BadData, match="may be cut short") as caught:
        ingest("meds", meds, tmp_path / "out")
    assert "0.parquet" in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_files_in_different_zones_are_named(meds, tmp_path):
    for name, zone in (("train", "Europe/Berlin"), ("held_out", "UTC")):
        file = meds / "data" / name / "0.parquet"
        frame = pl.read_parquet(file).with_columns(pl.col("time").dt.replace_time_zone(zone))
        frame.write_parquet(file)
    with pytest.raises(BadData, match=r"mixed zones: Europe/Berlin in data/train/0\.parquet: time; UTC in "):
        ingest("meds", meds, tmp_path / "out")
    first = ingest("meds", meds, tmp_path / "out", zone="Etc/GMT-2").scan().select(pl.col("time").min()).collect()
    assert first.item() == datetime(2100, 1, 1, 1)  # midnight in Berlin, told one hour further east


def test_a_folder_that_was_never_ingested_says_what_to_do(tmp_path):
    with pytest.raises(BadData, match="neither an ingested folder nor a MEDS data set") as caught:
        open_source(tmp_path)
    assert "polyclinic ingest" in caught.value.fix


@pytest.fixture
def tiny_disk(tmp_path):
    """A disk of 64 KiB; skips where none may be mounted."""
    place = tmp_path / "disk"
    place.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", place], capture_output=True).returncode:
        pytest.skip("needs the right to mount a small disk")
    yield place
    subprocess.run(["umount", place], check=True)


def test_a_full_disk_says_so_and_leaves_nothing_behind(tmp_path, tiny_disk):
    data = tmp_path / "meds" / "data"
    data.mkdir(parents=True)
    many = pl.select(subject_id=pl.int_range(50_000), code=pl.lit("A")).with_columns(
        time=pl.lit(datetime(2100, 1, 1)), numeric_value=pl.col("subject_id").hash().cast(pl.Float32)
    )
    many.write_parquet(data / "0.parquet")
    with pytest.raises(BadData, match="no space left on the disk"):
        ingest("meds", tmp_path / "meds", tiny_disk / "out")
    assert list(tiny_disk.iterdir()) == []


def test_an_ingest_is_written_anew_but_never_over_other_files(meds, tmp_path):
    ingest("meds", meds, tmp_path / "out", max_quarantined=1.0)
    ingest("meds", meds, tmp_path / "out", max_quarantined=1.0)
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "thesis.txt").write_text("three years")
    for place in (tmp_path / "work", tmp_path / "work" / "thesis.txt"):
        with pytest.raises(UsageError, match="something else at the place to write to"):
            ingest("meds", meds, place, max_quarantined=1.0)
    assert (tmp_path / "work" / "thesis.txt").read_text() == "three years"


def test_an_ingest_that_refused_every_row_is_described_all_the_same(tmp_path):
    (tmp_path / "meds" / "data").mkdir(parents=True)
    events = pl.DataFrame({"subject_id": [None], "time": [datetime(2100, 1, 1)], "code": ["A"]})
    events.cast({"subject_id": pl.Int64}).write_parquet(tmp_path / "meds" / "data" / "0.parquet")
    timeline = ingest("meds", tmp_path / "meds", tmp_path / "out", max_quarantined=1.0)
    facts = timeline.describe()
    assert (facts["subjects"], facts["events"], facts["ingest"]["quarantined"]) == (0, 0, 1)


def test_a_meds_folder_whose_subjects_are_text_is_to_be_ingested_first(tmp_path):
    (tmp_path / "data").mkdir()
    events = pl.DataFrame({"subject_id": ["007"], "time": ["2100-01-01"], "code": ["A"]})
    events.write_parquet(tmp_path / "data" / "0.parquet")
    with pytest.raises(BadData, match="'subject_id' holds String"):
        Timeline(tmp_path).describe()
    assert ingest("meds", tmp_path, tmp_path / "out").scan().collect()["subject_id"].dtype == pl.Int64


def test_the_reason_for_a_refused_event_names_the_column_that_is_missing_or_text():
    events = pl.DataFrame({"subject_id": [1], "time": [datetime(2100, 1, 1)], "code": ["A"], "end_time": ["noon"]})
    with pytest.raises(BadData, match="'end_time' is text"):
        Timeline.of(events).scan()
    with pytest.raises(UnknownName, match="unknown column 'code'"):
        Timeline.of(events.drop("code")).scan()


@pytest.mark.parametrize("kind", [pl.Duration, pl.Time, pl.Binary, pl.List(pl.Int64), pl.Struct({"a": pl.Int64})])
@pytest.mark.parametrize("name", ["subject_id", "time", "code", "numeric_value"])
def test_a_column_of_a_type_that_does_not_serve_is_one_error_or_quarantined(tmp_path, name, kind):
    columns = {"subject_id": [1], "time": [datetime(2020, 1, 1)], "code": ["HR"], "numeric_value": [1.0]}
    (tmp_path / "data").mkdir()
    pl.DataFrame(columns).with_columns(pl.lit(None, kind).alias(name)).write_parquet(tmp_path / "data" / "0.parquet")
    with contextlib.suppress(BadData):
        ingest("meds", tmp_path, tmp_path / "out", max_quarantined=1.0)


def test_a_column_without_a_name_is_numbered_and_one_with_a_control_character_refused(tmp_path):
    (tmp_path / "a.csv").write_text(",x\n0,1\n1,2\n")
    assert ingest("table", tmp_path / "a.csv", tmp_path / "out").rows().columns == ["row_id", "column_1", "x"]
    (tmp_path / "b.csv").write_bytes(b"a\0b,x\n0,1\n")
    with pytest.raises(BadData, match="character that cannot be shown"):
        ingest("table", tmp_path / "b.csv", tmp_path / "out")
