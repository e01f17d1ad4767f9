"""The page of mappings documents every key that a mapping may have, and no other; its example reads."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import polars as pl
import pytest

from polyclinic.timelines.ingest import ingest
from polyclinic.timelines.mapping import Event, Link, Repeats, SourceMap, TableMap

PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "mapping.md").read_text(encoding="utf-8")
SECTIONS = {
    "The whole source": SourceMap, "A table": TableMap, "An event": Event, "Repeats": Repeats, "A link": Link
}  # fmt: skip


@pytest.mark.parametrize("heading", SECTIONS)
def test_every_key_of_a_mapping_is_documented_and_no_other(heading: str) -> None:
    section = PAGE.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    keys = re.findall(r"^\| `(\w+)` \|", section, re.M)
    assert sorted(keys) == sorted(f.name for f in fields(SECTIONS[heading]))


def test_the_example_of_the_page_reads_the_tables_that_it_describes(tmp_path: Path) -> None:
    example = PAGE.split('```yaml title="ward.yaml"\n')[1].split("```")[0]
    (tmp_path / "ward.yaml").write_text(example)
    tables = tmp_path / "tables"
    tables.mkdir()
    (tables / "vitals.csv").write_text(
        "patient,taken_at,kind,reading,unit\n007,2026-01-31 08:00,hr,60,/min\n7,2026-01-31 09:00,hr,70,/min\n"
    )
    (tables / "infusions.csv").write_text(
        "patient,started,stopped,drug,rate,signed\n7,2026-01-31 08:00,2026-01-31 10:00,saline,5,2026-01-31 08:30\n"
    )
    timeline = ingest("csv", tables, tmp_path / "out", mapping=tmp_path / "ward.yaml")
    events = timeline.scan().collect()
    assert events["subject_id"].n_unique() == 2
    drug = events.filter(pl.col("code") == "DRUG//saline").row(0, named=True)
    assert [drug[n].hour for n in ("time", "end_time", "available_time")] == [8, 10, 8]
    assert drug["available_time"].minute == 30
