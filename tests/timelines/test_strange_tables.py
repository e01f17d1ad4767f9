"""Table files of strangers: separators, endings, names, and what stands for nothing."""

from __future__ import annotations

import gzip

import pytest

from polyclinic.errors import BadData
from polyclinic.timelines.ingest import ingest


def rows(tmp_path, text: str | bytes, name: str = "t.csv"):
    """The rows of one table file, ingested."""
    (tmp_path / "src").mkdir()
    path = tmp_path / "src" / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return ingest("table", path, tmp_path / "out", max_quarantined=0.5).rows()


@pytest.mark.parametrize("nothing", ["NA", "N/A", "n/a", "#N/A", "<NA>", "null", " ", "   ", "\t", "\u00a0"])
def test_what_stands_for_nothing_is_missing_and_makes_no_text_of_a_column(tmp_path, nothing):
    assert rows(tmp_path, f"a,b\n1,1.5\n2,{nothing}\n")["b"].to_list() == [1.5, None]


def test_names_of_columns_lose_the_blanks_around_them(tmp_path):
    assert rows(tmp_path, " a , b\n1,2\n").columns == ["row_id", "a", "b"]


def test_names_that_differ_in_blanks_alone_are_one_name_twice(tmp_path):
    with pytest.raises(BadData, match="two columns are called 'b'"):
        rows(tmp_path, "b, b\n1,2\n")


@pytest.mark.parametrize(
    ("name", "text"), [("t.csv", "a;b\n1;2\n"), ("t.csv", "a\tb\n1\t2\n"), ("t.tsv", "a,b\n1,2\n")]
)
def test_another_separator_is_an_error_that_names_it(tmp_path, name, text):
    with pytest.raises(BadData, match="the columns are separated by"):
        rows(tmp_path, text, name)


@pytest.mark.parametrize(
    "content", [gzip.compress(b"a,b\n1,2\n", mtime=0), b"PK\x03\x04\x14\x00,\n"], ids=["gzip", "zip"]
)
def test_a_packed_file_is_no_text_whatever_its_name(tmp_path, content):
    with pytest.raises(BadData, match="this is no text"):
        rows(tmp_path, content)


def test_a_file_with_a_packed_ending_is_to_be_unpacked(tmp_path):
    with pytest.raises(BadData) as caught:
        rows(tmp_path, gzip.compress(b"a,b\n1,2\n", mtime=0), "t.csv.gz")
    assert "unpack" in caught.value.fix


def test_a_text_that_begins_like_a_packed_file_is_text(tmp_path):
    assert rows(tmp_path, "PKUsers,b\n1,2\n").height == 1


def test_a_table_whose_every_row_is_broken_says_why(tmp_path):
    with pytest.raises(BadData, match="2 cells where there is 1 column"):
        rows(tmp_path, "# a comment\na,b\n1,2\n")


def test_files_beside_the_one_table_of_a_folder_are_counted(tmp_path):
    source = tmp_path / "src"
    source.mkdir()
    (source / "a.csv").write_text("a,b\n1,2\n")
    for other in ("._a.csv", "b.csv.gz", "notes.txt"):
        (source / other).write_text("junk")
    (source / "c.csv").mkdir()
    summary = ingest("table", source, tmp_path / "out").summary()
    assert summary["rows_in"] == 1
    assert sorted(summary["files"]) == ["._a.csv", "a.csv", "b.csv.gz", "c.csv", "notes.txt"]
