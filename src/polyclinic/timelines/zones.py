"""Zones of time: what a source's times are written in, and the one clock that orders them.

On disk a time is the site's wall clock without a zone (MEDS), beside it `utc_offset`, the minutes that the wall clock
is ahead of UTC, where the source has a zone. In memory every time stands on the site's *standard clock*: its zone
without daylight saving, so that the hour that comes twice in autumn stays in order and distances are true.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from zoneinfo import ZoneInfo

import polars as pl

from polyclinic.errors import BadData, Place, UsageError

NAIVE = "no zone"
CLOCK = r"\d:\d{2}\S*?\s*([Zz]|UTC|GMT|[+-](?:0\d|1[0-8])(?::?\d{2})?)?\s*$"
"""A time of day at the end of a text, and its offset from UTC where it has one; bare dates have neither."""
AS_WRITTEN = (
    (r"(\d)\s*(?:[Zz]|UTC|GMT)$", "${1}Z"),
    (r"(:\S+)\s+([+-]\d{2}:?\d{0,2})$", "${1}${2}"),  # a space before the offset
    (r"^(\d{4}-\d{2}-\d{2}) (\d)", "${1}T${2}"),  # a space before the clock
    (r"(T\d{2}:\d{2})($|[Z+-])", "${1}:00${2}"),  # no seconds
    (r"(T\S+[+-]\d{2})(\d{2})?$", "${1}:${2}"),  # +0100, and (with the next) +01
    (r"([+-]\d{2}):$", "${1}:00"),
)
"""Ways in which programs write times, brought to one: 2024-01-31T08:00:00+01:00."""
DAY = pl.duration(days=1) - pl.duration(microseconds=1)
MINUTE = 60_000_000  # microseconds
MOST_AHEAD = 18 * 60  # minutes; no clock on earth is further from UTC
FIRST, LAST = datetime(1, 1, 2), datetime(9999, 12, 30)
"""Between these a time is a date of the calendar in every zone; others are no times."""
MEMORY = pl.Datetime("us")
UTC_OFFSET = "utc_offset"


@dataclass(frozen=True)
class SiteClock:
    """The clock of a site. zone: an IANA name, an offset such as +05:30, or None where its times have no zone.

    Raises `UsageError` for a zone that does not exist.
    """

    zone: str | None = None

    def __post_init__(self) -> None:
        if self.zone is None or _fixed(self.zone) is not None:
            return
        try:
            ZoneInfo(self.zone)
            pl.Series([0]).cast(pl.Datetime("us", "UTC")).dt.convert_time_zone(self.zone)
        except (KeyError, ValueError, OSError, pl.exceptions.PolarsError) as error:
            fix = "names look like Europe/Berlin or Etc/GMT+5"
            raise UsageError(f"no time zone {self.zone!r}", fix=fix) from error

    @cached_property
    def standard(self) -> int:
        """How many minutes the standard clock is ahead of UTC; 0 without a zone."""
        if self.zone is None:
            return 0
        fixed = _fixed(self.zone)
        return min(self._offsets) if fixed is None else fixed

    @cached_property
    def is_fixed(self) -> bool:
        """Whether the wall clock is the standard clock: a site without daylight saving, or without a zone."""
        return self.zone is None or _fixed(self.zone) is not None or self.zone.startswith("Etc/") or self.zone == "UTC"

    @cached_property
    def _offsets(self) -> list[int]:
        zone = ZoneInfo(str(self.zone))
        each = (datetime(2024, month, 1, tzinfo=zone).utcoffset() or timedelta(0) for month in (1, 7))
        return [round(offset.total_seconds() / 60) for offset in each]

    # into memory -----------------------------------------------------------------------------------------------------

    def times(self, column: str, kind: pl.DataType) -> pl.Expr:
        """A column of times as it lies (zoned, plain, dates, text) on the standard clock, `MEMORY`.

        Null where text is no time, and for an hour that the wall clock skips in spring. A time of the hour that comes
        twice, if it has no zone, is taken as the first of the two.
        """
        time = pl.col(column)
        if kind == pl.String:
            text = time.str.strip_chars()
            for pattern, written in AS_WRITTEN:
                text = text.str.replace(pattern, written)
            aware = text.str.to_datetime("%+", strict=False, time_unit="us", time_zone="UTC")
            plain = text.str.to_datetime("%FT%T%.f", strict=False, time_unit="us")
            day = text.str.to_date("%F", strict=False).cast(MEMORY)
            return pl.coalesce(self._of_instant(aware), self._of_wall(pl.coalesce(plain, day)))
        if isinstance(kind, pl.Datetime) and kind.time_zone:
            return self._of_instant(time)
        return self._of_wall(time.cast(MEMORY))

    def zoned(self, column: str, kind: pl.DataType) -> pl.Expr:
        """A column of times in the zone of the site, for a table of rows; without a zone, as `times` gives it."""
        time = self.times(column, kind)
        if self.zone is None:
            return time.alias(column)
        utc = time.dt.offset_by(f"{-self.standard}m").dt.replace_time_zone("UTC")
        return utc.dt.convert_time_zone("UTC" if _fixed(self.zone) is not None else self.zone).alias(column)

    def of_disk(self, column: str) -> pl.Expr:
        """A wall clock with `utc_offset` beside it, on the standard clock; without an offset (no time), as it is."""
        ahead = (pl.col(UTC_OFFSET).cast(pl.Int64) - self.standard).fill_null(0) * MINUTE
        return (pl.col(column).cast(MEMORY).to_physical() - ahead).cast(MEMORY).alias(column)

    def instant(self, time: datetime) -> datetime:
        """One time, with a zone or on the site's wall clock, on the standard clock.

        Raises `BadData` where it has a zone and the site has none.
        """
        if (
            time.tzinfo is None and self.is_fixed
        ):  # the wall clock is the standard clock: one patient live waits for this
            return time
        frame = pl.DataFrame({"time": [time]})
        self.admit(zones_in_frame(frame, ["time"], "the index time"))
        instant = frame.select(self.times("time", frame.schema["time"])).item()
        if not isinstance(instant, datetime):
            raise BadData("the site's clock skips this hour", at=Place(key="--at"), fix="give another time")
        return instant

    def admit(self, zones: Mapping[str, str]) -> None:
        """Raise `BadData` where a time has a zone and those of the site have none; zones: place → zone."""
        zoned = sorted((place, zone) for place, zone in zones.items() if zone != NAIVE)
        if self.zone is None and zoned:
            place, zone = zoned[0]
            what = f"the times are in mixed zones: {zone} in {place}; no zone in the events"
            fix = "write times on the site's wall clock, without a zone; or ingest the source again with --zone"
            raise BadData(what, at=Place(file=place.split(": ")[0]), fix=fix)

    def _of_instant(self, aware: pl.Expr) -> pl.Expr:
        utc = aware.dt.convert_time_zone("UTC").dt.replace_time_zone(None).cast(MEMORY)
        return utc.dt.offset_by(f"{self.standard}m") if self.standard else utc

    def _of_wall(self, wall: pl.Expr, ambiguous: str = "earliest") -> pl.Expr:
        if self.is_fixed:
            return wall
        zoned = wall.dt.replace_time_zone(self.zone, ambiguous=ambiguous, non_existent="null")  # type: ignore[arg-type]
        return self._of_instant(zoned)

    # out of memory ---------------------------------------------------------------------------------------------------

    def wall(self, time: pl.Expr) -> pl.Expr:
        """The wall clock of a time of the standard clock."""
        if self.is_fixed:
            return time
        utc = time.dt.offset_by(f"{-self.standard}m").dt.replace_time_zone("UTC")
        return utc.dt.convert_time_zone(str(self.zone)).dt.replace_time_zone(None)

    def end_of_day(self, time: pl.Expr) -> pl.Expr:
        """The last microsecond of the time's day on the wall clock: when a date without a clock is known at the latest."""
        last = self.wall(time).dt.truncate("1d") + DAY
        return pl.coalesce(self._of_wall(last, "latest"), last)

    def is_midnight(self, time: pl.Expr) -> pl.Expr:
        """Whether a time is the first instant of its day on the wall clock."""
        wall = self.wall(time)
        return wall == wall.dt.truncate("1d")

    def to_disk(self, frame: pl.DataFrame, columns: Iterable[str], *, beside: str = UTC_OFFSET) -> pl.DataFrame:
        """The frame with these times on the wall clock, and the first one's offset from UTC in a column `beside`.

        All times of a row keep the offset of the first that is there, so that each gives its instant back.
        """
        names = [name for name in columns if name in frame.columns]
        if self.zone is None or not names:
            return frame
        if self.is_fixed:
            filled = pl.any_horizontal(pl.col(names).is_not_null())
            return frame.with_columns(pl.when(filled).then(pl.lit(self.standard, pl.Int16)).alias(beside))
        first = pl.coalesce(names)
        ahead = (self.wall(first) - first).dt.total_minutes()
        moved = frame.with_columns(
            (ahead + self.standard).cast(pl.Int16).alias(beside), ahead.alias("ahead of standard")
        )
        shift = pl.duration(minutes="ahead of standard")
        return moved.with_columns(pl.col(name) + shift for name in names).drop("ahead of standard")

    # tables of index times and labels --------------------------------------------------------------------------------

    def index_times(self, frame: pl.DataFrame, column: str, file: str) -> pl.DataFrame:
        """A user's table with one column of times on the standard clock; its `utc_offset` is used up.

        Raises `BadData` for text that is no time, and where the table has a zone and the site has none.
        """
        frame = _with_whole_offsets(frame, file)
        kind = frame.schema[column]
        zones = zones_in_frame(frame, [column], file)
        offset = UTC_OFFSET in frame.columns and frame.schema[UTC_OFFSET].is_integer()
        if offset and frame[UTC_OFFSET].null_count() < frame.height and kind == MEMORY:
            zones = {f"{file}: {UTC_OFFSET}": "an offset beside it"}
        self.admit(zones)
        if not (kind.is_temporal() or kind in (pl.String, pl.Null)):
            what, fix = f"the column {column!r} holds {kind} where times are wanted", "write 2024-01-31 08:00"
            raise BadData(what, at=Place(file=file, column=column), fix=fix)
        plain = kind != pl.String and getattr(kind, "time_zone", None) is None
        time = self.of_disk(column) if offset and plain else self.times(column, kind)
        read = frame.with_columns(time.cast(MEMORY).alias(column)).drop(UTC_OFFSET, strict=False)
        if lost := read[column].null_count() - frame[column].null_count():
            fix = "write times as 2024-01-31T08:00, with a zone where it matters: 2024-01-31T08:00-05:00"
            raise BadData(f"{lost} cells hold no time", at=Place(file=file, column=column), fix=fix)
        return read


