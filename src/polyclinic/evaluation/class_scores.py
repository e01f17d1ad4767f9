"""Weighted scores of predicted classes.

Every function gives a `Score`: weights [replicate, row] → score [replicate]; a weight of 2 is that row twice, 0 is that
row left out. `y_true` holds codes of classes, int [row], from 0. `y_pred` is either the class that was decided for, int
[row], or the probability of each class, float64 [row, class]; of probabilities the highest decides, and the first
class where several are equally high.
"""

import numpy as np
import numpy.typing as npt

from polyclinic.arrays import Array, Floats
from polyclinic.evaluation.composed_scores import Combine, mean_known, mean_of, of_confusion, quotient
from polyclinic.evaluation.scores import NOT_NEGATIVE, SHARE, Score, auroc, ratio, row_mean

SMALLEST = 1e-15
"""Probabilities are kept at least this far from 0 in a logarithm."""


def predicted_classes(y_pred: Array) -> npt.NDArray[np.int64]:
    """The class of each row, int64 [row]: of probabilities [row, class] the highest, the first of equal ones."""
    return np.asarray(y_pred.argmax(axis=1) if y_pred.ndim == 2 else y_pred, np.int64)


def confusion(y_true: Array, y_pred: Array, classes: int) -> npt.NDArray[np.int64]:
    """How many rows of each true class (first axis) are predicted as each class, int64 [class, class]."""
    cells = y_true.astype(np.int64) * classes + predicted_classes(y_pred)
    return np.bincount(cells, minlength=classes * classes).reshape(classes, classes)


def accuracy(y_true: Array, y_pred: Array) -> Score:
    """The share of rows whose class is right."""
    return row_mean((y_true == predicted_classes(y_pred)).astype(np.float64), SHARE)


def balanced_accuracy(y_true: Array, y_pred: Array) -> Score:
    """The mean over the classes that occur of the share of their rows that is recognised."""

    def combine(table: Floats) -> Floats:
        return mean_known(quotient(_hits(table), table.sum(axis=2)), axis=1)

    return _of_table(y_true, y_pred, combine, SHARE)


def macro_f1(y_true: Array, y_pred: Array) -> Score:
    """The mean over the classes that occur in `y_true` of the F1 of each.

    As scikit-learn's `f1_score(average="macro", labels=…)` with the classes of `y_true` as labels: a class that is
    predicted but never occurs costs precision of the others' rows, and is no term of the mean itself.
    """

    def combine(table: Floats) -> Floats:
        occurring = table.sum(axis=2)
        f1 = quotient(2 * _hits(table), occurring + table.sum(axis=1))
        return mean_known(np.where(occurring > 0, f1, np.nan), axis=1)

    return _of_table(y_true, y_pred, combine, SHARE)


def f1(y_true: Array, y_pred: Array, of_class: int) -> Score:
    """The F1 of one class, NaN where it neither occurs nor is predicted."""
    true, predicted = y_true == of_class, predicted_classes(y_pred) == of_class
    return ratio(2.0 * (true & predicted), true.astype(np.float64) + predicted, SHARE)


def one_against_rest_auroc(y_true: Array, probabilities: Array, of_class: int | None = None) -> Score:
    """AUROC of one class against all others; without `of_class` the mean over the classes that occur.

    Parameters
    ----------
    y_true
        Codes of classes, int [row].
    probabilities
        float64 [row, class].
    of_class
        The code of one class; None for the mean over all that occur, each counting alike.
    """
    if of_class is not None:
        return auroc((y_true == of_class).astype(np.float64), probabilities[:, of_class])
    return mean_of([one_against_rest_auroc(y_true, probabilities, code) for code in np.unique(y_true)])


def log_loss_classes(y_true: Array, probabilities: Array) -> Score:
    """Mean negative log likelihood of the true class, in nats; probabilities are kept 1e-15 from 0."""
    of_truth = probabilities[np.arange(len(y_true)), y_true.astype(np.int64)]
    return row_mean(-np.log(np.clip(of_truth, SMALLEST, 1.0)), NOT_NEGATIVE)


def top_k_accuracy(y_true: Array, probabilities: Array, k: int) -> Score:
    """The share of rows whose class is among the k most likely; of equally likely classes the first come first."""
    true = y_true.astype(np.int64)[:, None]
    of_truth = np.take_along_axis(probabilities, true, axis=1)
    earlier = np.arange(probabilities.shape[1]) < true
    ahead = (probabilities > of_truth) | ((probabilities == of_truth) & earlier)
    return row_mean((ahead.sum(axis=1) < k).astype(np.float64), SHARE)


def matthews(y_true: Array, y_pred: Array) -> Score:
    """Matthews correlation of several classes: 1 is perfect, 0 is chance.

    0 where one class alone is predicted, as is usual; NaN where one class alone occurs.

    References
    ----------
    Gorodkin 2004, Comparing two K-category assignments by a K-category correlation coefficient, equation 8.
    """

    def combine(table: Floats) -> Floats:
        true, predicted, total = table.sum(axis=2), table.sum(axis=1), table.sum(axis=(1, 2))
        shared = _hits(table).sum(axis=1) * total - (true * predicted).sum(axis=1)
        own_true, own_predicted = (_unequal_pairs(side, total) for side in (true, predicted))
        correlation = quotient(shared, np.sqrt(own_true) * np.sqrt(own_predicted))
        return np.where((own_true > 0) & (own_predicted <= 0), 0.0, correlation)

    return _of_table(y_true, y_pred, combine, (-1.0, 1.0))


def _of_table(y_true: Array, y_pred: Array, combine: Combine, bounds: tuple[float, float]) -> Score:
    """A score of the classes that occur or are predicted; others would be empty rows and columns of the table."""
    present, codes = np.unique(
        np.concatenate([y_true.astype(np.int64), predicted_classes(y_pred)]), return_inverse=True
    )
    return of_confusion(codes[: len(y_true)], codes[len(y_true) :], len(present), combine, bounds)


def _hits(table: Floats) -> Floats:
    return np.asarray(table.diagonal(axis1=1, axis2=2))


def _unequal_pairs(side: Floats, total: Floats) -> Floats:
    """Pairs of rows of unequal class, by weight; exactly 0 where rounding is all that is left."""
    pairs = total**2 - (side**2).sum(axis=1)
    return np.where(pairs > 1e-12 * total**2, pairs, 0.0)
