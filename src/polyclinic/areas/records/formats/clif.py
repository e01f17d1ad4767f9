"""CLIF 2.1, the Common Longitudinal ICU data Format: a folder of `clif_TABLE.parquet` (https://clif-icu.com).

What each table and column means stands in `clif.yaml`; here is only how a folder is found and its clock told.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from polyclinic.timelines.event_conversion import EventConverter
from polyclinic.timelines.format import Chunk, Gives
from polyclinic.timelines.mapping import SourceMap, load
from polyclinic.timelines.tables import SUFFIXES, scan
from polyclinic.timelines.zones import offset_zone

MAPPING = Path(__file__).with_suffix(".yaml")


@dataclass(frozen=True, slots=True)
class Clif:
    """zone: the clock of the site. CLIF stores UTC; where none is declared, the offset is told by the dates of
    procedures, which have no clock and stand at the site's midnight; else times stay as they are shown.
    """

    zone: str | None = None
    gives: ClassVar[Gives] = "events"
    looks_for: ClassVar[str] = "clif_hospitalization.parquet beside clif_vitals.parquet or others (CLIF 2.1)"

    def sniff(self, source: Path) -> bool:
        """Whether the folder holds the hospitalizations and one more table, by their names."""
        tables = files(source, load(MAPPING))[0]
        return "hospitalization" in tables and len(tables) > 1

    def clock(self, source: Path) -> str | None:
        """The zone in which times are told."""
        mapping = load(MAPPING)
        table, column = mapping.clock or ("", "")
        path = files(source, mapping)[0].get(table)
        if self.zone or path is None or column not in scan(path).collect_schema():
            return self.zone
        return offset_zone(scan(path).select(column).collect()[column])

    def read(self, source: Path) -> Iterator[Chunk]:
        """Every table, by `clif.yaml`."""
        mapping = load(MAPPING)
        tables, other = files(source, mapping)
        yield from EventConverter(mapping, tables, other, self.clock(source)).chunks()


def files(source: Path, mapping: SourceMap) -> tuple[dict[str, Path], tuple[Path, ...]]:
    """Table → file, and the table files that the mapping does not know."""
    found = sorted(p for p in source.iterdir() if p.suffix.lower() in SUFFIXES) if source.is_dir() else []
    named = {path.stem.lower().removeprefix("clif_"): path for path in found}
    tables = {name: path for name, path in named.items() if name in mapping.tables}
    return tables, tuple(path for path in found if path not in tables.values())
