"""What is missing where a package never, or hardly ever, saw it missing: in a row, and in all rows of a source.

A model answers such a row without having learned from one like it. It is named like a value beyond the usual range.
"""

from collections.abc import Iterator, Mapping

import numpy as np

from polyclinic.arrays import Ints, Mask
from polyclinic.samples import Column, Dense, Ragged

MISSING = "missing"
CHANCE = 1e-3
"""The chance by which an input may be missing in all rows of a source before that is said."""


def is_category(column: Column) -> bool:
    """Whether a column holds one 0/1 input a level, of which a row with a value has exactly one."""
    if not isinstance(column, Dense) or column.values.ndim != 2 or column.values.shape[1] < 2 or not len(column):
        return False
    return bool(np.isin(column.values, (0, 1)).all() and (column.values.sum(axis=1) <= 1).all())


def filled(column: Column, *, category: bool) -> Mask:
    """Whether each row has a value in a column: bool [row]; of a category, whether it has a level."""
    # A recipe and its limits come from a stranger: they may contradict each other.
    if category and isinstance(column, Dense) and column.values.ndim == 2:
        return np.asarray(np.nan_to_num(column.values).any(axis=1), bool)
    return column.present


def shares(column: Column, labels: list[str]) -> dict[str, float]:
    """Field, or code of an event → the share of rows that have it; 1.0 only where all have.

    Shares are rounded down to two digits, so that no single patient can be read from them.
    """
    if not len(column):
        return {}
    return {label: rounded_down(float(rows.mean())) for label, rows in _presence(column, labels)}


def rounded_down(share: float) -> float:
    """A share in two digits: 1.0 only where it is whole."""
    return float(np.floor(100 * share) / 100)


def missing_labels(column: Column, known: Mapping[str, float]) -> Iterator[tuple[str, Ints]]:
    """The fields or codes that every row had where the package learned, and the rows that lack them."""
    always = [label for label, share in known.items() if share == 1.0]
    for label, rows in _presence(column, always):
        if not rows.all():
            yield label, np.flatnonzero(~rows)


def rows_with(column: Column, known: Mapping[str, float]) -> dict[str, int]:
    """How many rows have each of the fields or codes."""
    return {label: int(rows.sum()) for label, rows in _presence(column, [*known])}


def never_there(known: Mapping[str, float], counts: Mapping[str, int], rows: int) -> list[str]:
    """The fields or codes that no row of a source has, although so many rows had them where the package learned."""
    return [n for n, share in known.items() if share < 1 and not counts.get(n) and (1 - share) ** rows < CHANCE]


def _presence(column: Column, labels: list[str]) -> Iterator[tuple[str, Mask]]:
    """Which rows have each field or code."""
    if isinstance(column, Dense) and labels:
        flat = column.values.reshape(len(column), int(np.prod(column.values.shape[1:])))
        names = list(column.names) if len(column.names) == flat.shape[1] else [*map(str, range(flat.shape[1]))]
        position = {name: number for number, name in enumerate(names)}
        for label in labels:
            if label in position:
                yield label, np.isfinite(flat[:, position[label]])
    if isinstance(column, Ragged) and labels and "code" in column.values:
        yield from zip(labels, _codes_there(column.within(), labels), strict=True)


def _codes_there(column: Ragged, labels: list[str]) -> Iterator[Mask]:
    """Which rows have each of these codes, one code after the other."""
    position = {label: n for n, label in enumerate(labels)}
    number = np.array([position.get(level, -1) for level in column.levels["code"]], np.int64)[column.values["code"]]
    if column.lengths.sum() <= len(number):  # windows do not overlap, as of one patient: laid out, they are no more
        row, place = column.elements()
        wanted = number[place]
        there = np.zeros((len(column), len(labels)), bool)
        there[row[wanted >= 0], wanted[wanted >= 0]] = True
        yield from there.T
        return
    places = np.flatnonzero(number >= 0)
    small = np.uint16 if len(labels) < 1 << 16 else np.int64  # two bytes are sorted by counting them
    places = places[np.argsort(number[places].astype(small), kind="stable")]
    ends = np.cumsum(np.bincount(number[number >= 0], minlength=len(labels)))
    for own in np.split(places, ends[:-1]):  # a row has the code where the last one before its end lies within it
        newest = np.append(-1, own)[np.searchsorted(own, column.stop)]
        yield newest >= column.start
