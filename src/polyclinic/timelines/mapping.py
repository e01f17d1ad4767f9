"""From tables to events by a YAML: which column is the code, the time, the value, the unit, and what each row means.

    tables:
      vitals:                                  # the file's name, whatever comes before it
        time: recorded_dttm
        events:
          - {code: [VITAL, $vital_category], value: vital_value, text: vital_name}

A `$name` in a code is a column. A row may give several events, one or none; `rows` turns it all into counts that add up.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import polars as pl

from polyclinic import config
from polyclinic.errors import BadData, Place
from polyclinic.timelines import clocks
from polyclinic.timelines.format import REFUSED, Chunk
from polyclinic.timelines.tables import batches, scan

NO_VALUE = "nothing recorded"


@dataclass(frozen=True, kw_only=True)
class Event:
    """One kind of event that a row may give.

    code: parts joined by //; `$column` is that column, left out where it is empty.
    time: a column, if not the table's; "never" for what has no time.
    known: when it became known: a column; "day", the end of the day (a date without a clock); or
    "day if midnight", for columns that hold dates among times.
    value, unit, text: columns; or_text: text that stands where the value is empty; number: value and text alike.
    needs: at least one of these is filled (else the value, else the first column of the code).
    where, unless: column → values that it must, or must not, have; empty: columns that must be empty.
    """

    code: tuple[str, ...]
    time: str | None = None
    known: str | None = None
    value: str | None = None
    unit: str | None = None
    text: tuple[str, ...] = ()
    or_text: str | None = None
    needs: tuple[str, ...] = ()
    where: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    unless: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    empty: tuple[str, ...] = ()

    @property
    def parts(self) -> list[str]:
        """The columns of the code."""
        return [part[1:] for part in self.code if part.startswith("$")]

    @property
    def wanted(self) -> tuple[str, ...]:
        """The columns of which one must be filled."""
        return self.needs or ((self.value,) if self.value else tuple(self.parts[:1]))


@dataclass(frozen=True, kw_only=True)
class Repeats:
    """Rows that say again, under another name, what other rows say: `again` in `column` repeats `of`.

    same: the columns in which both agree.
    """

    column: str
    again: str
    of: str
    same: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class TableMap:
    """One table: the time of its events, the events, and `wide`, columns that each give an event of their own name."""

    time: str | None = None
    events: tuple[Event, ...] = ()
    wide: tuple[str, ...] = ()
    wide_code: str = ""
    repeats: Repeats | None = None

    @cached_property
    def all_events(self) -> tuple[Event, ...]:
        """The events, those of wide columns included."""
        return (*self.events, *(Event(code=(self.wide_code, name), value=name) for name in self.wide))

    def times(self) -> set[str]:
        """Every column that holds times."""
        named = {self.time, *(e.time for e in self.all_events), *(e.known for e in self.all_events)}
        return {name for name in named if name and name not in ("never", "day", "day if midnight")}


@dataclass(frozen=True, kw_only=True)
class Link:
    """Where tables without the subject's own column find it: the table, the column that leads there, what it brings."""

    table: str
    on: str
    brings: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class SourceMap:
    """A whole source. plausible: code → least and greatest value that is possible at all; others are quarantined.

    clock: table and column of bare dates that were stored as instants, which tell the offset of the site.
    """

    subject: str
    tables: Mapping[str, TableMap]
    link: Link | None = None
    plausible: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    clock: tuple[str, str] | None = None
    title: str = ""


@cache
def load(path: Path) -> SourceMap:
    """A mapping from its file; raises `UsageError` with key and line."""
    document = config.read(path)
    return config.build(SourceMap, document, node=document, file=path.name)


