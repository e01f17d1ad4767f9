"""Training, validation and test rows: by groups, by folds, or by the user's own file."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import numpy as np
import numpy.typing as npt
import polars as pl
from annotated_types import Ge, Gt, Lt

from polyclinic import seeds
from polyclinic.errors import BadData, Place, UnknownName
from polyclinic.notes import note
from polyclinic.samples.columns import Index
from polyclinic.samples.frames import read_table
from polyclinic.samples.samples import Samples

HELD_OUT = ("validation", "test")
"""The parts of a fold from which no weights are learned."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """How rows are divided.

    Attributes
    ----------
    separate
        Groups that never stand on both sides.
    folds
        Cross-fitting: every group is in the test part of one fold and, with three folds or more, in the validation part
        of one other.
    test
        Share of the rows (and groups) that are held out where there are no folds.
    validation
        Share of the rest that decides where there are no folds, or two; 0.15 where it is None. Three folds or more do
        not set it: their validation parts are as large as their test parts.
    file
        A table of the user's with a column `split` (train, validation, test) or `fold`, and a key (`row_id` or the
        name of a group).
    """

    separate: tuple[str, ...] = ("subject",)
    folds: Annotated[int, Ge(2)] | None = None
    test: Annotated[float, Gt(0), Lt(1)] = 0.2
    validation: Annotated[float, Gt(0), Lt(1)] | None = None
    file: str | None = None


VALIDATION = 0.15
"""The share of the rows left by the test part that decides, where the study does not say."""

ROTATED = 3
"""Folds from which on each fold's validation part is the next fold's test part: two would leave nothing to learn from."""


@dataclass(frozen=True, slots=True, eq=False)
class Fold:
    """Positions of the rows of one division."""

    name: str
    train: Index
    validation: Index
    test: Index


def split(samples: Samples, settings: Split, seed: int) -> list[Fold]:
    """Divide the labelled rows into train, validation and test: one `Fold` a fold, or one in all.

    The test parts of folds hold every group once. From three folds on, the validation parts do so, too: that of a fold
    is the test part of the next one (the first follows the last), be the folds dealt or read from the user's file.

    Raises
    ------
    BadData
        There are too few groups, a part is empty, or a group would stand on two sides.
    UnknownName
        `separate` names a group that is not there.
    """
    units = joined(samples, settings.separate)
    parts = (
        _of_groups(samples, units, settings, seed) if settings.file is None else _of_file(samples, Path(settings.file))
    )
    if len(parts) >= ROTATED:
        folds = [_without_test_and_next(k, parts) for k in range(len(parts))]
        if settings.validation is not None:
            why = f"each fold is validated on the test part of the next: 1/{len(parts)} of the groups"
            note("split.validation", "has no say where there are three folds or more", why, "detail")
    else:
        folds = [part if len(part.validation) else _validated(part, units, settings, seed) for part in parts]
    for fold in folds:
        _none_empty(fold)
        check(fold, samples, settings.separate)
    return folds


def _without_test_and_next(k: int, parts: Sequence[Fold]) -> Fold:
    """Fold k, whose validation part is the test part of the next fold: all together validate every group once."""
    following = parts[(k + 1) % len(parts)].test
    return replace(parts[k], train=np.setdiff1d(parts[k].train, following), validation=following)


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
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    n = len(codes[0])
    first = np.cumsum([n, *(int(code.max(initial=-1)) + 1 for code in codes)])
    ends = np.concatenate([code + begin for code, begin in zip(codes, first, strict=False)])
    start = np.tile(np.arange(n), len(codes))
    graph = coo_array((np.ones(len(start)), (start, ends)), shape=(first[-1], first[-1]))
    return np.asarray(connected_components(graph, directed=False)[1][:n], np.int64)


def dealt(units: Index, share: Sequence[float], rng: np.random.Generator) -> npt.NDArray[np.int64]:
    """Deal whole units into parts of about these shares of the rows and of the units.

    Parameters
    ----------
    units
        int64 [row], which rows stay together.
    share
        The share of each part; they add up to 1.
    rng
        Decides the order in which units are dealt.

    Returns
    -------
    int64 [row]
        The number of each row's part.

    Notes
    -----
    Units come in random order, those too large to fit in later first, to the part that lacks most rows; each
    other one goes to the part that lacks most of its own share, rows and units counted alike. A part that is left
    without a unit, where there are few, gets the smallest one of a part that has several.
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
    for number in range(len(share)):
        spare = np.flatnonzero(np.bincount(part, minlength=len(share))[part] > 1)
        if len(spare) and not (part == number).any():
            part[spare[np.argmin(counts[spare])]] = number
    return np.asarray(part[inverse], np.int64)


