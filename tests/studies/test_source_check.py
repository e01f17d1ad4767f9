"""What a study names is looked for before anything is made: its files, and the columns of its source."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import polars as pl
import pytest

import polyclinic
from polyclinic.errors import BadData, PolyclinicError, UnknownName, UsageError
from polyclinic.studies.study_parser import load_study
from polyclinic.timelines.ingest import ingest

TABLE = """
name: falls
source: {SOURCE}
target: {column: fell}
inputs: {table: {use: [age, speed], categories: {ward: [a, b]}}}
split: {separate: [home], folds: 2}
models: [gbm]
evaluation:
  intervals: {over: home}
  subgroups: [sex, {old: {column: age, value_min: 80}}]
"""
RESIDENTS = pl.DataFrame(
    {"home": [1, 1, 2], "sex": ["f", "m", "f"], "age": [80, 71, 90], "speed": [1.0, 0.7, 0.5], "ward": ["a", "b", "a"]}
).with_columns(fell=pl.Series([0, 1, 1]))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    RESIDENTS.write_csv(tmp_path / "residents.csv")
    RESIDENTS.write_parquet(tmp_path / "residents.parquet")
    ingest("table", tmp_path / "residents.csv", tmp_path / "ingested")
    (tmp_path / "alone").mkdir()
    RESIDENTS.write_csv(tmp_path / "alone" / "residents.csv")
    return tmp_path


def study(folder: Path, source: str = "path: residents.csv", *change: str) -> Path:
    path = folder / "falls.yaml"
    path.write_text(TABLE.replace("SOURCE", source).replace(*change or ("", "")).lstrip())
    return path


SOURCES = [
    "path: residents.csv", "path: residents.parquet", "frame: residents.csv", "path: ingested", "timeline: ingested",
    "path: alone", "format: table, path: alone", "format: table, path: residents.csv",
]  # fmt: skip


@pytest.mark.parametrize("source", SOURCES)
def test_a_target_that_does_not_exist_is_found_however_the_source_is_named(folder, source):
    load_study(study(folder, source), check_sources=True)
    with pytest.raises(UnknownName, match="unknown target column 'fall'") as error:
        load_study(study(folder, source, "column: fell", "column: fall"), check_sources=True)
    assert error.value.fix == "did you mean 'fell'?"
    assert (error.value.at.key, error.value.at.line) == ("target.column", 3)


@pytest.mark.parametrize(
    ("before", "after", "key"),
    [
        ("use: [age", "use: [aged", "inputs.table.use"),
        ("categories: {ward", "categories: {wards", "inputs.table.categories"),
        ("separate: [home]", "separate: [hone]", "split.separate.0"),
        ("over: home", "over: hom", "evaluation.intervals.over"),
        ("subgroups: [sex", "subgroups: [sexe", "evaluation.subgroups.0"),
        ("column: age,", "column: agee,", "evaluation.subgroups.1.old"),
        ("value_min: 80", "value_mim: 80", "evaluation.subgroups.1.old"),
    ],
)
def test_every_column_that_a_study_names_is_found_with_its_key_and_line(folder, before, after, key):
    with pytest.raises(UnknownName, match="unknown") as error:
        load_study(study(folder, "path: residents.csv", before, after), check_sources=True)
    assert error.value.at.key == key
    line = next(n for n, text in enumerate((folder / "falls.yaml").read_text().splitlines(), 1) if after in text)
    assert error.value.at.line == line


@pytest.mark.parametrize("key", ["path", "frame", "timeline"])
def test_a_source_that_is_not_there_is_found_with_its_line(folder, key):
    with pytest.raises(UsageError, match=r"no such file or folder: resident\.csv") as error:
        load_study(study(folder, f"{key}: resident.csv"), check_sources=True)
    assert (error.value.at.key, error.value.at.line) == (f"source.{key}", 2)


def test_labels_that_are_not_there_are_found_with_their_line(folder):
    path = study(folder, "path: residents.csv", "target: {column: fell}", "labels: label.csv")
    with pytest.raises(UsageError, match=r"no such file or folder: label\.csv") as error:
        load_study(path, check_sources=True)
    assert (error.value.at.key, error.value.at.line) == ("labels", 3)


def test_a_split_file_that_is_not_there_is_found_with_its_key(folder):
    path = study(folder, "path: residents.csv", "{separate: [home], folds: 2}", "{file: parts.csv}")
    with pytest.raises(UsageError, match=r"no such file or folder: .*parts\.csv") as error:
        load_study(path, check_sources=True)
    assert error.value.at.key == "split.file"
    (folder / "parts.csv").write_text("row_id,fold\n0,0\n1,1\n2,2\n")
    assert load_study(path, check_sources=True).split.file == str(folder / "parts.csv")


def test_an_empty_table_and_a_folder_of_something_else_are_named(folder):
    (folder / "residents.csv").write_text("")
    with pytest.raises(BadData, match="the file is empty"):
        load_study(study(folder), check_sources=True)
    (folder / "letters").mkdir()
    (folder / "letters" / "a.txt").write_text("Dear")
    with pytest.raises(BadData, match="no format knows this source"):
        load_study(study(folder, "path: letters"), check_sources=True)


@pytest.mark.parametrize(("before", "after"), [("separate: [home]", "separate: [fell]"), ("[sex,", "[fell,")])
def test_a_group_or_subgroup_that_is_the_target_is_refused(folder, before, after):
    with pytest.raises(UsageError, match="is the target"):
        load_study(study(folder, "path: residents.csv", before, after), check_sources=True)


def test_a_path_is_read_from_the_folder_of_the_study_and_one_that_is_set_from_here(folder, monkeypatch):
    elsewhere = folder / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    assert load_study(study(folder), check_sources=True).source.path == str(folder / "residents.csv")
    RESIDENTS.rename({"fell": "tripped"}).write_csv("residents.csv")
    with pytest.raises(UnknownName, match="unknown target column 'fell'"):
        load_study(study(folder), ["source.path=residents.csv"], check_sources=True)


@pytest.mark.parametrize("act", [polyclinic.plan, polyclinic.run])
@pytest.mark.parametrize("change", [("column: fell", "column: fall"), ("residents.csv", "resident.csv")])
def test_a_plan_and_a_run_find_it_before_they_make_anything(folder, act, change):
    with pytest.raises(PolyclinicError):
        act(study(folder, "path: residents.csv", *change), out=folder / "out")
    assert not (folder / "out" / "steps").exists()


def test_the_format_that_knows_a_source_decides_which_inputs_are_meant(folder):
    (folder / "molecules.csv").write_text("smiles,fell\nCCO,1\nCCN,0\n")
    path = folder / "small.yaml"
    path.write_text("name: small\nsource: {path: molecules.csv}\ntarget: {column: fell}\nmodels: [naive]\n")
    assert [*load_study(path, check_sources=True).question.inputs] == ["molecules"]


@pytest.mark.parametrize("name", ["hypotension", "blood-brain-barrier", "hippocampus-segmentation"])
def test_a_shipped_study_is_valid_where_its_data_are_there_and_where_they_are_not(name, shared, tmp_path, monkeypatch):
    monkeypatch.setenv("POLYCLINIC_DATA", str(tmp_path))
    monkeypatch.delenv("POLYCLINIC_MIRROR", raising=False)
    load_study(name, check_sources=True)
    monkeypatch.setenv("POLYCLINIC_MIRROR", str(shared / "data"))
    load_study(name, check_sources=True)
    if name != "hypotension":
        with pytest.raises(UnknownName, match="unknown target column"):
            load_study(name, ["target.column=nothing"], check_sources=True)


EVENTS = """
name: low
source: {timeline: meds}
task: hypotension
models: [gbm]
evaluation: {subgroups: [sex, {treated: {code: MED}}]}
"""


@pytest.mark.parametrize(
    ("change", "key"), [(("[sex", "[sec"), "subgroups.0"), (("{code: MED}", "never_said"), "subgroups.1.treated")]
)
def test_a_subgroup_of_rows_with_times_is_a_stratum_of_the_inputs_or_a_predicate(tmp_path, change, key):
    (tmp_path / "meds" / "data").mkdir(parents=True)
    event = {"subject_id": [1], "time": [datetime(2026, 1, 1)], "code": ["HR"], "numeric_value": [80.0]}
    pl.DataFrame(event).cast({"numeric_value": pl.Float32}).write_parquet(tmp_path / "meds" / "data" / "0.parquet")
    path = tmp_path / "low.yaml"
    path.write_text(EVENTS)
    load_study(path, check_sources=True)
    path.write_text(EVENTS.replace(*change))
    with pytest.raises(UnknownName) as error:
        load_study(path, check_sources=True)
    assert error.value.at.key == f"evaluation.{key}"
