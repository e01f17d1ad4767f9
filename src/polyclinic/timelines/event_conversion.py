"""Tables read by a mapping: rows become events, and every row is accounted for."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl

from polyclinic.timelines.availability import NEVER
from polyclinic.timelines.format import (
    CONTRADICTIONS,
    EARLIER_END,
    EARLIER_KNOWN,
    EVENTS,
    INFINITE,
    NO_TIME,
    ROUNDED,
    WORDS,
    Chunk,
    Fault,
    broken_rows_of,
    without,
)
from polyclinic.timelines.identifiers import as_identifier, common_type, runs
from polyclinic.timelines.mapping import DAY_OF, Event, Repeats, SourceMap, TableMap
from polyclinic.timelines.stored_events import is_rounded, require_numbers, require_times
from polyclinic.timelines.tables import ROWS, Piece, batches, need, scan
from polyclinic.timelines.zones import MEMORY, UTC_OFFSET, SiteClock, require_one_clock, zones_in

TIMES = ("time", "end_time", "available_time")
CODE = pl.Categorical()
FEWEST_ROWS = 20_000
SOURCE = "cell "
"""Before the name of a column of the source, where it stands beside what became of it."""
CONTRADICTORY = "a stay of two patients"


class ConvertedEvents(NamedTuple):
    """What one kind of event made of a piece: events with their `row`, refusals, and what was repaired."""

    events: pl.DataFrame
    refused: pl.DataFrame
    repaired: Mapping[str, int] = {}


@dataclass(frozen=True)
class Links:
    """The table that leads to the subject, one row a key: `frame`, and `contradictory`, the keys of several subjects."""

    frame: pl.DataFrame
    contradictory: pl.Series


@dataclass(frozen=True)
class EventConverter:
    """Converts the table files of a folder by a mapping. files: table → file; other: files that no table claims.

    zone: the zone of the site, where it is declared or follows from the source.
    """

    mapping: SourceMap
    files: Mapping[str, Path]
    other: tuple[Path, ...] = ()
    zone: str | None = None

    def chunks(self) -> Iterator[Chunk]:
        """Every file by name, piece by piece. Raises `BadData` for mixed zones and for a column that is not there."""
        for table, path in sorted(self.files.items(), key=lambda item: item[1].name):
            yield from broken_rows_of(path)
            yield from self._table(table, path)
        yield from self._contradictions()
        for path in self.other:
            rows = scan(path).select(pl.len()).collect(engine="streaming").item()
            unread = {"table that is not read": rows} if rows else {}
            yield from broken_rows_of(path)
            yield Chunk(path.name, rows, 0, pl.DataFrame(), non_events=unread)

    @cached_property
    def clock(self) -> SiteClock:
        """The clock of the site; every time of every table is brought to it."""
        zones: dict[str, str] = {}
        for table, path in self.files.items():
            zones |= zones_in(scan(path), sorted(self.mapping.tables[table].times()), path.name)
        return SiteClock(require_one_clock(zones, self.zone))

    # identity --------------------------------------------------------------------------------------------------------

    @cached_property
    def _identifiers(self) -> dict[str, pl.DataType]:
        """The type of the subject's column and of the link's, the same in all tables."""
        schemas = [scan(path).collect_schema() for path in self.files.values()]
        names = [self.mapping.subject, *([self.mapping.link.on] if self.mapping.link else [])]
        return {name: common_type(s[name] for s in schemas if name in s) for name in names}

    def _identified(self, frame: pl.DataFrame | pl.LazyFrame) -> list[pl.Expr]:
        schema = frame.collect_schema()
        return [as_identifier(n, schema[n], kind) for n, kind in self._identifiers.items() if n in schema]

    @cached_property
    def _links(self) -> Links | None:
        link, subject = self.mapping.link, self.mapping.subject
        if link is None or link.table not in self.files:
            return None
        path = self.files[link.table]
        frame = scan(path)
        need([link.on, *link.brings], frame.collect_schema(), path)
        brought = (
            frame.with_columns(self._identified(frame)).select(link.on, *link.brings).drop_nulls(link.on).collect()
        )
        subjects = brought.drop_nulls(subject).group_by(link.on).agg(pl.col(subject).n_unique())
        twice = subjects.filter(pl.col(subject) > 1)[link.on].sort()
        # Of a stay that is listed twice, the later end counts: what is assigned after it is known no sooner.
        order = [name for name in link.brings if name != subject]
        ordered = brought.sort(order, descending=True, nulls_last=False, maintain_order=True) if order else brought
        return Links(ordered.unique(link.on, keep="first", maintain_order=True), twice)

    def _contradictions(self) -> Iterator[Chunk]:
        """The identifiers of stays that are listed for several patients, for the quarantine."""
        link, links = self.mapping.link, self._links
        if link is None or links is None or links.contradictory.is_empty():
            return
        file, ids = self.files[link.table].name, links.contradictory.cast(pl.String)
        frame = pl.DataFrame({"id": ids}).select(pl.lit(file).alias("file"), pl.lit(link.on).alias("column"), "id")
        named = frame.with_columns(reason=pl.lit(CONTRADICTORY)).select(*CONTRADICTIONS)
        noted = {f"{link.on}s that belong to several {self.mapping.subject}s": len(ids)}
        yield Chunk(file, 0, 0, pl.DataFrame(), contradictions=named, noted=noted)

    def _with_subject(self, frame: pl.DataFrame, path: Path) -> tuple[pl.DataFrame, pl.DataFrame]:
        subject, via, links = self.mapping.subject, self.mapping.link, self._links
        column, faults = subject, list[Fault]()
        ids = [name for name in self._identifiers if name in frame.columns]
        need(ids[:1] or [subject], frame.schema, path)
        stays, stay = runs(frame.select(ids))
        stays = stays.with_columns(self._identified(stays))
        if via is not None and via.on in stays.columns and links is not None:
            column = subject if subject in stays.columns else via.on
            bring = links.frame.select(via.on, *(n for n in via.brings if n not in frame.columns))
            stays = stays.join(bring, on=via.on, how="left", maintain_order="left")
            if not links.contradictory.is_empty():
                faults.append((via.on, CONTRADICTORY, pl.col(via.on).is_in(links.contradictory.implode())))
        need([subject], stays.schema, path)
        faults.append((column, "no such subject", pl.col(subject).is_null()))
        return without(faults, frame.with_columns(stays[stay]), "row")

    # rows ------------------------------------------------------------------------------------------------------------

    def _table(self, name: str, path: Path) -> Iterator[Chunk]:
        table = self.mapping.tables[name]
        again = None if table.repeats is None else _again(table.repeats, path)
        wanted = {*table.columns(), *table.wide, *self._identifiers, *(again.columns if again is not None else ())}
        # A row of a wide table gives many events: what is in memory is bounded by these.
        rows = max(FEWEST_ROWS, ROWS // len(table.all_events))
        for piece in batches(path, rows, columns=wanted):
            yield self._chunk(table, path, piece, again)

    def _chunk(self, table: TableMap, path: Path, piece: Piece, again: pl.DataFrame | None) -> Chunk:
        rows, non_events = piece.frame.height, Counter[str]()
        frame = piece.frame.clone().insert_column(0, piece.position)
        if table.repeats is not None and again is not None:
            frame = frame.join(again, on=again.columns, how="anti", nulls_equal=True, maintain_order="left")
            non_events[f"repeated under {table.repeats.of}"] = rows - frame.height
        frame, refused = self._with_subject(frame, path)
        need(table.columns(), frame.schema, path)
        frame = frame.with_columns(_readable(table, frame, path.name))
        times = ((n, frame.schema[n]) for n in sorted(table.times()))
        frame = frame.with_columns(self.clock.times(n, kind).alias(f"{n} time") for n, kind in times)
        events = (event for event in table.all_events if set(event.wanted) & set(frame.columns))
        converted = [self._event(event, table, frame) for event in events]
        return self._balanced(path.name, rows, [ConvertedEvents(self._none, refused), *converted], non_events)

    def _event(self, event: Event, table: TableMap, frame: pl.DataFrame) -> ConvertedEvents:
        when = event.time or table.time or "never"
        columns = {
            "subject_id": pl.col(self.mapping.subject),
            "time": _time(when),
            "code": _code(event),
            "numeric_value": _number(event, frame),
            "text_value": _text(event),
            "end_time": _time(event.end) if event.end else None,
            "available_time": self._known(event, when),
            "unit": _clean(event.unit) if event.unit else None,
            "path": _clean(event.path) if event.path else None,
        }
        named = {name: column for name, column in columns.items() if column is not None}
        # The cells that they came from stand beside them until the faults are known.
        sources = (name for name in (when, event.end, event.known_column, event.value, event.unit) if name)
        cells = {f"{SOURCE}{c}": c for name in sources for c in (name, f"{name} time") if c in frame.columns}
        chosen = frame.lazy().filter(_conditions(event))
        both = chosen.select("row", **{cell: pl.col(c) for cell, c in cells.items()}, **named).collect()
        kept, refused = without(self._faults(event, both, when), both, "row")
        return ConvertedEvents(kept.select("row", *named), refused, _repaired(event, both))

    def _known(self, event: Event, when: str) -> pl.Expr | None:
        time, column = _time(when), event.known_column
        if event.known is None:
            return None
        if event.known == "day":
            return self.clock.end_of_day(time)
        if event.known == "day if midnight":
            return pl.when(self.clock.is_midnight(time)).then(self.clock.end_of_day(time))
        if event.known.startswith(DAY_OF):
            day = self.clock.end_of_day(_time(str(column)))
            return pl.max_horizontal(self.clock.end_of_day(time), day.fill_null(pl.lit(NEVER, MEMORY)))
        return pl.max_horizontal(time, _time(str(column)))

    def _faults(self, event: Event, both: pl.DataFrame, when: str) -> Iterator[Fault]:
        """What makes a row no event; both: the events, and beside them the cells that they came from."""
        if when != "never":
            absent = pl.col("time").is_null()
            yield when, "no time", absent & _source(when).is_null()
            yield when, NO_TIME, absent
        for column in (event.end, event.known_column):
            if column:
                yield column, NO_TIME, _source(f"{column} time").is_null() & _source(column).is_not_null()
        yield event.code[0].lstrip("$"), "no code", (pl.col("code") == "").fill_null(True)
        if event.value and event.parts:  # a value of nothing in particular
            bare = "//".join(part for part in event.code if not part.startswith("$"))
            yield event.parts[0], "no code", (pl.col("code") == bare).fill_null(False)
        if (value_column := event.value) is not None:
            value = pl.col("numeric_value")
            yield value_column, WORDS, value.is_null() & _source(value_column).is_not_null()
            for name, (least, most) in self._impossible(both).items():
                reason = f"{name} is not possible outside {least} to {most}"
                yield value_column, reason, (pl.col("code") == name) & ((value < least) | (value > most))
            yield value_column, INFINITE, value.is_infinite()

    def _impossible(self, events: pl.DataFrame) -> dict[str, tuple[float, float]]:
        """Of the codes with possible values, those of which some event here has another: code → least and greatest."""
        if not self.mapping.plausible:
            return {}
        value = pl.col("numeric_value")
        spans = events.group_by("code").agg(least=value.min(), most=value.max()).cast({"code": pl.String})
        limits = {c: (float(low), float(high)) for c, (low, high) in self.mapping.plausible.items()}
        outside = (
            c
            for c, least, most in spans.drop_nulls().iter_rows()
            if c in limits and not limits[c][0] <= least <= most <= limits[c][1]
        )
        return {c: limits[c] for c in sorted(outside)}

    @cached_property
    def _none(self) -> pl.DataFrame:
        """No events, with every column that events may have but the offset, which `_balanced` adds."""
        columns = {n: k for n, k in EVENTS.items() if n != UTC_OFFSET}
        return pl.DataFrame(
            schema={"row": pl.Int64, **columns, "code": CODE, "subject_id": self._identifiers[self.mapping.subject]}
        )

    def _balanced(self, file: str, rows: int, converted: list[ConvertedEvents], non_events: Counter[str]) -> Chunk:
        """The chunk in which every row is used, refused, or a non-event."""
        filled = [c.events for c in converted if c.events.height]
        events = pl.concat([self._none, *filled], how="diagonal")
        events = events.sort("row", maintain_order=True) if len(filled) > 1 else events
        refused = pl.concat(c.refused for c in converted).sort("row", maintain_order=True)
        first = events["row"].to_numpy()  # in their order
        first = first[np.append(True, first[1:] != first[:-1])[: len(first)]]
        of_used, used = np.isin(refused["row"].to_numpy(), first, assume_unique=False), len(first)
        lost = refused.filter(~of_used).unique("row", keep="first", maintain_order=True)
        non_events["nothing recorded"] = rows - non_events.total() - used - lost.height
        repaired = sum((Counter(c.repaired) for c in converted), Counter[str]())
        return Chunk(
            file,
            rows,
            used,
            self.clock.to_disk(events.drop("row"), TIMES),
            lost,
            +non_events,
            refused.filter(of_used),
            +repaired,
            self.clock.zone,
        )


def _readable(table: TableMap, frame: pl.DataFrame, file: str) -> list[pl.Expr]:
    """Categories among the times and values as text; raises `BadData` for a column of a type that cannot be read so."""
    text = []
    values = {event.value for event in table.all_events if event.value in frame.columns} - {None}
    for name in sorted({*table.times(), *map(str, values)}):
        kind, is_time = frame.schema[name], name in table.times()
        if isinstance(kind, (pl.Categorical, pl.Enum)):
            text.append(pl.col(name).cast(pl.String))
        elif is_time:
            require_times(name, kind, file)
        else:
            require_numbers(name, kind, file)
    return text


def _source(column: str) -> pl.Expr:
    """A cell of the source, beside the event that it became."""
    return pl.col(f"{SOURCE}{column}")


def _repaired(event: Event, both: pl.DataFrame) -> dict[str, int]:
    """What is worth knowing of the events, counted; both: as in `_faults`."""
    noted: dict[str, pl.Expr] = {}
    if event.unit:
        noted["unit missing"] = _source(event.unit).is_null()
        noted["unit trimmed"] = _source(event.unit) != pl.col("unit")
    if event.or_text:
        noted["text instead of a number"] = pl.col("numeric_value").is_null() & pl.col("text_value").is_not_null()
    if (known := event.known_column) and event.known == known:
        noted[EARLIER_KNOWN] = _source(f"{known} time") < pl.col("time")
    if event.end:
        noted[EARLIER_END] = pl.col("end_time") < pl.col("time")
    if event.value and (kind := both.schema[f"{SOURCE}{event.value}"]) != pl.Float32:
        noted[ROUNDED] = is_rounded(_filled(f"{SOURCE}{event.value}", both), kind)
    if (known or "") and str(event.known).startswith(DAY_OF):
        noted[f"never known, without {known}"] = _source(f"{known} time").is_null()
    counts = both.select(rows.sum().alias(what) for what, rows in noted.items()) if noted else both.select()
    return {what: int(counts[what][0] or 0) for what in noted}


def _again(repeats: Repeats, path: Path) -> pl.DataFrame:
    """What rows that only repeat others hold, in the columns that show it."""
    repeated = scan(path).filter(pl.col(repeats.column) == repeats.of).select(repeats.column, *repeats.same)
    return repeated.unique().collect(engine="streaming").with_columns(pl.lit(repeats.again).alias(repeats.column))


def _conditions(event: Event) -> pl.Expr:
    tests = [pl.any_horizontal(pl.col(n).is_not_null() for n in event.wanted)]
    tests += [pl.col(n).cast(pl.String).is_in(list(v)) for n, v in event.where.items()]
    tests += [~pl.col(n).cast(pl.String).is_in(list(v)).fill_null(False) for n, v in event.unless.items()]
    tests += [pl.col(n).is_null() for n in event.empty]
    return pl.all_horizontal(tests)


def _code(event: Event) -> pl.Expr:
    parts = [_clean(p[1:]) if p.startswith("$") else pl.lit(p) for p in event.code]
    code = pl.concat_str(parts, separator="//", ignore_nulls=True)
    return code.cast(CODE)


def _clean(column: str) -> pl.Expr:
    return pl.col(column).cast(pl.String).str.strip_chars()


def _number(event: Event, frame: pl.DataFrame) -> pl.Expr | None:
    if event.value is None:
        return None
    return _filled(event.value, frame).cast(pl.Float32, strict=False)


def _filled(column: str, frame: pl.DataFrame) -> pl.Expr:
    """A column of values, without the blanks around a text."""
    value = pl.col(column)
    return value.str.strip_chars() if frame.schema[column] == pl.String else value


def _text(event: Event) -> pl.Expr | None:
    if event.or_text:
        return pl.when(pl.col(str(event.value)).is_null()).then(_clean(event.or_text))
    return pl.coalesce(map(_clean, event.text)) if event.text else None


def _time(when: str) -> pl.Expr:
    return pl.lit(None, MEMORY) if when == "never" else pl.col(f"{when} time")