@dataclass(frozen=True)
class Reader:
    """Reads the table files of a folder by a mapping. files: table → file; other: files that no table claims."""

    mapping: SourceMap
    files: Mapping[str, Path]
    other: tuple[Path, ...] = ()
    zone: str | None = None

    def chunks(self) -> Iterator[Chunk]:
        """Every file by name, piece by piece. Raises `BadData` for mixed zones and for a column that is not there."""
        self._check_clocks()
        link = self._link()
        for table, path in sorted(self.files.items(), key=lambda item: item[1].name):
            yield from self._table(self.mapping.tables[table], path, link)
        for path in self.other:
            rows = scan(path).select(pl.len()).collect().item()
            yield Chunk(
                path.name, rows, 0, _events([]), non_events={"table that is not read": rows} if rows else {}
            )

    def _check_clocks(self) -> None:
        found: dict[str, str] = {}
        for table, path in self.files.items():
            zones = clocks.zones_of(scan(path), sorted(self.mapping.tables[table].times()))
            found |= {f"{path.name}: {column}": zone for column, zone in zones.items()}
        clocks.one_clock(found, self.zone)

    def _link(self) -> pl.DataFrame | None:
        link = self.mapping.link
        if link is None or link.table not in self.files:
            return None
        path = self.files[link.table]
        frame = scan(path)
        _need(frame.collect_schema(), [link.on, *link.brings], path)
        return (
            frame.select(link.on, *link.brings).collect().unique(link.on, keep="first", maintain_order=True)
        )

    def _table(self, table: TableMap, path: Path, link: pl.DataFrame | None) -> Iterator[Chunk]:
        again = _again(table.repeats, path)
        start = 0
        for frame in batches(path):
            yield self._chunk(
                table, path, frame.with_row_index("row", start).cast({"row": pl.Int64}), link, again
            )
            start += frame.height

    def _chunk(
        self,
        table: TableMap,
        path: Path,
        frame: pl.DataFrame,
        link: pl.DataFrame | None,
        again: pl.DataFrame | None,
    ) -> Chunk:
        rows = frame.height
        non_events, noted = dict[str, int](), dict[str, int]()
        if table.repeats is not None and again is not None:
            frame = _without_repeats(frame, table.repeats, again)
            non_events[f"repeated under {table.repeats.of}"] = rows - frame.height
        frame, refused = self._with_subject(frame, path, link)
        _need(frame.schema, _columns(table), path)
        frame = frame.with_columns(
            clocks.local(n, frame.schema[n], self.zone).alias(f"{n} local") for n in sorted(table.times())
        )
        made = [
            self._event(event, table, frame)
            for event in table.all_events
            if set(event.wanted) & set(frame.columns)
        ]
        events = _events([m[0] for m in made])
        refusals = pl.concat([refused, *(m[1] for m in made)]).sort("row", maintain_order=True)
        used = events["row"].unique()
        wrong = ~pl.col("row").is_in(used.implode())
        lost = refusals.filter(wrong).unique("row", keep="first", maintain_order=True)
        left = rows - sum(non_events.values()) - len(used) - lost.height
        non_events[NO_VALUE] = left
        for _, _, counts in made:
            for what, count in counts.items():
                noted[what] = noted.get(what, 0) + count
        return Chunk(
            path.name,
            rows,
            len(used),
            events.sort("row", maintain_order=True).drop("row"),
            lost,
            {k: v for k, v in non_events.items() if v},
            refusals.filter(~wrong),
            {k: v for k, v in noted.items() if v},
        )

    def _with_subject(
        self, frame: pl.DataFrame, path: Path, link: pl.DataFrame | None
    ) -> tuple[pl.DataFrame, pl.DataFrame]:
        subject, via = self.mapping.subject, self.mapping.link
        column = subject
        if via is not None and via.on in frame.columns and link is not None and path != self.files[via.table]:
            column = via.on
            key = pl.col(via.on).cast(link.schema[via.on])
            bring = link.select(via.on, *(n for n in via.brings if n not in frame.columns))
            frame = frame.with_columns(key).join(bring, on=via.on, how="left", maintain_order="left")
        _need(frame.schema, [subject], path)
        known = pl.col(subject).is_not_null()
        return frame.filter(known), _refusals(frame.filter(~known), column, "no such subject")

    def _event(
        self, event: Event, table: TableMap, frame: pl.DataFrame
    ) -> tuple[pl.DataFrame, pl.DataFrame, dict[str, int]]:
        chosen = frame.filter(_conditions(event, frame))
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
        bad, noted = self._judge(event, when, chosen, made)
        return made.filter(~pl.col("row").is_in(bad["row"].implode())), bad, noted

    def _judge(
        self, event: Event, when: str, chosen: pl.DataFrame, made: pl.DataFrame
    ) -> tuple[pl.DataFrame, dict[str, int]]:
        """What of the events is refused, and what was repaired."""
        bad, noted = list[pl.DataFrame](), dict[str, Any]()
        if when != "never":
            empty = chosen[when].is_null()
            none, unread = made["time"].is_null() & empty, made["time"].is_null() & ~empty
            bad += [
                _refusals(made.filter(none), when, "no time"),
                _refusals(made.filter(unread), when, "not a time"),
            ]
        if event.value:
            words = made["numeric_value"].is_null() & chosen[event.value].is_not_null()
            bad += [_refusals(made.filter(words), event.value, "text in a number column")]
            bad += [_impossible(made, event.value, self.mapping.plausible)]
        if event.unit:
            raw = chosen[event.unit]
            noted["unit missing"] = raw.is_null().sum()
            noted["unit trimmed"] = (raw != made["unit"]).sum()
        if event.or_text:
            noted["text instead of a number"] = (
                made["numeric_value"].is_null() & made["text_value"].is_not_null()
            ).sum()
        if event.known in chosen.columns:
            noted["known before it happened"] = (chosen[f"{event.known} local"] < made["time"]).sum()
        counts = {what: int(count) for what, count in noted.items()}
        return pl.concat([pl.DataFrame(schema=REFUSED), *bad]), counts


