"""What a patient has once, stated twice; and tables of a mapping with columns that cannot serve."""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path

import polars as pl
import pytest

from polyclinic import notes
from polyclinic.errors import BadData
from polyclinic.timelines.ingest import ingest
from polyclinic.timelines.lasting_facts import TWO_VALUES

MAPPING = """
subject: patient_id
tables:
  patient:
    events:
      - {code: [SEX, $sex], time: never}
      - {code: [MEDS_BIRTH], time: birth, needs: [birth]}
  vitals:
    time: taken
    events:
      - {code: [VITAL, $kind], value: value}
"""
NOON = datetime(2026, 1, 1, 12)


def read(tmp_path: Path, patients: pl.DataFrame | None = None, **vitals: object):
    """One vital sign of each of two patients, some columns replaced, and the patients; every row may be refused."""
    (tmp_path / "m.yaml").write_text(MAPPING)
    source = tmp_path / "src"
    source.mkdir()
    columns = {"patient_id": [1, 2], "taken": [NOON, NOON], "kind": ["map", "map"], "value": [70.0, 80.0], **vitals}
    pl.DataFrame(columns).write_parquet(source / "vitals.parquet")
    if patients is not None:
        patients.write_parquet(source / "patient.parquet")
    return ingest("csv", source, tmp_path / "out", mapping=tmp_path / "m.yaml", max_quarantined=1)


@pytest.mark.parametrize(
    ("births", "sexes", "fact"),
    [
        ([date(1950, 1, 1), date(1951, 1, 1)], ["F", "F"], "MEDS_BIRTH"),
        ([date(1950, 1, 1), date(1950, 1, 1)], ["F", "M"], "SEX"),
        ([date(1950, 1, 1), date(1950, 1, 1)], ["F", "F"], None),
    ],
)
def test_a_patient_of_two_births_or_sexes_is_counted_and_named_in_quarantine(tmp_path, births, sexes, fact):
    patients = pl.DataFrame({"patient_id": [1, 1], "birth": births, "sex": sexes})
    with notes.collection() as collected:
        timeline = read(tmp_path, patients)
    file = timeline.path / "quarantine" / "contradictory_ids.parquet"
    results = [note.result for note in collected if note.check == "contradictions in the source"]
    assert results == ([] if fact is None else [f"1 {fact}: {TWO_VALUES}"])
    assert file.is_file() == (fact is not None)
    if fact is not None:
        assert pl.read_parquet(file).select("column", "id").rows() == [(fact, "1")]


@pytest.mark.parametrize(
    ("column", "values"),
    [
        ("taken", [1767261600, 1767261600]),
        ("taken", [1767261600.0, 1767261600.0]),
        ("value", [date(2026, 1, 1)] * 2),
        ("value", [[1.0], [2.0]]),
    ],
)
def test_a_column_that_cannot_be_what_the_mapping_says_is_an_error(tmp_path, column, values):
    with pytest.raises(BadData, match=f"the column '{column}' holds .* are wanted"):
        read(tmp_path, **{column: values})


def test_categories_are_read_as_the_text_that_they_are(tmp_path):
    times = pl.Series(["2026-01-01 12:00", "2026-01-01 12:00"]).cast(pl.Categorical)
    timeline = read(tmp_path, taken=times, value=pl.Series(["70", "<5"]).cast(pl.Categorical))
    assert timeline.scan().select("time", "numeric_value").collect().rows() == [(NOON, 70.0)]
    assert timeline.summary()["quarantined"] == 1


def test_a_value_of_nothing_in_particular_is_no_event(tmp_path):
    timeline = read(tmp_path, kind=[None, "map"])
    assert timeline.scan().collect()["code"].to_list() == ["VITAL//map"]
    assert timeline.summary()["reasons"][0]["reason"] == "no code"


def test_a_source_in_which_a_table_lies_twice_says_so_by_every_format(tmp_path):
    for name in ("clif_patient", "clif_hospitalization", "clif_vitals"):
        pl.DataFrame({"patient_id": ["1"]}).write_parquet(tmp_path / f"{name}.parquet")
    (tmp_path / "clif_vitals.csv").write_text("patient_id\n1\n")
    with pytest.raises(BadData, match="the table 'vitals' lies there twice"):
        ingest("clif", tmp_path, tmp_path / "out")