def _of_groups(samples: Samples, units: Index, settings: Split, seed: int) -> list[Fold]:
    """Every unit is in one test part, or some are in the only one; the other rows are training rows still."""
    rows, count = np.flatnonzero(samples.labelled), settings.folds
    if count is None:
        test_parts, shares, least, stream = [1], [1 - settings.test, settings.test], 3, "test"
        purpose = "a test and a validation part"
    else:
        # Two folds validate on a part of what they train on: two groups each. Three or more need one group a fold.
        least = count if count >= ROTATED else 2 * count
        test_parts, shares, stream = [*range(count)], [1 / count] * count, "folds"
        purpose = f"{count} folds"
    groups = len(np.unique(units[rows]))
    if groups < least:
        what = f"{groups} group{'s are' if groups != 1 else ' is'} too few for {purpose}; at least {least} are needed"
        fix = "use fewer folds, or gather more groups; a model on so few cannot be judged"
        raise BadData(what, at=Place(key="split"), fix=fix)
    part = dealt(units[rows], shares, seeds.generator(seed, stream))
    return [Fold(str(n), rows[part != k], rows[:0], rows[part == k]) for n, k in enumerate(test_parts)]


def _validated(fold: Fold, units: Index, settings: Split, seed: int) -> Fold:
    """The fold with a validation part, dealt out of its training rows."""
    rng, share = seeds.generator(seed, "validation", fold.name), settings.validation or VALIDATION
    part = dealt(units[fold.train], [1 - share, share], rng)
    return replace(fold, train=fold.train[part == 0], validation=fold.train[part == 1])


def _none_empty(fold: Fold) -> None:
    """Raise `BadData` where a part of the fold has no rows."""
    for what, rows in (("training", fold.train), ("validation", fold.validation), ("test", fold.test)):
        if len(rows) == 0:
            fix = "use fewer folds or larger shares under `split`"
            raise BadData(f"fold {fold.name} has no {what} rows", at=Place(key="split"), fix=fix)


def _of_file(samples: Samples, path: Path) -> list[Fold]:
    """The user's own division; a validation part may be missing."""
    table = read_table(path)
    keys = {"row_id": samples.row_id, **samples.groups}
    key = next((k for k in keys if k in table.columns), None)
    kind = next((k for k in ("split", "fold") if k in table.columns), None)
    if key is None or kind is None:
        what = "a split file needs a key and a column `split` or `fold`"
        fix = f"name a column {' or '.join(keys)}, and one `split` (train, validation, test) or `fold`"
        raise BadData(what, at=Place(file=str(path)), fix=fix)
    ids = pl.DataFrame({key: pl.Series(keys[key]).cast(pl.String)})
    table = table.select(pl.col(key).cast(pl.String), pl.col(kind).cast(pl.String)).unique()
    part = ids.join(table, on=key, how="left", maintain_order="left")[kind]
    at = Place(file=str(path), column=kind)
    if len(part) != len(samples):
        raise BadData(f"a {key} has two parts", at=at, fix="name each once")
    known = samples.labelled & part.is_not_null().to_numpy()
    names = sorted(part.filter(known).unique()) if kind == "fold" else ["train", "validation", "test"]
    if unknown := sorted(set(part.drop_nulls()) - set(names)):
        raise UnknownName(kind, unknown[0], names, at=at)
    rows = {name: np.flatnonzero(known & part.eq_missing(name).to_numpy()) for name in names}
    if kind == "fold":
        every = np.flatnonzero(known)
        return [Fold(n, np.setdiff1d(every, test), every[:0], test) for n, test in rows.items()]
    fold = Fold("0", **rows)
    if not len(fold.train) or not len(fold.test):
        fix = "write train, validation and test in its column `split`"
        raise BadData("the split file names no rows for train or test", at=at, fix=fix)
    return [fold]


def check(fold: Fold, samples: Samples, separate: Sequence[str]) -> None:
    """Raise `BadData` where a group stands on two sides."""
    parts = {"train": fold.train, "validation": fold.validation, "test": fold.test}
    for name in separate:
        members = {part: np.unique(samples.groups[name][rows]) for part, rows in parts.items()}
        for a, b in (("train", "test"), ("train", "validation"), ("validation", "test")):
            if shared := len(np.intersect1d(members[a], members[b])):
                fix = f"give each {name} one part, or take {name} out of split.separate"
                what = f"{shared} of {name} stand both in {a} and in {b}"
                raise BadData(what, at=Place(key="split"), fix=fix)
