"""The accounts of an ingest: every row of every file is an event, quarantined, or a non-event with a name."""

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import polars as pl

from polyclinic import atomic, notes
from polyclinic.errors import BadData, Place
from polyclinic.figures.numbers import how_many
from polyclinic.timelines.format import CONTRADICTIONS, ODDITIES, REFUSED, Chunk
from polyclinic.timelines.lasting_facts import TWO_VALUES

KEPT_AS_TEXT = "kept as text: column"
CONTRADICTIONS_FILE = "contradictory_ids.parquet"

FEW = 0.001
"""A smaller share of rows with an oddity is a detail, and no reason for a caution."""


@dataclass(frozen=True)
class RowCounts:
    """The counts of one file, or of all: rows_in == used + quarantined + sum(non_events)."""

    rows_in: int = 0
    used: int = 0
    quarantined: int = 0
    quarantined_values: int = 0
    events_out: int = 0
    non_events: Counter[str] = field(default_factory=Counter)
    noted: Counter[str] = field(default_factory=Counter)

    def __add__(self, other: Self) -> Self:
        """Both together."""
        return type(self)(*(a + b for a, b in zip(vars(self).values(), vars(other).values(), strict=True)))

    def plain(self) -> dict[str, Any]:
        """As JSON values, keys sorted."""
        return {k: dict(sorted(v.items())) if isinstance(v, dict) else v for k, v in vars(self).items()}


@dataclass
class Quarantine:
    """What an ingest has read so far; `folder` gets one quarantine file for each file that had something refused."""

    folder: Path
    files: dict[str, RowCounts] = field(default_factory=dict)
    refused: list[pl.DataFrame] = field(default_factory=list)
    contradictions: list[pl.DataFrame] = field(default_factory=list)
    zone: str | None = None

    def add(self, chunk: Chunk) -> Chunk:
        """Count a chunk; raises `BadData` where its own counts do not add up (a fault of the format)."""
        rows, used, others, noted = chunk.rows_in, chunk.used, Counter(chunk.non_events), Counter(chunk.noted)
        refused, cells, events = chunk.refused.height, chunk.cells.height, chunk.frame.height
        if rows != used + refused + others.total():
            lost = f"{rows} in, {used} used, {refused} refused, {others.total()} non-events"
            fix = "report this to the author of the format; `polyclinic check` shows it"
            raise BadData(f"the format lost rows: {lost}", at=Place(file=chunk.file), fix=fix)
        counts = RowCounts(rows, used, refused, cells, events, others, noted)
        self.files[chunk.file] = self.files.get(chunk.file, RowCounts()) + counts
        file = pl.lit(chunk.file).alias("file")
        for frame, whole in ((chunk.refused, True), (chunk.cells, False)):
            self.refused.append(frame.select(file, *REFUSED, whole_row=pl.lit(whole)))
        self.contradict(chunk.contradictions)
        self.zone = self.zone or chunk.zone
        return chunk

    def contradict(self, contradictions: pl.DataFrame) -> None:
        """Add identifiers of which the source says two things (`CONTRADICTIONS`)."""
        if not contradictions.is_empty():
            self.contradictions.append(contradictions.select(*CONTRADICTIONS))

    def total(self) -> RowCounts:
        """All files together."""
        return sum(self.files.values(), RowCounts())

    def reasons(self) -> list[dict[str, Any]]:
        """How often what was refused: file, column, reason, count, the commonest first."""
        place = ("file", "column", "reason")
        counted = pl.concat(self.refused).group_by(place).agg(count=pl.len(), first_row=pl.col("row").min())
        return counted.sort("count", *place, descending=[True, False, False, False]).to_dicts()

    def check(self, max_quarantined: float) -> None:
        """Raise `BadData` where more than this share of the rows was quarantined, naming the commonest reason."""
        total = self.total()
        if not total.rows_in - sum(total.non_events.values()):
            raise BadData("nothing in this source is an event or a row", fix="see that its tables are filled")
        bad = total.quarantined + total.quarantined_values
        if bad <= max_quarantined * total.rows_in:
            return
        worst = self.reasons()[0]
        share = f"{bad:,} of {how_many(total.rows_in, 'row')} cannot be read (more than {max_quarantined:.3g} of them)"
        what = f"{share}; most often: {worst['reason']} ({worst['count']:,})"
        at = Place(file=worst["file"], row=worst["first_row"], column=worst["column"])
        fix = "correct the source; or, if these rows may be left out, raise --max-quarantined"
        raise BadData(what, at=at, fix=fix)

    def summary(self) -> dict[str, Any]:
        """The counts in all, why what was refused, and the counts of each file."""
        files = {name: counts.plain() for name, counts in sorted(self.files.items())}
        return self.total().plain() | {"reasons": self.reasons(), "files": files}

    def note(self) -> None:
        """Note what a reader of a report must know of the source: contradictions, broken rows, codes kept as text."""
        contradictions = pl.concat(self.contradictions) if self.contradictions else pl.DataFrame(schema=CONTRADICTIONS)
        for (column, reason), ids in contradictions.partition_by("column", "reason", as_dict=True).items():
            rows = "All of them are used" if reason == TWO_VALUES else "Their rows are in quarantine"
            why = f"{rows}; the identifiers stand in quarantine/{CONTRADICTIONS_FILE}."
            notes.note("contradictions in the source", f"{ids.height:,} {column}: {reason}", why, "serious")
        total = self.total()
        for what, count in sorted(total.noted.items()):
            if what in ODDITIES:
                level: notes.Level = "detail" if count < FEW * total.rows_in else "notable"
                notes.note("events", f"{how_many(count, 'row')}: {what}", ODDITIES[what], level)
            if what.startswith(KEPT_AS_TEXT):
                notes.note(
                    "columns of codes",
                    f"{what} ({how_many(count, 'row')})",
                    "Leading zeros and exponents distinguish them.",
                    "detail",
                )

    def write(self) -> None:
        """Write `quarantine/NAME.parquet`: file, row, column, reason, whole_row; one for each file of the source; and
        `contradictory_ids.parquet`, the identifiers of which the source says two things, where there are some.
        """
        if self.contradictions:
            with atomic.file(self.folder / CONTRADICTIONS_FILE) as part:
                pl.concat(self.contradictions).sort("file", "column", "id").write_parquet(part)
        if not self.refused:
            return
        for (file,), table in pl.concat(self.refused).partition_by("file", as_dict=True).items():
            target = self.folder / (Path(file).as_posix().replace("/", "__") + ".parquet")
            with atomic.file(target) as part:
                table.sort("row", "column").write_parquet(part)
