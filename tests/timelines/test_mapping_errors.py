"""A mapping that does not fit its tables: what is wrong, where, and what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from polyclinic import notes
from polyclinic.errors import BadData, PolyclinicError, UnknownName, UsageError
from polyclinic.timelines.ingest import ingest

MAPPING = """
subject: pid
tables:
  labs:
    time: taken
    events:
      - {code: [LAB, $test], value: result}
"""


@pytest.fixture
def read(tmp_path: Path):
    tables = tmp_path / "tables"
    tables.mkdir()
    (tables / "labs.csv").write_text("pid,taken,test,result\nA,2026-01-01 08:00,na,140\nB,2026-01-02 08:00,na,139\n")

    def read(before="", after="", source=tables):
        (tmp_path / "ward.yaml").write_text(MAPPING.replace(before, after))
        return ingest("csv", source, tmp_path / "out", mapping=tmp_path / "ward.yaml")

    return read


@pytest.mark.parametrize(
    ("before", "after", "near"),
    [
        ("time: taken", "time: takn", "taken"),
        ("$test", "$tst", "test"),
        ("value: result", "value: results", "result"),
        ("subject: pid", "subject: pids", "pid"),
    ],
)
def test_a_column_that_is_not_there_names_the_nearest_and_all_that_the_table_has(read, before, after, near):
    with pytest.raises(BadData, match="no column") as error:
        read(before, after)
    assert f"did you mean {near!r}?" in error.value.fix
    assert "pid, taken, test, result" in error.value.fix
    assert error.value.at.file == "labs.csv"


def test_a_table_that_is_not_there_names_what_lies_there(read):
    with pytest.raises(BadData, match="no file has the name of a table that the mapping names: lab") as error:
        read("labs:", "lab:")
    assert "did you mean 'labs'?" in error.value.fix
    assert "polyclinic ingest table" not in error.value.fix


def test_a_table_that_is_not_there_beside_one_that_is_is_noted(read):
    with notes.collection() as collected:
        read("tables:", "tables:\n  vitals: {time: taken}")
    assert ("tables of the mapping that are not there", "vitals") in [(n.check, n.result) for n in collected]


def test_a_key_that_is_unknown_is_named_wherever_it_stands(read):
    with pytest.raises(UnknownName, match="unknown key 'valu'") as error:
        read("value: result", "valu: result")
    assert (error.value.fix, error.value.at.line) == ("did you mean 'value'?", 7)


def test_no_mapping_is_said_to_be_missing(tmp_path, read):
    with pytest.raises(UsageError, match="need a mapping") as error:
        ingest("csv", tmp_path / "tables", tmp_path / "out")
    assert "--mapping FILE" in error.value.fix


@pytest.mark.parametrize("format_name", ["csv", "table", "meds", "clif", "nifti", "smiles"])
def test_an_empty_folder_is_called_empty(tmp_path, format_name):
    (tmp_path / "nothing").mkdir()
    with pytest.raises(PolyclinicError, match="the folder is empty"):
        ingest(format_name, tmp_path / "nothing", tmp_path / "out")


def test_a_folder_without_tables_is_said_to_have_none(tmp_path, read):
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters" / "a.txt").write_text("Dear")
    with pytest.raises(BadData) as error:
        read(source=tmp_path / "letters")
    assert "no tables" in error.value.fix
