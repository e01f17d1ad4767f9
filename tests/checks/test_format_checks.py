"""The contract of formats: what is sniffed is read, twice alike, and nothing gets lost."""

from __future__ import annotations

from dataclasses import replace

import polars as pl
import pytest

from polyclinic.checks import format_checks, formats
from polyclinic.errors import CheckFailed
from polyclinic.timelines.rows import Table


@pytest.fixture
def source(tmp_path):
    file = tmp_path / "people.csv"
    numbers = [str(n) for n in range(20)]
    file.write_text("name,score\n" + "".join(f"n{n},{n}\n" for n in numbers) + "x,none at all\n")
    return file


@pytest.mark.parametrize("check", format_checks(), ids=lambda check: check.__name__)
def test_the_table_format_keeps_the_contract(check, source, tmp_path):
    check(Table(), source, tmp_path / "work")


class Losing(Table):
    """Loses a row on the way, and tells nobody."""

    def read(self, source):
        for chunk in super().read(source):
            yield replace(chunk, used=chunk.used - 1)


class Blind(Table):
    """Takes anything for its own."""

    def sniff(self, source):
        return True


def test_a_format_that_loses_rows_is_caught(source, tmp_path):
    with pytest.raises(CheckFailed, match=r"1 row of people\.csv is lost"):
        formats.counts_what_it_refused(Losing(), source, tmp_path)


def test_a_format_that_takes_anything_for_its_own_is_caught(source, tmp_path):
    with pytest.raises(CheckFailed, match="takes an empty folder for one"):
        formats.reads_what_it_sniffs(Blind(), source, tmp_path)


class LikesText(Table):
    """Takes any folder with files in it for its own."""

    def sniff(self, source):
        return super().sniff(source) or (source.is_dir() and any(source.iterdir()))


class OneNumber(Table):
    """Gives every row the same number."""

    def read(self, source):
        for chunk in super().read(source):
            yield replace(chunk, frame=chunk.frame.with_columns(row_id=pl.lit(0, pl.Int64)))


def test_a_format_that_takes_a_folder_of_notes_is_caught(source, tmp_path):
    with pytest.raises(CheckFailed, match="it takes notes, which is none of its own"):
        formats.reads_what_it_sniffs(LikesText(), source, tmp_path)


def test_a_format_that_numbers_all_rows_alike_is_caught(source, tmp_path):
    with pytest.raises(CheckFailed, match="have the row_id of another"):
        formats.names_each_row_once(OneNumber(), source, tmp_path)
