"""Text identifiers become int64, the same at every run; the table of which is which stays at the site."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt
import polars as pl

from polyclinic.errors import BadData, Place
from polyclinic.timelines.tables import NULLS, plain_file, readable

KEPT_AT = Path("metadata") / "identifiers.parquet"
"""Where an ingest keeps them, in the folder that it writes."""

WIDE = (pl.UInt64, pl.Int128)
"""Types of integers that int64 does not hold whole."""
NO_INTEGER = "missing, or no whole number below 2^63"
WHOLE = 2**53
"""From here on, float64 does not distinguish neighbouring integers."""


def beyond(column: str) -> pl.Expr:
    """Whether an integer of one of the `WIDE` types is too large for int64."""
    return pl.col(column).is_not_null() & pl.col(column).cast(pl.Int64, strict=False).is_null()


@dataclass
class Identifiers:
    """Every text identifier met so far and its number: 63 bits of its BLAKE2b, so no order of reading matters."""

    known: dict[str, int] = field(default_factory=dict)
    owner: dict[int, str] = field(default_factory=dict)

    @classmethod
    def kept_in(cls, source: Path) -> Self:
        """Those that stand beside a folder that an ingest wrote, so that reading it again loses nobody's own name."""
        file = source / KEPT_AT
        if not file.is_file():
            return cls()
        with readable(plain_file(file)):
            names = pl.read_parquet(file, columns=["source_id"])["source_id"].cast(pl.String).drop_nulls().to_list()
        known = {name: number_of(name) for name in names}
        return cls(known, {number: name for name, number in known.items()})

    def numbers(self, ids: pl.Series, *, file: str) -> pl.Series:
        """int64 [row] for text ids; integers stay. Raises `BadData` where two identifiers would share a number."""
        if ids.dtype.is_integer():
            return ids.cast(pl.Int64)
        few, run = runs(ids.to_frame())
        each = few[ids.name]
        names = each.drop_nulls().unique()
        for name in set(names) - self.known.keys():
            self.known[name] = number = number_of(name)
            if self.owner.setdefault(number, name) != name:
                fix = "change one of the two identifiers in the source, or give integers"
                at = Place(file=file, column="subject_id")
                raise BadData("two subject identifiers give the same number", at=at, fix=fix)
        numbers = [self.known[name] for name in names]
        return each.replace_strict(names, numbers, default=None, return_dtype=pl.Int64)[run]

    def table(self) -> pl.DataFrame:
        """`source_id`, `subject_id`, sorted by the number."""
        columns = {"source_id": list(self.known), "subject_id": list(self.known.values())}
        return pl.DataFrame(columns, {"source_id": pl.String, "subject_id": pl.Int64}).sort("subject_id")


def number_of(identifier: str) -> int:
    """A positive int64 that depends on the identifier alone.

    >>> number_of("a") == number_of("a") != number_of("b")
    True
    """
    return int.from_bytes(hashlib.blake2b(identifier.encode(), digest_size=8).digest(), "big") >> 1


def shard_of(subjects: npt.NDArray[np.int64], shards: int) -> npt.NDArray[np.int64]:
    """Which shard each subject lies in: SplitMix64 of its number, so that neighbours spread. int64 [row]."""
    mixed: npt.NDArray[np.uint64] = subjects.astype(np.uint64) + np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed = (mixed ^ (mixed >> np.uint64(31))) % np.uint64(shards)
    return np.asarray(mixed, np.int64)


def runs(rows: pl.DataFrame) -> tuple[pl.DataFrame, pl.Series]:
    """The rows without those that repeat the row before, and for each row which of these it is, uint32 [row].

    The rows of a patient mostly stand together in a source: what depends on them alone is computed once a run.
    """
    changes = (pl.col(name).ne_missing(pl.col(name).shift()) for name in rows.columns)
    first = rows.select((pl.int_range(pl.len()) == 0) | pl.any_horizontal(changes)).to_series()
    return rows.filter(first), first.cum_sum().cast(pl.UInt32) - 1


def common_type(kinds: Iterable[pl.DataType]) -> pl.DataType:
    """The type of identifiers that stand in several tables: integers where all are, else text, so that a patient who is
    a number in one table and text in another is one patient.
    """
    whole = (kind.is_integer() or kind == pl.Null for kind in kinds)
    return pl.Int64() if all(whole) else pl.String()


def as_identifier(column: str, kind: pl.DataType, common: pl.DataType) -> pl.Expr:
    """A column of identifiers in their common type: a float that is whole is that integer (7.0 is written for 7); text
    without the blanks around it, with which databases fill columns up, and null where nothing or `NULLS` stands.
    """
    name = pl.col(column)
    if kind.is_float():
        whole = (name == name.floor()) & (name.abs() < WHOLE)
        return pl.when(whole).then(name.cast(pl.Int64, strict=False)).otherwise(None).cast(common)
    if kind.is_decimal():
        number = name.cast(pl.Int64, strict=False)
        return pl.when(number == name).then(number).otherwise(None).cast(common)
    if isinstance(kind, (pl.String, pl.Categorical, pl.Enum)):
        text = name.cast(pl.String).str.strip_chars()
        return pl.when(~text.is_in(NULLS)).then(text).alias(column)
    return name.cast(common, strict=kind not in WIDE)
