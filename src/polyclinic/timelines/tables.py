"""Table files as they lie, read piece by piece: Parquet and CSV, whole or broken."""

import csv
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import polars as pl

from polyclinic.errors import BadData, Place

SUFFIXES = {".parquet", ".csv", ".tsv", ".smi"}
NULLS = ["", "NA", "N/A", "NaN", "nan", "NULL", "null", "None"]
ROWS = 250_000
LAST = 1 << 20  # bytes at the end of a file in which its last line is looked for
COPY = "copy the file again from where it came, and compare its size or checksum"


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """Turn a reader's own complaint into an error that names the file."""
    try:
        yield
    except (pl.exceptions.PolarsError, OSError, ValueError) as error:
        reason = str(error).splitlines()[0][:100] if str(error) else type(error).__name__
        kind = "Parquet" if path.suffix == ".parquet" else "text"
        what = f"the {kind} file cannot be read, it may be cut short: {reason}"
        fix = "save it as UTF-8, with commas between the columns" if "utf" in reason.lower() else COPY
        raise BadData(what, at=Place(file=path.name), fix=fix) from error


def separated(path: Path, mark: str) -> None:
    """Raise `BadData` where the first line of a CSV has another separator, as spreadsheets in much of Europe write it, or
    where it gives one name to two columns, or where its last line breaks off.
    """
    with path.open("rb") as raw:
        line = raw.readline()
    try:
        head = line.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        kind = "UTF-16" if line[:2] in (b"\xff\xfe", b"\xfe\xff") else "not UTF-8, perhaps Latin-1"
        raise BadData(f"the text is {kind}", at=Place(file=path.name), fix="save it as UTF-8 (CSV UTF-8)") from error
    other = next((m for m in (";", "\t", "|") if m in head), None)
    if mark == "," and other and mark not in head:
        what = f"the columns are separated by {other!r}, not by commas"
        fix = "save it with commas between the columns and points in the numbers"
        raise BadData(what, at=Place(file=path.name), fix=fix)
    names = next(csv.reader([head], delimiter=mark), [])
    if path.suffix == ".smi":  # which has no names
        return
    if twice := [name for name in names if name and names.count(name) > 1]:
        fix = "give each column a name of its own"
        raise BadData(f"two columns are called {twice[0]!r}", at=Place(path.name, column=twice[0]), fix=fix)
    last = _last_line(path)
    fields = last.count(mark.encode()) + 1
    if last.strip() and not last.endswith(b"\n") and b'"' not in last and fields < len(names):
        what = f"the last line breaks off after {fields} of {len(names)} columns: the file may be cut short"
        raise BadData(what, at=Place(file=path.name), fix=COPY)


def _last_line(path: Path) -> bytes:
    """The last line of a text file; nothing where it is the first, or too long to be looked at."""
    with path.open("rb") as raw:
        first = max(len(raw.readline()), path.stat().st_size - LAST)
        raw.seek(max(first - 1, 0))
        *lines, last = raw.read().splitlines(keepends=True) or [b""]
    return last if lines else b""


def scan(path: Path) -> pl.LazyFrame:
    """A table file as a lazy frame; the types of a CSV come from all its rows, and its times stay text."""
    with readable(path):
        if path.suffix.lower() == ".parquet":
            frame = pl.scan_parquet(path)
        else:
            mark = "," if path.suffix.lower() == ".csv" else "\t"
            separated(path, mark)
            frame = pl.scan_csv(path, separator=mark, infer_schema_length=None, null_values=NULLS)
        frame.collect_schema()
        return frame


def need(names: Iterable[str], columns: Collection[str], file: str) -> None:
    """Raise `BadData` for the first of the names that is no column of the table."""
    for name in names:
        if name not in columns:
            fix = f"the table has: {', '.join(list(columns)[:12])}"
            raise BadData(f"no column {name!r}", at=Place(file=file, column=name), fix=fix)


def batches(path: Path, rows: int = ROWS) -> Iterator[pl.DataFrame]:
    """The file's rows in their order, at most `rows` at a time: memory stays flat."""
    with readable(path):
        yield from scan(path).collect_batches(chunk_size=rows, maintain_order=True)


def first_file(source: Path) -> Path:
    """The one table file of a folder, or the file itself; raises `BadData` where there is none or several."""
    if source.is_file():
        return source
    found = sorted(p for p in source.iterdir() if p.suffix.lower() in SUFFIXES)
    if len(found) != 1:
        what = "no table" if not found else f"{len(found)} tables"
        what += " in this folder; one CSV, TSV or Parquet file is wanted"
        raise BadData(what, at=Place(file=str(source)), fix="name the file itself")
    return found[0]
