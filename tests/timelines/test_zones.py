"""One clock for a source."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from polyclinic.errors import BadData, UsageError
from polyclinic.timelines import zones


@given(st.integers(-11, 12), st.lists(st.dates(datetime(2100, 1, 1).date(), datetime(2150, 1, 1).date()), min_size=1))
def test_bare_dates_stored_as_instants_tell_the_offset_and_come_back_as_midnight(hours, days):
    midnights = [datetime(d.year, d.month, d.day, tzinfo=UTC) + timedelta(hours=hours) for d in days]
    times = pl.Series("t", midnights, pl.Datetime("us", "UTC"))
    zone = zones.offset_zone(times)
    told = times.to_frame().select(zones.local("t", times.dtype, zone))["t"]
    assert told.to_list() == [datetime(d.year, d.month, d.day) for d in days]


def test_times_with_a_clock_tell_no_offset():
    times = pl.Series([datetime(2100, 1, 1, 5, tzinfo=UTC), datetime(2100, 7, 1, 4, tzinfo=UTC)])
    assert zones.offset_zone(times) is None


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("2100-01-01 05:00:00", datetime(2100, 1, 1, 5)),
        ("2100-01-01T05:00:00.250", datetime(2100, 1, 1, 5, 0, 0, 250_000)),
        (" 2100-01-01 05:00 ", datetime(2100, 1, 1, 5)),
        ("2100-01-01T05:00:00Z", datetime(2100, 1, 1, 6)),
        ("2100-01-01T05:00:00-05:00", datetime(2100, 1, 1, 11)),
        ("2100-01-01", datetime(2100, 1, 1)),
        ("yesterday", None),
    ],
)
def test_text_is_read_as_a_time_in_the_zone_of_the_site(text, told):
    read = pl.DataFrame({"t": [text]}).select(zones.local("t", pl.String(), "Europe/Berlin"))
    assert read["t"].to_list() == [told]


def test_one_zone_is_no_mixture_and_two_are_unless_one_is_declared():
    zones.one_clock({"a: t": "UTC", "b: t": "UTC"}, None)
    zones.one_clock({"a: t": "UTC", "b: t": "Europe/Berlin"}, "Europe/Berlin")
    with pytest.raises(BadData, match="Europe/Berlin in b: t; UTC in a: t"):
        zones.one_clock({"a: t": "UTC", "b: t": "Europe/Berlin"}, None)


def test_times_with_and_without_a_zone_are_mixed_whatever_is_declared():
    with pytest.raises(BadData, match="no zone in b: t"):
        zones.one_clock({"a: t": "UTC", "b: t": zones.NAIVE}, "Europe/Berlin")


def test_a_zone_that_does_not_exist_is_an_error():
    with pytest.raises(UsageError, match="no time zone"):
        zones.one_clock({}, "Berlin")
