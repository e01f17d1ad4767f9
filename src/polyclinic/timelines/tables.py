"""Table files as they lie, read piece by piece: Parquet and text (CSV, TSV), whole or broken. The one table reader.

A text file is read as text first. A column becomes numbers, or true and false, only where every cell is written as one
and comes back as it was written: `007`, `1E1` and an integer of twenty digits are codes and stay text.
"""

import codecs
import csv
import re
import stat
import sys
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from polyclinic.errors import BadData, Place, UsageError, nearest
from polyclinic.figures.numbers import how_many
from polyclinic.timelines import zones

if TYPE_CHECKING:
    import pyarrow.csv

SUFFIXES = {".parquet", ".csv", ".tsv", ".smi"}
TEXT = {".csv": ",", ".txt": ",", ".tsv": "\t", ".smi": "\t"}
BLANKS = ["\t", "\u00a0", *(" " * count for count in range(1, 33))]
NULLS = ["", "NA", "N/A", "n/a", "#N/A", "#NA", "<NA>", "NaN", "nan", "-nan", "-NaN", "NULL", "null", "None"]
"""What stands in a text for nothing, as pandas reads it; white space alone (`BLANKS`) too."""
PACKED = {
    b"\x1f\x8b": "packed (gzip)",
    b"PK": "a workbook or a packed file",
    b"\x28\xb5": "packed (zstd)",
    b"BZ": "packed (bzip2)",
}
"""How files begin that are no text, whatever their name says."""
PACKED_SUFFIXES = {".gz", ".zst", ".zip", ".bz2", ".xz", ".7z"}
ROWS = 250_000
BLOCK = 4 << 20  # bytes of text parsed at a time, and so the longest row
LAST = 1 << 20  # bytes at the end of a file in which its last line is looked for
MOST_LISTED = 40
COPY = "copy the file again from where it came, and compare its size or checksum"
AS_UTF8 = "save it as UTF-8 (in a spreadsheet: CSV UTF-8)"

INTEGER = r"^(0|-?[1-9]\d*)$"
CODE = r"^[+-]?0\d|^\d+[eE]\d+$|^[+-]?\d{16,}$"
"""Numbers that are codes: leading zeros, an exponent without a sign (no program writes one so), too many digits."""
TIME = r"^\d{4}-\d{2}-\d{2}"
IDENTIFIER = r"(?i)(^|_|\b)ids?$|[a-z]I[dD]$"
"""Names of columns that hold identifiers: those are numbers only where all of them are integers."""


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """Turn a reader's own complaint into an error that names the file."""
    try:
        yield
    except _complaints() as error:  # looked up only once something is raised
        reason = str(error).splitlines()[0][:100] if str(error) else type(error).__name__
        kind = "text" if path.suffix.lower() in TEXT else "Parquet"
        what, fix = f"the {kind} file cannot be read, it may be cut short: {reason}", COPY
        if "utf" in reason.lower():
            what, fix = "the text is not UTF-8, perhaps Latin-1", AS_UTF8
        elif "straddl" in reason:
            what, fix = f"a row is longer than {BLOCK >> 20} MiB", "look for a quotation mark that is never closed"
        raise BadData(what, at=Place(file=path.name), fix=fix) from error


def _complaints() -> tuple[type[BaseException], ...]:
    """What readers raise; Arrow takes a tenth of a second to import, and raises nothing before it is."""
    arrow = sys.modules.get("pyarrow")
    own = () if arrow is None else (arrow.ArrowException,)
    return (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError, ValueError, *own)


def plain_file(path: Path) -> Path:
    """The path itself. Raises `UsageError` where nothing is there, `BadData` for a pipe or a device, which could hang."""
    try:
        mode = path.stat().st_mode
    except OSError as error:
        raise UsageError(f"no such file: {path}", at=Place(file=str(path)), fix="check the path") from error
    if not stat.S_ISREG(mode):
        kind = "a folder" if stat.S_ISDIR(mode) else "a pipe or a device"
        raise BadData(f"this is {kind}, not a file", at=Place(file=str(path)), fix="name a table file")
    return path