def _zone_name(offset: str) -> str:
    """The name of the zone that an offset in a text says."""
    if not offset:
        return NAIVE
    digits = offset.replace(":", "").ljust(5, "0")
    return "UTC" if offset[0] not in "+-" or digits[1:] == "0000" else f"{digits[:3]}:{digits[3:]}"


def _fixed(zone: str) -> int | None:
    """The minutes of a zone that is written as an offset."""
    parts = re.fullmatch(r"([+-])(\d{2}):?(\d{2})", zone)
    if parts is None:
        return None
    minutes = int(parts[2]) * 60 + int(parts[3])
    if minutes > MOST_AHEAD or int(parts[3]) > 59:
        raise UsageError(f"no time zone {zone!r}", fix="an offset lies between -18:00 and +18:00, such as +05:30")
    return -minutes if parts[1] == "-" else minutes


def as_time(text: pl.Series) -> pl.Series:
    """A column of text in which every cell is a time: plain, or in UTC where all are written with a zone.

    Where some have a zone and others have none, it stays text: only the clock of the site can read both.
    """
    frame = text.to_frame()
    zones = set(zones_in_frame(frame, [text.name], "").values())
    zoned = zones - {NAIVE}
    if zoned and NAIVE in zones:
        return text
    read = frame.select(SiteClock("UTC" if zoned else None).times(text.name, pl.String()))[text.name]
    return read.dt.replace_time_zone("UTC") if zoned else read


