"""How much of the evidence rests on few patients."""

from dataclasses import dataclass

import numpy as np

from polyclinic.arrays import Array

FEW = 10


@dataclass(frozen=True, slots=True)
class Concentration:
    """How the rows are spread over their groups (patients).

    Attributes
    ----------
    group
        What a group is: subject, site.
    groups, rows
        How many there are.
    median_rows, most_rows
        Rows of the middle group and of the largest one.
    effective_groups
        How many groups of one size would carry as much: (Σ rows)² / Σ rows² (Kish 1965).
    positive_rows, positive_groups
        Positive rows, and groups with at least one; None where the answer is not yes or no.
    few
        Ten, or the number of groups where there are fewer.
    share_of_rows, share_of_positives
        The share of the rows, and of the positive rows, 0 to 1, that belong to the `few` groups with most of them.
    """

    group: str
    groups: int
    rows: int
    median_rows: float
    most_rows: int
    effective_groups: float
    few: int
    share_of_rows: float
    positive_rows: int | None = None
    positive_groups: int | None = None
    share_of_positives: float | None = None


def concentration(group: str, groups: Array, y_true: Array | None = None) -> Concentration | None:
    """How rows and positives are spread; None without rows.

    Parameters
    ----------
    group
        The name of the groups.
    groups
        [row], what each row belongs to.
    y_true
        [row], 1 or 0; None where the answer is not yes or no.
    """
    if not len(groups):
        return None
    _, place, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    few = min(FEW, len(sizes))
    positives = None if y_true is None else np.bincount(place[y_true > 0], minlength=len(sizes))
    total = None if positives is None else int(positives.sum())
    return Concentration(
        group=group,
        groups=len(sizes),
        rows=len(groups),
        median_rows=float(np.median(sizes)),
        most_rows=int(sizes.max()),
        effective_groups=float(sizes.sum() ** 2 / (sizes.astype(float) ** 2).sum()),
        few=few,
        share_of_rows=_share(sizes, few),
        positive_rows=total,
        positive_groups=None if positives is None else int((positives > 0).sum()),
        share_of_positives=_share(positives, few) if positives is not None and total else None,
    )


def _share(sizes: Array, few: int) -> float:
    return float(np.sort(sizes)[-few:].sum() / sizes.sum())
