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
from polyclinic.samples.columns import Dense, Index
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
    column
        A column of the table that says train, validation or test of each row, as a published division does; it is never
        an input. Without validation rows, some of the training rows become them.
    by
        A group, such as a hospital, of which each one is the test part of one fold: how a model does where it has not
        been. It is kept apart as those of `separate` are.
    stratify
        `target`, or the name of a subgroup: its classes have about the same share in every part. Groups stay whole.
    """

    separate: tuple[str, ...] = ("subject",)
    folds: Annotated[int, Ge(2)] | None = None
    test: Annotated[float, Gt(0), Lt(1)] = 0.2
    validation: Annotated[float, Gt(0), Lt(1)] | None = None
    file: str | None = None
    column: str | None = None
    by: str | None = None
    stratify: str | None = None

    def __post_init__(self) -> None:
        if self.by is not None and (self.file is not None or self.folds is not None):
            raise ValueError("by: each group is a fold of its own, so that `folds` and `file` have no place beside it")
        if self.column is not None and (self.by or self.file or self.folds):
            raise ValueError("column: it says the parts, so that `by`, `folds` and `file` have no place beside it")
        if self.stratify is not None and (self.by is not None or self.file is not None):
            raise ValueError("stratify: where the study names the parts (`by`, `file`), nothing is dealt evenly")

    @property
    def apart(self) -> tuple[str, ...]:
        """The groups that never stand on both sides, the one that is held out in turn among them."""
        return self.separate if self.by is None or self.by in self.separate else (*self.separate, self.by)


VALIDATION = 0.15
"""The share of the rows left by the test part that decides, where the study does not say."""

MOST_CLASSES = 200
"""Different values of a target up to which they are classes that can be dealt evenly."""

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
    if settings.file is not None:
        parts = _of_file(samples, Path(settings.file))
    elif settings.column is not None:
        parts = [_of_column(samples, settings.column)]
    elif settings.by is not None:
        parts = _of_each(samples, settings.by)
    else:
        parts = _of_groups(samples, units, settings, seed)
    if len(parts) >= ROTATED:
        folds = [_without_test_and_next(k, parts) for k in range(len(parts))]
        if settings.validation is not None:
            why = f"each fold is validated on the test part of the next: 1/{len(parts)} of the groups"
            note("split.validation", "has no say where there are three folds or more", why, "detail")
    else:
        classes = strata_of(samples, settings.stratify)
        folds = [part if len(part.validation) else _validated(part, units, settings, seed, classes) for part in parts]
    for fold in folds:
        _none_empty(fold)
        check(fold, samples, settings.apart)
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


def dealt(
    units: Index, share: Sequence[float], rng: np.random.Generator, classes: Index | None = None
) -> npt.NDArray[np.int64]:
    """Deal whole units into parts of about these shares of the rows and of the units.

    Parameters
    ----------
    units
        int64 [row], which rows stay together.
    share
        The share of each part; they add up to 1.
    rng
        Decides the order in which units are dealt.
    classes
        int64 [row], from 0: each part gets about its share of the rows of each class as well; None: of no class.

    Returns
    -------
    int64 [row]
        The number of each row's part.

    Notes
    -----
    Units come in random order, those too large to fit in later first, to the part that lacks most rows; each
    other one goes to the part that lacks most of its own share, rows and units counted alike. A part that is left
    without a unit, where there are few, gets the smallest one of a part that has several. With classes, units with the
    rarest class go first, to the part that lacks most rows of the classes of the unit.
    """
    ids, inverse, counts = np.unique(units, return_inverse=True, return_counts=True)
    order = rng.permutation(len(ids))
    if classes is not None:
        return _dealt_evenly(inverse, np.asarray(share, float), order, classes)[inverse]
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


def _dealt_evenly(
    inverse: Index, share: npt.NDArray[np.float64], order: Index, classes: Index
) -> npt.NDArray[np.int64]:
    """The part of each unit; see `dealt`.

    inverse: the unit of each row, int64 [row]; order: in which units are dealt where nothing else decides.
    """
    size = int(classes.max()) + 1
    table = np.bincount(inverse * size + classes, minlength=(int(inverse.max()) + 1) * size).reshape(-1, size)
    of_class = table.sum(axis=0)
    rarest = np.where(table > 0, of_class, of_class.sum() + 1).min(axis=1)
    left, part = np.outer(share, of_class), np.zeros(len(table), np.int64)
    for unit in order[np.lexsort((-table.sum(axis=1)[order], rarest[order]))]:
        lacking = (left / np.maximum(share[:, None] * of_class, 1e-12)) @ table[unit]
        part[unit] = int(np.argmax(lacking))
        left[part[unit]] -= table[unit]
    return part


def strata_of(samples: Samples, name: str | None) -> Index | None:
    """Class numbers by which parts are dealt evenly, int64 [row]: of the target, or of a subgroup; None: of nothing.

    A row without a label has the number 0. Raises `UnknownName` for another name, `BadData` for a target that has no
    classes.
    """
    if name is None:
        return None
    if name in samples.strata:
        return np.unique(samples.strata[name], return_inverse=True)[1].astype(np.int64)
    at = Place(key="split.stratify")
    if name != "target":
        raise UnknownName("subgroup", name, ["target", *samples.strata], at=at)
    target = next(iter(samples.having("target").values()), None)
    known = (
        np.zeros(0) if not isinstance(target, Dense) or target.values.ndim != 1 else np.asarray(target.values, float)
    )
    levels = np.unique(known[~np.isnan(known)])
    if not len(known) or len(levels) > MOST_CLASSES:
        fix = "leave `stratify` out, or name a subgroup: a target of few classes can be dealt evenly"
        raise BadData("the target has no classes that could be dealt evenly", at=at, fix=fix)
    return np.searchsorted(levels, np.where(np.isnan(known), levels[0], known)).astype(np.int64)


def _of_each(samples: Samples, name: str) -> list[Fold]:
    """Each group is the test part of one fold, in the order of their names; raises `BadData` for fewer than two."""
    if name not in samples.groups:
        raise UnknownName("group", name, samples.groups, at=Place(key="split.by"))
    rows = np.flatnonzero(samples.labelled)
    values = samples.groups[name][rows]
    levels = np.unique(values)
    if len(levels) < ROTATED:
        what = f"{name!r} has {len(levels)} groups with labelled rows; holding each out needs {ROTATED} at least"
        raise BadData(what, at=Place(key="split.by"), fix="use `folds`, which deals rows or patients")
    return [Fold(str(level), rows[values != level], rows[:0], rows[values == level]) for level in levels]


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
    classes = strata_of(samples, settings.stratify)
    kinds = None if classes is None else classes[rows]
    part = dealt(units[rows], shares, seeds.generator(seed, stream), kinds)
    return [Fold(str(n), rows[part != k], rows[:0], rows[part == k]) for n, k in enumerate(test_parts)]


def _validated(fold: Fold, units: Index, settings: Split, seed: int, classes: Index | None) -> Fold:
    """The fold with a validation part, dealt out of its training rows."""
    rng, share = seeds.generator(seed, "validation", fold.name), settings.validation or VALIDATION
    kinds = None if classes is None else classes[fold.train]
    part = dealt(units[fold.train], [1 - share, share], rng, kinds)
    return replace(fold, train=fold.train[part == 0], validation=fold.train[part == 1])


def _none_empty(fold: Fold) -> None:
    """Raise `BadData` where a part of the fold has no rows."""
    for what, rows in (("training", fold.train), ("validation", fold.validation), ("test", fold.test)):
        if len(rows) == 0:
            fix = "use fewer folds or larger shares under `split`"
            raise BadData(f"fold {fold.name} has no {what} rows", at=Place(key="split"), fix=fix)


def _of_column(samples: Samples, name: str) -> Fold:
    """The division that a column of the table says; rows without a part are left out, `train_val` is `train`."""
    if name not in samples.strata:
        raise UnknownName("column", name, samples.strata, at=Place(key="split.column"))
    part, at = np.asarray(samples.strata[name]), Place(column=name)
    part = np.where(part == "train_val", "train", part)
    names = ("train", "validation", "test")
    if unknown := sorted({*np.unique(part).tolist()} - {*names, "unknown"}):
        raise UnknownName("part", str(unknown[0]), names, at=at)
    rows = {one: np.flatnonzero(samples.labelled & (part == one)) for one in names}
    if not len(rows["train"]) or not len(rows["test"]):
        raise BadData("no rows are for train or for test", at=at, fix="write train, validation and test in this column")
    return Fold("0", **rows)


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
