"""Who is who: identifiers stay as they are written, and a contradiction is counted and kept at the site."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import polars as pl
import pytest

from polyclinic import notes
from polyclinic.cohorts.cohort import as_index
from polyclinic.errors import BadData
from polyclinic.samples.frames import in_one_type
from polyclinic.timelines.identifiers import number_of
from polyclinic.timelines.ingest import ingest, open_source

MAPPING = """
subject: patient
link: {table: stays, on: stay, brings: [patient, discharged]}
tables:
  stays:
    events:
      - {code: [SEX, $sex], time: never}
      - {code: [IN], time: admitted, needs: [admitted]}
  vitals:
    time: taken
    events: [{code: [VITAL, $kind], value: reading}]
  codes:
    time: coded
    events: [{code: [ICD, $code], known: day of discharged}]
"""


def write(folder: Path, **tables: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in tables.items():
        (folder / f"{name}.csv").write_text(text)
    (folder.parent / "mapping.yaml").write_text(MAPPING)
    return folder


def read(tmp_path: Path, **tables: str):
    source = write(tmp_path / "source", **tables)
    return ingest("csv", source, tmp_path / "out", max_quarantined=1.0, mapping=tmp_path / "mapping.yaml")


STAYS = "patient,stay,admitted,discharged,sex\n"


def test_two_patients_whose_identifiers_differ_by_zeros_stay_two_in_every_table(tmp_path):
    stays = STAYS + "007,0010,2024-01-01 08:00,2024-01-03 09:00,f\n7,10,2024-01-01 09:00,2024-01-02 09:00,m\n"
    vitals = "stay,taken,kind,reading\n10,2024-01-01 10:00,hr,70\n"  # here, all stays look like numbers
    more = vitals + "0010,2024-01-01 10:00,hr,60\n"
    for name, text, subjects in (("one", vitals, 1), ("two", more, 2)):
        events = read(tmp_path / name, stays=stays, vitals=text).scan().collect()
        assert events["subject_id"].n_unique() == 2
        assert events.filter(pl.col("code") == "VITAL//hr")["subject_id"].n_unique() == subjects
        reading = events.filter(pl.col("numeric_value") == 70.0)["subject_id"].item()
        assert reading == number_of("7")


def test_a_timeline_that_is_ingested_again_still_knows_what_the_source_calls_its_patients(tmp_path):
    stays = STAYS + "007,0010,2024-01-01 08:00,2024-01-03 09:00,f\n7,10,2024-01-01 09:00,2024-01-02 09:00,m\n"
    first = read(tmp_path, stays=stays, vitals="stay,taken,kind,reading\n10,2024-01-01 10:00,hr,70\n")
    again = ingest("meds", first.path, tmp_path / "again")
    names = pl.Series(["7", "007"])
    assert again.subject_numbers(names).to_list() == [number_of("7"), number_of("007")]
    assert set(again.scan().collect()["subject_id"]) == set(again.subject_numbers(names))
    kept = [pl.read_parquet(one.path / "metadata" / "identifiers.parquet") for one in (first, again)]
    assert kept[0].equals(kept[1])


def test_a_patient_who_is_a_number_in_one_table_and_text_in_another_is_one(tmp_path):
    folder = write(
        tmp_path / "source",
        stays=STAYS + "7,a,2024-01-01 08:00,2024-01-03 09:00,f\nx,b,2024-01-01 08:00,2024-01-03 09:00,f\n",
    )
    vitals = pl.DataFrame({"patient": [7], "taken": [datetime(2024, 1, 1)], "kind": ["hr"], "reading": [60.0]})
    vitals.write_parquet(folder / "vitals.parquet")
    timeline = ingest("csv", folder, tmp_path / "out", mapping=tmp_path / "mapping.yaml")
    assert timeline.scan().collect()["subject_id"].n_unique() == 2


def test_a_stay_of_two_patients_is_a_contradiction_that_is_counted_and_whose_rows_are_nobodys(tmp_path):
    stays = (
        STAYS
        + "1,10,2024-01-01 08:00,2024-01-03 09:00,f\n2,10,2024-01-01 08:00,2024-01-03 09:00,m\n3,11,2024-01-01 08:00,,f\n"
    )
    vitals = "stay,taken,kind,reading\n10,2024-01-01 10:00,hr,70\n11,2024-01-01 10:00,hr,80\n"
    with notes.collection() as collected:
        timeline = read(tmp_path, stays=stays, vitals=vitals)
    results = [n.result for n in collected if n.check == "contradictions in the source"]
    assert results == ["1 stay: a stay of two patients"]
    assert timeline.scan().filter(pl.col("code").str.starts_with("VITAL")).collect()["numeric_value"].to_list() == [80]
    summary = timeline.summary()
    assert (summary["rows_in"], summary["used"], summary["quarantined"]) == (5, 2, 3)
    assert {r["reason"] for r in summary["reasons"]} == {"a stay of two patients"}
    ids = pl.read_parquet(tmp_path / "out" / "quarantine" / "contradictory_ids.parquet")
    assert ids.select("file", "column", "id").rows() == [("stays.csv", "stay", "10")]


def test_a_code_assigned_after_discharge_is_known_at_the_end_of_that_day_and_without_one_never(tmp_path):
    stays = STAYS + "1,10,2024-01-01 08:00,2024-01-03 09:00,f\n2,11,2024-01-01 08:00,,m\n"
    codes = "stay,coded,code\n10,2024-01-01,A\n11,2024-01-01,B\n10,2024-01-09,C\n"
    timeline = read(tmp_path, stays=stays, codes=codes)
    known = dict(
        timeline.scan()
        .filter(pl.col("code").str.starts_with("ICD"))
        .select("code", "available_time")
        .collect()
        .iter_rows()
    )
    last = {"A": (2024, 1, 3), "B": (9999, 12, 31), "C": (2024, 1, 9)}
    assert {code.removeprefix("ICD//"): (t.year, t.month, t.day) for code, t in known.items()} == last
    assert timeline.summary()["noted"]["never known, without discharged"] == 1


def test_labels_may_name_subjects_as_the_source_does_or_by_their_numbers(tmp_path):
    stays = STAYS + "007,10,2024-01-01 08:00,2024-01-03 09:00,f\n7,11,2024-01-01 08:00,2024-01-02 09:00,m\n"
    timeline = read(tmp_path, stays=stays)
    for ids in (["007", "7"], [number_of("007"), number_of("7")], [str(number_of("007")), "7"]):
        index = pl.DataFrame({"subject_id": ids, "prediction_time": [datetime(2024, 1, 2)] * 2})
        assert set(as_index(index, timeline)["subject_id"]) == {number_of("007"), number_of("7")}


def test_integers_of_the_source_are_the_numbers_of_its_subjects_and_007_is_somebody_else(tmp_path):
    stays = STAYS + "6,10,2024-01-01 08:00,2024-01-03 09:00,f\n7,11,2024-01-01 08:00,2024-01-02 09:00,m\n"
    timeline = read(tmp_path, stays=stays)
    index = pl.DataFrame({"subject_id": ["007", "7"], "prediction_time": [datetime(2024, 1, 2)] * 2})
    assert set(as_index(index, timeline)["subject_id"]) == {number_of("007"), 7}


def test_two_tables_of_which_one_has_text_for_numbers_are_joined_as_text():
    left, right = pl.DataFrame({"case": [7, 12]}), pl.DataFrame({"case": ["007", "7"], "y": [0, 1]})
    one, other = in_one_type(left, right, ["case"])
    assert one.join(other, on="case").rows() == [("7", 1)]


@pytest.mark.parametrize("table", ["a.csv", "a.parquet"])
def test_a_csv_and_a_parquet_of_the_same_identifiers_give_the_same(tmp_path, table):
    frame = pl.DataFrame({"id": ["1E1", "10", "2E1", "020"], "v": [1, 2, 3, 4]})
    frame.write_csv(tmp_path / table) if table.endswith("csv") else frame.write_parquet(tmp_path / table)
    assert ingest("table", tmp_path / table, tmp_path / "out").rows().select("id", "v").equals(frame)


def test_subjects_in_a_table_may_be_whole_floats_or_categories(tmp_path):
    (tmp_path / "data").mkdir()
    pl.DataFrame({"subject_id": [7], "time": [datetime(2026, 1, 1)], "code": ["A"]}).write_parquet(
        tmp_path / "data" / "0.parquet"
    )
    timeline = open_source(tmp_path)
    for ids in (pl.Series([7.0, None]), pl.Series(["7 ", None]).cast(pl.Categorical)):
        assert timeline.subject_numbers(ids).to_list() == [7, None]
    with pytest.raises(BadData, match="holds Float64 where subjects are wanted"):
        timeline.subject_numbers(pl.Series([7.5]))
