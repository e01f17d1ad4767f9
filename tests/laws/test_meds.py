"""A MEDS data set that is opened as it is gives the events that an ingest of it gives, whoever wrote it and how."""

from __future__ import annotations

import tempfile
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polyclinic.cohorts.extract import extract
from polyclinic.cohorts.task_parser import parse_task
from polyclinic.errors import PolyclinicError
from polyclinic.timelines.ingest import ingest, open_source

TIME = st.none() | st.datetimes(datetime(2024, 10, 25), datetime(2024, 11, 5))
CODE = st.sampled_from(["A", "B//x", "", "  ", "\u00a0", None])
VALUE = st.none() | st.floats(-5, 5, width=32) | st.just(float("inf"))
ROWS = st.lists(st.tuples(TIME, CODE, VALUE), min_size=1, max_size=12)
KINDS = st.fixed_dictionaries({
    "subject_id": st.sampled_from([pl.Int64, pl.Int32, pl.UInt16]),
    "unit": st.sampled_from(["us", "ns", "ms"]),
    "code": st.sampled_from([pl.String, pl.Categorical]),
    "value": st.sampled_from([pl.Float32, pl.Float64, pl.String]),
    "time": st.sampled_from(["typed", "text", "odd text"]),
    "text_value": st.booleans(),
    "own column": st.booleans(),
})  # fmt: skip


def shard(
    rows: list[tuple[datetime | None, str | None, float | None]], kinds: dict, zone: str | None, subject: int
) -> pl.DataFrame:
    """One file of the set, its types as one writer chose them."""
    frame = pl.DataFrame(
        {"time": [t for t, _, _ in rows], "code": [c for _, c, _ in rows]},
        {"time": pl.Datetime("us"), "code": pl.String},
    )
    time = pl.col("time").dt.cast_time_unit(kinds["unit"])
    if zone:
        time = time.dt.replace_time_zone("UTC").dt.convert_time_zone(zone)
    frame = frame.with_columns(time, pl.col("code").cast(kinds["code"]))
    if kinds["time"] != "typed":
        text = [None if t is None else t.replace(tzinfo=UTC).isoformat() if zone else str(t) for t, _, _ in rows]
        text = ["03/08/2018 22:20", *text[1:]] if kinds["time"] == "odd text" else text
        frame = frame.with_columns(time=pl.Series(text, dtype=pl.String))
    values = pl.Series("numeric_value", [v for _, _, v in rows], pl.Float64).cast(kinds["value"])
    if kinds["value"] == pl.String:
        values = pl.concat([pl.Series("numeric_value", ["<5"]), values[1:]])
    frame = frame.with_columns(values, subject_id=pl.lit(subject).cast(kinds["subject_id"]))
    frame = frame.with_columns(text_value=pl.lit("words")) if kinds["text_value"] else frame
    return frame.with_columns(ward=pl.lit(7)) if kinds["own column"] else frame


@pytest.mark.parametrize("seed", range(25))
def test_a_spoilt_shard_is_read_or_one_clear_error(tmp_path, seed):
    rng = np.random.default_rng(seed)
    (tmp_path / "meds" / "data").mkdir(parents=True)
    path = tmp_path / "meds" / "data" / "0.parquet"
    times, codes = [datetime(2024, 1, 1)] * 50, ["A", "B"] * 25
    pl.DataFrame({"subject_id": range(50), "time": times, "code": codes, "numeric_value": [1.5] * 50}).write_parquet(
        path
    )
    data = bytearray(path.read_bytes())
    for place in rng.integers(len(data), size=int(rng.integers(1, 6))):
        data[place] = int(rng.integers(256))
    path.write_bytes(data)
    task = parse_task({"predicates": {"a": {"code": "A"}}, "trigger": "a", "windows": {}})
    for read in (
        lambda: open_source(tmp_path / "meds").describe(),
        lambda: extract(task, open_source(tmp_path / "meds")),
        lambda: ingest("meds", tmp_path / "meds", tmp_path / "out", max_quarantined=1.0),
    ):
        with suppress(PolyclinicError):
            assert read() is not None


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(ROWS, KINDS), min_size=1, max_size=3), st.sampled_from([None, "UTC", "America/Chicago"]))
def test_opened_as_it_is_a_meds_set_gives_what_its_ingest_gives(shards, zone):
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "meds" / "data").mkdir(parents=True)
        for number, (rows, kinds) in enumerate(shards):
            if zone and kinds["time"] != "typed":
                kinds = {**kinds, "time": "typed"}  # text in UTC beside Chicago is a mixture, and an error
            shard(rows, kinds, zone, number).write_parquet(folder / "meds" / "data" / f"{number}.parquet")
        direct = open_source(folder / "meds")
        ingested = ingest("meds", folder / "meds", folder / "out", max_quarantined=1.0)
        names = ["subject_id", "time", "code", "numeric_value", "text_value"]
        one, other = (t.scan().select(names).collect().sort(names, nulls_last=True) for t in (direct, ingested))
        assert one.equals(other)
        summary = ingested.summary()
        assert sum(direct.left_out.values()) >= summary["quarantined"] == summary["rows_in"] - summary["used"]
        assert direct.describe()["events"] == summary["used"]
