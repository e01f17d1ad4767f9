"""Zones: the clock in which a source is written changes no cohort and no sample, and order is that of the instants."""

from __future__ import annotations

import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polyclinic.cohorts.extract import extract
from polyclinic.cohorts.task_parser import parse_task
from polyclinic.timelines.ingest import ingest, open_source

pytest.importorskip("polyclinic.areas.records", reason="needs the area of records")

SUNDAY = datetime(2024, 11, 3, 4, tzinfo=UTC)
"""A night in which clocks are set back, in Chicago at 07:00 UTC; the one in Berlin lies a week before."""
ZONES = ["America/Chicago", "Europe/Berlin", "Asia/Kolkata", "Etc/GMT+5", "UTC"]
TASK = parse_task({
    "predicates": {"admission": {"code": "IN"}, "low": {"code": "MAP", "value_max": 65.0}},
    "trigger": "admission",
    "windows": {
        "input": {"start": None, "end": "trigger + 4h", "index_timestamp": "end"},
        "target": {"start": "input.end", "end": "start + 6h", "label": "low"},
    },
})  # fmt: skip
EVENT = st.tuples(
    st.integers(1, 3), st.integers(-3 * 60, 12 * 60), st.sampled_from(["IN", "MAP"]), st.sampled_from([50.0, 80.0])
)


def source(folder: Path, events: list[tuple[int, int, str, float]], zone: str, how: str) -> Path:
    """A MEDS folder with these events, minutes after SUNDAY, whose times are written in a zone: as zoned times, as text
    with an offset, or as a wall clock with `utc_offset` beside it.
    """
    times = [(SUNDAY + timedelta(minutes=m)).astimezone(ZoneInfo(zone)) for _, m, _, _ in events]
    frame = pl.DataFrame({
        "subject_id": [e[0] for e in events], "time": pl.Series(times, dtype=pl.Datetime("us", zone)),
        "code": [e[2] for e in events], "numeric_value": pl.Series([e[3] for e in events], dtype=pl.Float32),
    })  # fmt: skip
    if how == "text":
        frame = frame.with_columns(time=pl.Series([t.isoformat() for t in times], dtype=pl.String))
    if how == "offset":
        minutes = [int((t.utcoffset() or timedelta()).total_seconds() // 60) for t in times]
        frame = frame.with_columns(
            pl.col("time").dt.replace_time_zone(None), utc_offset=pl.Series(minutes, dtype=pl.Int32)
        )
    (folder / "data").mkdir(parents=True)
    frame.sort("subject_id", maintain_order=True).write_parquet(folder / "data" / "0.parquet")
    return folder


def cohort(timeline) -> list[tuple[int, datetime, bool]]:
    """Subjects, index times in UTC and labels."""
    labels = extract(TASK, timeline).labels
    if "utc_offset" in labels.columns:
        labels = labels.with_columns(pl.col("prediction_time") - pl.duration(minutes="utc_offset")).drop("utc_offset")
    return sorted(labels.rows())


def samples(timeline) -> dict[str, list[float]]:
    """What the records of each index time hold."""
    from polyclinic.areas.records.inputs import RecordsInputs

    index = extract(TASK, timeline).index.with_row_index("row_id")
    events = RecordsInputs(lookback="8h").columns(timeline, index, TASK).columns["events"]
    return {
        f"{n} {name}": list(map(float, values))
        for name in ("value", "code")
        for n, values in enumerate(events.rows(name))
    }


@settings(max_examples=12, deadline=None)
@given(
    st.lists(EVENT, min_size=1, max_size=25, unique_by=lambda e: (e[0], e[1], e[2])),
    st.sampled_from(ZONES), st.sampled_from(ZONES), st.sampled_from(["zoned", "text", "offset"]),
)  # fmt: skip
def test_the_zone_in_which_a_source_is_written_changes_no_cohort_and_no_sample(events, one, other, how):
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        plain = open_source(source(folder / "utc", events, "UTC", "zoned"))
        direct = open_source(source(folder / "there", events, one, "zoned"))
        read = ingest("meds", source(folder / "source", events, other, how), folder / "out", zone=one)
        assert cohort(plain) == cohort(direct) == cohort(read)
        assert samples(plain) == samples(direct) == samples(read)


@pytest.mark.parametrize("zone", ["America/Chicago", None])
def test_a_reading_of_the_hour_that_comes_twice_is_an_input_only_once_it_was_taken(tmp_path, zone):
    night = [(90.0, 1, 45), (80.0, 2, 45), (50.0, 3, 15), (49.0, 4, 15)]  # hours and minutes after 04:00 UTC
    events = [(1, 60 * h + m, "MAP", v) for v, h, m in night]
    timeline = ingest(
        "meds", source(tmp_path / "source", events, "America/Chicago", "zoned"), tmp_path / "out", zone=zone
    )
    assert timeline.scan().collect()["numeric_value"].to_list() == [90, 80, 50, 49]
    task = parse_task(
        {
            "predicates": {},
            "trigger": "_ANY_EVENT",
            "windows": {"input": {"start": None, "end": "trigger", "index_timestamp": "end"}},
        }
    )
    index = extract(task, timeline, at=datetime(2024, 11, 3, 6, 45, tzinfo=UTC)).index.with_row_index("row_id")
    from polyclinic.areas.records.inputs import RecordsInputs

    inputs = RecordsInputs(lookback="24h").columns(timeline, index, task).columns["events"]
    assert [list(v) for v in inputs.rows("value")] == [[90.0, 80.0]]
    stored = pl.read_parquet(tmp_path / "out" / "data" / "*.parquet")
    assert stored["time"].dt.strftime("%H:%M").to_list() == ["00:45", "01:45", "01:15", "02:15"]
    assert stored["utc_offset"].to_list() == [-300, -300, -360, -360]


def test_labels_in_any_zone_are_the_same_question_and_a_zone_where_there_is_none_is_an_error(tmp_path):
    from polyclinic.cohorts.cohort import as_index
    from polyclinic.errors import BadData

    zoned = open_source(source(tmp_path / "zoned", [(1, 0, "IN", 1.0)], "America/Chicago", "zoned"))
    noon = datetime(2024, 7, 1, 12)
    there = pl.Series([noon]).dt.replace_time_zone("America/Chicago")
    forms = {
        "wall clock": pl.Series([noon]), "zone": there, "utc": there.dt.convert_time_zone("UTC"),
        "ns": there.dt.convert_time_zone("Europe/Berlin").dt.cast_time_unit("ns"),
        "text": pl.Series(["2024-07-01T12:00:00-05:00"]), "plain text": pl.Series(["2024-07-01 12:00"]),
    }  # fmt: skip
    read = {
        n: as_index(pl.DataFrame({"subject_id": [1], "prediction_time": t}), zoned)["prediction_time"][0]
        for n, t in forms.items()
    }
    assert len(set(read.values())) == 1
    (tmp_path / "plain" / "data").mkdir(parents=True)
    events = pl.DataFrame({"subject_id": [1], "time": [noon], "code": ["IN"]})
    events.write_parquet(tmp_path / "plain" / "data" / "0.parquet")
    for form in ("zone", "utc", "ns", "text"):
        with pytest.raises(BadData, match="mixed zones"):
            as_index(pl.DataFrame({"subject_id": [1], "prediction_time": forms[form]}), open_source(tmp_path / "plain"))
    assert np.array_equal(forms["wall clock"], [noon])
