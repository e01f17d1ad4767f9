"""Problems with a known answer, and what is done to them: labels shuffled, test rows changed, inputs taken away."""

from __future__ import annotations

from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from polyclinic import seeds
from polyclinic.samples import Column, Dense, Entity, File, Ragged, Samples

ROWS = 600


@dataclass(frozen=True, eq=False)
class Problem:
    """Samples of a planted problem and which of their rows are for what: int64 positions."""

    samples: Samples
    train: Any
    validation: Any
    test: Any

    def part(self, name: str) -> Samples:
        """The rows of "train", "validation" or "test"."""
        return self.samples.take(getattr(self, name))

    def over(self, samples: Samples) -> Problem:
        """The same parts of other samples."""
        return replace(self, samples=samples)


def problem(model: Any, outcome: Any) -> Problem:
    """The outcome's planted problem, or the model's own where it reads columns that the outcome's does not have.

    A model has `planted(n, seed) -> Samples` for that; `planted_size` of either says how many rows it takes.
    """
    source = model if hasattr(model, "planted") else outcome
    n = getattr(source, "planted_size", ROWS)
    first, second = round(n * 0.6), round(n * 0.8)
    rows = np.arange(n)
    return Problem(source.planted(n, 7), rows[:first], rows[first:second], rows[second:])


def shuffled(samples: Samples, seed: int, folder: Path) -> Samples:
    """The same rows with targets that tell nothing: shuffled among the rows, or among elements or voxels."""
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
    module, _, attribute = str(column.spec["writer"]).partition(":")
    write = getattr(import_module(module), attribute)
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{row}-{Path(path).name}" for row, path in enumerate(map(str, column.references))]
    for path, source, picture in zip(paths, map(str, column.references), column.read_all(), strict=True):
        write(rng.permuted(picture.values.ravel()).reshape(picture.values.shape), source, path)
    return replace(column, references=np.array([str(p) for p in paths]))


def with_other_test_rows(what: Problem) -> Samples:
    """The same samples but for the test rows: other numbers, other codes, other targets.

    Shared arrays change only where no row outside the test owns the elements.
    """
    changed = {name: _other(c, what.test) for name, c in what.samples.columns.items()}
    return replace(what.samples, columns=changed)


def _other(column: Column, test: Any) -> Column:
    if isinstance(column, Dense):
        values = column.values.copy()
        values[test] = _other_values(values[test])
        return replace(column, values=values)
    if isinstance(column, Ragged):
        owned = _only_of(column, test)
        return replace(column, values={name: _other_elements(v, owned) for name, v in column.values.items()})
    return column


def _only_of(column: Ragged, test: Any) -> Any:
    """Positions of elements that test rows own and no other row does."""
    rest = np.setdiff1d(np.arange(len(column)), test)
    return np.setdiff1d(column.take(test).elements()[1], column.take(rest).elements()[1])


def _other_elements(values: Any, owned: Any) -> Any:
    changed = values.copy()
    changed[owned] = _other_values(values[owned])
    return changed


def _other_values(values: Any) -> Any:
    """Numbers of another size; whole numbers, which may be codes or positions, in another order."""
    return values * -3 + 7 if values.dtype.kind == "f" else values[::-1]


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
