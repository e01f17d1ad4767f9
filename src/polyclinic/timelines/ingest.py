"""From a source to a timeline or a table of rows: streaming, sharded by subject, the same bytes every time."""

import errno
import json
import math
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any

import polars as pl

from polyclinic import atomic, notes, progress, registry
from polyclinic.errors import BadData, Place, PolyclinicError, UsageError
from polyclinic.figures.numbers import how_many
from polyclinic.timelines.format import ODDITIES, Chunk, Format
from polyclinic.timelines.identifiers import KEPT_AT, Identifiers
from polyclinic.timelines.lasting_facts import LastingFacts
from polyclinic.timelines.mapped_tables import MappedTables, files
from polyclinic.timelines.quarantine import Quarantine
from polyclinic.timelines.rows import REFUSED_ROWS, RowTable
from polyclinic.timelines.shards import Shards, write_codes
from polyclinic.timelines.summary import LAYOUT
from polyclinic.timelines.summary import PATH as SUMMARY
from polyclinic.timelines.tables import PACKED_SUFFIXES
from polyclinic.timelines.timeline import Timeline

SHARD_BYTES, MOST_SHARDS = 16_000_000, 500  # a shard is sorted in memory; each is an open file
PACKED = 5  # how much shorter Parquet is than the same rows as text


def ingest(
    format_name: str,
    source: Path | str,
    out: Path | str,
    *,
    max_quarantined: float = 0.01,
    zone: str | None = None,
    mapping: Path | str | None = None,
) -> Timeline | RowTable:
    """Read `source` in a registered format and write the whole of it to the folder `out`, or nothing at all.

    Parameters
    ----------
    format_name
        A registered format; `csv`, with a mapping, for event tables of one's own.
    source, out
        The file or folder to read, and the folder to write.
    max_quarantined
        The share of rows that may be quarantined before it stops. A text column of a CSV table in which more cells
        than that are text stays text.
    zone
        The zone of the site (`Europe/Berlin`): times that have a zone are shown on its clock, times that have none
        are taken to stand on it.
    mapping
        The YAML that says what the tables of the source mean, for the format `csv`.

    Returns
    -------
    Timeline | RowTable
        What was written.

    Raises
    ------
    UsageError
        For an unknown format, a setting that the format does not have, or an error in the mapping.
    BadData
        Where the source is not what the format reads, or too much of it cannot be read.
    """
    source, out = Path(source), Path(out)
    settings = {"zone": zone, "mapping": None if mapping is None else Path(mapping)}
    format_ = opened(format_name, **settings, max_quarantined=max_quarantined)
    _expect(format_name, format_, source)
    _replaceable(out)
    with atomic.folder(out) as part, _types_that_fit(source):
        quarantine = Quarantine(part / "quarantine")
        read = progress.track(format_.read(source), text=f"reading {source.name}")
        chunks = (chunk for chunk in map(quarantine.add, read) if chunk.frame.width)
        if format_.gives == "events":
            facts = LastingFacts()
            extra = _write_events(format_name, chunks, part, source, facts)
            quarantine.contradict(facts.contradictions())
        else:
            extra = _write_rows(chunks, part)
        if format_.gives == "rows" and not (part / "data" / "rows.parquet").is_file():
            if quarantine.total().quarantined:
                quarantine.check(0.0)
            raise BadData("the source is empty: it has no rows", fix="name a source that holds some")
        quarantine.check(max_quarantined)
        quarantine.write()
        head = {"layout": LAYOUT, "kind": format_.gives, "source_format": format_name, "zone": quarantine.zone}
        write_json(part / SUMMARY, head | quarantine.summary() | extra)
    total = quarantine.total()
    quarantine.note()
    progress.say(f"{total.used:,} of {how_many(total.rows_in, 'row')} used, {total.quarantined:,} quarantined")
    return open_source(out)


def _replaceable(out: Path) -> None:
    """What an ingest wrote may be written anew; nobody's other files are taken away for it."""
    if out.is_file() or (out.is_dir() and any(out.iterdir()) and not (out / SUMMARY).is_file()):
        what = "there is something else at the place to write to; nothing was written"
        fix = "name a new folder with --out, or one that `polyclinic ingest` wrote"
        raise UsageError(what, at=Place(file=str(out)), fix=fix)


