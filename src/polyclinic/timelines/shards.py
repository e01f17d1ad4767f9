"""Events sorted by subject into Parquet shards with flat memory: first split by subject, then sort shard by shard."""

import base64
import shutil
from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import polars as pl

from polyclinic import progress
from polyclinic.timelines.availability import TIMELESS, Instants, instants
from polyclinic.timelines.format import EVENTS
from polyclinic.timelines.identifiers import shard_of
from polyclinic.timelines.zones import MINUTE, UTC_OFFSET, SiteClock

CORE = ("subject_id", "time", "code", "numeric_value", "text_value")
TIMES = ("time", "end_time", "available_time")
TEXTS = {"code", "text_value", "unit"}
"""Columns of text that mostly repeats: it is spilled and sorted as numbers, in half the time."""
MOST_TEXTS = 1 << 16
"""A column of more texts than these (notes, say) is spilled as text, so that memory stays flat; never the codes."""
SECOND = 1_000_000  # microseconds
ORDER = ("subject_id", "time", "code")


class Shards:
    """Takes events in the order of the source, in any number of pieces; writes `folder/NUMBER.parquet`.

    Used as a context manager: what it spills lies beside the shards and is gone at the end.
    """

    def __init__(self, folder: Path, shards: int) -> None:
        self.folder, self.count = folder, shards
        self.spill = folder / ".spill"
        self.writers: dict[tuple[int, int], Any] = {}  # by shard, and by how many kinds of tables there were
        self.files = ExitStack()
        self.names = {column: Names() for column in TEXTS}
        self.numbered = set(TEXTS)
        self.kinds = [self._kinds(CORE)]

    def __enter__(self) -> Self:
        self.spill.mkdir(parents=True)
        return self

    def __exit__(self, *error: object) -> None:
        self.files.close()
        shutil.rmtree(self.spill, ignore_errors=True)

    def add(self, frame: pl.DataFrame) -> None:
        """Spill events to the shards of their subjects."""
        if frame.is_empty():
            return
        frame = on_wall_clock(frame)
        filled = {name for name in EVENTS if name in frame.columns and frame[name].null_count() < frame.height}
        frame = frame.with_columns(self._as_numbers(frame[name]) for name in sorted(self.numbered & filled))
        kinds = self._kinds({*self.kinds[-1], *filled})
        if kinds != self.kinds[-1]:  # from here on, what is spilled has more columns, or text instead of numbers
            self.kinds.append(kinds)
        frame = frame.select(
            (pl.col(n) if n in filled else pl.lit(None).alias(n)).cast(kind) for n, kind in kinds.items()
        )
        shard = shard_of(frame["subject_id"].to_numpy(), self.count).astype(np.uint16)
        order = np.argsort(shard, kind="stable")
        table = (frame if self.count == 1 else frame[order]).to_arrow(compat_level=pl.CompatLevel.oldest())
        ends = np.cumsum(np.bincount(shard, minlength=self.count))
        for number, (first, end) in enumerate(pairwise([0, *ends.tolist()])):
            if end > first:
                self._writer(number, table.schema).write_table(table.slice(first, end - first))

    def _kinds(self, columns: Iterable[str]) -> dict[str, pl.DataType]:
        """The columns of the spill in their order, and their types."""
        return {n: pl.UInt32() if n in self.numbered else kind for n, kind in EVENTS.items() if n in columns}

    def _as_numbers(self, texts: pl.Series) -> pl.Series:
        """Texts as numbers; as they are, from now on, where the column has too many of them."""
        numbers = self.names[texts.name].numbers(texts, None if texts.name == "code" else MOST_TEXTS)
        if numbers is None:
            self.numbered.remove(texts.name)
        return texts if numbers is None else numbers

    def _writer(self, number: int, schema: Any) -> Any:
        import pyarrow as pa

        part = number, len(self.kinds)
        if part not in self.writers:
            sink = self.files.enter_context(pa.OSFile(str(self._spilled(*part)), "wb"))
            options = pa.ipc.IpcWriteOptions(compression="lz4")
            stream = pa.ipc.new_stream(sink, schema, options=options)
            self.writers[part] = self.files.enter_context(stream)
        return self.writers[part]

    def _spilled(self, number: int, generation: int) -> Path:
        """Where the events of a shard lie that came as one kind of table; a column that nothing fills costs nothing."""
        return self.spill / f"{number}-{generation}"

    def _read(self, number: int) -> pl.DataFrame:
        """The spilled events of a shard in the order in which they came; numbers of texts as ranks."""
        import pyarrow as pa

        parts = []
        for _, generation in sorted(part for part in self.writers if part[0] == number):
            with pa.OSFile(str(self._spilled(number, generation))) as spilled:
                part = pl.DataFrame(pa.ipc.open_stream(spilled).read_all())
            early = [name for name in TEXTS - self.numbered if part.schema.get(name) == pl.UInt32]
            parts.append(part.with_columns(self.names[name].texts(part[name]) for name in early))
        frame = pl.concat([pl.DataFrame(schema=self._kinds(self.kinds[-1])), *parts], how="diagonal")
        return frame.with_columns(self.names[n].ranks(frame[n]) for n in sorted(self.numbered & set(frame.columns)))

    def finish(self) -> tuple[dict[str, Any], pl.DataFrame]:
        """Sort and write each shard; columns that no event fills are left out everywhere.

        Gives what the shards hold (subjects, shards, columns, and by kind of code how many events repeat the subject,
        time and code of another), and the table of codes.
        """
        numbers = sorted({number for number, _ in self.writers})
        self.files.close()
        columns = list(self.kinds[-1])
        texts = {name: self.names[name].sorted() for name in self.numbered if name in columns}
        subjects, repeated, codes = 0, Counter[str](), np.zeros(len(texts["code"]), np.int64)
        for number in progress.track(numbers, text="sorting", total=len(numbers)):
            frame = in_order(self._read(number))
            write_meds(frame, self.folder / f"{number}.parquet", texts)
            subjects += frame["subject_id"].n_unique()
            repeated += repeats(frame, texts["code"])
            codes += np.bincount(frame["code"].to_numpy(), minlength=len(codes))
        empty = {"description": pl.lit(None, pl.String), "parent_codes": pl.lit(None, pl.List(pl.String))}
        counted = pl.DataFrame({"code": texts["code"], "count": codes}, {"code": pl.String, "count": pl.Int64})
        facts = {"subjects": subjects, "shards": len(numbers), "columns": columns}
        return facts | {"repeated": dict(sorted(repeated.items()))}, counted.select("code", "count", **empty)


