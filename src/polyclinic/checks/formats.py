"""What every format promises. Each check takes the format, a source that it should read, and a folder."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

from polyclinic import fingerprint
from polyclinic.checks.models import different, registered_name
from polyclinic.checks.planted import must
from polyclinic.figures.numbers import how_many
from polyclinic.timelines.format import Format
from polyclinic.timelines.ingest import ingest

FormatCheck: TypeAlias = Callable[[Format, Path, Path], None]
COLUMNS = {"events": ("subject_id", "time", "code"), "rows": ("row_id",)}


def format_checks() -> list[FormatCheck]:
    """Every check of a format, to be called as `check(format, source, tmp_path)`."""
    return [reads_what_it_sniffs, writes_the_same_bytes_twice, counts_what_it_refused, names_each_row_once]


def reads_what_it_sniffs(form: Format, source: Path, tmp_path: Path) -> None:
    """It knows its own source, is not mistaken about an empty folder, and gives the columns of its kind."""
    empty = tmp_path / "empty"
    empty.mkdir(parents=True)
    what = "it does not know its own source, or takes an empty folder for one"
    fix = "let `sniff` look for the files or the header that only this format has"
    must(form.sniff(source) and not form.sniff(empty), what, fix)
    strange = [path for path in foreign(tmp_path / "foreign") if form.sniff(path)]
    must(not strange, f"it takes {strange[0].name if strange else ''}, which is none of its own, for its source", fix)
    chunks, columns = list(form.read(source)), COLUMNS[form.gives]
    lacking = [f"no column {n!r}" for n in columns for c in chunks if n not in c.frame.columns]
    what = f"it sniffs the source but reads {(lacking or ['nothing'])[0]} from it"
    must(chunks and not lacking, what, f"let `read` yield chunks with the columns {', '.join(columns)}")


def foreign(folder: Path) -> list[Path]:
    """Files and folders that are no clinical source of any kind."""
    folder.mkdir(parents=True)
    (folder / "letter.txt").write_text("Dear colleague,\n\nthank you.\n", encoding="utf-8")
    (folder / "settings.json").write_text('{"colour": "blue"}', encoding="utf-8")
    (folder / "bytes.bin").write_bytes(bytes(range(256)) * 8)
    (folder / "notes").mkdir()
    (folder / "notes" / "one.txt").write_text("one\n", encoding="utf-8")
    return sorted(folder.iterdir())


def names_each_row_once(form: Format, source: Path, tmp_path: Path) -> None:  # noqa: ARG001
    """Of a format that gives rows, each row has a `row_id` of its own."""
    if form.gives != "rows":
        return
    numbers = [number for chunk in form.read(source) for number in chunk.frame["row_id"].to_list()]
    what = f"{len(numbers) - len(set(numbers)):,} of {how_many(len(numbers), 'row')} have the row_id of another"
    must(len(set(numbers)) == len(numbers), what, "number the rows of the source from 0, refused ones counted")


def writes_the_same_bytes_twice(form: Format, source: Path, tmp_path: Path) -> None:
    """Two ingests of one source leave the same files."""
    name = registered_name("formats", form)
    written = []
    for turn in ("first", "second"):
        ingest(name, source, tmp_path / turn, max_quarantined=1.0)
        written.append(fingerprint.of_files(tmp_path / turn))
    fix = "read files in the order of their names; keep sets, clocks and temporary paths out of what is written"
    must(written[0] == written[1], f"two ingests of one source differ in {different(*written)}", fix)


def counts_what_it_refused(form: Format, source: Path, tmp_path: Path) -> None:  # noqa: ARG001
    """Rows in are rows used, rows refused (each with row, column and reason) and named non-events; nothing else."""
    for chunk in form.read(source):
        lost = chunk.rows_in - chunk.used - chunk.refused["row"].n_unique() - sum(chunk.non_events.values())
        rows = how_many(abs(lost), f"row of {chunk.file} is", f"rows of {chunk.file} are")
        what = f"{rows} {'lost' if lost > 0 else 'counted twice'}"
        must(not lost, what, "put each row that is not used into `refused` with a reason, or name it in `non_events`")