# text files ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class TextColumn:
    """What the cells of one column of a text file are written as: how many are filled, and how many of those are
    numbers, canonical integers, codes made of digits (`CODE`), true or false, and may be times.
    """

    filled: int
    numbers: int
    integers: int
    codes: int
    flags: int
    times: int

    def kind(self, name: str) -> pl.DataType:
        """The type of the column: whole columns of numbers or flags; everything else is text, times too."""
        if self.filled and self.filled == self.integers:
            return pl.Int64()
        identifier = re.search(IDENTIFIER, name) is not None
        if self.filled and self.filled == self.numbers and not self.codes and not identifier:
            return pl.Float64()
        return pl.Boolean() if self.filled and self.filled == self.flags else pl.String()

    def is_number_with_mistakes(self, name: str, most: float) -> bool:
        """Whether it holds numbers but for at most this share of its cells, which are mistakes."""
        codes = self.codes or re.search(IDENTIFIER, name)
        return bool(self.filled and not codes and self.filled - self.numbers <= most * self.filled)


@dataclass(frozen=True, slots=True)
class ShortRow:
    """A row of a text file with more or fewer cells than the header: its position, how many it has of how many, and
    whether it reaches over several lines.
    """

    row: int
    cells: int
    columns: int
    lines: bool = False

    @property
    def reason(self) -> str:
        """Why it cannot be read."""
        return f"{how_many(self.cells, 'cell')} where there {'is' if self.columns == 1 else 'are'} {how_many(self.columns, 'column')}"


@dataclass(frozen=True, slots=True)
class TextFile:
    """A text file after its first reading: its columns, its broken rows, and how many rows there are with them."""

    columns: dict[str, TextColumn]
    broken: tuple[ShortRow, ...]
    rows: int

    def codes(self) -> list[str]:
        """The columns whose cells are all written as numbers, and which are kept as text."""
        return [n for n, c in self.columns.items() if c.filled == c.numbers > 0 and c.kind(n) == pl.String]


def survey(path: Path) -> TextFile:
    """Read a text file once, piece by piece, for its types and its broken rows; remembered while it does not change."""
    about = plain_file(path).stat()
    return _survey(path, about.st_mtime_ns, about.st_size)


@lru_cache(maxsize=256)
def _survey(path: Path, _changed: int, _size: int) -> TextFile:
    broken: list[ShortRow] = []
    rows, last = 0, None
    counts: npt.NDArray[np.int64] | None = None
    for frame in _pieces(path, broken):
        of_piece = frame.select(pl.all().cast(pl.String)).select(_tests(frame.columns)).to_numpy()
        counts = of_piece if counts is None else counts + of_piece
        rows, last = rows + frame.height, frame.tail(1)
    _closed(path, last, broken)
    names = head(path)
    each = [[0] * 6] * len(names) if counts is None else counts.reshape(len(names), -1).tolist()
    columns = {name: TextColumn(*of) for name, of in zip(names, each, strict=True)}
    return TextFile(columns, tuple(broken), rows + len(broken))


def _closed(path: Path, last: pl.DataFrame | None, broken: list[ShortRow]) -> None:
    """Raise `BadData` where the last row reaches over several lines and some quotation mark has no partner: it has
    swallowed all the rows after it.
    """
    rows = [] if last is None else [cell for cell in last.row(0) if cell is not None and "\n" in cell]
    if not rows and not any(row.lines for row in broken[-1:]):
        return
    with path.open("rb") as raw:
        marks = sum(block.count(b'"') for block in iter(lambda: raw.read(BLOCK), b""))
    if marks % 2:
        what, fix = "a quotation mark is never closed: where the rows after it begin is unknown", "close it"
        raise BadData(what, at=Place(file=path.name), fix=fix)


