"""Zones of time: one clock for a source, the wall clock on disk, the instant in memory."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from polyclinic.errors import BadData, UsageError
from polyclinic.timelines.zones import (
    NAIVE,
    SiteClock,
    as_time,
    offset_zone,
    on_one_clock,
    require_one_clock,
    zones_in_frame,
)

ZONES = st.sampled_from([
    "America/Chicago", "Europe/Berlin", "Australia/Lord_Howe", "Asia/Kolkata", "Etc/GMT+5", "UTC", "+05:30"
])  # fmt: skip
# Until 2099: beyond, libraries differ about daylight saving.
INSTANTS = st.lists(st.datetimes(datetime(1975, 1, 1), datetime(2099, 1, 1)), min_size=1, max_size=20)


def on_disk(instants: list[datetime], zone: str) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The same instants on the standard clock, and on disk."""
    clock = SiteClock(zone)
    zoned = pl.DataFrame({"time": instants}).with_columns(pl.col("time").dt.replace_time_zone("UTC"))
    memory = zoned.select(clock.times("time", zoned.schema["time"]))
    return memory, clock.to_disk(memory, ["time"])


@given(INSTANTS, ZONES)
def test_what_goes_to_disk_comes_back_as_the_same_instant(instants, zone):
    memory, disk = on_disk(instants, zone)
    assert disk.select(SiteClock(zone).of_disk("time")).equals(memory)


@given(INSTANTS, ZONES)
def test_the_wall_clock_less_its_offset_is_utc(instants, zone):
    _, disk = on_disk(instants, zone)
    utc = disk["time"] - disk.select(pl.duration(minutes="utc_offset")).to_series()
    assert utc.to_list() == instants


@given(INSTANTS, st.sampled_from(["America/Chicago", "Europe/Berlin", "Australia/Lord_Howe"]))
def test_the_wall_clock_is_the_one_that_hangs_at_the_site(instants, zone):
    _, disk = on_disk(instants, zone)
    hanging = [t.replace(tzinfo=UTC).astimezone(ZoneInfo(zone)).replace(tzinfo=None) for t in instants]
    assert disk["time"].to_list() == hanging


@given(INSTANTS, ZONES)
def test_the_standard_clock_keeps_distances(instants, zone):
    memory, _ = on_disk(instants, zone)
    shift = {t - u for t, u in zip(memory["time"], instants, strict=True)}
    assert len(shift) == 1


def test_the_hour_that_comes_twice_stays_in_order():
    text = ["2024-11-03T01:45:00-05:00", "2024-11-03T01:15:00-06:00"]
    clock = SiteClock("America/Chicago")
    memory = pl.DataFrame({"time": text}).select(clock.times("time", pl.String()))
    assert memory["time"].is_sorted()
    disk = clock.to_disk(memory, ["time"])
    assert disk.rows() == [(datetime(2024, 11, 3, 1, 45), -300), (datetime(2024, 11, 3, 1, 15), -360)]


def test_an_hour_that_the_clock_skips_is_no_time_and_of_one_that_comes_twice_it_is_the_first():
    walls = pl.DataFrame({"time": [datetime(2024, 3, 10, 2, 30), datetime(2024, 11, 3, 1, 30)]})
    clock = SiteClock("America/Chicago")
    memory = walls.select(clock.times("time", walls.schema["time"]))
    assert clock.to_disk(memory, ["time"]).rows() == [(None, None), (datetime(2024, 11, 3, 1, 30), -300)]


def test_the_end_of_a_day_is_on_the_wall_clock():
    clock = SiteClock("America/Chicago")
    noon = pl.DataFrame({"time": [datetime(2024, 7, 1, 12), datetime(2024, 11, 3, 12)]})
    memory = noon.select(clock.times("time", noon.schema["time"]))
    ends = memory.select(clock.end_of_day(pl.col("time")))
    last = [datetime(2024, 7, 1, 23, 59, 59, 999_999), datetime(2024, 11, 3, 23, 59, 59, 999_999)]
    assert ends.select(clock.wall(pl.col("time")))["time"].to_list() == last


