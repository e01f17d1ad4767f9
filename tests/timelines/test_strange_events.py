"""MEDS data sets of strangers: what a column may hold, which files count, and what is noted; ingested and opened as is."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from pathlib import Path

import polars as pl
import pytest

from polyclinic import notes
from polyclinic.cohorts.extract import extract
from polyclinic.cohorts.task_parser import parse_task
from polyclinic.errors import BadData, UsageError
from polyclinic.timelines.format import EARLIER_END, EARLIER_KNOWN, ROUNDED
from polyclinic.timelines.identifiers import number_of
from polyclinic.timelines.ingest import ingest, open_source
from polyclinic.timelines.zones import NAIVE, SiteClock, zones_in_frame

DAYS = [datetime(2026, 1, 31, 8), datetime(2026, 1, 31, 9)]


def meds(folder: Path, **columns: object) -> Path:
    """A data set of two events of one subject, some columns replaced or added."""
    (folder / "data").mkdir(parents=True)
    pl.DataFrame({"subject_id": [1, 1], "time": DAYS, "code": ["A", "B"], **columns}).write_parquet(
        folder / "data" / "0.parquet"
    )
    return folder


def both(source: Path, tmp_path: Path):
    """The timeline, ingested and opened as it is."""
    return ingest("meds", source, tmp_path / "out", max_quarantined=1), open_source(source)


@pytest.mark.parametrize(
    ("written", "zone"),
    [
        ("2026-01-31 08:00:00 +01:00", "+01:00"),
        ("2026-01-31 08:00:00 +0100", "+01:00"),
        ("2026-01-31 08:00 +01", "+01:00"),
        ("2026-01-31 07:00:00z", "UTC"),
        ("2026-01-31 07:00:00 UTC", "UTC"),
        ("2026-01-31T07:00:00 GMT", "UTC"),
        ("2026-01-31T08:00:00", NAIVE),
        ("2026-01-31T08:00:00+25:00", NAIVE),
    ],
)
def test_the_zone_of_a_text_is_seen_wherever_it_is_read_by_it(written, zone):
    frame = pl.DataFrame({"t": [written]})
    assert set(zones_in_frame(frame, ["t"], "f").values()) == {zone}
    read = frame.select(SiteClock("Europe/Berlin").times("t", pl.String())).item()
    assert read == (None if "25:00" in written else datetime(2026, 1, 31, 8))


@pytest.mark.parametrize("zone", ["+25:00", "-99:00", "+05:75"])
def test_an_offset_that_no_clock_has_is_no_zone(zone):
    with pytest.raises(UsageError, match="no time zone"):
        SiteClock(zone)


@pytest.mark.parametrize(
    ("column", "values"),
    [
        ("time", [1773000000, 1773000100]),
        ("time", [1773000000.0, 1773000100.0]),
        ("time", [time(2), time(3)]),
        ("end_time", [timedelta(1), timedelta(2)]),
        ("available_time", [1, 2]),
        ("numeric_value", [date(2026, 1, 1)] * 2),
        ("numeric_value", [[1.0], [2.0]]),
        ("code", [["A"], ["B"]]),
        ("utc_offset", ["-05:00"] * 2),
        ("utc_offset", [timedelta(hours=-5)] * 2),
    ],
)
def test_a_column_of_a_type_that_cannot_be_what_its_name_says_is_one_error_either_way(tmp_path, column, values):
    source = meds(tmp_path / "src", **{column: values})
    for read in (lambda: ingest("meds", source, tmp_path / "out"), lambda: open_source(source)):
        with pytest.raises(BadData, match=f"the column '{column}' holds .* are wanted") as caught:
            read()
        assert caught.value.at.column == column


@pytest.mark.parametrize("column", ["time", "numeric_value"])
def test_text_that_is_stored_as_categories_is_read_as_text(tmp_path, column):
    text = ["2026-01-31 08:00", "2026-01-31 09:00"] if column == "time" else ["1.5", "<5"]
    source = meds(tmp_path / "src", **{column: pl.Series(text).cast(pl.Categorical)})
    for timeline in both(source, tmp_path):
        events = timeline.scan().collect()
        assert events["time"].to_list() == DAYS
        if column == "numeric_value":
            assert events.select("numeric_value", "text_value").rows() == [(1.5, None), (None, "<5")]


@pytest.mark.parametrize("beside", [[-300.0, -300.0], [-300, -300]])
def test_offsets_are_minutes_as_whole_numbers_or_as_pandas_writes_them(tmp_path, beside):
    for timeline in both(meds(tmp_path / "src", utc_offset=beside), tmp_path):
        assert timeline.clock.zone == "-05:00"


def test_an_offset_and_a_time_that_no_clock_shows_are_no_event(tmp_path):
    source = meds(tmp_path / "src", utc_offset=[-300, 2**40])
    pl.DataFrame({"subject_id": [2], "time": [datetime(1, 1, 1)], "code": ["A"], "utc_offset": [-300]}).write_parquet(
        source / "data" / "1.parquet"
    )
    ingested, opened = both(source, tmp_path)
    assert ingested.summary()["quarantined"] == sum(opened.left_out.values()) == 2
    assert ingested.scan().collect()["code"].to_list() == opened.scan().collect()["code"].to_list() == ["A"]


def test_identifiers_lose_the_blanks_around_them_and_nothing_is_no_identifier(tmp_path):
    names = ["10", "10 ", " 10", "", "  ", "NaN", "null", "007", None]
    events = {"time": [DAYS[0]] * 9, "code": ["A"] * 9}
    (tmp_path / "src/data").mkdir(parents=True)
    pl.DataFrame({"subject_id": names, **events}).write_parquet(tmp_path / "src/data/0.parquet")
    timeline = ingest("meds", tmp_path / "src", tmp_path / "out", max_quarantined=1)
    assert timeline.summary()["quarantined"] == 5
    assert set(timeline.scan().collect()["subject_id"]) == {number_of("10"), number_of("007")}
    assert timeline.subject_numbers(pl.Series(["10 ", "007"])).to_list() == [number_of("10"), number_of("007")]


@pytest.mark.parametrize(
    ("ids", "used"),
    [
        (pl.Series([2**63 + 5, 7], dtype=pl.UInt64), 1),
        (pl.Series([2**70, 7], dtype=pl.Int128), 1),
        (pl.Series([10.0, 11.5]), 1),
        (pl.Series([10.0, 2.0**60]), 1),
        (pl.Series(["10.0", "11.0"]).cast(pl.Decimal(12, 1)), 2),
    ],
)
def test_an_identifier_that_is_no_whole_number_of_64_bits_is_no_identifier(tmp_path, ids, used):
    source = meds(tmp_path / "src", subject_id=ids)
    timeline = ingest("meds", source, tmp_path / "out", max_quarantined=1)
    assert timeline.summary()["used"] == used
    if ids.dtype.is_integer():
        assert sum(open_source(source).left_out.values()) == 2 - used
    if used == 2:
        assert set(timeline.scan().collect()["subject_id"]) == {number_of("10"), number_of("11")}


def test_hidden_files_and_folders_are_no_shards_and_capitals_make_no_other_ending(tmp_path):
    source = meds(tmp_path / "src")
    shard = source / "data" / "0.parquet"
    (source / "data" / "._0.parquet").write_bytes(shard.read_bytes())
    (source / "data" / "part.parquet").mkdir()
    shard.rename(source / "data" / "0.PARQUET")
    for timeline in both(source, tmp_path):
        assert timeline.scan().collect().height == 2


@pytest.mark.parametrize(
    ("columns", "what"),
    [
        ({"end_time": [DAYS[0], DAYS[0]]}, EARLIER_END),
        ({"available_time": [DAYS[0], DAYS[0]]}, EARLIER_KNOWN),
        ({"numeric_value": [20240101000001.0, 1.0]}, ROUNDED),
        ({"numeric_value": [2**53 + 1, 1]}, ROUNDED),
        ({"numeric_value": ["20240101000001", "1"]}, ROUNDED),
    ],
)
def test_events_that_are_odd_are_counted_and_noted_either_way(tmp_path, columns, what):
    source = meds(tmp_path / "src", **columns)
    for read in (lambda: ingest("meds", source, tmp_path / "out"), lambda: open_source(source)):
        with notes.collection() as collected:
            read()
        assert [note.result for note in collected] == [f"1 row: {what}"]


def test_an_oddity_of_one_row_in_a_thousand_is_a_detail(tmp_path):
    ends = [datetime(2026, 1, 1)] + [datetime(2026, 1, 2)] * 1500
    times = [datetime(2026, 1, 2)] + [datetime(2026, 1, 1)] * 1500
    source = meds(tmp_path / "src", code=["A"] * 1501, time=times, end_time=ends, subject_id=[1] * 1501)
    with notes.collection() as collected:
        ingest("meds", source, tmp_path / "out")
    assert [(note.result, note.level) for note in collected] == [("1 row: ended before it began", "detail")]


@pytest.mark.parametrize(
    ("units", "several"),
    [
        (["mg/dl", "mg/dL"], False),
        (["mg/dL", "mg/dL "], False),
        (["umol/L", "\u00b5mol/l"], False),
        (["\u00b5mol/L", "\u03bcmol/L"], False),
        (["mg/dL", ""], False),
        (["mg/dL", "umol/L"], True),
    ],
)
def test_a_unit_that_is_spelt_otherwise_is_no_second_unit(tmp_path, units, several):
    source = meds(tmp_path / "src", code=["A", "A"], numeric_value=[1.0, 88.4], unit=units)
    window = {"start": "trigger", "end": "start + 24h", "label": "death", "index_timestamp": "start"}
    predicates = {"high": {"code": "A", "value_min": 2.0}, "death": {"code": "B"}}
    task = parse_task({"predicates": predicates, "trigger": "high", "windows": {"target": window}})
    assert bool(extract(task, open_source(source)).mixed_units) == several