def opened(format_name: str, *, max_quarantined: float = 0.01, **settings: Path | str | None) -> Format:
    """A registered format, or the mapping of that name, with its settings.

    Raises `UsageError` for a setting (`zone`, `mapping`) that is given and that the format does not have.
    """
    entry = registry.entry("formats", format_name)
    if entry.is_file:
        if settings.get("mapping") is not None:
            fix = "for a mapping of your own: polyclinic ingest csv SOURCE --mapping FILE"
            raise UsageError(f"the format {format_name!r} has its own mapping", fix=fix)
        zone = settings.get("zone")
        return MappedTables(entry.path(), None if zone is None else str(zone))
    cls: Any = entry.load()
    known = getattr(cls, "__dataclass_fields__", {})
    for name, value in settings.items():
        if value is not None and name not in known:
            raise UsageError(f"the format {format_name!r} has no setting {name!r}", fix=f"leave --{name} out")
    wanted = {**{k: v for k, v in settings.items() if v is not None}, "max_quarantined": max_quarantined}
    format_: Format = cls(**{k: v for k, v in wanted.items() if k in known})
    return format_


def _expect(name: str, format_: Format, source: Path) -> None:
    """Raise an error that says what was looked for, and what the source looks like instead."""
    at = Place(file=str(source))
    if not source.exists():
        raise UsageError(f"no such file or folder: {source}", at=at, fix="check the path")
    if source.is_dir() and not any(source.iterdir()):
        raise BadData("the folder is empty", at=at, fix="name the folder that holds the data")
    if isinstance(format_, MappedTables) and not registry.entry("formats", name).is_file:
        format_.check(source)  # a mapping of the user's own: it is not the source that may be of another format
        return
    if format_.sniff(source):
        return
    if isinstance(format_, MappedTables):
        files(source, format_.source_map)  # a table that lies there twice has an error of its own
    wants, hint = getattr(format_, "looks_for", ""), "name the folder that holds them"
    hint = "unpack it first, and name what was in it" if source.suffix.lower() in PACKED_SUFFIXES else hint
    if others := [other for other in _sniffed(source) if other != name]:
        hint = f"this looks like {' or '.join(others)}: name that format instead"
    raise BadData(f"this is not {name}" + (f": it looked for {wants}" if wants else ""), at=at, fix=hint)


def detect(source: Path | str) -> str:
    """The name of the format that a source has, by sniffing; raises `BadData` where none or several fit."""
    source = Path(source)
    if not source.exists():
        raise UsageError(f"no such file or folder: {source}", at=Place(file=str(source)), fix="check the path")
    names = _sniffed(source)
    if len(names) == 1:
        return names[0]
    known = ", ".join(registry.entries("formats"))
    what = f"this could be {' or '.join(names)}" if names else "no format knows this source"
    raise BadData(
        what, at=Place(file=str(source)), fix=f"name the format (--format, or `format:` in a study); known: {known}"
    )


def _sniffed(source: Path) -> list[str]:
    """The formats that know the source; the general one, `table`, counts only where no other does."""
    names = []
    for name in registry.entries("formats"):
        with suppress(PolyclinicError, OSError, ImportError):
            if opened(name).sniff(source):
                names.append(name)
    return [name for name in names if name != "table"] or names


def open_source(path: Path | str) -> Timeline | RowTable:
    """What stands in an ingested folder, or in any MEDS data set. Raises `BadData` where it is neither."""
    source = Timeline(path)
    if source.summary().get("kind") == "rows":
        return RowTable(path)
    if source.summary() or opened("meds").sniff(source.path):
        if source.left_out:
            reasons = "; ".join(f"{n:,} ({why})" for why, n in source.left_out.items())
            why = "These rows are no events. `polyclinic ingest meds` puts them into quarantine, each with its reason."
            notes.note("rows of the MEDS data set that are left out", reasons, why)
        for what, count in source.noted.items():
            notes.note("events", f"{how_many(count, 'row')}: {what}", ODDITIES[what])
        return source
    what = "neither an ingested folder nor a MEDS data set: no metadata/summary.json and no Parquet in data/"
    fix = "run `polyclinic ingest FORMAT SOURCE --out OUT` first and name OUT"
    raise BadData(what, at=Place(file=str(path)), fix=fix)


