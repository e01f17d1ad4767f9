"""Events sorted by subject into Parquet shards with flat memory: first split by subject, then sort shard by shard."""

import base64
import shutil
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

import numpy as np
import polars as pl

from polyclinic import progress
from polyclinic.timelines.availability import TIMELESS, instants
from polyclinic.timelines.format import EVENTS
from polyclinic.timelines.identifiers import shard_of
from polyclinic.timelines.zones import MINUTE, UTC_OFFSET, SiteClock

CORE = ("subject_id", "time", "code", "numeric_value", "text_value")
TIMES = ("time", "end_time", "available_time")
FEW = {"code", "unit"}
ORDER = ("subject_id", "time", "code")


class Shards:
    """Takes events in the order of the source, in any number of pieces; writes `folder/NUMBER.parquet`.

    Used as a context manager: what it spills lies beside the shards and is gone at the end.
    """

    def __init__(self, folder: Path, shards: int) -> None:
        self.folder, self.count = folder, shards
        self.spill = folder / ".spill"
        self.writers: dict[int, Any] = {}
        self.files = ExitStack()
        self.filled: set[str] = set(CORE)

    def __enter__(self) -> Self:
        self.spill.mkdir(parents=True)
        return self

    def __exit__(self, *error: object) -> None:
        self.files.close()
        shutil.rmtree(self.spill, ignore_errors=True)

    def add(self, frame: pl.DataFrame) -> None:
        """Spill events to the shards of their subjects."""
        frame = on_wall_clock(frame)
        columns = frame.columns
        frame = frame.select(
            (pl.col(n) if n in columns else pl.lit(None).alias(n)).cast(kind) for n, kind in EVENTS.items()
        )
        self.filled |= {name for name in EVENTS if frame[name].null_count() < frame.height}
        # Codes and units are few: as numbers with a dictionary they are spilled, sorted and written in half the time.
        frame = frame.cast(dict.fromkeys(FEW, pl.Categorical))
        shard = shard_of(frame["subject_id"].to_numpy(), self.count)
        for (number,), part in frame.with_columns(shard=shard).partition_by("shard", as_dict=True).items():
            table = part.drop("shard").to_arrow(compat_level=pl.CompatLevel.oldest())
            self._writer(int(number), table.schema).write_table(table)

    def _writer(self, number: int, schema: object) -> Any:
        import pyarrow as pa

        if number not in self.writers:
            sink = self.files.enter_context(pa.OSFile(str(self.spill / str(number)), "wb"))
            options = pa.ipc.IpcWriteOptions(compression="lz4")
            stream = pa.ipc.new_stream(sink, schema, options=options)
            self.writers[number] = self.files.enter_context(stream)
        return self.writers[number]

    def finish(self) -> tuple[dict[str, Any], pl.DataFrame]:
        """Sort and write each shard; columns that no event fills are left out everywhere.

        Gives what the shards hold (subjects, shards, columns, and by kind of code how many events repeat the subject,
        time and code of another), and the table of codes.
        """
        import pyarrow as pa

        numbers = sorted(self.writers)
        self.files.close()
        columns = [name for name in EVENTS if name in self.filled]
        subjects, repeated, codes = 0, Counter[str](), Counter[str]()
        for number in progress.track(numbers, text="sorting", total=len(numbers)):
            with pa.OSFile(str(self.spill / str(number))) as spilled:
                frame = pl.DataFrame(pa.ipc.open_stream(spilled).read_all())
            frame = in_order(frame.select(columns).cast(dict.fromkeys(FEW & set(columns), pl.Categorical)))
            write_meds(frame, self.folder / f"{number}.parquet")
            subjects += frame["subject_id"].n_unique()
            repeated += repeats(frame)
            codes.update(dict(frame["code"].value_counts().cast({"code": pl.String}).iter_rows()))
            pa.default_memory_pool().release_unused()
        counted = pl.DataFrame(sorted(codes.items()), {"code": pl.String, "count": pl.Int64}, orient="row")
        text = {"description": pl.lit(None, pl.String), "parent_codes": pl.lit(None, pl.List(pl.String))}
        facts = {"subjects": subjects, "shards": len(numbers), "columns": columns}
        return facts | {"repeated": dict(sorted(repeated.items()))}, counted.select("code", "count", **text)


def on_wall_clock(frame: pl.DataFrame) -> pl.DataFrame:
    """Events whose times a format gives with their zone, on its wall clock, with `utc_offset`; others as they are."""
    zones = {n: zone for n in TIMES if (zone := getattr(frame.schema.get(n), "time_zone", None))}
    if not zones:
        return frame
    clock = SiteClock(zones.get("time", next(iter(zones.values()))))
    times = [clock.times(n, frame.schema[n]).alias(n) for n in TIMES if n in frame.columns]
    return clock.to_disk(frame.with_columns(times), TIMES)


def in_order(frame: pl.DataFrame) -> pl.DataFrame:
    """Events by subject, instant and code, else as they came: of the hour that comes twice, the first stands first."""
    subject, time = frame["subject_id"].to_numpy(), instants(frame["time"])
    if UTC_OFFSET in frame.columns:
        ahead = frame[UTC_OFFSET].fill_null(0).cast(pl.Int64).to_numpy() * MINUTE
        time = np.where(time == TIMELESS, time, time - ahead)
    code = frame["code"].cast(pl.String) if frame["code"].dtype == pl.String else frame["code"]
    rank = code.cast(pl.Enum(code.unique().cast(pl.String).sort())).to_physical().to_numpy()
    return frame[np.lexsort((rank, time, subject))]


def repeats(frame: pl.DataFrame) -> Counter[str]:
    """By the first part of the code: events that share subject, time and code with the event before."""
    names = [name for name in (*ORDER, UTC_OFFSET) if name in frame.columns]
    keys = frame.select(names).with_columns(pl.col("code").to_physical())
    again = keys.select(pl.all_horizontal(pl.col(name).eq_missing(pl.col(name).shift()) for name in names)).to_series()
    kinds = frame["code"].filter(again).cast(pl.String).str.split("//").list.first().value_counts(name="len")
    return Counter(dict(kinds.iter_rows()))


def write_meds(frame: pl.DataFrame, path: Path) -> None:
    """A table of events or of codes, in the types of the `meds` schema."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    types = {"code": pa.string(), "description": pa.string(), "parent_codes": pa.list_(pa.string())}
    table = frame.to_arrow(compat_level=pl.CompatLevel.oldest())
    fields = ((f.name, types.get(f.name, f.type), f.name not in ("subject_id", "code")) for f in table.schema)
    schema = pa.schema(
        [pa.field(n, pa.large_string() if pa.types.is_dictionary(k) else k, null) for n, k, null in fields]
    )
    # Text that has a dictionary here is written with it, which is fast, and the file says that it is plain text.
    kinds = [
        pa.field(f.name, t.type if pa.types.is_dictionary(t.type) else f.type, f.nullable)
        for f, t in zip(schema, table.schema, strict=True)
    ]
    stored = table.cast(pa.schema(kinds))
    with pq.ParquetWriter(path, stored.schema, compression="zstd", store_schema=False) as writer:
        writer.write_table(stored, row_group_size=500_000)
        writer.add_key_value_metadata({b"ARROW:schema": base64.b64encode(schema.serialize().to_pybytes())})
