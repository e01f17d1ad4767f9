"""From tables to events by a YAML: which column is the code, the time, the value, the unit, and what each row means.

    tables:
      vitals:                                  # the file's name, whatever comes before it
        time: recorded_dttm
        events:
          - {code: [VITAL, $vital_category], value: vital_value, text: vital_name}

A `$name` in a code is a column. A row may give several events, one or none; `event_conversion` does as the mapping says.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path

from polyclinic import config
from polyclinic.errors import Place, UsageError

DAY_OF = "day of "
POSITION = "row"


@dataclass(frozen=True, kw_only=True)
class Event:
    """One kind of event that a row may give.

    code: parts joined by //; `$column` is that column, left out where it is empty.
    time: a column, if not the table's; "never" for what has no time. end: a column of times, when it ended.
    known: when it became known: a column; "day", the end of the day (a date without a clock); "day if midnight", for
    columns that hold dates among times; or "day of COLUMN", the end of the day of that column (a code that is assigned
    after discharge) or of the event, whichever is later, and never where that column is empty.
    value, unit, text: columns; or_text: text that stands where the value is empty.
    path: a column of files (pixels, waveforms).
    needs: at least one of these is filled (else the value, else the first column of the code).
    where, unless: column → values that it must, or must not, have; empty: columns that must be empty.
    """

    code: tuple[str, ...]
    time: str | None = None
    end: str | None = None
    known: str | None = None
    value: str | None = None
    unit: str | None = None
    path: str | None = None
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
    def known_column(self) -> str | None:
        """The column that says when it became known, where one does."""
        known = self.known or ""
        return None if known in ("", "day", "day if midnight") else known.removeprefix(DAY_OF)

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
        named = {self.time, *(name for e in self.all_events for name in (e.time, e.end, e.known_column))}
        return {name for name in named if name and name != "never"}

    def columns(self) -> list[str]:
        """The columns without which the table cannot be read; wide ones may be absent."""
        named = set(self.times())
        for e in self.events:
            named |= {*e.parts, *e.wanted, *e.text, *e.where, *e.unless, *e.empty}
            named |= {name for name in (e.value, e.unit, e.or_text, e.path) if name}
        return sorted(named)


@dataclass(frozen=True, kw_only=True)
class Link:
    """Where tables without the subject's own column find it: the table, the column that leads there, what it brings."""

    table: str
    on: str
    brings: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class SourceMap:
    """A whole source: tables, one a file.

    subject: the column of the patient. prefix: how the names of the files begin, left out in the names of tables.
    needs: tables without which a folder is not of this format; it holds at least one more.
    plausible: code → least and greatest value that is possible at all; others are quarantined.
    clock: table and column of bare dates that were stored as instants, which give the offset of the site.
    """

    subject: str
    prefix: str = ""
    needs: tuple[str, ...] = ()
    tables: Mapping[str, TableMap]
    link: Link | None = None
    plausible: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    clock: tuple[str, str] | None = None
    title: str = ""


@cache
def load(path: Path) -> SourceMap:
    """A mapping from its file; raises `UsageError` with key and line."""
    mapping = config.build(SourceMap, config.read(path), file=path.name)
    for name, table in mapping.tables.items():
        if POSITION in (*table.columns(), *table.wide, mapping.subject):
            what, at = f"a column may not be called {POSITION!r}", Place(file=path.name, key=f"tables.{name}")
            raise UsageError(what, at=at, fix="rename it in the table: the position of each row has this name")
    return mapping
