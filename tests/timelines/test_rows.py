"""Tables without times: types, mistakes in number columns, and what is said about them."""

from __future__ import annotations

import polars as pl
import pytest

from polyclinic.errors import BadData
from polyclinic.timelines.ingest import ingest


def table(tmp_path, text: str, **settings):
    (tmp_path / "a.csv").write_text(text)
    return ingest("table", tmp_path / "a.csv", tmp_path / "out", **settings)


def ages(mistakes: int, rows: int = 200) -> str:
    lines = [f"m{i},{'old' if i < mistakes else i}" for i in range(rows)]
    return "name,age\n" + "\n".join(lines) + "\n"


def test_text_in_a_number_column_is_quarantined_and_the_rows_keep_their_numbers(tmp_path):
    stored = table(tmp_path, ages(2))
    assert stored.rows().schema["age"].is_numeric()
    assert stored.rows()["row_id"].to_list() == list(range(2, 200))
    summary = stored.summary()
    assert (summary["rows_in"], summary["used"], summary["quarantined"]) == (200, 198, 2)
    refused = pl.read_parquet(tmp_path / "out" / "quarantine" / "a.csv.parquet")
    assert refused.select("row", "column").rows() == [(0, "age"), (1, "age")]


def test_an_infinite_number_is_quarantined_with_its_column(tmp_path):
    frame = pl.DataFrame({"name": ["a", "b", "c"], "dose": [1.0, float("inf"), float("nan")], "n": [1, 2, 3]})
    frame.write_parquet(tmp_path / "doses.parquet")
    frame.write_csv(tmp_path / "doses.csv")
    for file in ("doses.parquet", "doses.csv"):
        table = ingest("table", tmp_path / file, tmp_path / f"{file}-out", max_quarantined=1.0)
        assert table.rows()["row_id"].to_list() == [0, 2]
        assert table.refused().select("row_id", "refused").rows() == [(1, "an infinite number")]


def test_more_than_a_few_stop_with_the_column_and_the_first_row(tmp_path):
    heights = [f"{'tall' if i > 197 else i}" for i in range(200)]
    lines = [f"{line},{height}" for line, height in zip(ages(2).split()[1:], heights, strict=True)]
    with pytest.raises(BadData, match="text in a number column") as caught:
        table(tmp_path, "name,age,height\n" + "\n".join(lines))
    assert (caught.value.at.row, caught.value.at.column) == (0, "age")
    assert "old" not in str(caught.value)


@pytest.mark.parametrize("mistakes", [3, 12, 100])
def test_a_column_with_more_text_than_may_be_quarantined_stays_text(tmp_path, mistakes):
    stored = table(tmp_path, ages(mistakes))
    assert stored.rows().schema["age"] == pl.String
    assert stored.summary()["quarantined"] == 0


def test_codes_of_which_a_few_are_no_numbers_are_kept_as_they_stand(tmp_path):
    codes = ["V27" if i % 17 == 0 else f"{i}.00" for i in range(200)]
    stored = table(tmp_path, "icd\n" + "\n".join(codes))
    assert stored.rows()["icd"].to_list() == codes


def test_the_bound_says_how_much_text_a_number_column_may_hold(tmp_path):
    assert table(tmp_path, ages(12), max_quarantined=0.06).summary()["quarantined"] == 12


def test_without_a_bound_one_cell_of_text_keeps_its_column_text(tmp_path):
    assert table(tmp_path, ages(1), max_quarantined=1.0).rows()["age"].to_list()[:2] == ["old", "1"]


def test_missing_words_are_missing(tmp_path):
    assert table(tmp_path, "x,y\n1,NA\n,2\nnull,3\n").rows()["x"].null_count() == 2


def test_parquet_keeps_its_types_and_a_code_of_digits_stays_text(tmp_path):
    frame = pl.DataFrame({"code": ["00" + str(i) for i in range(10)], "y": range(10)})
    frame.write_parquet(tmp_path / "a.parquet")
    rows = ingest("table", tmp_path / "a.parquet", tmp_path / "out").rows()
    assert rows.select("code", "y").equals(frame)