def zones_in(frame: pl.LazyFrame, columns: Iterable[str], file: str) -> dict[str, str]:
    """`FILE: COLUMN` → its zone, "no zone", or the offset in its text; empty columns and bare dates are left out.

    Text gives `FILE: COLUMN (offset)` for each of its offsets.
    """
    zones: dict[str, str] = {}
    schema = frame.collect_schema()
    for name in (c for c in columns if c in schema):
        kind = schema[name]
        if (
            isinstance(kind, pl.Datetime)
            and frame.select(pl.col(name).is_not_null().any()).collect(engine="streaming").item()
        ):
            zones[f"{file}: {name}"] = kind.time_zone or NAIVE
        elif kind == pl.String:
            offset = pl.col(name).str.extract(CLOCK).fill_null("").unique().sort()
            written = frame.filter(pl.col(name).str.contains(CLOCK)).select(offset).collect(engine="streaming")[name]
            zones |= {f"{file}: {name} ({zone})": zone for zone in dict.fromkeys(map(_zone_name, written))}
    return zones


def zones_in_frame(frame: pl.DataFrame, columns: Iterable[str], file: str) -> dict[str, str]:
    """The same of a table in memory."""
    return zones_in(frame.lazy(), columns, file)


def require_one_clock(zones: Mapping[str, str], declared: str | None) -> str | None:
    """The zone of the site: the declared one, or the only one of the source; None where no time has a zone.

    zones: place of a time (`FILE: COLUMN`) → its zone.
    Raises `BadData` where a source mixes zones and none is declared.
    """
    examples = {zone: place for place, zone in sorted(zones.items(), reverse=True)}
    if declared is not None:
        return declared
    if len(examples) < 2:
        return next((zone for zone in examples if zone != NAIVE), None)
    named = "; ".join(f"{zone} in {place}" for zone, place in sorted(examples.items()))
    fix = "declare the clock of the site at the ingest: `polyclinic ingest … --zone Europe/Berlin`"
    raise BadData(f"the times are in mixed zones: {named}", at=Place(file=min(zones).split(": ")[0]), fix=fix)