class Names:
    """The texts of a column that has few: each gets a number when it first comes."""

    def __init__(self) -> None:
        self.number: dict[str, int] = {}

    def numbers(self, texts: pl.Series, most: int | None = None) -> pl.Series | None:
        """The number of each text, uint32, null where there is none; None where there are more texts than `most`."""
        categories = texts.cast(pl.Categorical(pl.Categories.random())) if texts.dtype == pl.String else texts
        distinct = categories.unique().drop_nulls()
        names = distinct.cast(pl.String)
        new = set(names) - self.number.keys()
        if most is not None and len(self.number) + len(new) > most:
            return None
        for name in sorted(new):
            self.number[name] = len(self.number)
        physical = distinct.to_physical().to_numpy()
        table = np.zeros(int(physical.max(initial=0)) + 1, np.uint32)
        table[physical] = [self.number[name] for name in names]
        return _looked_up(table, categories.to_physical()).alias(texts.name)

    def texts(self, numbers: pl.Series) -> pl.Series:
        """The texts behind numbers."""
        return pl.Series(numbers.name, list(self.number), pl.String)[numbers]

    def sorted(self) -> list[str]:
        """The texts in their order."""
        return sorted(self.number)

    def ranks(self, numbers: pl.Series) -> pl.Series:
        """The places of numbered texts in their order, uint32."""
        table = np.zeros(len(self.number), np.uint32)
        table[[self.number[name] for name in self.sorted()]] = np.arange(len(table))
        return _looked_up(table, numbers).alias(numbers.name)


def _looked_up(table: npt.NDArray[np.uint32], places: pl.Series) -> pl.Series:
    """What stands at each place, null where there is none."""
    if not places.null_count():
        return pl.Series(table[places.to_numpy()])
    value = pl.Series(table[places.fill_null(0).to_numpy()] if len(table) else np.zeros(len(places), np.uint32))
    return pl.select(pl.when(places.is_not_null()).then(value)).to_series()


def on_wall_clock(frame: pl.DataFrame) -> pl.DataFrame:
    """Events whose times a format gives with their zone, on its wall clock, with `utc_offset`; others as they are."""
    zones = {n: zone for n in TIMES if (zone := getattr(frame.schema.get(n), "time_zone", None))}
    if not zones:
        return frame
    clock = SiteClock(zones.get("time", next(iter(zones.values()))))
    times = [clock.times(n, frame.schema[n]).alias(n) for n in TIMES if n in frame.columns]
    return clock.to_disk(frame.with_columns(times), TIMES)


