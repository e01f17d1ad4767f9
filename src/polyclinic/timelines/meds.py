"""MEDS, the Medical Event Data Standard: folders with `data/**/*.parquet` (https://github.com/Medical-Event-Data-Standard).

Such a folder needs no ingest, a `Timeline` opens it as it is; reading it anew sorts, shards and counts it.
"""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import polars as pl

from polyclinic.errors import BadData
from polyclinic.timelines import zones
from polyclinic.timelines.format import EVENTS, INFINITE, Chunk, Fault, Gives, without
from polyclinic.timelines.tables import batches, need, scan
from polyclinic.timelines.timeline import REQUIRED, Timeline

TIMES = ("time", "end_time", "available_time")


@dataclass(frozen=True, slots=True)
class Meds:
    """A MEDS data set. zone: the clock of the site, for the rare one whose times carry zones."""

    zone: str | None = None
    gives: ClassVar[Gives] = "events"
    looks_for: ClassVar[str] = "Parquet files with subject_id, time and code in data/"

    def sniff(self, source: Path) -> bool:
        """Whether `data/` holds Parquet with the three columns that MEDS asks for."""
        with suppress(BadData, OSError):
            return any(set(REQUIRED) <= set(scan(p).collect_schema()) for p in Timeline(source).shards()[:1])
        return False

    def read(self, source: Path) -> Iterator[Chunk]:
        """Shard after shard. A row without subject or code, or with an infinite number, is refused; columns beyond
        ours are noted.
        """
        files = {path.relative_to(source).as_posix(): path for path in Timeline(source).shards()}
        found: dict[str, str] = {}
        for file, path in files.items():
            found |= zones.zones_of(scan(path), TIMES, file)
        zones.one_clock(found, self.zone)
        for file, path in files.items():
            start = 0
            for frame in batches(path):
                times = [name for name in TIMES if name in frame.columns]
                yield _chunk(file, zones.on_site_clock(frame, times, self.zone), start)
                start += frame.height


def _chunk(file: str, frame: pl.DataFrame, start: int) -> Chunk:
    need(REQUIRED, frame.columns, file)
    faults: list[Fault] = [(n, "missing", pl.col(n).is_null()) for n in ("subject_id", "code")]
    if (value := "numeric_value") in frame.columns:
        faults.append((value, INFINITE, pl.col(value).cast(EVENTS[value]).is_infinite()))
    sound, refused = without(faults, frame.with_row_index("row", start), "row")
    kept = sound.select(n for n in EVENTS if n in frame.columns)
    left = {f"column {n!r} left out": frame.height for n in frame.columns if n not in EVENTS}
    return Chunk(file, frame.height, kept.height, kept, refused, noted=left)
