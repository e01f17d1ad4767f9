"""One clock for a source: times keep no zone on disk, so they are told in the site's own."""

from collections.abc import Iterable, Mapping

import polars as pl

from polyclinic.errors import BadData, Place, UsageError

NAIVE = "no zone"
OFFSET = r"(Z|[+-]\d{2}:?\d{2})$"
ZERO = r"^(Z|[+-]00:?00)$"
DAY = pl.duration(days=1) - pl.duration(microseconds=1)


def zones_of(frame: pl.LazyFrame, columns: Iterable[str], file: str) -> dict[str, str]:
    """`FILE: COLUMN` → its zone, "no zone", or the offset in its text; empty columns and others are left out.

    Text gives `FILE: COLUMN (offset)` for each of its offsets.
    """
    found: dict[str, str] = {}
    schema = frame.collect_schema()
    for name in (c for c in columns if c in schema):
        kind = schema[name]
        if isinstance(kind, pl.Datetime) and frame.select(pl.col(name).is_not_null().any()).collect().item():
            found[f"{file}: {name}"] = kind.time_zone or NAIVE
        elif kind == pl.String:
            offset = pl.col(name).str.strip_chars().str.extract(OFFSET).str.replace(ZERO, "UTC")
            filled = frame.filter(pl.col(name).str.contains(r"\d"))
            zones = filled.select(offset.fill_null(NAIVE).unique().sort()).collect()[name]
            found |= {f"{file}: {name} ({zone})": zone for zone in zones}
    return found


def one_clock(found: Mapping[str, str], declared: str | None) -> None:
    """Raise `BadData` where a source mixes zones: several, with none declared; or some times with and some without.
    Raises `UsageError` where the declared one does not exist.

    found: place of a time (`FILE: COLUMN`) → its zone.
    """
    if declared is not None:
        _known(declared)
    examples = {zone: place for place, zone in sorted(found.items(), reverse=True)}
    if len(examples) > 1 and (NAIVE in examples or declared is None):
        named = "; ".join(f"{zone} in {place}" for zone, place in sorted(examples.items()))
        fix = "declare the clock of the site with --zone, for example --zone Europe/Berlin"
        if NAIVE in examples:
            fix = "write every time with its zone, or none with one"
        at = Place(file=min(found).split(": ")[0])
        raise BadData(f"the times are in mixed zones: {named}", at=at, fix=fix)


def _known(zone: str) -> None:
    from zoneinfo import ZoneInfo

    try:
        ZoneInfo(zone)
    except (KeyError, ValueError, OSError) as error:
        fix = "names look like Europe/Berlin or Etc/GMT+5"
        raise UsageError(f"no time zone {zone!r}", fix=fix) from error


def on_site_clock(frame: pl.DataFrame, columns: Iterable[str], zone: str | None, mark: str = "") -> pl.DataFrame:
    """The frame with each of these columns on the clock of the site, under its own name and `mark`; see `local`."""
    return frame.with_columns(local(c, frame.schema[c], zone).alias(f"{c}{mark}") for c in columns)


def local(column: str, kind: pl.DataType, zone: str | None) -> pl.Expr:
    """A time column on the clock of the site, Datetime(us) without a zone; null where text is no time.

    zone: the site's; None keeps the wall clock that the source itself shows.
    """
    time = pl.col(column)
    if kind == pl.String:
        text = time.str.strip_chars()
        aware = text.str.to_datetime("%+", strict=False, time_unit="us", time_zone="UTC")
        plain = pl.coalesce(
            text.str.to_datetime(f, strict=False, time_unit="us") for f in ("%F %T%.f", "%FT%T%.f", "%F %R")
        )
        day = text.str.to_date("%F", strict=False).cast(pl.Datetime("us"))
        return pl.coalesce(_shown(aware, zone or "UTC"), plain, day)
    if isinstance(kind, pl.Datetime) and kind.time_zone:
        return _shown(time, zone or kind.time_zone)
    return time.cast(pl.Datetime("us"))


def _shown(time: pl.Expr, zone: str) -> pl.Expr:
    return time.dt.convert_time_zone(zone).dt.replace_time_zone(None).cast(pl.Datetime("us"))


def end_of_day(time: pl.Expr) -> pl.Expr:
    """The last microsecond of each time's day: when a date without a clock is known at the latest."""
    return time.dt.truncate("1d") + DAY


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