def describe_source(source: Path | str, *, codes: str = "", format_name: str | None = None) -> dict[str, Any]:
    """What an ingested folder, a MEDS data set, a table file or a source as it lies holds, and what cannot be read of it.

    codes: a regular expression; all codes that match are listed (of a table: columns). format_name: how a source that
    was not ingested is read; found out where it is None. Raises `BadData` where no format knows the source.
    """
    path = Path(source)
    if format_name is None and path.is_dir() and ((path / SUMMARY).is_file() or opened("meds").sniff(path)):
        return open_source(path).describe(codes)
    with tempfile.TemporaryDirectory() as scratch:
        name = format_name or detect(path)
        return ingest(name, path, Path(scratch) / "source", max_quarantined=1.0).describe(codes)


def write_json(path: Path, value: object) -> None:
    """JSON with a fixed layout, so that the same values give the same bytes."""
    atomic.write_text(path, json.dumps(value, indent=1, ensure_ascii=False) + "\n")


def _shards(source: Path) -> int:
    paths = [source] if source.is_file() else [p for p in source.rglob("*") if p.is_file()]
    size = sum(p.stat().st_size * (PACKED if p.suffix.lower() == ".parquet" else 1) for p in paths)
    return min(MOST_SHARDS, math.ceil(size / SHARD_BYTES))


def _write_events(name: str, chunks: Iterator[Chunk], out: Path, source: Path, facts: LastingFacts) -> dict[str, Any]:
    identifiers = Identifiers.kept_in(source)
    with Shards(out / "data", _shards(source)) as store:
        for chunk in chunks:
            ids = identifiers.numbers(chunk.frame["subject_id"], file=chunk.file)
            events = chunk.frame.with_columns(subject_id=ids)
            facts.add(events)
            store.add(events)
        shards_hold, codes = store.finish()
    metadata = out / "metadata"
    metadata.mkdir()
    write_codes(codes, metadata / "codes.parquet")
    if identifiers.known:
        identifiers.table().write_parquet(out / KEPT_AT)
    write_json(metadata / "dataset.json", _dataset(name, shards_hold["columns"]))
    return shards_hold


def _dataset(name: str, columns: list[str]) -> dict[str, Any]:
    from polyclinic import __version__

    return {
        "dataset_name": name,
        "etl_name": "polyclinic",
        "etl_version": __version__,
        "meds_version": version("meds"),  # importing it takes a quarter of a second
        "code_modifier_columns": [c for c in ("unit",) if c in columns],
        "additional_value_modality_columns": [c for c in ("path",) if c in columns],
        "other_extension_columns": [c for c in ("end_time", "available_time", "utc_offset") if c in columns],
    }


@contextmanager
def _types_that_fit(source: Path) -> Iterator[None]:
    """Turn what Polars and Arrow cannot do with the types of a source (a duration as subject) into an error.

    Their own words are not shown: they may quote a value. A wrong shape or a missing column is polyclinic's own fault.
    """
    import pyarrow as pa

    try:
        yield
    except (pl.exceptions.ShapeError, pl.exceptions.ColumnNotFoundError, pl.exceptions.DuplicateError):
        raise
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, pa.ArrowException) as error:
        if "No space left" in str(error):
            raise OSError(errno.ENOSPC, "No space left") from error
        what = f"a column of the source has a type that does not serve ({type(error).__name__})"
        fix = "see that its columns are text, numbers and times, and that its files are whole"
        raise BadData(what, at=Place(file=str(source)), fix=fix) from error


def _write_rows(chunks: Iterator[Chunk], out: Path) -> dict[str, object]:
    import pyarrow.parquet as pq

    (out / "data").mkdir()
    writer, refused = None, []
    for chunk in chunks:
        refused += [chunk.refused_rows] if chunk.refused_rows.height else []
        table = chunk.frame.to_arrow(compat_level=pl.CompatLevel.oldest())
        writer = writer or pq.ParquetWriter(out / "data" / "rows.parquet", table.schema, compression="zstd")
        writer.write_table(table.cast(writer.schema))
    if writer is not None:
        writer.close()
    if refused:
        (out / REFUSED_ROWS).parent.mkdir(parents=True)
        pl.concat(refused, how="diagonal_relaxed").write_parquet(out / REFUSED_ROWS)
    return {}
