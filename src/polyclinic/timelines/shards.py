"""Events sorted by subject into Parquet shards with flat memory: first split by subject, then sort shard by shard."""

import shutil
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

import polars as pl

from polyclinic import progress
from polyclinic.timelines.format import EVENTS
from polyclinic.timelines.identifiers import shard_of

CORE = ("subject_id", "time", "code", "numeric_value", "text_value")
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
        given = frame.columns
        frame = frame.select(
            (pl.col(n) if n in given else pl.lit(None).alias(n)).cast(kind) for n, kind in EVENTS.items()
        )
        self.filled |= {name for name in EVENTS if frame[name].null_count() < frame.height}
        shard = shard_of(frame["subject_id"].to_numpy(), self.count)
        for (number,), part in frame.with_columns(shard=shard).partition_by("shard", as_dict=True).items():
            table = part.drop("shard").to_arrow(compat_level=pl.CompatLevel.oldest())
            self._writer(int(number), table.schema).write_table(table)

    def _writer(self, number: int, schema: Any) -> Any:
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
            frame = frame.sort(*ORDER, maintain_order=True).select(columns)
            write_meds(frame, self.folder / f"{number}.parquet")
            subjects += frame["subject_id"].n_unique()
            repeated += repeats(frame)
            codes.update(dict(frame.group_by("code").len().iter_rows()))
            pa.default_memory_pool().release_unused()
        counted = pl.DataFrame(sorted(codes.items()), {"code": pl.String, "count": pl.Int64}, orient="row")
        text = {"description": pl.lit(None, pl.String), "parent_codes": pl.lit(None, pl.List(pl.String))}
        held = {"subjects": subjects, "shards": len(numbers), "columns": columns}
        return held | {"repeated": dict(sorted(repeated.items()))}, counted.select("code", "count", **text)


def repeats(frame: pl.DataFrame) -> Counter[str]:
    """By the first part of the code: events that share subject, time and code with the event before."""
    again = pl.all_horizontal(pl.col(name).eq_missing(pl.col(name).shift()) for name in ORDER)
    kinds = frame.filter(again).group_by(kind=pl.col("code").str.split("//").list.first()).len()
    return Counter(dict(kinds.iter_rows()))


def write_meds(frame: pl.DataFrame, path: Path) -> None:
    """A table of events or of codes, in the types of the `meds` schema."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    types = {"code": pa.string(), "description": pa.string(), "parent_codes": pa.list_(pa.string())}
    table = frame.to_arrow(compat_level=pl.CompatLevel.oldest())
    kinds = ((f.name, types.get(f.name, f.type), f.name not in ("subject_id", "code")) for f in table.schema)
    schema = pa.schema([pa.field(*kind) for kind in kinds])
    pq.write_table(table.cast(schema), path, compression="zstd", row_group_size=500_000)
