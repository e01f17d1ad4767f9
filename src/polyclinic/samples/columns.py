"""The four kinds of column that Samples hold: fixed shapes, slices of shared arrays, files, and links.

A column knows how many rows it has (`len`), how to `take` some of them, in that order, and in which rows
there is a value (`present`: bool [row]); it holds data, never anything that was learned.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self, TypeAlias

import numpy as np
import numpy.typing as npt

from polyclinic.arrays import Array
from polyclinic.errors import BadData, Place
from polyclinic.timelines.format import FileReader

Index: TypeAlias = npt.NDArray[np.int64]
BLOCK = 1 << 20
"""Elements of windows that are laid out at a time, so that overlapping windows never lie in memory together."""


@dataclass(frozen=True, eq=False)
class Dense:
    """One value, or one array of a fixed shape, a row. NaN is missing.

    values: [row, …]; names: what the last axis holds, where it has names.
    """

    values: Array
    names: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.values)

    def take(self, rows: Index) -> Self:
        return replace(self, values=self.values[rows])

    @property
    def present(self) -> npt.NDArray[np.bool_]:
        if self.values.dtype.kind != "f":
            return np.ones(len(self), bool)
        filled: Array = ~np.isnan(self.values)
        return np.asarray(filled.any(axis=tuple(range(1, filled.ndim))), bool)


@dataclass(frozen=True, eq=False)
class Ragged:
    """A run of elements a row: row i owns elements start[i]:stop[i] of shared arrays.

    start, stop: int64 [row]; windows may overlap, nothing is copied.
    values: field → [element, …]; a timed column has `code` (index into `levels["code"]`), `time`
    (int64 microseconds since 1970) and `value` (float32, NaN where there is none).
    levels: names behind an integer field.
    of: the name of the column whose elements these index, counted from the first element of the row
    (bonds of atoms); stride: elements of that column per element of this one (a label every 100 samples).
    """

    start: Index
    stop: Index
    values: Mapping[str, Array]
    levels: Mapping[str, Sequence[str]] = field(default_factory=dict)
    of: str | None = None
    stride: int = 1
    spec: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if len({len(v) for v in self.values.values()}) > 1:
            what = "the fields of a ragged column differ in length"
            raise BadData(what, fix="give each one value an element")

    def __len__(self) -> int:
        return len(self.start)

    def take(self, rows: Index) -> Self:
        return replace(self, start=self.start[rows], stop=self.stop[rows])

    @property
    def lengths(self) -> Index:
        """Elements of each row: int64 [row]."""
        return np.asarray(self.stop - self.start, np.int64)

    @property
    def present(self) -> npt.NDArray[np.bool_]:
        return self.lengths > 0

    def elements(self) -> tuple[Index, Index]:
        """Row number and position in the shared arrays of each element, row after row."""
        lengths = self.lengths
        row = np.repeat(np.arange(len(self), dtype=np.int64), lengths)
        first = np.repeat(self.start - (np.cumsum(lengths) - lengths), lengths)
        return row, np.arange(len(row), dtype=np.int64) + first

    def blocks(self, elements: int, rows: int) -> Iterator[slice]:
        """Stretches of rows with at most so many elements together (or one row), and at most so many rows."""
        ends = np.cumsum(self.lengths)
        first = 0
        while first < len(self):
            before = ends[first - 1] if first else 0
            last = int(np.searchsorted(ends, before + elements, "right"))
            last = min(max(last, first + 1), first + rows, len(self))
            yield slice(first, last)
            first = last

    def rows_with(self, name: str) -> Index:
        """How many rows have each level of a field at least once: int64 [level].

        Where windows begin and end in the order of the rows, as they do of subjects in time, each element is looked at
        once, however many windows it lies in.
        """
        if self.falls():
            return self._rows_with_laid_out(name)
        part = self.within()
        level, levels = part.values[name], len(self.levels[name])
        begun, ended = (np.cumsum(np.bincount(bound, minlength=len(level) + 1)) for bound in (part.start, part.stop))
        # A row counts an element that is the first of its level there: the level occurred last before the row begins.
        order = np.argsort(level.astype(np.uint16) if levels < 1 << 16 else level, kind="stable")
        before = np.full(len(level), -1)
        same = level[order[1:]] == level[order[:-1]]
        before[order[1:][same]] = order[:-1][same]
        later = np.maximum(ended[: len(level)], np.where(before < 0, 0, begun[before]))
        rows = np.maximum(begun[: len(level)] - later, 0)
        return np.bincount(level, weights=rows, minlength=levels).astype(np.int64)

    def falls(self) -> bool:
        """Whether a row begins or ends before the row above it does."""
        return bool((np.diff(self.start) < 0).any() or (np.diff(self.stop) < 0).any())

    def _rows_with_laid_out(self, name: str) -> Index:
        levels = len(self.levels[name])
        count = np.zeros(levels, np.int64)
        for some in self.blocks(BLOCK, max(1, BLOCK // max(levels, 1))):
            part = replace(self, start=self.start[some], stop=self.stop[some])
            row, position = part.elements()
            occurs = np.zeros((len(part), levels), bool)
            occurs[row, self.values[name][position]] = True
            count += occurs.sum(axis=0)
        return count

    def within(self) -> Self:
        """The same rows over the stretch of the shared arrays that they reach into: a view, or a copy where that is less."""
        filled = self.lengths > 0
        size = len(next(iter(self.values.values())))
        low = int(self.start[filled].min(initial=size))
        high = max(low, int(self.stop[filled].max(initial=0)))
        if self.lengths.sum() < high - low:  # rows from here and there
            return self.compact()
        if (low, high) == (0, size):
            return self
        values = {name: v[low:high] for name, v in self.values.items()}
        # `np.clip` takes four times as long for one row.
        start, stop = (np.minimum(np.maximum(bound - low, 0), high - low) for bound in (self.start, self.stop))
        return replace(self, start=start, stop=stop, values=values)

    def compact(self) -> Self:
        """The same rows over arrays that hold only what they use."""
        _, position = self.elements()
        stop = np.cumsum(self.lengths)
        values = {name: v[position] for name, v in self.values.items()}
        return replace(self, start=stop - self.lengths, stop=stop, values=values)

    def rows(self, name: str) -> list[Array]:
        """One array a row of one field (views, no copies)."""
        values = self.values[name]
        return [values[a:b] for a, b in zip(self.start, self.stop, strict=True)]


@dataclass(frozen=True, eq=False)
class File:
    """One file a row: pixels or a waveform, read at its first use.

    references: paths, "" where there is none: str [row].
    reader: how such a file is read and written; a registered format brings it (`timelines.format.file_reader`).
    spec: what the reader promises (spacing, channels, rate).
    """

    references: npt.NDArray[np.str_]
    reader: FileReader
    spec: Mapping[str, Any] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.references)

    def take(self, rows: Index) -> Self:
        return replace(self, references=self.references[rows])

    @property
    def present(self) -> npt.NDArray[np.bool_]:
        return np.asarray(self.references != "")

    def read(self, row: int) -> Any:
        """What the reader makes of one row's file. Raises `BadData` for what is no regular file (a pipe, a device)."""
        return self._read(str(self.references[row]))

    def _read(self, path: str) -> object:
        if (place := Path(path)).exists() and not place.is_file():
            fix = "name a regular file; a folder, a pipe or a device is not read"
            raise BadData("this is no regular file", at=Place(file=path), fix=fix)
        return self.reader.read(path)

    def read_all(self) -> list[Any]:
        """Every row's file, read by a pool of threads, in order. A failing file raises its own error."""
        from concurrent.futures import ThreadPoolExecutor

        with ThreadPoolExecutor(max_workers=4) as pool:
            return list(pool.map(self._read, map(str, self.references)))


@dataclass(frozen=True, eq=False)
class Entity:
    """A link from each row to a row of another table: the protein of a pair, the other image.

    index: int64 [row], -1 where there is none; table: a `Samples`.
    """

    index: Index
    table: Any

    def __len__(self) -> int:
        return len(self.index)

    def take(self, rows: Index) -> Self:
        return replace(self, index=self.index[rows])

    @property
    def present(self) -> npt.NDArray[np.bool_]:
        return np.asarray(self.index >= 0)

    def rows(self) -> tuple[Any, Index]:
        """The linked rows, each once, and for each row its place among them; -1 for a row without a partner."""
        linked = self.index >= 0
        unique, inverse = np.unique(self.index[linked], return_inverse=True)
        place = np.full(len(self), -1, np.int64)
        place[linked] = inverse
        return self.table.take(unique), place


Column: TypeAlias = Dense | Ragged | File | Entity