def _tests(names: Iterable[str]) -> Iterator[pl.Expr]:
    """Six counts of each column, in the order of the fields of `TextColumn`."""
    for name in names:
        text = pl.col(name).str.strip_chars()
        integers = text.str.contains(INTEGER) & text.cast(pl.Int64, strict=False).is_not_null()
        flags = text.str.to_lowercase().is_in(["true", "false"])
        tests = (text.is_not_null(), text.cast(pl.Float64, strict=False).is_not_null(), integers)
        for number, test in enumerate((*tests, text.str.contains(CODE), flags, text.str.contains(TIME))):
            yield test.sum().alias(f"{number} {name}")


def names_of_columns(file: Path) -> list[str]:
    """The names of a table's columns, as they are read."""
    return head(file) if file.suffix.lower() in TEXT else scan(file).collect_schema().names()


def head(path: Path) -> list[str]:
    """The names of a text file's columns.

    Raises `BadData` where the first line has another separator, as spreadsheets in much of Europe write it, where it is
    in an unknown encoding, where it gives one name to two columns, or where the last line breaks off.
    """
    mark, encoding = TEXT[path.suffix.lower()], encoding_of(path)
    _unpacked(path)
    try:
        with path.open(encoding=encoding, newline="") as text:
            line = text.readline(BLOCK)
    except UnicodeError as error:
        raise BadData("the text is not UTF-8, perhaps Latin-1", at=Place(file=path.name), fix=AS_UTF8) from error
    other = next((m for m in (";", "\t", "|", ",") if m in line and path.suffix.lower() != ".smi"), None)
    if other and mark not in line:
        wanted = "commas" if mark == "," else "tabs"
        what = f"the columns are separated by {other!r}, not by {wanted}"
        fix = f"save it with {wanted} between the columns and points in the numbers"
        fix += ", or let its name end in .csv" if other == "," else ""
        raise BadData(what, at=Place(file=path.name), fix=fix)
    try:
        names = next(csv.reader([line], delimiter=mark), [])
    except csv.Error as error:
        what, fix = "the first line is no line of column names", "write the names of the columns in the first line"
        raise BadData(what, at=Place(file=path.name), fix=fix) from error
    if not any(names):
        what, fix = "the file is empty, or its first line is", "write the names of the columns in the first line"
        raise BadData(what, at=Place(file=path.name), fix=fix)
    if any(ord(letter) < ord(" ") for name in names for letter in name):
        fix = "write each name on the first line, in letters, digits and signs"
        raise BadData("the name of a column holds a character that cannot be shown", at=Place(file=path.name), fix=fix)
    names = [name.strip() or f"column_{number}" for number, name in enumerate(names, start=1)]
    if twice := [name for name in names if names.count(name) > 1]:
        fix = "give each column a name of its own"
        raise BadData(f"two columns are called {twice[0]!r}", at=Place(path.name, column=twice[0]), fix=fix)
    if encoding == "utf-8-sig":
        _whole(path, mark, len(names))
    return names


def _unpacked(path: Path) -> None:
    """Raise `BadData` for a file that is no text, whatever its name says."""
    with path.open("rb") as raw:
        first = raw.read(4)
    for mark, kind in PACKED.items():
        if first.startswith(mark) and not first.isalpha():
            what, fix = f"this is no text: it is {kind}", "unpack it, or save it as CSV (UTF-8)"
            raise BadData(what, at=Place(file=path.name), fix=fix)


def encoding_of(path: Path) -> str:
    """UTF-8, or UTF-16 where the file says so by its first two bytes."""
    with plain_file(path).open("rb") as raw:
        first = raw.read(2)
    return "utf-16" if first in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE) else "utf-8-sig"