def test_every_time_of_a_row_keeps_the_offset_of_the_first():
    clock = SiteClock("America/Chicago")
    night = pl.DataFrame({"time": [datetime(2024, 11, 2, 23)], "end_time": [datetime(2024, 11, 3, 9)]})
    memory = night.select(clock.times(n, night.schema[n]).alias(n) for n in night.columns)
    disk = clock.to_disk(memory, ["time", "end_time"])
    assert disk["utc_offset"].to_list() == [-300]
    assert disk.select(clock.of_disk("time"), clock.of_disk("end_time")).equals(memory)


@given(st.integers(-11, 12), st.lists(st.dates(datetime(2100, 1, 1).date(), datetime(2150, 1, 1).date()), min_size=1))
def test_bare_dates_stored_as_instants_tell_the_offset_and_come_back_as_midnight(hours, days):
    midnights = [datetime(d.year, d.month, d.day, tzinfo=UTC) + timedelta(hours=hours) for d in days]
    times = pl.Series("t", midnights, pl.Datetime("us", "UTC"))
    read = times.to_frame().select(SiteClock(offset_zone(times)).times("t", times.dtype))["t"]
    assert read.to_list() == [datetime(d.year, d.month, d.day) for d in days]


def test_times_with_a_clock_tell_no_offset():
    times = pl.Series([datetime(2100, 1, 1, 5, tzinfo=UTC), datetime(2100, 7, 1, 4, tzinfo=UTC)])
    assert offset_zone(times) is None


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("2100-01-01 05:00:00", datetime(2100, 1, 1, 5)),
        ("2100-01-01T05:00:00.250", datetime(2100, 1, 1, 5, 0, 0, 250_000)),
        (" 2100-01-01 05:00 ", datetime(2100, 1, 1, 5)),
        ("2100-01-01T05:00:00Z", datetime(2100, 1, 1, 6)),
        ("2100-01-01T05:00Z", datetime(2100, 1, 1, 6)),
        ("2100-01-01T05:00:00-05:00", datetime(2100, 1, 1, 11)),
        ("2100-01-01 05:00:00-0500", datetime(2100, 1, 1, 11)),
        ("2100-01-01 05:00:00-05", datetime(2100, 1, 1, 11)),
        ("2100-01-01", datetime(2100, 1, 1)),
        ("2100-13-01", None),
        ("03/08/2018 22:20", None),
        ("yesterday", None),
        ("", None),
    ],
)
def test_text_is_read_as_a_time_on_the_clock_of_the_site(text, time):
    read = pl.DataFrame({"t": [text]}).select(SiteClock("Europe/Berlin").times("t", pl.String()))
    assert read["t"].to_list() == [time]


def test_the_zones_of_text_are_recognised_and_bare_dates_have_none():
    frame = pl.DataFrame({"t": ["2100-01-01T05:00:00Z", "2100-01-01 05:00+0100", "2100-01-01 05:00", "2100-01-01"]})
    zones = zones_in_frame(frame, ["t", "absent"], "f")
    assert zones == {"f: t (UTC)": "UTC", "f: t (+01:00)": "+01:00", "f: t (no zone)": NAIVE}


def test_one_zone_is_no_mixture_and_two_are_unless_one_is_declared():
    assert require_one_clock({"a: t": "UTC", "b: t": "UTC"}, None) == "UTC"
    assert require_one_clock({"a: t": "UTC", "b: t": "Europe/Berlin"}, "Europe/Berlin") == "Europe/Berlin"
    with pytest.raises(BadData, match="Europe/Berlin in b: t; UTC in a: t"):
        require_one_clock({"a: t": "UTC", "b: t": "Europe/Berlin"}, None)


