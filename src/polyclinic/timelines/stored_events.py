"""Events as they lie in the Parquet files of a MEDS data set, whoever wrote it, brought to one form.

The files may differ in their types and columns. What one of them holds is decided here, once, for a data set that is
opened as it is and for one that is ingested.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import groupby
from pathlib import Path
from typing import Self

import polars as pl

from polyclinic.errors import BadData, Place, UnknownName
from polyclinic.timelines.format import EARLIER_END, EARLIER_KNOWN, EVENTS, INFINITE, NO_TIME, ROUNDED, Fault
from polyclinic.timelines.identifiers import NO_INTEGER, WIDE, beyond
from polyclinic.timelines.tables import plain_file, readable
from polyclinic.timelines.zones import (
    FIRST,
    LAST,
    MOST_AHEAD,
    NAIVE,
    UTC_OFFSET,
    SiteClock,
    require_one_clock,
    zones_in,
)

REQUIRED = ("subject_id", "time", "code")
TIMES = ("time", "end_time", "available_time")
VALUES = ("numeric_value", "text_value")
INGEST = "read it with `polyclinic ingest meds`, which gives every subject a number"
NO_OFFSET = "no offset from UTC in minutes"
LARGEST = 3.4e38
"""Numbers below it are finite as float32."""
PRINTABLE = "!", "\x7f"
"""Codes that start between these are not empty; so the least and the greatest code of a file decide for all."""


def required(schema: Mapping[str, pl.DataType], file: str) -> None:
    """Raise `UnknownName` for a column that every MEDS data set has and this one lacks."""
    for name in (n for n in REQUIRED if n not in schema):
        raise UnknownName("column", name, schema, at=Place(file=file))


def schemas(root: Path, paths: Sequence[Path]) -> dict[Path, dict[str, pl.DataType]]:
    """The columns of each file, of the types in which `opened` gives them.

    Raises `BadData` for a file that cannot be read or that a link takes from elsewhere, and for a column of a type that
    cannot be what its name says.
    """
    columns, inside = {}, root.resolve()
    for path in paths:
        if not plain_file(path).resolve().is_relative_to(inside):
            what, fix = "this file is a link that leads out of its folder", "put the file itself there"
            raise BadData(what, at=Place(file=str(path)), fix=fix)
        with readable(path):
            lies = dict(pl.read_parquet_schema(path))
        required(lies, path.name)
        columns[path] = {name: _readable_type(name, kind, path.name) for name, kind in lies.items()}
    return columns


def require_times(name: str, kind: pl.DataType, file: str) -> None:
    """Raise `BadData` for a column whose type holds no times: nobody knows where bare numbers begin to count."""
    if not (kind in (pl.Null, pl.String, pl.Date) or isinstance(kind, pl.Datetime)):
        what = f"the column {name!r} holds {kind} where times are wanted"
        fix = "write timestamps, or text such as 2024-01-31T08:00: nobody can know where bare numbers begin to count"
        raise BadData(what, at=Place(file, column=name), fix=fix)


def require_numbers(name: str, kind: pl.DataType, file: str) -> None:
    """Raise `BadData` for a column whose type holds neither numbers nor text."""
    if not (kind in (pl.Null, pl.String, pl.Boolean) or kind.is_numeric()):
        what = f"the column {name!r} holds {kind} where numbers are wanted"
        raise BadData(what, at=Place(file, column=name), fix="write numbers")


def _readable_type(name: str, kind: pl.DataType, file: str) -> pl.DataType:
    """The type in which a column is read: categories as text, offsets as whole minutes."""
    text = isinstance(kind, (pl.String, pl.Categorical, pl.Enum))
    wanted, fits, fix = "", True, ""
    if name in TIMES:
        require_times(name, pl.String() if text else kind, file)
    elif name == "numeric_value":
        require_numbers(name, pl.String() if text else kind, file)
    elif name == UTC_OFFSET:
        wanted, fits = "minutes", kind.is_integer() or kind.is_float()
        fix = "write how many minutes the clock of the site is ahead of UTC, such as -300"
    else:
        wanted, fits, fix = "text", name not in EVENTS or not (kind.is_nested() or kind == pl.Binary), "write text"
    if not (fits or kind == pl.Null):
        raise BadData(
            f"the column {name!r} holds {kind} where {wanted} are wanted", at=Place(file, column=name), fix=fix
        )
    if name == UTC_OFFSET and kind.is_float():
        return pl.Int64()
    return pl.String() if text else kind


def opened(frame: pl.LazyFrame, schema: Mapping[str, pl.DataType]) -> pl.LazyFrame:
    """Files as they lie, their columns of the types of `schemas`."""
    kinds = ((n, schema[n]) for n in (*TIMES, "numeric_value", UTC_OFFSET) if n in schema)
    casts = [pl.col(n).cast(kind, strict=False) for n, kind in kinds if kind in (pl.String, pl.Int64)]
    return frame.with_columns(casts) if casts else frame


def zones_of(root: Path, files: Mapping[Path, Mapping[str, pl.DataType]]) -> dict[str, str]:
    """Place → zone of the times of all files, as `zones_in` gives it; times with `utc_offset` beside them count as
    zoned by their offsets.
    """
    zones: dict[str, str] = {}
    for path, schema in files.items():
        name = path.relative_to(root).as_posix()
        times = {n: k for n, k in schema.items() if n in TIMES}
        zoned = {f"{name}: {n}": k.time_zone for n, k in times.items() if isinstance(k, pl.Datetime) and k.time_zone}
        zones |= {place: zone for place, zone in zoned.items() if zone}
        rest = [n for n in times if f"{name}: {n}" not in zoned]
        frame = opened(pl.scan_parquet(path), schema)
        with readable(path):
            if UTC_OFFSET in schema and schema[UTC_OFFSET].is_integer():
                minutes = frame.select(pl.col(UTC_OFFSET).drop_nulls().unique().sort()).collect(engine="streaming")[
                    UTC_OFFSET
                ]
                zones |= {
                    f"{name}: {UTC_OFFSET} ({m})": f"{'-' if m < 0 else '+'}{abs(m) // 60:02}:{abs(m) % 60:02}"
                    for m in minutes
                    if abs(m) <= MOST_AHEAD
                }
            elif zoned or any(schema[n] == pl.String for n in rest):
                zones |= zones_in(frame, rest, name)
            else:
                zones |= {f"{name}: {n}": NAIVE for n in rest if isinstance(schema[n], pl.Datetime)}
    return zones


def plain(schema: Mapping[str, pl.DataType], clock: SiteClock, *, own_offsets: bool = False) -> Iterator[pl.Expr]:
    """The columns of events that are stored otherwise than events in memory are, brought to the form of `EVENTS`.

    own_offsets: whether every `utc_offset` is the clock's own, as an ingest of ours writes it.
    """
    offset = UTC_OFFSET in schema and schema[UTC_OFFSET].is_integer()
    for name in (n for n in EVENTS if n in schema and n != UTC_OFFSET):
        kind, column = schema[name], pl.col(name)
        if name in TIMES:
            shown = offset and isinstance(kind, pl.Datetime) and kind.time_zone is None
            if shown and not (own_offsets and clock.is_fixed):
                yield clock.of_disk(name)
            elif kind != EVENTS[name] or not (shown or clock.is_fixed):
                yield clock.times(name, kind).alias(name)
        elif name == "numeric_value" and kind == pl.String:
            yield column.str.strip_chars().cast(EVENTS[name], strict=False)
        elif kind != EVENTS[name]:
            yield column.cast(EVENTS[name])
    if schema.get("numeric_value") == pl.String:  # the text of what is no number is kept
        text = pl.col("text_value").cast(pl.String) if "text_value" in schema else pl.lit(None, pl.String)
        yield pl.coalesce(text, pl.when(not_a_number("numeric_value")).then("numeric_value")).alias("text_value")


def not_a_number(column: str) -> pl.Expr:
    """Whether a text is there that is no number."""
    text = pl.col(column).str.strip_chars()
    return (text.str.len_bytes() > 0) & text.cast(pl.Float64, strict=False).is_null()


def faults(schema: Mapping[str, pl.DataType], clock: SiteClock) -> Iterator[Fault]:
    """What makes a row of such a file no event: it is quarantined by an ingest, and left out of a folder as it is."""
    subject = schema["subject_id"]
    absent = "missing" if subject not in WIDE and (subject.is_integer() or not subject.is_numeric()) else NO_INTEGER
    yield "subject_id", absent, pl.col("subject_id").is_null() | (beyond("subject_id") if subject in WIDE else False)
    yield "code", "missing", is_empty(pl.col("code").cast(pl.String))
    for name in (n for n in TIMES if n in schema):
        if schema[name] == pl.String or not clock.is_fixed:
            there = pl.col(name).is_not_null()
            there &= pl.col(name).str.strip_chars() != "" if schema[name] == pl.String else True
            if not (UTC_OFFSET in schema and schema[name] != pl.String):
                yield name, NO_TIME, there & clock.times(name, schema[name]).is_null()
        if schema[name] not in (pl.String, pl.Null):
            yield name, NO_TIME, ~_in_calendar(name, schema[name])
    if UTC_OFFSET in schema and schema[UTC_OFFSET].is_integer():
        yield UTC_OFFSET, NO_OFFSET, ~pl.col(UTC_OFFSET).is_between(-MOST_AHEAD, MOST_AHEAD)
    if (value := "numeric_value") in schema and schema[value] != pl.Null:
        number = pl.col(value).str.strip_chars() if schema[value] == pl.String else pl.col(value)
        yield value, INFINITE, number.cast(EVENTS[value], strict=False).is_infinite()


def oddities(schema: Mapping[str, pl.DataType], clock: SiteClock) -> dict[str, pl.Expr]:
    """What a reader should know of rows that are events all the same → which rows; the columns as `opened` gives them."""
    odd: dict[str, pl.Expr] = {}
    if schema.get("end_time", pl.Null()) != pl.Null:
        odd[EARLIER_END] = clock.times("end_time", schema["end_time"]) < clock.times("time", schema["time"])
    if schema.get("available_time", pl.Null()) != pl.Null:
        odd[EARLIER_KNOWN] = clock.times("available_time", schema["available_time"]) < clock.times(
            "time", schema["time"]
        )
    value = schema.get("numeric_value", pl.Null())
    if value not in (pl.Null, pl.Float32, pl.Boolean):
        odd[ROUNDED] = is_rounded(pl.col("numeric_value"), value)
    return odd


def is_rounded(value: pl.Expr, kind: pl.DataType) -> pl.Expr:
    """Whether float32 is off by a whole unit or more, as it is for long codes and for dates that are written as numbers."""
    if kind.is_integer():
        kept = value.cast(pl.Float32).cast(pl.Int64, strict=False)
        return (kept != value.cast(pl.Int64, strict=False)).fill_null(True) & value.is_not_null()
    number = value.cast(pl.Float64, strict=False)
    kept = number.cast(pl.Float32).cast(pl.Float64)
    return kept.is_finite() & ((number - kept).abs() >= 1)


def _in_calendar(name: str, kind: pl.DataType) -> pl.Expr:
    """Whether a time lies in the years that dates have; null where there is none."""
    time = pl.col(name)
    if isinstance(kind, pl.Datetime):
        time = time.dt.convert_time_zone("UTC").dt.replace_time_zone(None) if kind.time_zone else time
        if kind.time_unit == "ns":  # its range is shorter than the calendar
            return time.is_not_null() | pl.lit(True)
        return time.is_between(
            pl.lit(FIRST).cast(pl.Datetime(kind.time_unit)), pl.lit(LAST).cast(pl.Datetime(kind.time_unit))
        )
    return time.is_between(pl.lit(FIRST.date()), pl.lit(LAST.date()))


def is_empty(code: pl.Expr) -> pl.Expr:
    """Whether a code is missing or nothing but white space."""
    return code.is_null() | (code.str.strip_chars() == "")


@dataclass(frozen=True)
class StoredEvents:
    """The files of a data set with their columns, and the clock of its site.

    ingested: whether an ingest of ours wrote them, so that no row can be at fault.
    """

    root: Path
    files: Mapping[Path, Mapping[str, pl.DataType]]
    clock: SiteClock
    ingested: bool = False
    _columns: dict[str, pl.DataType] = field(default_factory=dict)

    @classmethod
    def of(cls, root: Path, paths: Sequence[Path], zone: str | None, *, ingested: bool) -> Self:
        """Read the columns of the files. Raises `BadData` where one cannot be read, or where their zones are mixed."""
        files = schemas(root, paths)
        for path, schema in files.items():
            if not (schema["subject_id"].is_integer() or schema["subject_id"] == pl.Null):
                what, fix = f"the column 'subject_id' holds {schema['subject_id']}, not integers", INGEST
                raise BadData(what, at=Place(file=path.name, column="subject_id"), fix=fix)
        zoned = any(UTC_OFFSET in schema for schema in files.values())
        if not ingested or (zoned and not isinstance(zone, str)):
            zones = zones_of(root, files)
            spread = zoned and len(set(zones.values()) - {NAIVE}) > 1 and NAIVE not in zones.values()
            zone = "UTC" if spread and zone is None else require_one_clock(zones, zone)
        columns = {n: kind for schema in files.values() for n, kind in schema.items() if n in EVENTS}
        clock = SiteClock(zone if zoned or not ingested else None)
        return cls(root, files, clock, ingested, {n: EVENTS[n] for n in columns})

    @cached_property
    def left_out(self) -> dict[str, int]:
        """How many rows are no events, by reason. The footers of the files show it where there are none."""
        if self.ingested:
            return {}
        counts: dict[str, int] = {}
        for path, schema in self._suspects():
            each = {f"{column}: {why}": wrong.sum() for column, why, wrong in _plain_faults(schema, self.clock)}
            with readable(path):
                frame = opened(pl.scan_parquet(path), schema).select(**each)
                row = frame.collect(engine="streaming").row(0, named=True)
            counts = {why: counts.get(why, 0) + int(n or 0) for why, n in row.items()} | {
                why: n for why, n in counts.items() if why not in row
            }
        return {why: n for why, n in counts.items() if n}

    @cached_property
    def noted(self) -> dict[str, int]:
        """How many rows are events that a reader should know of, by what they are (`oddities`)."""
        counts: dict[str, int] = {}
        for path, schema in () if self.ingested else self.files.items():
            if odd := oddities(schema, self.clock):
                with readable(path):
                    frame = opened(pl.scan_parquet(path), schema).select(**{why: e.sum() for why, e in odd.items()})
                    row = frame.collect(engine="streaming").row(0, named=True)
                counts |= {why: counts.get(why, 0) + int(n or 0) for why, n in row.items()}
        return {why: n for why, n in counts.items() if n}

    def _suspects(self) -> Iterator[tuple[Path, Mapping[str, pl.DataType]]]:
        """The files that may hold rows that are no events; the statistics in their footers clear the others."""
        for schema, same in groupby(self.files, key=lambda path: tuple(self.files[path].items())):
            paths, columns = list(same), dict(schema)
            if not _is_sound(paths, columns, self.clock):
                yield from ((path, columns) for path in paths)

    def scan(self, shards: Sequence[Path] | None = None) -> pl.LazyFrame:
        """The events of all files, or of some of them, on the standard clock of the site."""
        paths = list(self.files) if shards is None else shards
        groups = [
            (list(same), dict(schema)) for schema, same in groupby(paths, key=lambda p: tuple(self.files[p].items()))
        ]
        frames = [self._plain(opened(pl.scan_parquet(same), schema), schema) for same, schema in groups]
        if not frames:  # an ingest that refused every row
            return pl.LazyFrame(schema=EVENTS).drop(UTC_OFFSET)
        return frames[0] if len(frames) == 1 else pl.concat(frames, how="diagonal_relaxed")

    def _plain(self, frame: pl.LazyFrame, schema: Mapping[str, pl.DataType]) -> pl.LazyFrame:
        if self.left_out:
            wrong = [wrong for _, _, wrong in _plain_faults(schema, self.clock)]
            frame = frame.filter(~pl.any_horizontal(wrong))
        wanted = [n for n in dict.fromkeys((*self._columns, *VALUES)) if n != UTC_OFFSET]
        absent = [pl.lit(None, EVENTS[n]).alias(n) for n in wanted if n not in schema]
        columns = {e.meta.output_name(): e for e in (*absent, *plain(schema, self.clock, own_offsets=self.ingested))}
        frame = frame.with_columns(*columns.values()) if columns else frame
        return frame.drop(UTC_OFFSET) if UTC_OFFSET in schema else frame


def _plain_faults(schema: Mapping[str, pl.DataType], clock: SiteClock) -> Iterator[tuple[str, str, pl.Expr]]:
    for column, why, wrong in faults(schema, clock):
        assert isinstance(why, str)
        assert isinstance(wrong, pl.Expr)
        yield column, why, wrong.fill_null(False)


def _is_sound(paths: Sequence[Path], schema: Mapping[str, pl.DataType], clock: SiteClock) -> bool:
    """Whether every row of these files is an event.

    The query asks for what no event has in comparisons that Polars answers by the footers of the files: of those that
    other programs write with statistics too, no row is read.
    """
    if any(schema.get(n) == pl.String for n in (*TIMES, "numeric_value")) or not clock.is_fixed:
        return False
    code, value = pl.col("code"), pl.col("numeric_value")
    code = code if schema["code"] == pl.String else code.cast(pl.String)
    suspect = pl.col("subject_id").is_null() | code.is_null() | (code < PRINTABLE[0]) | (code >= PRINTABLE[1])
    if schema["subject_id"] in WIDE:
        suspect |= beyond("subject_id")
    for name in (n for n in TIMES if schema.get(n, pl.Null()) != pl.Null):
        suspect |= ~_in_calendar(name, schema[name])
    if UTC_OFFSET in schema and schema[UTC_OFFSET].is_integer():
        suspect |= ~pl.col(UTC_OFFSET).is_between(-MOST_AHEAD, MOST_AHEAD)
    kind = schema.get("numeric_value")
    if kind is not None and kind.is_float():
        infinite, most = pl.lit(float("inf"), kind), pl.lit(LARGEST, kind)
        suspect |= value.is_between(most, infinite) | value.is_between(-infinite, -most)
    with readable(paths[0]):
        return (
            opened(pl.scan_parquet(list(paths)), schema).filter(suspect).head(1).collect(engine="streaming").is_empty()
        )