def _whole(path: Path, mark: str, columns: int) -> None:
    """Raise `BadData` where the last line has too few columns and no end: the sign of a copy that was cut short."""
    with path.open("rb") as raw:
        first = max(len(raw.readline()), path.stat().st_size - LAST)
        raw.seek(max(first - 1, 0))
        *lines, last = raw.read().splitlines(keepends=True) or [b""]
    cells = last.count(mark.encode()) + 1
    if lines and last.strip() and not last.endswith(b"\n") and b'"' not in last and cells < columns:
        what = f"the last line breaks off after {cells} of {columns} columns: the file may be cut short"
        raise BadData(what, at=Place(file=path.name), fix=COPY)


def _pieces(path: Path, broken: list[ShortRow], wanted: Collection[str] | None = None) -> Iterator[pl.DataFrame]:
    """The whole rows of a text file as text; a row with too many or too few cells goes to `broken` instead."""
    import pyarrow as pa
    import pyarrow.csv as pc

    names = head(path)

    def set_aside(row: "pyarrow.csv.InvalidRow") -> str:
        # Its rows are numbered from one, and the header is the first.
        broken.append(ShortRow(row.number - 2, row.actual_columns, row.expected_columns, "\n" in row.text))
        return "skip"

    read = pc.ReadOptions(
        use_threads=False,
        block_size=BLOCK,
        column_names=names,
        skip_rows=1,
        encoding="utf8" if encoding_of(path) == "utf-8-sig" else "utf16",
    )
    parse = pc.ParseOptions(delimiter=TEXT[path.suffix.lower()], newlines_in_values=True, invalid_row_handler=set_aside)
    convert = pc.ConvertOptions(
        column_types=dict.fromkeys(names, pa.large_string()),
        include_columns=[n for n in names if wanted is None or n in wanted],
        null_values=[*NULLS, *BLANKS],
        strings_can_be_null=True,
    )
    with readable(path):
        if not _rows_follow(path):
            return
        for batch in pc.open_csv(path, read, parse, convert):
            if batch.num_rows:
                frame = pl.from_arrow(batch)
                assert isinstance(frame, pl.DataFrame)
                yield frame


def _rows_follow(path: Path) -> bool:
    """Whether anything but white space stands below the header."""
    with path.open(encoding=encoding_of(path), errors="replace") as text:
        text.readline(BLOCK)
        return any(line.strip() for line in iter(lambda: text.readline(BLOCK), ""))


def _typed(name: str, kind: pl.DataType) -> pl.Expr:
    text = pl.col(name)
    if kind == pl.Boolean:
        return (text.str.strip_chars().str.to_lowercase() == "true").alias(name)
    return text.str.strip_chars().cast(kind) if kind.is_numeric() else text


def _scan_text(path: Path) -> pl.LazyFrame:
    from polars.io.plugins import register_io_source

    kinds = {name: column.kind(name) for name, column in survey(path).columns.items()}

    def source(
        columns: list[str] | None, predicate: pl.Expr | None, limit: int | None, _batch: int | None
    ) -> Iterator[pl.DataFrame]:
        for piece in _pieces(path, [], columns):
            frame = piece.select(_typed(n, kinds[n]) for n in columns or piece.columns)
            frame = frame.head(limit) if limit is not None else frame
            limit = None if limit is None else limit - frame.height
            yield frame if predicate is None else frame.filter(predicate)
            if limit == 0:
                return

    return register_io_source(source, schema=kinds, is_pure=True)


# any table file ------------------------------------------------------------------------------------------------------


def scan(path: Path) -> pl.LazyFrame:
    """A table file as a lazy frame of its whole rows; times in a text file stay text. Raises `BadData`."""
    plain_file(path)
    with readable(path):
        frame = pl.scan_parquet(path) if path.suffix.lower() not in TEXT else _scan_text(path)
        frame.collect_schema()
        return frame


def broken_rows(path: Path) -> tuple[ShortRow, ...]:
    """The rows of a text file that have more or fewer cells than its header, which `scan` and `batches` leave out."""
    return survey(path).broken if path.suffix.lower() in TEXT else ()


