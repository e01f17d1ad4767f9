"""Tables read by a mapping: rows become events, and every row is accounted for."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import polars as pl

from polyclinic.timelines import zones
from polyclinic.timelines.format import EVENTS, INFINITE, WORDS, Chunk, Fault, without
from polyclinic.timelines.mapping import Event, Repeats, SourceMap, TableMap
from polyclinic.timelines.tables import batches, need, scan


class ConvertedEvents(NamedTuple):
    """What one kind of event made of a piece: events with their `row`, refusals, and what was repaired."""

    events: pl.DataFrame
    refused: pl.DataFrame
    repaired: Mapping[str, int] = {}


@dataclass(frozen=True)
class EventConverter:
    """Reads the table files of a folder by a mapping. files: table → file; other: files that no table claims."""

    mapping: SourceMap
    files: Mapping[str, Path]
    other: tuple[Path, ...] = ()
    zone: str | None = None

    def chunks(self) -> Iterator[Chunk]:
        """Every file by name, piece by piece. Raises `BadData` for mixed zones and for a column that is not there."""
        columns: dict[str, str] = {}
        for table, path in self.files.items():
            columns |= zones.zones_of(scan(path), sorted(self.mapping.tables[table].times()), path.name)
        zones.one_clock(columns, self.zone)
        for table, path in sorted(self.files.items(), key=lambda item: item[1].name):
            yield from self._table(self.mapping.tables[table], path)
        for path in self.other:
            rows = scan(path).select(pl.len()).collect().item()
            unread = {"table that is not read": rows} if rows else {}
            yield Chunk(path.name, rows, 0, _events([]), non_events=unread)

    @cached_property
    def _link(self) -> pl.DataFrame | None:
        link = self.mapping.link
        if link is None or link.table not in self.files:
            return None
        path = self.files[link.table]
        frame = scan(path)
        need([link.on, *link.brings], frame.collect_schema(), path.name)
        chosen = frame.select(link.on, *link.brings).collect()
        return chosen.unique(link.on, keep="first", maintain_order=True)

    def _table(self, table: TableMap, path: Path) -> Iterator[Chunk]:
        start, again = 0, None if table.repeats is None else _again(table.repeats, path)
        for frame in batches(path):
            numbered = frame.with_row_index("row", start).cast({"row": pl.Int64})
            yield self._chunk(table, path, numbered, again)
            start += frame.height

    def _chunk(self, table: TableMap, path: Path, frame: pl.DataFrame, again: pl.DataFrame | None) -> Chunk:
        rows, non_events = frame.height, Counter[str]()
        if table.repeats is not None and again is not None:
            frame = frame.join(again, on=again.columns, how="anti", nulls_equal=True, maintain_order="left")
            non_events[f"repeated under {table.repeats.of}"] = rows - frame.height
        frame, refused = self._with_subject(frame, path)
        need(table.columns(), frame.schema, path.name)
        frame = zones.on_site_clock(frame, table.times(), self.zone, " local")
        wanted = (event for event in table.all_events if set(event.wanted) & set(frame.columns))
        made = [self._event(event, table, frame) for event in wanted]
        return _balanced(path.name, rows, [ConvertedEvents(_events([]), refused), *made], non_events)

    def _with_subject(self, frame: pl.DataFrame, path: Path) -> tuple[pl.DataFrame, pl.DataFrame]:
        subject, via, link = self.mapping.subject, self.mapping.link, self._link
        column = subject
        if via is not None and via.on in frame.columns and link is not None:
            column = subject if subject in frame.columns else via.on
            key = pl.col(via.on).cast(link.schema[via.on])
            bring = link.select(via.on, *(n for n in via.brings if n not in frame.columns))
            frame = frame.with_columns(key).join(bring, on=via.on, how="left", maintain_order="left")
        need([subject], frame.schema, path.name)
        return without([(column, "no such subject", pl.col(subject).is_null())], frame, "row")

    def _event(self, event: Event, table: TableMap, frame: pl.DataFrame) -> ConvertedEvents:
        chosen = frame.filter(_conditions(event))
        when = event.time or table.time or "never"
        made = chosen.select(
            "row",
            pl.col(self.mapping.subject).alias("subject_id"),
            _time(when).alias("time"),
            _code(event).alias("code"),
            _number(event, chosen).alias("numeric_value"),
            _text(event).alias("text_value"),
            _known(event, when).alias("available_time"),
            _clean(event.unit).alias("unit"),
        )
        faults = self._faults(made, chosen, when, event.value)
        return ConvertedEvents(*without(faults, made, "row"), _repaired(event, chosen, made))

    def _faults(self, made: pl.DataFrame, chosen: pl.DataFrame, when: str, column: str | None) -> Iterator[Fault]:
        if when != "never":
            absent = made["time"].is_null()
            yield when, "no time", absent & chosen[when].is_null()
            yield when, "not a time", absent
        if column is not None:
            value, code = pl.col("numeric_value"), pl.col("code")
            ends = ({c: float(limits[i]) for c, limits in self.mapping.plausible.items()} for i in (0, 1))
            low, high = (code.replace_strict(end, default=None, return_dtype=pl.Float64) for end in ends)
            reason = pl.format("{} is not possible outside {} to {}", code, low, high)
            yield column, WORDS, made["numeric_value"].is_null() & chosen[column].is_not_null()
            yield column, reason, (value < low) | (value > high)
            yield column, INFINITE, value.is_infinite()


def _balanced(file: str, rows: int, made: list[ConvertedEvents], non_events: Counter[str]) -> Chunk:
    """The chunk in which every row is used, refused, or a non-event."""
    events = _events([m.events for m in made]).sort("row", maintain_order=True)
    refused = pl.concat(m.refused for m in made).sort("row", maintain_order=True)
    used = events["row"].unique()
    of_used = pl.col("row").is_in(used.implode())
    lost = refused.filter(~of_used).unique("row", keep="first", maintain_order=True)
    non_events["nothing recorded"] = rows - non_events.total() - len(used) - lost.height
    repaired = sum((Counter(m.repaired) for m in made), Counter[str]())
    cells = refused.filter(of_used)
    return Chunk(file, rows, len(used), events.drop("row"), lost, +non_events, cells, +repaired)


def _repaired(event: Event, chosen: pl.DataFrame, made: pl.DataFrame) -> dict[str, int]:
    """What is worth knowing of the events, counted."""
    noted: dict[str, pl.Series] = {}
    if event.unit:
        noted["unit missing"] = chosen[event.unit].is_null()
        noted["unit trimmed"] = chosen[event.unit] != made["unit"]
    if event.or_text:
        noted["text instead of a number"] = made["numeric_value"].is_null() & made["text_value"].is_not_null()
    if event.known in chosen.columns:
        noted["known before it happened"] = chosen[f"{event.known} local"] < made["time"]
    return {what: int(rows.sum()) for what, rows in noted.items()}


def _again(repeats: Repeats, path: Path) -> pl.DataFrame:
    """What rows that only repeat others hold, in the columns that tell it."""
    said = scan(path).filter(pl.col(repeats.column) == repeats.of).select(repeats.column, *repeats.same)
    return said.unique().collect().with_columns(pl.lit(repeats.again).alias(repeats.column))


def _events(frames: list[pl.DataFrame]) -> pl.DataFrame:
    columns = {n: k for n, k in EVENTS.items() if n not in ("end_time", "path")}
    empty = pl.DataFrame(schema={"row": pl.Int64, **columns, "subject_id": pl.String})
    return pl.concat([empty, *frames], how="diagonal_relaxed")


def _conditions(event: Event) -> pl.Expr:
    tests = [pl.any_horizontal(pl.col(n).is_not_null() for n in event.wanted)]
    tests += [pl.col(n).cast(pl.String).is_in(list(v)) for n, v in event.where.items()]
    tests += [~pl.col(n).cast(pl.String).is_in(list(v)).fill_null(False) for n, v in event.unless.items()]
    tests += [pl.col(n).is_null() for n in event.empty]
    return pl.all_horizontal(tests)


def _code(event: Event) -> pl.Expr:
    parts = [_clean(p[1:]) if p.startswith("$") else pl.lit(p) for p in event.code]
    return pl.concat_str(parts, separator="//", ignore_nulls=True)


def _clean(column: str | None) -> pl.Expr:
    return pl.col(column).cast(pl.String).str.strip_chars() if column else pl.lit(None, pl.String)


def _number(event: Event, frame: pl.DataFrame) -> pl.Expr:
    if event.value is None:
        return pl.lit(None, pl.Float32)
    text = frame.schema[event.value] == pl.String
    value = pl.col(event.value).str.strip_chars() if text else pl.col(event.value)
    return value.cast(pl.Float32, strict=False)


def _text(event: Event) -> pl.Expr:
    if event.or_text:
        return pl.when(pl.col(str(event.value)).is_null()).then(_clean(event.or_text))
    return pl.coalesce([*map(_clean, event.text), pl.lit(None, pl.String)])


def _time(when: str) -> pl.Expr:
    return pl.lit(None, pl.Datetime("us")) if when == "never" else pl.col(f"{when} local")


def _known(event: Event, when: str) -> pl.Expr:
    time = _time(when)
    if event.known == "day":
        return zones.end_of_day(time)
    if event.known == "day if midnight":
        return pl.when(time == time.dt.truncate("1d")).then(zones.end_of_day(time))
    if event.known:
        return pl.max_horizontal(time, f"{event.known} local")
    return pl.lit(None, pl.Datetime("us"))
