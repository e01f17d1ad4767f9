"""The books of an ingest: every row of every file is an event, quarantined, or a non-event with a name."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from polyclinic import atomic
from polyclinic.errors import BadData, Place
from polyclinic.timelines.format import REFUSED, Chunk


@dataclass
class Tally:
    """The counts of one file, or of all: rows_in == used + quarantined + sum(non_events)."""

    rows_in: int = 0
    used: int = 0
    quarantined: int = 0
    quarantined_values: int = 0
    events_out: int = 0
    non_events: Counter[str] = field(default_factory=Counter)
    noted: Counter[str] = field(default_factory=Counter)

    def add(self, other: Tally) -> None:
        """Add another tally to this one."""
        for name, value in vars(other).items():
            if isinstance(value, Counter):
                getattr(self, name).update(value)
            else:
                setattr(self, name, getattr(self, name) + value)

    def plain(self) -> dict[str, Any]:
        """As JSON values, keys sorted."""
        return {k: dict(sorted(v.items())) if isinstance(v, dict) else v for k, v in vars(self).items()}


@dataclass
class Account:
    """What an ingest has read so far; `folder` gets one quarantine file for each file that had something refused."""

    folder: Path
    files: dict[str, Tally] = field(default_factory=dict)
    refused: dict[str, list[pl.DataFrame]] = field(default_factory=dict)

    def enter(self, chunk: Chunk) -> None:
        """Count a chunk; raises `BadData` where its own counts do not add up (a fault of the format)."""
        tally = Tally(
            chunk.rows_in,
            chunk.used,
            chunk.refused.height,
            chunk.cells.height,
            chunk.frame.height,
            Counter(chunk.non_events),
            Counter(chunk.noted),
        )
        if tally.rows_in != tally.used + tally.quarantined + sum(tally.non_events.values()):
            raise BadData(
                f"the format lost rows: {tally.rows_in} in, {tally.used} used, {tally.quarantined} refused, "
                f"{sum(tally.non_events.values())} non-events",
                at=Place(file=chunk.file),
                fix="report this to the author of the format; `polyclinic check` shows it",
            )
        self.files.setdefault(chunk.file, Tally()).add(tally)
        both = [(chunk.refused, True), (chunk.cells, False)]
        found = [f.select(*REFUSED).with_columns(whole_row=pl.lit(whole)) for f, whole in both if f.height]
        if found:
            self.refused.setdefault(chunk.file, []).extend(found)

    def total(self) -> Tally:
        """All files together."""
        total = Tally()
        for tally in self.files.values():
            total.add(tally)
        return total

    def reasons(self) -> list[dict[str, Any]]:
        """How often what was refused: file, column, reason, count, the commonest first."""
        tables = [pl.concat(t).with_columns(file=pl.lit(f)) for f, t in sorted(self.refused.items())]
        if not tables:
            return []
        grouped = (
            pl.concat(tables)
            .group_by("file", "column", "reason")
            .agg(count=pl.len(), first_row=pl.col("row").min())
        )
        return grouped.sort(
            "count", "file", "column", "reason", descending=[True, False, False, False]
        ).to_dicts()

    def check(self, max_quarantined: float) -> None:
        """Raise `BadData` where more than this share of the rows was quarantined, naming the commonest reason."""
        total = self.total()
        if not total.rows_in - sum(total.non_events.values()):
            raise BadData("nothing in this source is an event or a row", fix="see that its tables are filled")
        bad = total.quarantined + total.quarantined_values
        if bad <= max_quarantined * total.rows_in:
            return
        worst = self.reasons()[0]
        raise BadData(
            f"{bad:,} of {total.rows_in:,} rows cannot be read (more than {max_quarantined:.3g} of them); "
            f"most often: {worst['reason']} ({worst['count']:,})",
            at=Place(file=worst["file"], row=worst["first_row"], column=worst["column"]),
            fix="correct the source; or, if these rows may be left out, raise --max-quarantined",
        )

    def summary(self) -> dict[str, Any]:
        """The counts in all, why what was refused, and the counts of each file."""
        files = {name: tally.plain() for name, tally in sorted(self.files.items())}
        return self.total().plain() | {"reasons": self.reasons(), "files": files}

    def write(self) -> None:
        """Write `quarantine/NAME.parquet`: file, row, column, reason, whole_row; one for each file of the source."""
        for file, tables in sorted(self.refused.items()):
            table = pl.concat(tables).select(pl.lit(file).alias("file"), *REFUSED, "whole_row")
            target = self.folder / (Path(file).as_posix().replace("/", "__") + ".parquet")
            with atomic.file(target) as part:
                table.sort("row", "column").write_parquet(part)
