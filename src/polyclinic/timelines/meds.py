"""MEDS, the Medical Event Data Standard: folders with `data/**/*.parquet` (https://github.com/Medical-Event-Data-Standard).

Such a folder needs no ingest, a `Timeline` opens it as it is; reading it anew sorts, shards and counts it.
"""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import polars as pl

from polyclinic.errors import BadData, PolyclinicError
from polyclinic.timelines.format import EVENTS, REFUSED, WORDS, Chunk, Gives, without
from polyclinic.timelines.identifiers import as_identifier, common_type
from polyclinic.timelines.stored_events import (
    REQUIRED,
    TIMES,
    faults,
    not_a_number,
    oddities,
    opened,
    plain,
    schemas,
    zones_of,
)
from polyclinic.timelines.summary import read_summary
from polyclinic.timelines.tables import batches, scan
from polyclinic.timelines.timeline import Timeline
from polyclinic.timelines.zones import SiteClock, require_one_clock


@dataclass(frozen=True, slots=True)
class Meds:
    """A MEDS data set. zone: the clock of the site, where its times carry zones, or where some do."""

    zone: str | None = None
    gives: ClassVar[Gives] = "events"
    looks_for: ClassVar[str] = "Parquet files with subject_id, time and code in data/"

    def sniff(self, source: Path) -> bool:
        """Whether `data/` holds Parquet with the three columns that MEDS requires."""
        with suppress(PolyclinicError, OSError):
            return any(set(REQUIRED) <= set(scan(p).collect_schema()) for p in Timeline(source).shards()[:1])
        return False

    def read(self, source: Path) -> Iterator[Chunk]:
        """Shard after shard. A row without subject or code, with a time that is none, or with an infinite number is
        refused; text in place of a number is kept as text; columns beyond ours are noted.
        """
        files = schemas(source, Timeline(source).shards())
        zones = zones_of(source, files)
        with suppress(BadData):  # the counts of whoever wrote the folder are no part of the data set
            before = read_summary(source).get("zone")
            zones = dict.fromkeys(zones, before) if isinstance(before, str) and self.zone is None else zones
        clock = SiteClock(require_one_clock(zones, self.zone))
        subject = common_type(schema["subject_id"] for schema in files.values())
        for path, schema in files.items():
            for piece in batches(path):
                ours = opened(piece.frame.lazy().select(n for n in EVENTS if n in schema), schema).collect()
                ids = as_identifier("subject_id", schema["subject_id"], subject)
                frame = ours.with_columns(ids).insert_column(0, piece.position)
                yield _chunk(path.relative_to(source).as_posix(), frame, schema, clock)
        for path in sorted(p for p in (source / "data").rglob("*") if p.is_file() and p not in files):
            name = path.relative_to(source).as_posix()
            yield Chunk(name, 0, 0, pl.DataFrame(), noted={"a file that is no Parquet, not read": 1})


def _chunk(file: str, frame: pl.DataFrame, schema: Mapping[str, pl.DataType], clock: SiteClock) -> Chunk:
    sound, refused = without(faults(schema, clock), frame, "row")
    words = _words(sound, schema)
    events = sound.with_columns(e for e in plain(schema, clock) if e.meta.output_name() != "subject_id")
    kept = events.select(n for n in EVENTS if n in events.columns and n != "utc_offset")
    noted = {f"column {n!r} left out": frame.height for n in schema if n not in EVENTS}
    odd = sound.select(**{why: odd.sum() for why, odd in oddities(schema, clock).items()})
    noted |= {why: int(n) for why, n in odd.to_dicts()[0].items() if n} if odd.width else {}
    return Chunk(
        file, frame.height, kept.height, clock.to_disk(kept, TIMES), refused, cells=words, noted=noted, zone=clock.zone
    )


def _words(frame: pl.DataFrame, schema: Mapping[str, pl.DataType]) -> pl.DataFrame:
    """The refused values: text where a number belongs."""
    if schema.get("numeric_value") != pl.String:
        return pl.DataFrame(schema=REFUSED)
    rows = frame.filter(not_a_number("numeric_value"))
    return rows.select("row", column=pl.lit("numeric_value"), reason=pl.lit(WORDS))
