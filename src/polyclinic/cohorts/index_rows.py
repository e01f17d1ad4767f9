"""Rows on their way to an index: subject and index time, at which step each row falls out, and the label so far."""

from dataclasses import dataclass, field

import numpy as np
import polars as pl

from polyclinic.arrays import Array, Ints, Mask
from polyclinic.cohorts.cohort import KEYS, Step

INDEX = "index times"
DUPLICATE = -1
NO_LABEL = pl.Series("boolean_value", [None], pl.Boolean)


@dataclass(slots=True, eq=False)
class IndexRows:
    """Candidates for the index of a cohort.

    subject, time: int64 [row], microseconds since 1970. steps: name, whether it looks past the index, whether rows fall
    out there; where none do, those that are left are counted. out: int64 [row], 0, or the number (from 1) of the step at
    which the row fell out. label: bool [row]; missing_label: rows of a file of labels without one. newest: predicate →
    float32 [row], the newest value known at the index.
    """

    subject: Ints
    time: Ints
    out: Ints = field(init=False)
    steps: list[tuple[str, bool, bool]] = field(default_factory=list)
    label: Mask | None = None
    missing_label: Mask | bool = False
    newest: dict[str, Array] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.subject, self.out = self.subject.astype(np.int64), np.zeros(len(self.time), np.int64)

    def step(self, name: str, out: Mask | bool | None = None, *, past: bool = False) -> None:
        """Rows that fall out here, unless they fell out before; where none are named, those left are counted."""
        self.steps.append((name, past, out is not None))
        if out is not None:
            self.out[out & (self.out == 0)] = len(self.steps)

    def finish(self, *, unique: bool) -> tuple[pl.DataFrame, list[Step]]:
        """Count the steps, and keep the rows of the index.

        unique: whether rows of one index time may be there twice, so that one has to stand for them all (more where
        their labels disagree).
        """
        attrition, kept = [], np.ones(len(self.out), np.bool_)
        for number, (name, past, excluded) in enumerate(self.steps, start=1):
            left = (self.out == 0) | (self.out > number)
            if name == INDEX and not unique:
                duplicates = self.duplicates(left)
                self.out[duplicates], left[duplicates] = DUPLICATE, False
            subjects = self.subject[self.out == number if excluded else left]
            attrition.append(Step(name, len(subjects), {"subject": distinct(subjects)}, past, excluded))
            if not (past or excluded):
                kept = left
        return self.frame(kept), attrition

    def frame(self, which: Mask) -> pl.DataFrame:
        """Some of the rows, labelled where they did not fall out."""
        out = self.out[which]
        labels = NO_LABEL.new_from_index(0, len(out))
        if self.label is not None:
            labels = pl.select(pl.when(pl.Series(out == 0)).then(pl.Series(self.label[which]))).to_series()
        columns = [  # a list of columns, since a mapping costs one patient live .1 ms more
            pl.Series("subject_id", self.subject[which]),
            pl.Series("prediction_time", self.time[which]).cast(pl.Datetime("us")),  # a third of what datetime64 takes
            labels.alias("boolean_value"),
            *(pl.Series(f"newest//{n}", v[which]) for n, v in self.newest.items()),
            pl.Series("out", out),
        ]
        return pl.DataFrame(columns)

    def duplicates(self, left: Mask) -> Ints:
        """Places of rows left that another row of their index time stands for.

        An unlabelled row gives way to a labelled one; labels that disagree both stay.
        """
        if self._unique(left):
            return np.empty(0, np.int64)
        frame = self.frame(left).with_columns(place=pl.Series(np.flatnonzero(left)))
        holds = pl.col("out") == 0
        rows = frame.sort(*KEYS, "out", maintain_order=True).filter(holds | ~holds.any().over(KEYS))
        stay = rows.unique([*KEYS, "boolean_value"], keep="first", maintain_order=True)["place"]
        return np.setdiff1d(frame["place"].to_numpy(), stay.to_numpy(), assume_unique=True)

    def _unique(self, left: Mask) -> bool:
        """Whether no two of these rows share subject and time."""
        subject, time = self.subject[left], self.time[left]
        order = np.lexsort((time, subject))
        subject, time = subject[order], time[order]
        return not ((subject[1:] == subject[:-1]) & (time[1:] == time[:-1])).any()


def distinct(values: Array) -> int:
    """How many different values there are; without a sort where they rise already.

    >>> distinct(np.array([1, 1, 4]))
    2
    """
    if len(values) < 2:
        return len(values)
    change = np.diff(values)
    if (change >= 0).all():
        return int(np.count_nonzero(change)) + 1
    return len(np.unique(values))
