"""CLIF tables of three patients, made up: what the reader does with each kind of mistake."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from polyclinic import fingerprint
from polyclinic.errors import BadData
from polyclinic.timelines.ingest import ingest

pytest.importorskip("polyclinic.areas.records", reason="needs the area of records")

DAY = datetime(2140, 3, 1, 8, tzinfo=UTC)


def hours(n: float) -> datetime:
    return DAY + timedelta(hours=n)


def tables() -> dict[str, pl.DataFrame]:
    stays = [f"h{i}" for i in range(3)]
    return {
        "hospitalization": pl.DataFrame({
            "patient_id": ["p0", "p1", "p1"], "hospitalization_id": stays, "admission_dttm": [hours(0)] * 3,
            "discharge_dttm": [hours(90)] * 3, "age_at_admission": [40, 50, 50], "admission_type_category": ["ed"] * 3,
            "admission_type_name": ["ED"] * 3, "discharge_category": ["Home"] * 3, "discharge_name": ["HOME"] * 3,
        }),
        "vitals": pl.DataFrame({
            "hospitalization_id": stays * 4, "recorded_dttm": [hours(i / 2) for i in range(12)],
            "vital_name": ["Arterial", "Cuff"] * 6, "vital_category": ["map"] * 12, "vital_value": [60.0 + i for i in range(12)],
        }),
    }  # fmt: skip


def write(folder: Path, frames: dict[str, pl.DataFrame], suffix: str = "parquet") -> Path:
    folder.mkdir(exist_ok=True)
    for name, frame in frames.items():
        path = folder / f"clif_{name}.{suffix}"
        frame.write_parquet(path) if suffix == "parquet" else frame.write_csv(path)
    return folder


def read(tmp_path: Path, frames: dict[str, pl.DataFrame], **settings):
    return ingest("clif", write(tmp_path / "clif", frames), tmp_path / "out", max_quarantined=0.5, **settings)


def test_csv_and_parquet_give_the_same_events(tmp_path):
    for suffix in ("parquet", "csv"):
        ingest("clif", write(tmp_path / suffix, tables(), suffix), tmp_path / f"out-{suffix}")
    one, two = (fingerprint.of_folder(tmp_path / f"out-{suffix}" / "data") for suffix in ("parquet", "csv"))
    assert one == two


def test_text_in_a_number_column_is_quarantined_with_its_row(tmp_path):
    frames = tables()
    words = [str(v) for v in frames["vitals"]["vital_value"]]
    words[7] = "see chart"
    frames["vitals"] = frames["vitals"].with_columns(vital_value=pl.Series(words))
    timeline = read(tmp_path, frames)
    refused = pl.read_parquet(tmp_path / "out" / "quarantine" / "clif_vitals.parquet.parquet")
    assert refused.select("row", "column", "reason").rows() == [(7, "vital_value", "text in a number column")]
    assert timeline.scan().filter(pl.col("code") == "VITAL//map").collect().height == 11


def test_an_infinite_number_is_quarantined_with_its_row(tmp_path):
    frames = tables()
    values = [*frames["vitals"]["vital_value"][:-2], float("inf"), 1e300]
    frames["vitals"] = frames["vitals"].with_columns(pl.Series("vital_value", values), vital_category=pl.lit("odd"))
    assert read(tmp_path, frames).summary()["reasons"] == [
        {"file": "clif_vitals.parquet", "column": "vital_value", "reason": "an infinite number", "count": 2, "first_row": 10}
    ]  # fmt: skip


def test_a_stay_that_no_patient_has_is_quarantined(tmp_path):
    frames = tables()
    frames["vitals"] = frames["vitals"].with_columns(pl.col("hospitalization_id").replace("h2", "h9"))
    summary = read(tmp_path, frames).summary()
    assert summary["reasons"] == [
        {"file": "clif_vitals.parquet", "column": "hospitalization_id", "reason": "no such subject", "count": 4, "first_row": 2}
    ]  # fmt: skip


def test_a_time_that_is_none_is_quarantined(tmp_path):
    frames = tables()
    times = [t.isoformat() for t in frames["vitals"]["recorded_dttm"]]
    frames["vitals"] = frames["vitals"].with_columns(recorded_dttm=pl.Series([*times[:-2], "yesterday", None]))
    reasons = {r["reason"] for r in read(tmp_path, frames).summary()["reasons"]}
    assert reasons == {"not a time", "no time"}


def test_a_table_that_the_format_does_not_know_is_named(tmp_path):
    frames = tables() | {"weather": pl.DataFrame({"rain": [1, 2]})}
    summary = read(tmp_path, frames).summary()
    assert summary["files"]["clif_weather.parquet"]["non_events"] == {"table that is not read": 2}


def test_a_column_that_is_not_there_is_named(tmp_path):
    frames = tables()
    frames["vitals"] = frames["vitals"].drop("vital_value")
    with pytest.raises(BadData, match="no column 'vital_value'") as caught:
        read(tmp_path, frames)
    assert caught.value.at.file == "clif_vitals.parquet"


def test_times_with_and_without_a_zone_are_an_error_that_names_both(tmp_path):
    frames = tables()
    frames["vitals"] = frames["vitals"].with_columns(pl.col("recorded_dttm").dt.replace_time_zone(None))
    with pytest.raises(BadData, match="mixed zones") as caught:
        read(tmp_path, frames)
    assert "UTC in clif_hospitalization.parquet" in caught.value.what
    assert "no zone in clif_vitals.parquet: recorded_dttm" in caught.value.what


def test_offsets_that_differ_within_a_column_are_mixed_until_a_zone_is_declared(tmp_path):
    frames = tables()
    times = [
        t.isoformat().replace("+00:00", ("+01:00", "+02:00")[i % 2])
        for i, t in enumerate(frames["vitals"]["recorded_dttm"])
    ]
    frames["vitals"] = frames["vitals"].with_columns(recorded_dttm=pl.Series(times))
    with pytest.raises(BadData, match=r"\+01:00 in .*\+02:00 in ") as caught:
        read(tmp_path, frames)
    assert "--zone" in caught.value.fix
    timeline = read(tmp_path, frames, zone="Europe/Berlin")
    first = timeline.scan().filter(pl.col("code") == "VITAL//map").select(pl.col("time").min()).collect().item()
    assert first == datetime(2140, 3, 1, 7, 30)  # 08:30+02:00, told at UTC+1


def test_a_declared_zone_is_the_clock_of_the_timeline(tmp_path):
    timeline = read(tmp_path, tables(), zone="Asia/Tokyo")
    admitted = timeline.scan().filter(pl.col("code").str.starts_with("HOSPITAL_ADMISSION")).collect()["time"]
    assert set(admitted) == {datetime(2140, 3, 1, 17)}
    assert timeline.summary()["zone"] == "Asia/Tokyo"


@pytest.mark.parametrize("seed", range(4))
def test_the_order_of_rows_does_not_change_whether_an_infusion_runs(tmp_path, seed):
    rows = [
        ("h0", "o1", hours(1), "start", "[Started]", 2.0), ("h0", "o1", hours(3), "stop", "FinishedRunning", 0.0),
        ("h0", "o2", hours(3), "start", "[Started]", 5.0), ("h0", "o2", hours(4), "dose_change", "ChangeDose/Rate", 6.0),
        ("h0", "o2", hours(5), "stop", "Stopped", 0.0),
    ]  # fmt: skip
    random.Random(seed).shuffle(rows)
    names = ["hospitalization_id", "med_order_id", "admin_dttm", "mar_action_category", "mar_action_name", "med_dose"]
    doses = pl.DataFrame(rows, names, orient="row").with_columns(
        med_category=pl.lit("norepinephrine"), med_dose_unit=pl.lit("mcg/kg/min")
    )
    timeline = read(tmp_path, tables() | {"medication_admin_continuous": doses})
    events = timeline.scan().filter(pl.col("code").str.starts_with("MEDICATION")).collect()
    state = events.group_by("time", maintain_order=True).last()
    assert [(c.split("//")[2], v) for c, v in state.select("code", "numeric_value").rows()] == [
        ("start", 2.0), ("start", 5.0), ("rate", 6.0), ("end", 0.0)
    ]  # fmt: skip


def test_a_wrong_folder_says_what_was_looked_for(tmp_path):
    write(tmp_path / "clif", {"vitals": tables()["vitals"]})
    with pytest.raises(BadData, match=r"looked for clif_hospitalization beside clif_patient"):
        ingest("clif", tmp_path / "clif", tmp_path / "out")


def test_a_table_that_was_cut_short_is_named(tmp_path):
    folder = write(tmp_path / "clif", tables())
    file = folder / "clif_vitals.parquet"
    file.write_bytes(file.read_bytes()[:-50])
    with pytest.raises(BadData, match="may be cut short") as caught:
        ingest("clif", folder, tmp_path / "out")
    assert caught.value.at.file == "clif_vitals.parquet"