def test_a_parquet_table_that_was_cut_short_is_named(tmp_path):
    pl.DataFrame({"x": range(1000)}).write_parquet(tmp_path / "a.parquet")
    (tmp_path / "a.parquet").write_bytes((tmp_path / "a.parquet").read_bytes()[:400])
    with pytest.raises(BadData, match="may be cut short"):
        ingest("table", tmp_path / "a.parquet", tmp_path / "out")


def test_it_says_what_it_holds(tmp_path):
    stored = table(tmp_path, ages(2))
    facts = stored.describe()
    assert facts["rows"] == 198
    assert {c["column"] for c in facts["columns"]} == {"name", "age"}
    assert facts["ingest"]["quarantined"] == 2
    assert "<table>" in stored._repr_html_()


def test_times_are_on_one_clock(tmp_path):
    text = "id,t\n1,2024-01-01T05:00:00+01:00\n2,2024-07-01T05:00:00+02:00\n"
    with pytest.raises(BadData, match=r"mixed zones: \+01:00 in a.csv: t .*; \+02:00 in a.csv: t"):
        table(tmp_path, text)
    assert [t.hour for t in table(tmp_path, text, zone="Europe/Berlin").rows()["t"]] == [5, 5]


def test_times_with_and_without_a_zone_in_one_table_are_an_error(tmp_path):
    with pytest.raises(BadData, match=r"no zone in a\.csv: t"):
        table(tmp_path, "id,t\n1,2100-01-01T05:00:00Z\n2,2100-07-01T05:00:00\n")


def test_a_table_with_another_separator_is_refused_with_that_reason(tmp_path):
    with pytest.raises(BadData, match="separated by ';', not by commas"):
        table(tmp_path, "name;dose\nx;0.5\n")


def test_a_column_of_the_source_that_is_called_row_id_is_left_out_whatever_it_holds(tmp_path):
    stored = table(tmp_path, "row_id,x\n 7,1\n 8,2\n")
    assert stored.rows().rows() == [(0, 1), (1, 2)]
    assert stored.summary()["noted"] == {"column 'row_id' of the source left out": 2}


def test_a_name_that_two_columns_share_is_an_error(tmp_path):
    (tmp_path / "rows.csv").write_text("id,sex,age,sex\n1,f,60,m\n")
    with pytest.raises(BadData, match="two columns are called 'sex'"):
        ingest("table", tmp_path / "rows.csv", tmp_path / "out")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_table_is_read_in_the_encodings_that_say_what_they_are(tmp_path, encoding):
    (tmp_path / "rows.csv").write_text("id,größe\nä1,60\n", encoding=encoding)
    rows = ingest("table", tmp_path / "rows.csv", tmp_path / "out").rows()
    assert rows.rows(named=True) == [{"row_id": 0, "id": "ä1", "größe": 60}]


@pytest.mark.parametrize("rest", ["7,8", "7,", "7,8,9"])
def test_a_table_whose_last_line_breaks_off_may_be_cut_short(tmp_path, rest):
    (tmp_path / "rows.csv").write_text(f"id,a,b,y\n1,2,3,0\n{rest}")
    with pytest.raises(BadData, match=f"breaks off after {rest.count(',') + 1} of 4 columns"):
        ingest("table", tmp_path / "rows.csv", tmp_path / "out")


@pytest.mark.parametrize("rest", ["7,8,9,1", "7,8,9,1\n", '7,"8\n,",9,1', "7,8,9,", ""])
def test_a_last_line_with_all_its_columns_is_whole(tmp_path, rest):
    (tmp_path / "rows.csv").write_text(f"id,a,b,y\n1,2,3,0\n{rest}")
    assert ingest("table", tmp_path / "rows.csv", tmp_path / "out").rows().height == 1 + bool(rest)
