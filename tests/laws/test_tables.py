"""Text files: every row is accounted for, every identifier comes back as it was written, and rubbish is one clear error."""

from __future__ import annotations

import csv
import os
import tempfile
from contextlib import suppress
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from polyclinic.errors import PolyclinicError
from polyclinic.timelines import tables
from polyclinic.timelines.ingest import ingest

IDENTIFIER = st.one_of(
    st.integers(0, 20).map(str), st.from_regex(r"0{1,3}[0-9]{1,3}", fullmatch=True),
    st.from_regex(r"[0-9]{1,2}[eE][0-9]", fullmatch=True), st.from_regex(r"[0-9]{15,22}", fullmatch=True),
    st.from_regex(r"[0-9]{1,3}\.[0-9]{1,2}", fullmatch=True), st.text("aé;,\"' \n0", min_size=1, max_size=4).filter(str.strip),
)  # fmt: skip


def write(path: Path, rows: list[list[str]], encoding: str = "utf-8") -> Path:
    with path.open("w", encoding=encoding, newline="") as out:
        csv.writer(out, quoting=csv.QUOTE_MINIMAL).writerows(rows)
    return path


@settings(max_examples=60, deadline=None)
@given(
    st.lists(IDENTIFIER, min_size=1, max_size=8), st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
    st.sampled_from(["subject_id", "case", "MRN"]),
)  # fmt: skip
@example(["007", "7"], "utf-8", "MRN")
@example(["1E1", "10"], "utf-8", "case")
@example(["10.0", "10"], "utf-8", "subject_id")
def test_two_identifiers_that_are_written_otherwise_stay_two(ids, encoding, column):
    if column != "subject_id":  # of other columns, 1.50 and 1.5 may be one number
        ids = [i for i in ids if "." not in i] or ["x"]
    with tempfile.TemporaryDirectory() as name:
        path = write(Path(name) / "a.csv", [[column, "y"], *([i, "1"] for i in ids)], encoding)
        read = tables.read_table(path)[column].cast(pl.String).to_list()
        assert len(set(read)) == len({i.strip() if i.strip().lstrip("-").isdigit() else i for i in ids})
        assert ingest("table", path, Path(name) / "out").rows()[column].cast(pl.String).to_list() == read


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(1, 5), min_size=1, max_size=12), st.integers(1, 3), st.booleans())
def test_every_row_of_a_text_file_is_used_or_in_quarantine_with_its_position(cells, size, tab: bool):
    with tempfile.TemporaryDirectory() as name:
        path, mark = Path(name) / ("a.tsv" if tab else "a.csv"), "\t" if tab else ","
        lines = [
            mark.join(["a", "b", "c"]),
            *(mark.join(str(n + k) for k in range(width)) for n, width in enumerate(cells)),
        ]
        path.write_text("\n".join(lines) + "\n")
        positions = [p for piece in tables.batches(path, size) for p in piece.position]
        assert positions == [n for n, width in enumerate(cells) if width == 3]
        assert [b.row for b in tables.broken_rows(path)] == [n for n, width in enumerate(cells) if width != 3]
        if 3 not in cells:
            return
        stored = ingest("table", path, Path(name) / "out", max_quarantined=1.0)
        summary = stored.summary()
        assert (summary["rows_in"], summary["used"], summary["quarantined"]) == (
            len(cells),
            len(positions),
            len(cells) - len(positions),
        )
        assert stored.rows()["row_id"].to_list() == positions
        assert stored.rows()["a"].to_list() == positions


@pytest.mark.parametrize("seed", range(12))
def test_a_spoilt_table_is_read_or_one_clear_error(tmp_path, seed):
    rng = np.random.default_rng(seed)
    whole = [["id", "t", "x"], *([f"{n:03}", f"2024-01-{n + 1:02} 10:00", '1.5,\n"'[: n % 4 + 1]] for n in range(20))]
    for name in ("a.csv", "a.parquet"):
        path = tmp_path / name
        write(path, whole) if name == "a.csv" else pl.DataFrame(whole[1:], whole[0], orient="row").write_parquet(path)
        data = bytearray(path.read_bytes())
        for _ in range(int(rng.integers(1, 8))):
            where = int(rng.integers(len(data)))
            data[where : where + int(rng.integers(3))] = rng.bytes(int(rng.integers(3)))
        path.write_bytes(data[: int(rng.integers(len(data) // 2, len(data) + 1))])
        for read in (
            tables.read_table,
            lambda p: ingest("table", p, tmp_path / f"{p.name}-out", max_quarantined=1.0).rows(),
        ):
            with suppress(PolyclinicError):
                assert read(path) is not None


@pytest.mark.parametrize("content", [b"", b"\n\n", b"\xff\xfe", b"\xff\xfea", b'"', b"a,a\n1,2\n", b"\xef\xbb\xbf"])
def test_rubbish_is_one_clear_error_or_an_empty_table(tmp_path, content):
    (tmp_path / "a.csv").write_bytes(content)
    with suppress(PolyclinicError):
        assert tables.read_table(tmp_path / "a.csv").is_empty()


def test_a_quotation_mark_that_is_never_closed_swallows_no_rows_in_silence(tmp_path):
    (tmp_path / "a.csv").write_text('a,b\n1,"x\n2,y\n3,z\n')
    with pytest.raises(PolyclinicError, match="never closed"):
        tables.read_table(tmp_path / "a.csv")


def test_a_broken_row_of_a_table_that_is_read_whole_is_an_error_with_its_place(tmp_path):
    (tmp_path / "a.csv").write_text("a,b\n1,2\n3\n4,5\n")
    with pytest.raises(PolyclinicError, match="1 cell where there are 2 columns") as caught:
        tables.read_table(tmp_path / "a.csv")
    assert caught.value.at.row == 1


def test_latin_1_is_named(tmp_path):
    (tmp_path / "labels.csv").write_bytes("subject_id,ward\n1,Chirurgie-Süd\n".encode("latin-1"))
    with pytest.raises(PolyclinicError, match="not UTF-8, perhaps Latin-1"):
        tables.read_table(tmp_path / "labels.csv")


def test_a_pipe_is_refused_and_does_not_hang(tmp_path):
    os.mkfifo(tmp_path / "a.csv")
    with pytest.raises(PolyclinicError, match="a pipe or a device"):
        tables.read_table(tmp_path / "a.csv")


def test_missing_words_are_missing_through_every_way_in(tmp_path):
    (tmp_path / "a.csv").write_text("x,y\n1,NA\n,2\nnull,3\nNaN,4\n")
    for read in (
        tables.read_table,
        lambda p: tables.scan(p).collect(),
        lambda p: ingest("table", p, tmp_path / "out").rows(),
    ):
        assert read(tmp_path / "a.csv")["x"].to_list() == [1, None, None, None]