def _need(schema: Mapping[str, Any], names: list[str], path: Path) -> None:
    for name in names:
        if name not in schema:
            raise BadData(
                f"no column {name!r}",
                at=Place(file=path.name, column=name),
                fix=f"the table has: {', '.join(list(schema)[:12])}",
            )


def _columns(table: TableMap) -> list[str]:
    """The columns without which a table cannot be read; wide ones may be absent."""
    named = [*table.times()]
    for event in table.events:
        named += [*event.parts, *event.wanted, *event.text, *event.where, *event.unless]
        named += [n for n in (event.value, event.unit, event.or_text) if n]
    return sorted(set(named))


def _again(repeats: Repeats | None, path: Path) -> pl.DataFrame | None:
    if repeats is None:
        return None
    return scan(path).filter(pl.col(repeats.column) == repeats.of).select(repeats.same).unique().collect()


def _without_repeats(frame: pl.DataFrame, repeats: Repeats, first: pl.DataFrame) -> pl.DataFrame:
    marked = frame.join(
        first.with_columns(seen=True), on=repeats.same, how="left", nulls_equal=True, maintain_order="left"
    )
    again = (pl.col(repeats.column) == repeats.again) & pl.col("seen")
    return marked.filter(~again.fill_null(False)).drop("seen")


def _events(frames: list[pl.DataFrame]) -> pl.DataFrame:
    from polyclinic.timelines.format import EVENTS

    columns = {n: k for n, k in EVENTS.items() if n not in ("end_time", "path")}
    empty = pl.DataFrame(schema={"row": pl.Int64, **columns, "subject_id": pl.String})
    return pl.concat([empty, *frames], how="diagonal_relaxed") if frames else empty


def _refusals(rows: pl.DataFrame, column: str, reason: str) -> pl.DataFrame:
    return rows.select("row", column=pl.lit(column), reason=pl.lit(reason))


def _conditions(event: Event, frame: pl.DataFrame) -> pl.Expr:
    there = [pl.col(n).is_not_null() for n in event.wanted if n in frame.columns]
    tests = [pl.any_horizontal(there)]
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
        return clocks.end_of_day(time)
    if event.known == "day if midnight":
        return pl.when(time == time.dt.truncate("1d")).then(clocks.end_of_day(time))
    if event.known:
        return pl.max_horizontal(time, f"{event.known} local")
    return pl.lit(None, pl.Datetime("us"))


def _impossible(
    made: pl.DataFrame, column: str, plausible: Mapping[str, tuple[float, float]]
) -> pl.DataFrame:
    if not plausible:
        return pl.DataFrame(schema=REFUSED)
    names = ("code", "least", "greatest")
    limits = pl.DataFrame([(c, *map(float, v)) for c, v in plausible.items()], names, orient="row")
    value, low, high = pl.col("numeric_value"), pl.col("least"), pl.col("greatest")
    outside = made.join(limits, on="code", how="inner", maintain_order="left").filter(
        (value < low) | (value > high)
    )
    reason = pl.format("{} is not possible outside {} to {}", "code", "least", "greatest")
    return outside.select("row", column=pl.lit(column), reason=reason)
