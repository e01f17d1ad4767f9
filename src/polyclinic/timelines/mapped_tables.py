"""Folders of event tables that a mapping explains: a mapping is a format by itself, and needs no code.

A shipped or an installed one is declared by the name of its file (`formats: {clif: "package:clif.yaml"}`); one's own is
handed over: `polyclinic ingest csv SOURCE --mapping FILE`.
"""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import polars as pl

from polyclinic.errors import BadData, Place, PolyclinicError, UsageError, nearest
from polyclinic.notes import note
from polyclinic.timelines.event_conversion import EventConverter
from polyclinic.timelines.format import Chunk, Gives
from polyclinic.timelines.mapping import SourceMap, load
from polyclinic.timelines.tables import SUFFIXES, plain_file, readable, scan
from polyclinic.timelines.zones import offset_zone


@dataclass(frozen=True, slots=True)
class MappedTables:
    """Tables of events, one a file, read as a mapping says.

    mapping: the YAML; see `SourceMap` for its keys.
    zone: the clock of the site. Where none is declared, and the mapping says which column holds dates that were stored
    as UTC instants of the site's midnight, it follows from those dates.
    """

    mapping: Path | None = None
    zone: str | None = None
    gives: ClassVar[Gives] = "events"

    @property
    def source_map(self) -> SourceMap:
        """The mapping; raises `UsageError` where none was named, or with the key and line of what is wrong in it."""
        if self.mapping is None:
            fix = "write one (docs/reference/mapping.md shows how) and add --mapping FILE"
            raise UsageError("tables of your own need a mapping that says what their columns mean", fix=fix)
        return load(self.mapping)

    @property
    def looks_for(self) -> str:
        """What a source of this format holds, for a message."""
        if self.mapping is None:
            return "tables that a mapping explains"
        source = self.source_map
        needed = " and ".join(f"{source.prefix}{table}" for table in source.needs) or "one table"
        known = f"{source.prefix}{next(iter(source.tables))}"
        return f"{needed} beside {known} or others ({source.title or self.mapping.stem})"

    def sniff(self, source: Path) -> bool:
        """Whether the source holds the tables that the mapping needs and one more, by their names."""
        with suppress(PolyclinicError):
            mapping = self.source_map
            tables = files(source, mapping)[0]
            return set(mapping.needs) <= set(tables) and len(tables) > len(mapping.needs)
        return False

    def check(self, source: Path) -> None:
        """Raise `UsageError` for a mapping that is missing or wrong, `BadData` for a source without its tables.

        Tables of the mapping that the source lacks are noted where others are there.
        """
        mapping, at = self.source_map, Place(file=str(source))
        tables, other, _ = files(source, mapping)
        missing = [name for name in mapping.tables if name not in tables]
        if not tables or set(missing) & set(mapping.needs):
            named = [f"{mapping.prefix}{name}" for name in (mapping.needs if tables else mapping.tables)]
            lacking = [name for name in named if name.removeprefix(mapping.prefix) in missing]
            stems = [path.stem for path in other]
            near = next((one for name in lacking if (one := nearest(name, stems))), None)
            hint = f": did you mean {near!r}?" if near else ""
            fix = f"name each file after its table, or correct the mapping{hint} (here lie: {', '.join(stems) or 'no tables'})"
            what = f"no file has the name of a table that the mapping names: {', '.join(lacking)}"
            raise BadData(what, at=at, fix=fix)
        if missing:
            note("tables of the mapping that are not there", ", ".join(missing), "Nothing is read of them.")

    def read(self, source: Path) -> Iterator[Chunk]:
        """Every table by its mapping; files that are no tables, or no tables of the mapping, are named."""
        mapping = self.source_map
        tables, other, rest = files(source, mapping)
        yield from EventConverter(mapping, tables, other, self.zone or _zone_of_dates(mapping, tables)).chunks()
        for path in rest:
            yield Chunk(path.name, 0, 0, pl.DataFrame(), noted={"a file that is no table, not read": 1})


def _zone_of_dates(mapping: SourceMap, tables: dict[str, Path]) -> str | None:
    """The zone that follows from dates without a clock, where the mapping names a column of such dates."""
    table, column = mapping.clock or ("", "")
    if table not in tables or column not in scan(tables[table]).collect_schema():
        return None
    with readable(tables[table]):
        return offset_zone(scan(tables[table]).select(column).collect()[column])


def files(source: Path, mapping: SourceMap) -> tuple[dict[str, Path], tuple[Path, ...], tuple[Path, ...]]:
    """Table → file; the table files that the mapping does not know; and the files that are no tables."""
    plain = sorted(p for p in source.iterdir() if not p.is_dir()) if source.is_dir() else [plain_file(source)]
    readable_files = [plain_file(p) for p in plain if p.suffix.lower() in SUFFIXES and p.name[0] != "."]
    named: dict[str, Path] = {}
    for path in readable_files:
        name = path.stem.lower().removeprefix(mapping.prefix)
        if name in named and name in mapping.tables:
            what = f"the table {name!r} lies there twice: {named[name].name} and {path.name}"
            raise BadData(what, at=Place(file=str(source)), fix="leave one of the two files there")
        named[name] = path
    tables = {name: path for name, path in named.items() if name in mapping.tables}
    other = tuple(path for path in readable_files if path not in tables.values())
    return tables, other, tuple(path for path in plain if path not in readable_files)