def offset_zone(times: pl.Series) -> str | None:
    """The zone of a site whose bare dates were stored as UTC instants: all at 05:00 means five hours behind.

    None where the times of day differ (a site with daylight saving, or times with a clock) or lack a zone.
    """
    if not isinstance(times.dtype, pl.Datetime) or times.dtype.time_zone != "UTC" or not times.count():
        return None
    clocks = times.drop_nulls().dt.time().unique()
    if len(clocks) != 1 or clocks[0].minute or clocks[0].second:
        return None
    hours = clocks[0].hour
    return "Etc/GMT" if hours == 0 else f"Etc/GMT+{hours}" if hours <= 12 else f"Etc/GMT-{24 - hours}"


def on_one_clock(
    left: pl.DataFrame, right: pl.DataFrame, column: str, files: tuple[str, str]
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Two tables whose times in `column` can be compared, `MEMORY`; `utc_offset` beside them is used up.

    Where both have a zone, or an offset beside them, their times become UTC. Times with an offset beside them are the
    site's wall clock, and meet times without a zone there.

    Raises `BadData` where the times of one have a zone and those of the other have none.
    """
    tables = [
        _with_whole_offsets(_read_times(table, column, file), file)
        for table, file in zip((left, right), files, strict=True)
    ]
    zones = [_zone_beside(table, column) for table in tables]
    if None not in zones:
        clock = SiteClock("UTC")
        tables = [clock.index_times(t, column, file) for t, file in zip(tables, files, strict=True)]
    elif any(zone not in (None, UTC_OFFSET) for zone in zones):
        named = "; ".join(f"{zone or NAIVE} in {file}: {column}" for zone, file in zip(zones, files, strict=True))
        fix = "write the times of both with their zone, or of both on the site's wall clock without one"
        raise BadData(f"the times are in mixed zones: {named}", at=Place(file=files[1], column=column), fix=fix)
    one, other = (t.drop(UTC_OFFSET, strict=False).with_columns(pl.col(column).cast(MEMORY)) for t in tables)
    return one, other


def _read_times(table: pl.DataFrame, column: str, file: str) -> pl.DataFrame:
    """The table with its times read, where they are text and all of it is times."""
    if table.schema[column] != pl.String:
        return table
    read = as_time(table[column])
    if read.dtype == pl.String:
        what = f"the times are in mixed zones: some cells of {column} have a zone, others have none"
        fix = "write all of them with their zone, or all on the site's wall clock without one"
        raise BadData(what, at=Place(file=file, column=column), fix=fix)
    return table if read.null_count() > table[column].null_count() else table.with_columns(read)


def _with_whole_offsets(frame: pl.DataFrame, file: str) -> pl.DataFrame:
    """The table with `utc_offset` in whole minutes, which pandas writes as floats beside missing ones."""
    kind = frame.schema.get(UTC_OFFSET, pl.Null())
    if not (kind == pl.Null or kind.is_integer() or kind.is_float()):
        what, fix = f"the column {UTC_OFFSET!r} holds {kind} where minutes are wanted", "write minutes, such as -300"
        raise BadData(what, at=Place(file=file, column=UTC_OFFSET), fix=fix)
    return frame.with_columns(pl.col(UTC_OFFSET).cast(pl.Int64, strict=False)) if kind.is_float() else frame


def _zone_beside(table: pl.DataFrame, column: str) -> str | None:
    """The zone of a column of times, `UTC_OFFSET` where an offset stands beside it, or None."""
    zone: str | None = getattr(table.schema[column], "time_zone", None)
    beside = UTC_OFFSET in table.columns and table.schema[UTC_OFFSET].is_integer()
    return zone or (UTC_OFFSET if beside else None)
