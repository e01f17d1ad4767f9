"""Data frames in and out."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest

from polyclinic import notes, progress
from polyclinic.errors import BadData, UnknownName, UsageError
from polyclinic.outcomes.binary import Binary
from polyclinic.samples import Samples
from polyclinic.samples.frames import labels, read_table, write_table
from polyclinic.samples.table_inputs import TableInputs


def frame() -> pl.DataFrame:
    return pl.DataFrame(
        {"patient": ["a", "a", "b"], "age": [60, 60, None], "ward": ["icu", "er", "icu"], "died": [True, False, None]}
    )


def test_numbers_and_categories_become_inputs_and_the_target_stays_apart() -> None:
    samples = Samples.from_frame(frame(), target="died", group="patient")
    assert samples.feature_names == ["age", "ward//er", "ward//icu"]
    assert samples.X[:, 1:].tolist() == [[0, 1], [1, 0], [0, 1]]
    assert np.isnan(samples.X[2, 0])
    assert samples.y[:2].tolist() == [1, 0]
    assert samples.groups["patient"].tolist() == ["a", "a", "b"]


def test_a_level_that_was_not_there_before_is_no_level() -> None:
    how = TableInputs().resolved(frame(), ["patient", "died"])
    column = how.columns(None, frame().with_columns(ward=pl.lit("lab")), None).columns["ward"]
    assert column.values.sum() == 0


def test_rows_with_such_a_level_are_named_by_their_column_and_missing_ones_are_not() -> None:
    how = TableInputs().resolved(frame(), ["patient", "died"])
    rows = pl.DataFrame({"age": [1, 2, 3, 4], "ward": ["ICU", "icu", None, "lab"]})
    assert how.outside(rows) == {"ward": [0, 3]}
    assert how.outside(rows.slice(1, 2)) == {}


def test_the_columns_that_name_groups_are_what_rows_are_called() -> None:
    how = TableInputs(groups=("patient",)).resolved(frame(), ["died"])
    assert {name: values.to_list() for name, values in how.identity(frame()).items()} == {"patient": ["a", "a", "b"]}
    assert how.identity(frame().drop("patient")) == {}


@pytest.mark.parametrize("codes", [["250.00", "401.9", "V28", None], [250.0, 401.9, 7.0, None], [250, 401, None, 7]])
def test_a_code_that_a_file_holds_as_a_number_is_the_same_level(codes) -> None:
    how = TableInputs(use=("icd",), categories={"icd": ("250.00", "401.9", "V27")})
    flags = how.columns(None, pl.DataFrame({"icd": codes}), None).columns["icd"].values
    assert flags.argmax(axis=1)[0] == 0
    assert flags.sum(axis=1).tolist() == [1, float(codes[1] in ("401.9", 401.9)), 0, 0]


def test_a_misspelt_column_is_named_with_the_nearest() -> None:
    with pytest.raises(UnknownName, match="did you mean 'died'"):
        Samples.from_frame(frame(), target="dead")


def test_free_text_is_refused_by_name() -> None:
    notes = pl.DataFrame({"note": [f"text {i}" for i in range(60)], "y": [0, 1] * 30})
    with pytest.raises(BadData, match="'note' is text with 60 different values"):
        Samples.from_frame(notes, target="y")


def test_columns_are_left_out_by_name() -> None:
    how = TableInputs(without=("ward",)).resolved(frame(), ["patient", "died"])
    assert how.use == ("age",)
    with pytest.raises(UnknownName, match="did you mean 'ward'"):
        TableInputs(without=("wards",)).resolved(frame(), ["patient", "died"])


def test_text_in_a_number_column_is_named_without_its_value() -> None:
    how = TableInputs(use=("age",))
    with pytest.raises(BadData, match="'age' holds text") as error:
        how.columns(None, pl.DataFrame({"age": ["elderly"]}), None)
    assert "elderly" not in str(error.value)


def test_a_cut_file_says_so(tmp_path) -> None:
    path = tmp_path / "rows.parquet"
    frame().write_parquet(path)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(BadData, match="cannot be read, it may be cut short"):
        read_table(path)


def test_a_column_of_numbers_and_words_is_refused_without_a_word_of_it() -> None:
    mixed = pl.DataFrame({"lactate": ["1.2", "SMITH"] * 20, "y": [0, 1] * 20})
    with pytest.raises(BadData, match="'lactate' holds numbers and text") as error:
        Samples.from_frame(mixed, target="y")
    assert "SMITH" not in str(error.value)


def test_a_number_column_with_some_text_says_how_much_and_what_to_do() -> None:
    dose = ["see chart" if i % 25 == 0 else f" {i}" for i in range(100)]
    with pytest.raises(BadData, match=r"'dose' holds numbers and text \(4\.0% of it is text\)") as error:
        TableInputs().resolved(pl.DataFrame({"dose": dose}), [])
    assert error.value.at.column == "dose"
    for way in ("max_quarantined", "without: [dose]", "categories"):
        assert way in error.value.fix


def test_rows_with_text_or_an_infinite_number_are_named_and_the_others_are_numbers() -> None:
    how, rows = TableInputs(use=("age",)), pl.DataFrame({"age": [" 61 ", "elderly", "1e999", None]})
    assert how.unreadable(rows) == {
        1: "column 'age' holds text, not a number",
        2: "column 'age' is infinite, or too large a number",
    }
    values = how.columns(None, rows[[0, 3]], None).columns["age"].values
    assert np.array_equal(values, [61, np.nan], equal_nan=True)


def test_a_table_with_another_separator_is_refused_with_that_reason(tmp_path):
    (tmp_path / "a.csv").write_text("name;dose\nx;0,5\n")
    with pytest.raises(BadData, match="separated by ';', not by commas"):
        read_table(tmp_path / "a.csv")


@pytest.mark.parametrize("name", ["labels.csv", "labels.parquet"])
def test_a_table_is_written_as_its_name_says(tmp_path, name):
    frame = pl.DataFrame({"subject_id": [1, 2], "boolean_value": [True, None]})
    write_table(frame, tmp_path / name)
    reads = pl.read_csv if name.endswith("csv") else pl.read_parquet
    assert reads(tmp_path / name).equals(frame)


def test_a_table_is_not_written_over_a_folder(tmp_path) -> None:
    with pytest.raises(UsageError, match="a folder"):
        write_table(frame(), tmp_path)


def test_a_row_without_its_group_belongs_to_no_group() -> None:
    table = frame().with_columns(patient=pl.Series(["a", None, "b"]))
    with pytest.raises(BadData, match="1 row has no 'patient'"):
        TableInputs(groups=("patient",)).resolved(table, ["died"])


def test_a_stratum_is_an_input_like_any_other() -> None:
    how = TableInputs(strata=("ward",)).resolved(frame(), ["patient", "died"])
    assert how.use == ("age", "ward")


def test_a_table_is_not_written_under_the_ending_of_something_else(tmp_path) -> None:
    with pytest.raises(UsageError, match=r"\.xlsx is no table"):
        write_table(frame(), tmp_path / "answers.xlsx")


def test_columns_that_are_no_input_are_named(capsys) -> None:
    table = frame().with_columns(born=pl.date(1980, 1, 31))
    with progress.reporting(progress.Console()):
        TableInputs().resolved(table, ["died"])
    assert "born" in capsys.readouterr().err


def test_decimal_commas_and_levels_that_differ_in_capitals_are_named(capsys) -> None:
    with pytest.raises(BadData, match="written with commas"):
        TableInputs().resolved(frame().with_columns(dose=pl.Series(["0,5", "1,25", "3,0"])), ["died"])
    with progress.reporting(progress.Console()):
        TableInputs().resolved(frame().with_columns(smokes=pl.Series(["Yes", "yes", "no"])), ["died"])
    assert "'smokes': its levels differ in capitals" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("column", "values"),
    [
        ("age", pl.Series([object(), 1, "x"], dtype=pl.Object)),
        ("age", pl.Series([10**30] * 3, dtype=pl.Int128)),
        ("patient", pl.Series([[1], [1], [2]])),
        ("patient", pl.Series([b"a", b"a", b"b"])),
        ("at", pl.Series([1.5, 2.5, 1e300])),
        ("at", pl.Series(["noon", "noon", "later"])),
    ],
)
def test_a_column_of_a_kind_that_cannot_serve_is_named(column, values) -> None:
    odd = frame().with_columns(values.alias(column))
    with pytest.raises(BadData, match=f"the column '{column}' holds"):
        Samples.from_frame(odd, target="died", group="patient", time="at" if column == "at" else None)


@pytest.mark.parametrize("values", [[[1], [0], [1]], [b"y", b"n", b"y"]])
def test_a_target_of_a_kind_that_cannot_serve_is_named(values) -> None:
    with pytest.raises(BadData, match="the target 'died' holds"):
        Binary().columns({"column": "died"}, frame().with_columns(died=pl.Series(values)), {})


def test_names_of_groups_lose_the_blanks_around_them() -> None:
    assert labels(pl.Series(["a", "a ", " a", None])).tolist() == ["a", "a", "a", "unknown"]


@pytest.mark.parametrize("name", ["__index_level_0__", "Unnamed: 0", "column_1"])
def test_a_column_without_a_name_that_numbers_the_rows_is_no_input(name) -> None:
    rows = pl.DataFrame({name: [0, 1, 2], "x": [1.0, 2.0, 1.0], "y": [0, 1, 0]})
    with notes.collection() as collected:
        assert TableInputs().resolved(rows, ["y"]).use == ("x",)
    assert [(note.check, note.result) for note in collected] == [("columns not read", name)]
    assert TableInputs(use=(name,)).resolved(rows, ["y"]).use == (name,)


def test_rows_that_stand_there_twice_are_noted() -> None:
    rows = pl.DataFrame({"row_id": [0, 1, 2], "x": [1.0, 1.0, 2.0], "y": [0, 0, 1]})
    with notes.collection() as collected:
        TableInputs().resolved(rows, ["y"])
    assert [note.result for note in collected] == ["1 row repeats another in every column"]


def test_integers_that_become_equal_are_noted() -> None:
    rows = pl.DataFrame({"x": [2**60, 2**60 + 1, 5], "z": [1, 2, 3]})
    with notes.collection() as collected:
        TableInputs().resolved(rows, [])
    assert [(note.check, "1 of its values becomes equal" in note.result) for note in collected] == [
        ("column 'x'", True)
    ]


def test_groups_that_differ_in_capitals_alone_are_noted() -> None:
    rows = pl.DataFrame({"x": [1.0, 2.0, 3.0], "who": ["P1", "p1", "p2"]})
    with notes.collection() as collected:
        TableInputs(groups=("who",)).resolved(rows, [])
    assert [note.check for note in collected] == ["column 'who'"]


def test_a_number_too_large_for_a_model_refuses_its_row() -> None:
    rows = pl.DataFrame({"x": [1.0, 1e300, None, float("nan"), float("-inf")]})
    assert list(TableInputs(use=("x",)).unreadable(rows)) == [1, 4]


@pytest.mark.parametrize("values", [[date(2026, 1, 1)], [timedelta(1)], [[1.0]]])
def test_times_and_lists_are_no_numbers(values) -> None:
    with pytest.raises(BadData, match="where numbers are wanted"):
        TableInputs(use=("x",)).unreadable(pl.DataFrame({"x": values}))


def test_a_list_is_no_level() -> None:
    with pytest.raises(BadData, match="where one text a row is wanted"):
        TableInputs(use=("x",), categories={"x": ("a",)}).outside(pl.DataFrame({"x": [["a"]]}))
