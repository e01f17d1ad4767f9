"""Which row it is, in the caller's own words, and what the files of a row are called."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Self

import polars as pl

from polyclinic.samples.columns import Index
from polyclinic.samples.inputs import Inputs

OWN_COLUMNS = {"row_id", "prediction_time", "outcome", "model", "fold", "split", "path", "refused", "outside"}
"""The predictions table has these columns itself; a caller's column of such a name is left out of the identity."""
LONGEST = 80
NO_IDENTITY = pl.DataFrame(schema={"row_id": pl.Int64})
UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")


@dataclass(frozen=True, eq=False)
class Identity:
    """What the caller calls each row.

    Parameters
    ----------
    table
        `row_id`, then what the inputs give as identity: `case`, `compound`, a table's groups.
    file_names
        Row → what its files are called; empty where rows have no files.
    """

    table: pl.DataFrame = field(default_factory=lambda: NO_IDENTITY)
    file_names: Mapping[int, str] = field(default_factory=dict)

    @classmethod
    def of(cls, readers: Iterable[Inputs], rows: pl.DataFrame) -> Self:
        """The identity of rows, the first reader's word counting where two use one name.

        It must be computed for all rows of a source at once: only then do equal names stand out.
        """
        columns: dict[str, pl.Series] = {}
        for reader in readers:
            for name, values in reader.identity(rows).items():
                if name not in OWN_COLUMNS:
                    columns.setdefault(name, values)
        if not columns:
            return cls()
        row_id = rows["row_id"]
        names = file_names(next(iter(columns.values())).cast(pl.String).to_list(), row_id.to_list())
        table = pl.DataFrame([row_id, *(values.alias(name) for name, values in columns.items())])
        return cls(table, dict(zip(row_id, names, strict=True)))

    def columns(self, row_id: pl.Series | Index) -> pl.DataFrame:
        """The identity of these rows, without `row_id`; no columns where there is none."""
        if self.table.width == 1:
            return pl.DataFrame()
        rows = pl.DataFrame({"row_id": row_id}, {"row_id": pl.Int64})
        return rows.join(self.table, on="row_id", how="left", maintain_order="left").drop("row_id")


def file_names(cases: Sequence[str | None], row_id: Sequence[int]) -> list[str]:
    """A name for the files of each row: its case, where it has one.

    Parameters
    ----------
    cases
        What the caller calls each row.
    row_id
        Names the rows that have no case, and distinguishes equal names.

    Returns
    -------
    list
        Letters, digits, `.`, `_` and `-` alone, so that a case cannot name a place outside the folder of its file;
        unique even where a file system does not distinguish capitals from small letters.
    """
    safe = [UNSAFE.sub("_", case or "")[:LONGEST].strip("._-") for case in cases]
    names = [name or f"{number}" for name, number in zip(safe, row_id, strict=True)]
    while len(counts := Counter(name.lower() for name in names)) < len(names):
        names = [n if counts[n.lower()] == 1 else f"{n}-{number}" for n, number in zip(names, row_id, strict=True)]
    return names


def with_identity(table: pl.DataFrame, identity: pl.DataFrame) -> pl.DataFrame:
    """A predictions table with the identity of its rows behind `row_id`, in place of columns of the same names."""
    kept = [column for column in table.get_columns() if column.name not in identity.columns]
    return pl.DataFrame([kept[0], *identity.get_columns(), *kept[1:]])
