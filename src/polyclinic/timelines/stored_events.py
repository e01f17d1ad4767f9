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
from polyclinic.timelines.format import EVENTS, INFINITE, NO_TIME, Fault
from polyclinic.timelines.tables import plain_file, readable
from polyclinic.timelines.zones import NAIVE, UTC_OFFSET, SiteClock, require_one_clock, zones_in

REQUIRED = ("subject_id", "time", "code")
TIMES = ("time", "end_time", "available_time")
VALUES = ("numeric_value", "text_value")
INGEST = "read it with `polyclinic ingest meds`, which gives every subject a number"
LARGEST = 3.4e38
"""Numbers below it are finite as float32."""
PRINTABLE = "!", "\x7f"
"""Codes that start between these are not empty; so the least and the greatest code of a file decide for all."""


def required(schema: Mapping[str, pl.DataType], file: str) -> None:
    """Raise `UnknownName` for a column that every MEDS data set has and this one lacks."""
    for name in (n for n in REQUIRED if n not in schema):
        raise UnknownName("column", name, schema, at=Place(file=file))


def schemas(root: Path, paths: Sequence[Path]) -> dict[Path, dict[str, pl.DataType]]:
    """The columns of each file. Raises `BadData` for one that cannot be read or that a link takes from elsewhere."""
    columns, inside = {}, root.resolve()
    for path in paths:
        if not plain_file(path).resolve().is_relative_to(inside):
            what, fix = "this file is a link that leads out of its folder", "put the file itself there"
            raise BadData(what, at=Place(file=str(path)), fix=fix)
        with readable(path):
            columns[path] = dict(pl.read_parquet_schema(path))
        required(columns[path], path.name)
    return columns


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
        frame = pl.scan_parquet(path)
        with readable(path):
            if UTC_OFFSET in schema and schema[UTC_OFFSET].is_integer():
                minutes = frame.select(pl.col(UTC_OFFSET).drop_nulls().unique().sort()).collect(engine="streaming")[
                    UTC_OFFSET
                ]
                zones |= {
                    f"{name}: {UTC_OFFSET} ({m})": f"{'-' if m < 0 else '+'}{abs(m) // 60:02}:{abs(m) % 60:02}"
                    for m in minutes
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
    yield "subject_id", "missing", pl.col("subject_id").is_null()
    yield "code", "missing", is_empty(pl.col("code").cast(pl.String))
    for name in (n for n in TIMES if n in schema):
        if schema[name] == pl.String or not clock.is_fixed:
            there = pl.col(name).is_not_null()
            there &= pl.col(name).str.strip_chars() != "" if schema[name] == pl.String else True
            if not (UTC_OFFSET in schema and schema[name] != pl.String):
                yield name, NO_TIME, there & clock.times(name, schema[name]).is_null()
    if (value := "numeric_value") in schema and schema[value] != pl.Null:
        number = pl.col(value).str.strip_chars() if schema[value] == pl.String else pl.col(value)
        yield value, INFINITE, number.cast(EVENTS[value], strict=False).is_infinite()


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
                row = pl.scan_parquet(path).select(**each).collect(engine="streaming").row(0, named=True)
            counts = {why: counts.get(why, 0) + int(n or 0) for why, n in row.items()} | {
                why: n for why, n in counts.items() if why not in row
            }
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
        frames = [self._plain(pl.scan_parquet(same), schema) for same, schema in groups]
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
    kind = schema.get("numeric_value")
    if kind is not None and kind.is_float():
        infinite, most = pl.lit(float("inf"), kind), pl.lit(LARGEST, kind)
        suspect |= value.is_between(most, infinite) | value.is_between(-infinite, -most)
    with readable(paths[0]):
        return pl.scan_parquet(list(paths)).filter(suspect).head(1).collect(engine="streaming").is_empty()
