"""A column that gives the label away: looked for before anything is trained."""

import numpy as np

from polyclinic.errors import BadData, Place
from polyclinic.evaluation.scores import auroc, of_all
from polyclinic.samples import Dense, Samples
from polyclinic.samples.samples import names_of, of_rows

PERFECT = 0.9999
FEWEST = 10
"""Rows of each class from which on a perfect separation is no chance any more (1 in 92,378 for one column)."""


def single_column(samples: Samples) -> None:
    """Raise `BadData` naming a dense input that by itself tells the yes-or-no target, or whose gaps do.

    Looks at all labelled rows; does nothing where the target is no dense column of two values.
    """
    target = next(iter(samples.having("target").values()), None)
    if not isinstance(target, Dense):
        return
    rows = np.flatnonzero(samples.labelled)
    if not len(rows):
        what = "no row has a label: there is nothing to learn"
        raise BadData(what, fix="check the target column or the labels")
    y_true = np.asarray(target.values[rows], float).reshape(len(rows), -1)[:, 0]
    if not np.isin(y_true, (0, 1)).all() or min(y_true.sum(), (1 - y_true).sum()) < FEWEST:
        return
    for name, column in of_rows(samples, Dense).items():
        features = np.asarray(column.values[rows], float).reshape(len(rows), -1).T
        for feature, values in zip(names_of(name, column), features, strict=True):
            tells = of_all(auroc(y_true, np.where(np.isnan(values), -np.inf, values)), len(rows))
            if max(tells, 1 - tells) >= PERFECT:
                what = f"the input {feature!r} tells the target all by itself (AUROC 1.0): "
                what += "it is the label, or was written after it"
                fix = f"take {feature!r} out of the inputs (of a table: `without: [{feature}]`), "
                fix += "or give it the time at which it became known"
                raise BadData(what, at=Place(column=feature), fix=fix)
