"""What every format promises. Each check takes the format, a source that it should read, and a folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

from polyclinic import fingerprint
from polyclinic.checks.models import different, registered_name
from polyclinic.errors import FoundWanting
from polyclinic.timelines.ingest import ingest

FormatCheck: TypeAlias = Callable[[Any, Path, Path], None]
COLUMNS = {"events": ("subject_id", "time", "code"), "rows": ("row_id",)}


def format_checks() -> list[FormatCheck]:
    """Every check of a format, to be called as `check(format, source, tmp_path)`."""
    return [reads_what_it_sniffs, writes_the_same_bytes_twice, counts_what_it_refused]


def reads_what_it_sniffs(form: Any, source: Path, tmp_path: Path) -> None:
    """It knows its own source, is not mistaken about an empty folder, and gives the columns of its kind."""
    empty = tmp_path / "empty"
    empty.mkdir(parents=True)
    if not form.sniff(source) or form.sniff(empty):
        raise FoundWanting(
            "it does not know its own source, or takes an empty folder for one",
            fix="let `sniff` look for the files or the header that only this format has",
        )
    chunks = list(form.read(source))
    lacking = [name for name in COLUMNS[form.gives] for chunk in chunks if name not in chunk.frame.columns]
    if not chunks or lacking:
        raise FoundWanting(
            f"it sniffs the source but reads {f'no column {lacking[0]!r}' if lacking else 'nothing'} from it",
            fix=f"let `read` yield chunks with the columns {', '.join(COLUMNS[form.gives])}",
        )


def writes_the_same_bytes_twice(form: Any, source: Path, tmp_path: Path) -> None:
    """Two ingests of one source leave the same files."""
    name = registered_name("formats", form)
    written = []
    for turn in ("first", "second"):
        ingest(name, source, tmp_path / turn, max_quarantined=1.0)
        written.append(fingerprint.of_files(tmp_path / turn))
    if written[0] != written[1]:
        raise FoundWanting(
            f"two ingests of one source differ in {different(*written)}",
            fix="read files in the order of their names, and keep sets, clocks and temporary paths out of what is written",
        )


def counts_what_it_refused(form: Any, source: Path, tmp_path: Path) -> None:  # noqa: ARG001
    """Rows in are rows used, rows refused (each with row, column and reason) and named non-events; nothing else."""
    for chunk in form.read(source):
        lost = (
            chunk.rows_in - chunk.used - len(chunk.refused["row"].unique()) - sum(chunk.non_events.values())
        )
        if lost:
            raise FoundWanting(
                f"{abs(lost)} rows of {chunk.file} are {'lost' if lost > 0 else 'counted twice'}",
                fix="put each row that is not used into `refused` with a reason, or name it in `non_events`",
            )
