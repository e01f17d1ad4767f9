"""The summary of an ingest, `metadata/summary.json`: what was counted. It is checked when it is read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Literal

from polyclinic.documents import read_json
from polyclinic.errors import BadData, Place

PATH = Path("metadata", "summary.json")
LAYOUT = 2
"""The layout of an ingested folder. 2: `utc_offset` beside times that have a zone, identifiers of CSV files as text."""


@dataclass(frozen=True)
class FileSummary:
    """The counts of one file of the source."""

    rows_in: int


@dataclass(frozen=True, kw_only=True)
class Summary:
    """What readers of a summary rely on; it holds further counts beside these.

    kind: what the folder holds; source_format: the registered format that it was read in; zone: the clock of the site.
    """

    kind: Literal["events", "rows", ""] = ""
    source_format: str | None = None
    zone: str | None = None
    rows_in: int = 0
    used: int = 0
    quarantined: int = 0
    reasons: Sequence[Mapping[str, str | int | None]] = ()
    files: Mapping[str, FileSummary] = field(default_factory=dict)
    non_events: Mapping[str, int] = field(default_factory=dict)
    noted: Mapping[str, int] = field(default_factory=dict)


@cache
def _adapter() -> Any:
    from pydantic import TypeAdapter

    return TypeAdapter(Summary)


def read_summary(folder: Path) -> dict[str, Any]:
    """The summary of an ingested folder; {} where there is none.

    Raises `BadData` where it is malformed, or where the folder has another layout than this version writes.
    """
    path = folder / PATH
    if not path.is_file():
        return {}
    from pydantic import ValidationError

    summary = read_json(path)
    try:
        _adapter().validate_python(summary)
    except ValidationError as error:
        at = Place(file=str(path), key=".".join(map(str, error.errors()[0]["loc"])) or None)
        what, fix = "this is no summary of an ingest", "ingest the source again"
        raise BadData(what, at=at, fix=fix) from error
    if (layout := summary.get("layout", 1)) != LAYOUT:
        newer = isinstance(layout, int) and layout > LAYOUT
        what = f"this folder was ingested by {'a newer' if newer else 'an older'} version of polyclinic"
        fix = "update polyclinic" if newer else "ingest the source again: polyclinic ingest FORMAT SOURCE --out FOLDER"
        raise BadData(what, at=Place(file=str(path), key="layout"), fix=fix)
    return dict(summary)
