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
from polyclinic.timelines.format import EVENTS
from polyclinic.timelines.identifiers import runs, shard_of
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

    def _read(self, number: int) -> tuple[pl.DataFrame, dict[str, list[str]]]:
        """The spilled events of a shard in the order in which they came; and the texts behind its numbers, by column."""
        import pyarrow as pa

        parts, texts = [pl.DataFrame(schema=self._kinds(self.kinds[-1]))], {}
        for _, generation in sorted(part for part in self.writers if part[0] == number):
            with pa.OSFile(str(self._spilled(number, generation))) as spilled:
                part = pl.DataFrame(pa.ipc.open_stream(spilled).read_all())
            early = [name for name in TEXTS - self.numbered if part.schema.get(name) == pl.UInt32]
            parts.append(part.with_columns(self.names[name].texts(part[name]) for name in early))
        frame = pl.concat(parts, how="diagonal")
        for name in sorted(self.numbered & set(frame.columns)):
            ranks, texts[name] = self.names[name].ranks(frame[name])
            frame = frame.with_columns(ranks)
        return frame, texts

    def finish(self) -> tuple[dict[str, Any], dict[str, int]]:
        """Sort and write each shard; columns that no event fills are left out everywhere.

        Gives what the shards hold (subjects, shards, columns, and by kind of code how many events repeat the subject,
        time and code of another), and how many events each code has.
        """
        numbers = sorted({number for number, _ in self.writers})
        self.files.close()
        subjects, repeated, codes = 0, Counter[str](), Counter[str]()
        for number in progress.track(numbers, text="sorting", total=len(numbers)):
            frame, texts = self._read(number)
            frame = in_order(frame)
            write_events(frame, self.folder / f"{number}.parquet", texts)
            subjects += frame["subject_id"].n_unique()
            repeated += repeats(frame, texts["code"])
            codes.update(dict(zip(texts["code"], np.bincount(frame["code"].to_numpy()).tolist(), strict=True)))
        facts = {"subjects": subjects, "shards": len(numbers), "columns": list(self.kinds[-1])}
        return facts | {"repeated": dict(sorted(repeated.items()))}, dict(sorted(codes.items()))


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
        return pl.Series(texts.name, table)[categories.to_physical()]

    def texts(self, numbers: pl.Series) -> pl.Series:
        """The texts behind numbers."""
        return pl.Series(numbers.name, list(self.number), pl.String)[numbers]

    def ranks(self, numbers: pl.Series) -> tuple[pl.Series, list[str]]:
        """The texts that occur among these in their order, and the place of each there, uint32."""
        occurs = np.bincount(numbers.drop_nulls().to_numpy(), minlength=len(self.number)) > 0
        used = sorted(name for name, number in self.number.items() if occurs[number])
        table = np.zeros(len(self.number), np.uint32)
        table[[self.number[name] for name in used]] = np.arange(len(used))
        return pl.Series(numbers.name, table)[numbers], used


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
    time = frame["time"].to_physical()
    if UTC_OFFSET in frame.columns:
        time -= frame[UTC_OFFSET].fill_null(0).cast(pl.Int64) * MINUTE
    since = (time - (time.min() or 0)).fill_null(-SECOND).to_numpy()
    few, run = runs(frame.select("subject_id"))
    _, places = np.unique(few["subject_id"].to_numpy(), return_inverse=True)
    return frame[_stable_order(places[run.to_numpy()], since, frame["code"].to_numpy())]


def _stable_order(
    subject: npt.NDArray[np.int64], since: npt.NDArray[np.int64], code: npt.NDArray[np.uint32]
) -> npt.NDArray[np.intp]:
    """As `np.lexsort((code, since, subject))`: by one sort of 64 bits where the three fit into them, as whole seconds do.

    subject, code: ranks. since: microseconds from the first time; none before is further away than a second.
    """
    seconds = since // SECOND
    widths = [int(n).bit_length() for n in (subject.max(initial=0), seconds.max(initial=0) + 1, code.max(initial=0))]
    if sum(widths) > 63 or (seconds * SECOND != since).any():
        return np.lexsort((code, since, subject))
    return np.argsort((subject << widths[1] | (seconds + 1)) << widths[2] | code, kind="stable")


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


def write_events(frame: pl.DataFrame, path: Path, texts: Mapping[str, list[str]]) -> None:
    """Events in the types of the `meds` schema.

    texts: column → the texts behind its ranks. It is written with its dictionary, which is fast; the file says that it
    is plain text.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns, stored, plain = [], [], []
    for column in frame:
        kind, array = None, column.to_arrow(compat_level=pl.CompatLevel.oldest())
        if column.name in texts:
            kind = pa.string() if column.name == "code" else pa.large_string()
            array = pa.DictionaryArray.from_arrays(array, pa.array(texts[column.name], kind))
        may_lack = column.name not in ("subject_id", "code")
        columns.append(array)
        stored.append(pa.field(column.name, array.type, may_lack))
        plain.append(pa.field(column.name, kind or array.type, may_lack))
    with pq.ParquetWriter(
        path,
        pa.schema(stored),
        compression="zstd",
        use_dictionary=[name for name in frame.columns if name not in TIMES],
        write_statistics=["subject_id", "time"],  # what the rows are sorted by; of others they tell nothing
        store_schema=False,
    ) as writer:
        # Casting a table would load Arrow's functions for that alone, a tenth of a second.
        writer.write_table(pa.Table.from_arrays(columns, schema=pa.schema(stored)), row_group_size=500_000)
        writer.add_key_value_metadata({b"ARROW:schema": base64.b64encode(pa.schema(plain).serialize().to_pybytes())})


def write_codes(counts: Mapping[str, int], path: Path) -> None:
    """How many events each code has, as the `meds` schema lists codes."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    kinds = {
        "code": pa.string(),
        "count": pa.int64(),
        "description": pa.string(),
        "parent_codes": pa.list_(pa.string()),
    }
    empty = [None] * len(counts)
    schema = pa.schema([pa.field(name, kind, name != "code") for name, kind in kinds.items()])
    pq.write_table(pa.table([[*counts], [*counts.values()], empty, empty], schema=schema), path, compression="zstd")