def test_times_with_and_without_a_zone_meet_only_by_the_declared_zone():
    zones = {"a: t": "UTC", "b: t": NAIVE}
    assert require_one_clock(zones, "Europe/Berlin") == "Europe/Berlin"
    with pytest.raises(BadData, match="no zone in b: t") as caught:
        require_one_clock(zones, None)
    assert "--zone" in caught.value.fix


@pytest.mark.parametrize("zone", ["Berlin", "../../etc/passwd", "", "Europe/", "\0"])
def test_a_zone_that_does_not_exist_is_an_error(zone):
    with pytest.raises(UsageError, match="no time zone"):
        SiteClock(zone)


@given(INSTANTS, ZONES, st.sampled_from(["ms", "us", "ns"]), st.booleans())
def test_two_tables_of_one_time_meet_in_any_zone_and_precision(instants, zone, unit, beside: bool):
    instants = [t.replace(microsecond=0) for t in instants]
    left = pl.DataFrame({"time": instants}).select(pl.col("time").dt.cast_time_unit(unit).dt.replace_time_zone("UTC"))
    named = "UTC" if zone.startswith("+") else zone
    zoned = pl.DataFrame({"time": instants}).select(
        pl.col("time").dt.replace_time_zone("UTC").dt.convert_time_zone(named)
    )
    right = on_disk(instants, zone)[1] if beside else zoned
    one, other = on_one_clock(left, right, "time", ("a", "b"))
    assert one["time"].to_list() == other["time"].to_list() == instants


def test_a_table_with_a_zone_and_one_without_are_mixed():
    plain = pl.DataFrame({"time": [datetime(2100, 1, 1)]})
    with pytest.raises(BadData, match="mixed zones: UTC in a: time; no zone in b: time"):
        on_one_clock(plain.select(pl.col("time").dt.replace_time_zone("UTC")), plain, "time", ("a", "b"))


def test_text_of_which_some_has_a_zone_waits_for_the_clock_of_the_site():
    text = pl.Series("t", ["2026-01-01 10:00", "2026-01-01 10:00:00 -06:00"])
    assert as_time(text).dtype == pl.String
    read = SiteClock("America/Chicago").index_times(text.to_frame(), "t", "f")["t"]
    assert read.n_unique() == 1
    with pytest.raises(BadData, match="mixed zones"):
        SiteClock().index_times(text.to_frame(), "t", "f")


def test_text_of_which_some_has_a_zone_meets_no_other_table():
    mixed = pl.DataFrame({"t": ["2026-01-01 10:00", "2026-01-01 10:00:00 -06:00"]})
    with pytest.raises(BadData, match="mixed zones: some cells of t have a zone"):
        on_one_clock(mixed, pl.DataFrame({"t": [datetime(2026, 1, 1)]}), "t", ("f", "g"))


def test_offsets_beside_index_times_are_whole_minutes_or_floats_and_no_text():
    frame = pl.DataFrame({"t": [datetime(2026, 1, 1, 10)], "utc_offset": [-300.0]})
    read = SiteClock("America/Chicago").index_times(frame, "t", "f")["t"]
    assert read.to_list() == [datetime(2026, 1, 1, 9)]
    with pytest.raises(BadData, match="'utc_offset' holds String where minutes are wanted"):
        SiteClock("America/Chicago").index_times(frame.with_columns(utc_offset=pl.lit("-05:00")), "t", "f")


def test_offsets_that_pandas_wrote_as_floats_count_where_two_tables_meet():
    walls = pl.DataFrame({"t": [datetime(2026, 1, 1, 10)], "utc_offset": [-360.0]})
    utc = pl.DataFrame({"t": [datetime(2026, 1, 1, 16)]}).with_columns(pl.col("t").dt.replace_time_zone("UTC"))
    one, other = on_one_clock(walls, utc, "t", ("f", "g"))
    assert one["t"].to_list() == other["t"].to_list()
