"""Who is learned from, who decides, who is held out: by groups, by folds, or by the user's own file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import numpy.typing as npt
from annotated_types import Ge, Gt, Lt

from polyclinic import seeds
from polyclinic.errors import BadData, Place, UnknownName
from polyclinic.samples.columns import Array, Index
from polyclinic.samples.samples import Samples


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """How rows are divided.

    separate: groups that never stand on both sides; folds: cross-fitting, every group is held out once;
    test: share of groups' rows held out where there are no folds; validation: share of the rest;
    file: a table of the user's with a column `split` (train, validation, test) or `fold`, and a key
    (`row_id` or the name of a group).
    """

    separate: tuple[str, ...] = ("subject",)
    folds: Annotated[int, Ge(2)] | None = None
    test: Annotated[float, Gt(0), Lt(1)] = 0.2
    validation: Annotated[float, Gt(0), Lt(1)] = 0.15
    file: str | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Fold:
    """Positions of the rows of one division."""

    name: str
    train: Index
    validation: Index
    test: Index


def split(samples: Samples, how: Split, seed: int) -> list[Fold]:
    """One `Fold` a fold, or one in all. Only labelled rows take part.

    Raises `BadData` where there are too few groups, `UnknownName` for a group that is not there.
    """
    units = joined(samples, how.separate)
    if how.file is not None:
        folds = from_file(samples, Path(how.file), units, how, seed)
    elif how.folds is not None:
        folds = cross(samples, units, how, seed)
    else:
        folds = [hold_out(samples, units, how, seed)]
    for fold in folds:
        check(fold, samples, how.separate)
    return folds


def joined(samples: Samples, names: Sequence[str]) -> Index:
    """One number a row: rows that share any of the named groups share it. Without names, each row is alone."""
    for name in names:
        if name not in samples.groups:
            raise UnknownName("group", name, samples.groups, at=Place(key="split.separate"))
    if not names:
        return np.arange(len(samples), dtype=np.int64)
    codes = [np.unique(samples.groups[name], return_inverse=True)[1] for name in names]
    if len(codes) == 1:
        return np.asarray(codes[0], np.int64)
    return _components(codes)


def _components(codes: list[Array]) -> Index:
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    n, ends, first = len(codes[0]), [], len(codes[0])
    for code in codes:
        ends.append(code + first)
        first += int(code.max(initial=-1)) + 1
    start = np.tile(np.arange(n), len(codes))
    graph = coo_array((np.ones(len(start)), (start, np.concatenate(ends))), shape=(first, first))
    return np.asarray(connected_components(graph, directed=False)[1][:n], np.int64)


def dealt(units: Index, share: Sequence[float], rng: np.random.Generator) -> npt.NDArray[np.int64]:
    """Deal whole units into parts of about these shares of the rows and of the units: part number of each row.

    Units come in random order, those too large to fit in later first, to the part that lacks most rows; each
    other one goes to the part that lacks most of its own share, rows and units counted alike.
    """
    ids, inverse, counts = np.unique(units, return_inverse=True, return_counts=True)
    order = rng.permutation(len(ids))
    large = counts[order] > len(units) * min(share) / 2
    wanted = np.outer(np.asarray(share, float), [len(units), len(ids)])
    left = wanted.copy()
    part = np.zeros(len(ids), np.int64)
    for place, unit in enumerate(np.concatenate([order[large], order[~large]])):
        lacking = left[:, 0] if place < large.sum() else (left / wanted).sum(axis=1)
        part[unit] = int(np.argmax(lacking))
        left[part[unit]] -= counts[unit], 1
    return np.asarray(part[inverse], np.int64)


def cross(samples: Samples, units: Index, how: Split, seed: int) -> list[Fold]:
    """Every unit is held out once; the rest is divided into training and validation."""
    rows = np.flatnonzero(samples.labelled)
    folds = how.folds or 2
    _enough(units[rows], folds + 2, f"{folds} folds")
    part = dealt(units[rows], [1 / folds] * folds, seeds.generator(seed, "folds"))
    return [_inner(str(k), rows[part != k], rows[part == k], units, how, seed) for k in range(folds)]


def hold_out(samples: Samples, units: Index, how: Split, seed: int) -> Fold:
    """One division into training, validation and test."""
    rows = np.flatnonzero(samples.labelled)
    _enough(units[rows], 3, "a test and a validation part")
    part = dealt(units[rows], [1 - how.test, how.test], seeds.generator(seed, "test"))
    return _inner("0", rows[part == 0], rows[part == 1], units, how, seed)


def _inner(name: str, rest: Index, test: Index, units: Index, how: Split, seed: int) -> Fold:
    rng = seeds.generator(seed, "validation", name)
    part = dealt(units[rest], [1 - how.validation, how.validation], rng)
    fold = Fold(name, rest[part == 0], rest[part == 1], test)
    for what, rows in (("training", fold.train), ("validation", fold.validation), ("test", fold.test)):
        if len(rows) == 0:
            raise BadData(
                f"fold {name} has no {what} rows", fix="use fewer folds or larger shares under `split`"
            )
    return fold


def _enough(units: Index, least: int, what: str) -> None:
    found = len(np.unique(units))
    if found < least:
        raise BadData(
            f"{found} groups are too few for {what}; at least {least} are needed",
            at=Place(key="split"),
            fix="use fewer folds, or gather more groups; a model on so few cannot be judged",
        )


def from_file(samples: Samples, path: Path, units: Index, how: Split, seed: int) -> list[Fold]:
    """The user's own division; a missing validation part is dealt out of the training rows."""
    import polars as pl

    from polyclinic.samples.frames import read_table

    table = read_table(path)
    keys = {"row_id": samples.row_id, **samples.groups}
    key = next((k for k in keys if k in table.columns), None)
    kind = next((k for k in ("split", "fold") if k in table.columns), None)
    if key is None or kind is None:
        raise BadData(
            "a split file needs a key and a column `split` or `fold`",
            at=Place(file=str(path)),
            fix=f"name a column {' or '.join(keys)}, and one `split` (train, validation, test) or `fold`",
        )
    names = pl.DataFrame({key: pl.Series(keys[key]).cast(pl.String)})
    table = table.select(pl.col(key).cast(pl.String), pl.col(kind).cast(pl.String)).unique()
    part = names.join(table, on=key, how="left", maintain_order="left")[kind].to_numpy()
    if len(part) != len(samples):
        raise BadData(f"a {key} has two parts", at=Place(file=str(path), column=kind), fix="name each once")
    labelled = samples.labelled & np.array([p is not None for p in part])
    if kind == "fold":
        levels = sorted({str(p) for p in part[labelled]})
        rest = [(level, labelled & (part != level), labelled & (part == level)) for level in levels]
        return [_inner(n, np.flatnonzero(a), np.flatnonzero(b), units, how, seed) for n, a, b in rest]
    return [_named_parts(part, labelled, units, how, seed, path)]


def _named_parts(part: Array, labelled: Array, units: Index, how: Split, seed: int, path: Path) -> Fold:
    train, validation, test = (
        np.flatnonzero(labelled & (part == n)) for n in ("train", "validation", "test")
    )
    if not len(train) or not len(test):
        raise BadData(
            "the split file names no rows for train or test",
            at=Place(file=str(path), column="split"),
            fix="write train, validation and test in its column `split`",
        )
    return (
        Fold("0", train, validation, test) if len(validation) else _inner("0", train, test, units, how, seed)
    )


def check(fold: Fold, samples: Samples, separate: Sequence[str]) -> None:
    """Raise `BadData` where a group stands on two sides."""
    parts = {"train": fold.train, "validation": fold.validation, "test": fold.test}
    for name in separate:
        seen = {part: np.unique(samples.groups[name][rows]) for part, rows in parts.items()}
        for a, b in (("train", "test"), ("train", "validation"), ("validation", "test")):
            shared = len(np.intersect1d(seen[a], seen[b]))
            if shared:
                raise BadData(
                    f"{shared} of {name} stand both in {a} and in {b}",
                    at=Place(key="split"),
                    fix=f"give each {name} one part, or take {name} out of split.separate",
                )
