"""A table in another encoding is named for what it is."""

from __future__ import annotations

import pytest

from polyclinic.errors import BadData
from polyclinic.timelines.ingest import ingest


def test_a_csv_that_is_not_utf8_says_how_to_save_it(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_bytes("name,died\nM\xfcller,1\n".encode("latin-1"))
    with pytest.raises(BadData, match="UTF-8") as error:
        ingest("table", path, tmp_path / "out")
    assert "rows.csv" in str(error.value)


def test_a_header_that_is_not_utf8_is_not_read_as_other_names(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_bytes("größe,died\n180,1\n".encode("latin-1"))
    with pytest.raises(BadData, match="not UTF-8, perhaps Latin-1"):
        ingest("table", path, tmp_path / "out")