def need(names: Iterable[str], columns: Collection[str], path: Path) -> None:
    """Raise `BadData` for the first of the names that is not among the columns, with those that the file has."""
    for name in names:
        if name not in columns:
            known = scan(path).collect_schema().names()
            near = nearest(name, known)
            listed = ", ".join(known[:MOST_LISTED]) + (", …" if len(known) > MOST_LISTED else "")
            hint = f": did you mean {near!r}?" if near else ""
            fix = f"correct the name in the mapping or in the table{hint} (the table has: {listed})"
            raise BadData(f"no column {name!r}", at=Place(file=path.name, column=name), fix=fix)


class Piece(NamedTuple):
    """Some rows of a table file in their order, and the position of each in the file, int64 [row]."""

    frame: pl.DataFrame
    position: pl.Series


def batches(path: Path, rows: int = ROWS, *, columns: Collection[str] | None = None) -> Iterator[Piece]:
    """The file's whole rows, at most `rows` at a time: memory stays flat. Broken rows are left out, and counted.

    columns: those to read; names that the table lacks are passed over. None: all.
    """
    broken, first, table = [r.row for r in broken_rows(path)], 0, scan(path)
    with readable(path):
        known = table.collect_schema().names()
        if columns is not None and (named := [name for name in known if name in columns]):
            table = table.select(named)
        for frame in table.collect_batches(chunk_size=rows, maintain_order=True):
            yield Piece(frame, _positions(first, frame.height, broken))
            first += frame.height


def _positions(first: int, count: int, broken: list[int]) -> pl.Series:
    """Positions in the file of `count` whole rows, of which `first` came before."""
    whole = pl.int_range(first, first + count, eager=True, dtype=pl.Int64).alias("row")
    if not broken:
        return whole
    # The k-th broken row (from 0) stands after `broken[k] - k` whole ones: so many broken ones precede a whole row.
    after = pl.Series([row - k for k, row in enumerate(broken)], dtype=pl.Int64)
    return (whole + after.search_sorted(whole, side="right").cast(pl.Int64)).alias("row")


def read_table(path: Path) -> pl.DataFrame:
    """A whole table: Parquet, or text in which columns of times become times (in UTC where they are written with zones).

    Raises `BadData` where it cannot be read or has a broken row, `UsageError` where there is no such file.
    """
    plain_file(path)
    if path.suffix.lower() not in TEXT:
        with readable(path):
            return pl.read_parquet(path)
    for row in broken_rows(path)[:1]:
        fix = "write every cell of that row, and put text with a comma in quotation marks"
        raise BadData(row.reason, at=Place(file=path.name, row=row.row), fix=fix)
    with readable(path):
        frame = scan(path).collect()
    return frame.with_columns(zones.as_time(frame[name]) for name in time_columns(path))


def time_columns(path: Path) -> list[str]:
    """The columns of a text file whose every cell is a time."""
    columns = (
        [n for n, c in survey(path).columns.items() if c.filled == c.times > 0] if path.suffix.lower() in TEXT else []
    )
    if not columns:
        return []
    clock = zones.SiteClock()
    lost = [(pl.col(n).is_not_null() & clock.times(n, pl.String()).is_null()).any().alias(n) for n in columns]
    with readable(path):
        wrong = scan(path).select(lost).collect().row(0, named=True)
    return [name for name in columns if not wrong[name]]


def first_file(source: Path) -> Path:
    """The one table file of a folder, or the file itself; raises `BadData` where there is none or several."""
    if source.is_file():
        return source
    files = table_files(source)
    if len(files) != 1:
        what = "no table" if not files else f"{len(files)} tables"
        what += " in this folder; one CSV, TSV or Parquet file is wanted"
        raise BadData(what, at=Place(file=str(source)), fix="name the file itself")
    return files[0]


def table_files(folder: Path) -> list[Path]:
    """The table files of a folder, by name; hidden files, which systems leave there, are none."""
    files = folder.iterdir() if folder.is_dir() else ()
    return sorted(p for p in files if p.suffix.lower() in SUFFIXES and p.name[0] != "." and not p.is_dir())
