"""The contract of formats: what is sniffed is read, twice alike, and nothing gets lost."""

from __future__ import annotations

from dataclasses import replace

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
