"""Whether the outcome was looked for alike in everybody: prevalence by how it was ascertained."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from polyclinic.arrays import Array

MOST = 4
"""Measurements from which on they are counted together."""


@dataclass(frozen=True, slots=True)
class Ascertained:
    """Rows whose outcome was ascertained alike.

    Attributes
    ----------
    by, level
        What they have in common: `measurements in the window`, 2; `the window ended with`, death.
    rows, labelled, positive
        How many there are, how many have a label, and how many of these are positive. Where the prevalence rises with
        the number of measurements, who is measured more is found positive more often.
    """

    by: str
    level: str
    rows: int
    labelled: int
    positive: int


def ascertainment(labels: Array, facts: Mapping[str, Sequence[str]]) -> list[Ascertained]:
    """Rows, labels and positives by each fact.

    Parameters
    ----------
    labels
        [row], 1, 0, or NaN where there is no label.
    facts
        What rows may have in common → its level, [row].
    """
    return [
        _part(by, level, labels, np.asarray(levels) == level)
        for by, levels in facts.items()
        for level in _order(levels)
    ]


def counted(counts: Array) -> list[str]:
    """Counts as levels: 0, 1, 2, 3, and `4 or more`."""
    return [str(n) if n < MOST else f"{MOST} or more" for n in counts.tolist()]


def _order(levels: Sequence[str]) -> list[str]:
    return sorted(set(levels))


def _part(by: str, level: str, labels: Array, rows: Array) -> Ascertained:
    known = labels[rows & ~np.isnan(labels)]
    return Ascertained(by, level, int(rows.sum()), len(known), int(known.sum()))
