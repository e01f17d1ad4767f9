"""Recordings of a wrist as JSON lines: {"person": …, "acceleration": […], "walking": […]}."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import polars as pl

from polyclinic.timelines.format import REFUSED, Chunk

SCHEMA = {"row_id": pl.Int64, "person": pl.String, "acceleration": pl.List(pl.Float32), "walking": pl.List(pl.Int8)}


@dataclass(frozen=True, slots=True)
class Wrist:
    """One recording a line; `walking` holds a label for every few samples, or is missing."""

    gives: ClassVar[str] = "rows"
    looks_for: ClassVar[str] = "a file of JSON lines with `acceleration` (.jsonl)"

    def sniff(self, source: Path) -> bool:
        """Whether the first line has an acceleration."""
        if not source.is_file() or source.suffix != ".jsonl":
            return False
        with source.open(encoding="utf-8") as lines:
            return '"acceleration"' in lines.readline()

    def read(self, source: Path) -> Iterator[Chunk]:
        """Every line is a row, or refused because its acceleration is not a list of numbers."""
        rows, refused = [], []
        with source.open(encoding="utf-8") as lines:
            for number, line in enumerate(lines):
                entry = json.loads(line)
                if all(isinstance(v, int | float) for v in entry["acceleration"]):
                    rows.append({"row_id": number, "walking": None, **entry})
                else:
                    refused.append({"row": number, "column": "acceleration", "reason": "not a number"})
        frame = pl.DataFrame(rows, schema=SCHEMA)
        yield Chunk(source.name, len(rows) + len(refused), len(rows), frame, pl.DataFrame(refused, schema=REFUSED))

    def planted(self, folder: Path) -> Path:
        """A small source with one line that must be refused."""
        return write_recordings(folder, people=3, seed=1, broken=1)


def write_recordings(folder: Path, *, people: int, seed: int, broken: int = 0) -> Path:
    """Write `recordings.jsonl`, four recordings a person, and return its path."""
    from wearable_steps.outcomes.walking import STRIDE, recording

    rng = np.random.default_rng(seed)
    lines: list[dict[str, Any]] = []
    for person in range(people):
        for _ in range(4):
            acceleration, walking = recording(rng, STRIDE)
            lines.append({"person": f"p{person}", "acceleration": acceleration.tolist(), "walking": walking.tolist()})
    lines += [{"person": "p0", "acceleration": ["much"], "walking": None}] * broken
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "recordings.jsonl"
    file.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return file