def in_order(frame: pl.DataFrame) -> pl.DataFrame:
    """Events, their codes as ranks, by subject, instant and code, else as they came: of the hour that comes twice, the
    first stands first.
    """
    subject, time, code = frame["subject_id"].to_numpy(), instants(frame["time"]), frame["code"].to_numpy()
    if UTC_OFFSET in frame.columns:
        ahead = frame[UTC_OFFSET].fill_null(0).cast(pl.Int64).to_numpy() * MINUTE
        time = np.where(time == TIMELESS, time, time - ahead)
    return frame[_stable_order(subject, time, code)]


def _stable_order(subject: Instants, time: Instants, code: npt.NDArray[np.uint32]) -> npt.NDArray[np.intp]:
    """As `np.lexsort((code, time, subject))`: by one sort of 64 bits where the three fit into them, as whole seconds do."""
    subjects = np.unique(subject)
    timed = time != TIMELESS
    first = int(time[timed].min(initial=0))
    since = np.where(timed, time - first, -SECOND)
    widths = [int(n).bit_length() for n in (len(subjects), since.max(initial=0) // SECOND + 1, code.max(initial=0))]
    if sum(widths) > 62 or (since % SECOND).any():
        return np.lexsort((code, time, subject))
    key = np.searchsorted(subjects, subject) << widths[1] | (since // SECOND + 1)
    return np.argsort(key << widths[2] | code, kind="stable")


def repeats(frame: pl.DataFrame, codes: list[str]) -> Counter[str]:
    """By the first part of the code: events that share subject, time and code with the event before.

    codes: the texts behind the ranks in the column `code`.
    """
    again = np.ones(max(frame.height - 1, 0), np.bool_)
    for name in (*ORDER, UTC_OFFSET):
        if name in frame.columns:
            column = frame[name].to_physical()
            values, missing = column.fill_null(0).to_numpy(), column.is_null().to_numpy()
            again &= (values[1:] == values[:-1]) & (missing[1:] == missing[:-1])
    counts = np.bincount(frame["code"].to_numpy()[1:][again], minlength=len(codes))
    kinds = Counter[str]()
    for rank in np.flatnonzero(counts).tolist():
        kinds[codes[rank].partition("//")[0]] += int(counts[rank])
    return kinds


def write_meds(frame: pl.DataFrame, path: Path, numbered: Mapping[str, list[str]] | None = None) -> None:
    """A table of events or of codes, in the types of the `meds` schema.

    numbered: column → the texts behind its ranks. Such text is written with its dictionary, which is fast; the file
    says that it is plain text.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    types = {"code": pa.string(), "description": pa.string(), "parent_codes": pa.list_(pa.string())}
    table = frame.to_arrow(compat_level=pl.CompatLevel.oldest())
    for name, texts in (numbered or {}).items():
        ranks, used = _used(frame[name], len(texts))
        names = pa.array([texts[rank] for rank in used], types.get(name, pa.large_string()))
        column = pa.DictionaryArray.from_arrays(ranks.to_arrow(), names)
        table = table.set_column(table.schema.get_field_index(name), name, column)
    plain = [(f.name, f.type.value_type if pa.types.is_dictionary(f.type) else f.type) for f in table.schema]
    schema = pa.schema([pa.field(n, types.get(n, kind), n not in ("subject_id", "code")) for n, kind in plain])
    kinds = [
        pa.field(f.name, t.type if pa.types.is_dictionary(t.type) else f.type, f.nullable)
        for f, t in zip(schema, table.schema, strict=True)
    ]
    stored = table.cast(pa.schema(kinds))
    with pq.ParquetWriter(
        path,
        stored.schema,
        compression="zstd",
        use_dictionary=[n for n in stored.schema.names if n not in TIMES],
        write_statistics=["subject_id", "time"],  # what the rows are sorted by; of others they tell nothing
        store_schema=False,
    ) as writer:
        writer.write_table(stored, row_group_size=500_000)
        writer.add_key_value_metadata({b"ARROW:schema": base64.b64encode(schema.serialize().to_pybytes())})


def _used(ranks: pl.Series, size: int) -> tuple[pl.Series, list[int]]:
    """Ranks among those that occur here, and these: a shard holds no text that none of its events has."""
    used = np.flatnonzero(np.bincount(ranks.drop_nulls().to_numpy(), minlength=size))
    table = np.zeros(size, np.uint32)
    table[used] = np.arange(len(used))
    return _looked_up(table, ranks), used.tolist()
