"""`polyclinic describe`: what is in a timeline or a table."""

from __future__ import annotations

from polyclinic.cli import screen

EXAMPLE = "polyclinic describe timeline/ --json"


def command(source: screen.Events, as_json: screen.AsJson = False) -> None:
    """Say what is in a timeline or a table."""
    from polyclinic.timelines.describe import as_text
    from polyclinic.timelines.ingest import open_source

    found = open_source(source).describe()
    screen.show_json(found) if as_json else print(as_text(found))
