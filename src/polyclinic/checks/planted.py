"""Problems with a known solution, and changes to them: labels shuffled, other test rows, inputs missing."""

from dataclasses import replace
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
import polars as pl

from polyclinic import seeds
from polyclinic.arrays import Array
from polyclinic.errors import CheckFailed
from polyclinic.outcomes.outcome import Outcome
from polyclinic.outcomes.raw import Raw
from polyclinic.samples import Column, Dense, Entity, File, Ragged, Samples
from polyclinic.samples.columns import Index

ROWS = 600
PARTS = {"train": (0.0, 0.6), "validation": (0.6, 0.8), "test": (0.8, 1.0)}


def must(holds: object, what: str, fix: str) -> None:
    """Raise `CheckFailed` unless it holds."""
    if not holds:
        raise CheckFailed(what, fix=fix)


@runtime_checkable
class PlantsRows(Protocol):
    """A model that brings a planted problem of its own, since it reads columns that the outcome's does not have."""

    def planted(self, n: int, seed: int) -> Samples:
        """`n` rows whose inputs hold the signal that decides the target."""


@runtime_checkable
class PlantsSource(Protocol):
    """A format that can write an example of a source."""

    def planted(self, folder: Path) -> Path:
        """Write an example below `folder` and return where it lies."""


def problem(model: object, outcome: Outcome) -> Samples:
    """The outcome's planted problem, or the model's own where it brings one.

    `planted_size` of either is the number of rows.
    """
    source = model if isinstance(model, PlantsRows) else outcome
    return source.planted(getattr(source, "planted_size", ROWS), 7)


def part(samples: Samples, name: str) -> Samples:
    """The rows of a planted problem that are for "train", "validation" or "test"."""
    return samples.take(places(samples, name))


def places(samples: Samples, name: str) -> Index:
    """The positions of the rows of a part: int64."""
    first, last = (round(share * len(samples)) for share in PARTS[name])
    return np.arange(first, last)


def scored(outcome: Outcome, answer: Raw, rows: Samples, folder: Path) -> pl.DataFrame:
    """Predictions beside the truth."""
    frame = outcome.predictions(answer, rows, decision=None, folder=folder / "predictions")
    return pl.concat([frame, outcome.truth(rows)], how="horizontal")


def shuffled(samples: Samples, seed: int, folder: Path) -> Samples:
    """The same rows without information in their targets: shuffled among the rows, or among elements or voxels."""
    rng = seeds.generator(seed, "shuffled")
    for name, column in samples.having("target").items():
        samples = samples.with_column(name, _shuffled(column, rng, folder / f"shuffled-{seed}"), "target")
    return samples


def _shuffled(column: Column, rng: np.random.Generator, folder: Path) -> Column:
    if isinstance(column, Ragged):
        order = rng.permutation(len(next(iter(column.values.values()))))
        return replace(column, values={name: v[order] for name, v in column.values.items()})
    if isinstance(column, File):
        return _shuffled_files(column, rng, folder)
    return column.take(rng.permutation(len(column)))


def _shuffled_files(column: File, rng: np.random.Generator, folder: Path) -> File:
    sources, write = [str(path) for path in column.references], column.reader.write
    must(write, "its target pictures cannot be written, and so not be shuffled", "give their `FileReader` a `write`")
    assert write is not None
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{row}-{Path(source).name}" for row, source in enumerate(sources)]
    for path, source, picture in zip(paths, sources, column.read_all(), strict=True):
        write(rng.permuted(picture.values.ravel()).reshape(picture.values.shape), source, path)
    return replace(column, references=np.array([str(p) for p in paths]))


def with_other_test_rows(samples: Samples) -> Samples:
    """The same samples but for the test rows: other numbers, other codes, other targets.

    Shared arrays change only where no row outside the test owns the elements.
    """
    test = places(samples, "test")
    return replace(samples, columns={name: _other(c, test) for name, c in samples.columns.items()})


def _other(column: Column, test: Index) -> Column:
    if isinstance(column, Dense):
        return replace(column, values=_other_values(column.values, test))
    if isinstance(column, Ragged):
        rest = np.setdiff1d(np.arange(len(column)), test)
        own = np.setdiff1d(column.take(test).elements()[1], column.take(rest).elements()[1])
        return replace(column, values={name: _other_values(v, own) for name, v in column.values.items()})
    return column


def _other_values(values: Array, at: Index) -> Array:
    """At these positions, numbers of another size; whole numbers, which may be codes or positions, in another order."""
    changed = values.copy()
    changed[at] = values[at] * -3 + 7 if values.dtype.kind == "f" else values[at][::-1]
    return changed


def without_inputs(samples: Samples) -> Samples:
    """The same rows with nothing known about them; files stay, since rows without their file are refused earlier."""
    for name, column in samples.inputs.items():
        samples = samples.with_column(name, _missing(column), "input")
    return samples


def _missing(column: Column) -> Column:
    if isinstance(column, Dense) and column.values.dtype.kind == "f":
        return replace(column, values=np.full_like(column.values, np.nan))
    if isinstance(column, Ragged):
        return replace(column, stop=column.start.copy())
    return replace(column, index=np.full_like(column.index, -1)) if isinstance(column, Entity) else column


def read_only(samples: Samples) -> Samples:
    """The same rows, whose arrays cannot be written to."""
    return replace(samples, columns={name: _frozen(column) for name, column in samples.columns.items()})


def _frozen(column: Column) -> Column:
    if isinstance(column, Dense):
        return replace(column, values=_unwritable(column.values))
    if isinstance(column, Ragged):
        values = {name: _unwritable(value) for name, value in column.values.items()}
        return replace(column, start=_unwritable(column.start), stop=_unwritable(column.stop), values=values)
    return column


def _unwritable(values: Array) -> Array:
    copy = np.array(values)
    copy.setflags(write=False)
    return copy
