"""Inputs that give the answer away: each one is compared with the target by itself, before anything is trained."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from polyclinic.arrays import Array
from polyclinic.errors import BadData, Place
from polyclinic.evaluation.scores import auroc, of_all
from polyclinic.notes import note
from polyclinic.samples import Dense, Ragged, Samples
from polyclinic.samples.samples import names_of, of_rows

PERFECT = 0.9999
"""The AUROC at which an input is the answer, whatever else there is: the run stops."""

NEARLY = 0.90
"""The AUROC of one input from which on it is named. The best single measurements of acute illness reach .75 to .85
(blood pressure now for blood pressure in two hours, a severity score for death in hospital); what is written after the
outcome reaches more."""

NEARLY_A_NUMBER = 0.985
"""The same of a number, where two inputs that measure one thing may well agree: a rank correlation of .97."""

MOST_CLASSES = 20
"""Values of a target up to which each is looked at as a class."""

NEARLY_ALL, MANY = 0.98, 0.50
"""A level, or a gap, that nearly all positives have and at most half of the negatives (or the reverse) is named too: it
says who cannot have the outcome, as the follow-up status does of patients who died before it."""

FEWEST = 10
"""Rows of each class from which on a perfect separation is no chance any more (1 in 92,378 for one column)."""

BINS = 20
"""Of a number, the share of positives is counted in so many bins of equal size: it may rise and fall again."""

PARTS = 5
"""Parts of the rows: the share of positives of a category is counted in the parts that a row is not in."""

MOST_ROWS, MOST_CODES = 4_000, 300
"""Of timed inputs so many rows and of the most frequent codes so many are looked at: enough to see .90, and quick."""

How: TypeAlias = Literal["its value", "its level", "whether it is there"]


@dataclass(frozen=True, slots=True)
class SuspectInput:
    """An input that nearly gives the answer by itself.

    Attributes
    ----------
    name
        The input, or the code of a timed one.
    how
        What of it gives the answer away.
    auroc
        Of that alone, from 0.5 to 1.
    next_best
        The AUROC of the best input that is not suspected; 0.5 where there is none.
    """

    name: str
    how: How
    auroc: float
    next_best: float


@dataclass(frozen=True, slots=True)
class _Screened:
    name: str
    how: How
    auroc: float
    rules_out: bool


def screen_inputs(samples: Samples) -> list[SuspectInput]:
    """Hold each input by itself against every target, whatever its type, and note those that nearly give the answer.

    Of dense inputs the value, the category and the gaps are looked at; of timed ones, by code, the newest value and
    whether there is one. A target of two values is looked at as it is, each of a few classes against the rest, and a
    number by its rank: of it, only an input that orders the rows (nearly) alike is noted. Of
    several questions a row (labels, classes), dense columns of over 300 numbers (fingerprints) are not looked at.

    Raises
    ------
    BadData
        Where no row has a label, and where an input is the answer.
    """
    targets = {name: column for name, column in samples.having("target").items() if isinstance(column, Dense)}
    if targets and not samples.labelled.any():
        what = "no row has a label: there is nothing to learn"
        raise BadData(what, fix="check the target column or the labels")
    suspects: dict[str, SuspectInput] = {}
    for column in targets.values():
        each = np.asarray(column.values, np.float64).reshape(len(samples), -1).T
        for values in each:
            for one in _screened(samples, np.flatnonzero(~np.isnan(values)), values, several=len(each) > 1):
                suspects.setdefault(one.name, one)
    for one in suspects.values():
        _note(one)
    return list(suspects.values())


def _screened(samples: Samples, rows: Array, values: Array, *, several: bool) -> list[SuspectInput]:
    """The inputs that nearly give one target; rows: where it is known. several: whether it is one of several."""
    levels = np.unique(values[rows])
    if len(levels) > MOST_CLASSES:
        return _suspects(list(_screen_number(samples, rows, values[rows])), "rank correlation")
    questions = levels[1:] if len(levels) == 2 else levels
    suspects: list[SuspectInput] = []
    for level in questions:
        y_true = (values[rows] == level).astype(np.float64)
        if min(y_true.sum(), (1 - y_true).sum()) >= FEWEST:
            widest = MOST_CODES if several or len(questions) > 1 else None
            suspects += _suspects(list(_screen(samples, rows, y_true, widest)), "AUROC")
    return suspects


def _screen_number(samples: Samples, rows: Array, y_true: Array) -> Iterator[_Screened]:
    """Dense inputs by how alike they order the rows: the share of ordered pairs, as the AUROC counts them."""
    if len(rows) < 2 * FEWEST:
        return
    for name, column in of_rows(samples, Dense).items():
        values = np.asarray(column.values[rows], np.float64).reshape(len(rows), -1)
        for feature, one in zip(names_of(name, column), values.T, strict=True):
            known = ~np.isnan(one)
            if known.sum() >= 2 * FEWEST and len(np.unique(one[known])) > 2:
                rank = abs(float(np.corrcoef(_ranks(one[known]), _ranks(y_true[known]))[0, 1]))
                yield _Screened(feature, "its value", (1 + rank) / 2, False)


def _ranks(values: Array) -> npt.NDArray[np.float64]:
    """Midranks."""
    ordered = np.sort(values)
    return np.asarray((np.searchsorted(ordered, values, "left") + np.searchsorted(ordered, values, "right")) / 2)


def _screen(samples: Samples, rows: Array, y_true: Array, widest: int | None = None) -> Iterator[_Screened]:
    """widest: dense columns of more numbers are not looked at; None: all are."""
    for name, column in of_rows(samples, Dense).items():
        if widest is not None and np.prod(column.values.shape[1:]) > widest:
            continue
        values = np.asarray(column.values[rows], float).reshape(len(rows), -1)
        for feature, one in zip(names_of(name, column), values.T, strict=True):
            screened = _feature(feature, one, y_true)
            by_bins = _by_bins(one, y_true)
            yield screened if by_bins <= screened.auroc else replace(screened, how="its value", auroc=by_bins)
        if values.shape[1] > 1 and np.isin(values, (0, 1)).all() and (values.sum(axis=1) <= 1).all():
            category = np.where(values.any(axis=1), values.argmax(axis=1), values.shape[1])
            yield _Screened(name, "its level", _by_category(category, y_true), False)
    step = max(1, len(rows) // MOST_ROWS)
    for column in of_rows(samples, Ragged).values():
        if {"code", "time", "value"} <= set(column.values):
            yield from _codes(column.take(rows[::step]), y_true[::step])


def _feature(name: str, values: Array, y_true: Array) -> _Screened:
    """A number by its value, with gaps as the least and as the greatest, and by its gaps alone."""
    gaps = np.isnan(values)
    filled = [values] if not gaps.any() else [np.where(gaps, end, values) for end in (-np.inf, np.inf)]
    by_value = max(_auroc(y_true, each) for each in filled)
    by_gaps = _auroc(y_true, gaps.astype(float)) if gaps.any() else 0.5
    is_flag = bool(np.isin(values[~gaps], (0, 1)).all())
    rules_out = _rules_out(gaps, y_true) or (is_flag and _rules_out(values == 1, y_true))
    return _Screened(
        name, "whether it is there" if by_gaps >= by_value else "its value", max(by_value, by_gaps), rules_out
    )


def _by_bins(values: Array, y_true: Array) -> float:
    """A number by the bin that it lies in: the answer may stand in the middle. A gap is a bin, too."""
    known = values[~np.isnan(values)]
    if len(np.unique(known)) <= 2:
        return 0.5
    edges = np.unique(np.quantile(known, np.linspace(0, 1, BINS + 1)[1:-1]))
    bins = np.where(np.isnan(values), len(edges) + 1, np.searchsorted(edges, values, side="right"))
    return _by_category(bins, y_true)


def _codes(column: Ragged, y_true: Array) -> Iterator[_Screened]:
    """Each of the most frequent codes: its newest value, and whether there is one."""
    if min(y_true.sum(), (1 - y_true).sum()) < FEWEST:
        return
    row, position = column.elements()
    code = column.values["code"][position].astype(np.int64)
    frequent = np.argsort(-np.bincount(code, minlength=len(column.levels["code"])), kind="stable")[:MOST_CODES]
    order = np.lexsort((column.values["time"][position], code, row))
    row, code, value = row[order], code[order], column.values["value"][position][order]
    newest = np.flatnonzero(np.append((row[1:] != row[:-1]) | (code[1:] != code[:-1]), True)) if len(row) else row
    row, code, value = row[newest], code[newest], value[newest]
    for one in frequent:
        of_code = code == one
        if of_code.any():
            name, there = column.levels["code"][one], np.full(len(y_true), np.nan)
            present = np.isin(np.arange(len(y_true)), row[of_code])
            there[row[of_code]] = value[of_code]
            by_value = _feature(name, there, y_true)
            by_presence = _auroc(y_true, present.astype(float))
            if by_presence >= by_value.auroc:
                yield _Screened(name, "whether it is there", by_presence, _rules_out(present, y_true))
            else:
                yield by_value


def _auroc(y_true: Array, values: Array) -> float:
    """From 0.5 to 1, whichever way it points."""
    area = of_all(auroc(y_true, values), len(y_true))
    return max(area, 1 - area)


def _by_category(category: Array, y_true: Array) -> float:
    """The AUROC of the share of positives in a row's category, counted among the rows of other parts.

    Five parts, dealt in turn through the rows of each category and class. To leave out single rows would give the
    answer away: of two rows of one category the positive one then always has the lower share.
    """
    order = np.lexsort((y_true, category))
    part = np.empty(len(category), np.int64)
    part[order] = np.arange(len(category)) % PARTS
    rows, positive = (np.zeros((PARTS, int(category.max()) + 1)) for _ in range(2))
    np.add.at(rows, (part, category), 1)
    np.add.at(positive, (part, category), y_true)
    others, cases = rows.sum(axis=0) - rows, positive.sum(axis=0) - positive
    share = (cases + y_true.mean()) / (others + 1)
    return max(of_all(auroc(y_true, share[part, category]), len(y_true)), 0.5)


def _rules_out(flag: npt.NDArray[np.bool_], y_true: Array) -> bool:
    """Whether nearly all of one class have the flag, or nearly none, and at least half of the other class do not."""
    shares = flag[y_true > 0].mean(), flag[y_true <= 0].mean()
    return any(max(a, 1 - a) >= NEARLY_ALL and abs(a - b) >= MANY for a, b in (shares, shares[::-1]))


def _refuse(name: str, measure: str) -> None:
    what = (
        f"the input {name!r} gives the target all by itself ({measure} 1.0): it is the label, or was written after it"
    )
    fix = f"take {name!r} out of the inputs (of a table: `without: [{name}]`), or give it the time at which it became known"
    raise BadData(what, at=Place(column=name), fix=fix)


def _suspects(screened: list[_Screened], measure: str) -> list[SuspectInput]:
    """Those that nearly give the answer; raises `BadData` for one that is it."""
    for one in screened:
        if one.auroc >= PERFECT:
            _refuse(one.name, measure)
    least = NEARLY if measure == "AUROC" else NEARLY_A_NUMBER
    suspected = [s for s in screened if s.auroc >= least or s.rules_out]
    next_best = max((s.auroc for s in screened if s not in suspected), default=0.5)
    return [SuspectInput(s.name, s.how, s.auroc, next_best) for s in suspected]


def _note(one: SuspectInput) -> None:
    result = f"{one.name}: {one.how} alone gives an AUROC of {one.auroc:.3f}; the best of the others gives {one.next_best:.3f}"
    why = "Is it known at the time of the prediction? If it is written later, leave it out: the scores would not hold."
    note("an input that nearly gives the answer", result, why, "serious")
