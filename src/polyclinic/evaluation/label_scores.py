"""Weighted scores of several labels a row (multilabel), where some labels of a row may be missing.

Every function gives a `Score`, or one for each label: weights [replicate, row] → score [replicate]; a weight of 2 is
that row twice, 0 is that row left out. `y_true` is float64 [row, label]: 1, 0, or NaN where the label is missing. A
missing label never counts, neither as positive nor as negative. *Macro* is the mean over labels, *micro* takes each
known label of each row as a case of its own.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from polyclinic.arrays import Array, Floats
from polyclinic.evaluation.composed_scores import mean_known, mean_of, of_sums, quotient
from polyclinic.evaluation.scores import SHARE, Score, auprc, auroc, ratio, restricted, row_mean


def label_aurocs(y_true: Array, probabilities: Array, names: Sequence[str]) -> Mapping[str, Score]:
    """AUROC of each label, over the rows that have it; NaN where these are all positive or all negative.

    Parameters
    ----------
    y_true
        float64 [row, label], NaN where a label is missing.
    probabilities
        float64 [row, label].
    names
        [label].
    """
    return _by_label(auroc, y_true, probabilities, names)


def label_auprcs(y_true: Array, probabilities: Array, names: Sequence[str]) -> Mapping[str, Score]:
    """Average precision of each label, as `label_aurocs`; NaN where no row is positive."""
    return _by_label(auprc, y_true, probabilities, names)


def label_f1s(y_true: Array, decisions: Array, names: Sequence[str]) -> Mapping[str, Score]:
    """F1 of each label; NaN where it neither occurs nor is predicted.

    Parameters
    ----------
    y_true
        float64 [row, label], NaN where a label is missing.
    decisions
        Whether each label is predicted, bool [row, label].
    names
        [label].
    """
    both, occurring, predicted = _counts(y_true, decisions)
    return {name: ratio(2 * both[:, j], (occurring + predicted)[:, j], SHARE) for j, name in enumerate(names)}


def macro_auroc(y_true: Array, probabilities: Array) -> Score:
    """The mean of the labels' AUROC, over labels with positive and negative rows."""
    return mean_of(list(label_aurocs(y_true, probabilities, _numbers(y_true)).values()))


def macro_auprc(y_true: Array, probabilities: Array) -> Score:
    """The mean of the labels' average precision, over labels with a positive row."""
    return mean_of(list(label_auprcs(y_true, probabilities, _numbers(y_true)).values()))


def micro_auroc(y_true: Array, probabilities: Array) -> Score:
    """AUROC over all known labels of all rows."""
    return _over_cells(auroc, y_true, probabilities)


def micro_auprc(y_true: Array, probabilities: Array) -> Score:
    """Average precision over all known labels of all rows."""
    return _over_cells(auprc, y_true, probabilities)


def macro_f1_labels(y_true: Array, decisions: Array) -> Score:
    """The mean of the F1 of the labels that occur; decisions: bool [row, label]."""
    both, occurring, predicted = _counts(y_true, decisions)
    labels = y_true.shape[1]

    def combine(sums: Floats) -> Floats:
        hits, true, alarms = sums.reshape(3, labels, -1) if labels else np.zeros((3, 0, sums.shape[1]))
        return mean_known(np.where(true > 0, quotient(2 * hits, true + alarms), np.nan), axis=0)

    return of_sums([*both.T, *occurring.T, *predicted.T], combine, SHARE)


def micro_f1_labels(y_true: Array, decisions: Array) -> Score:
    """F1 over all known labels of all rows; decisions: bool [row, label]."""
    both, occurring, predicted = _counts(y_true, decisions)
    return ratio(2 * both.sum(axis=1), (occurring + predicted).sum(axis=1), SHARE)


def recall_at_k(y_true: Array, probabilities: Array, k: int) -> Score:
    """The share of a row's positive labels that are among its k most likely, averaged over rows with a positive label.

    Of equally likely labels the first come first; missing labels take no place among the k.
    """
    positive, among = y_true > 0, _most_likely(y_true, probabilities, k)
    return row_mean(quotient((positive & among).sum(axis=1), positive.sum(axis=1)), SHARE)


def precision_at_k(y_true: Array, probabilities: Array, k: int) -> Score:
    """The share of a row's k most likely labels that are positive, averaged over rows; ties as for `recall_at_k`.

    A row with fewer than k known labels is judged by those that it has; one without any is left out.
    """
    positive, among = y_true > 0, _most_likely(y_true, probabilities, k)
    return row_mean(quotient((positive & among).sum(axis=1), among.sum(axis=1)), SHARE)


def _by_label(
    score: Callable[[Array, Array], Score], y_true: Array, predictions: Array, names: Sequence[str]
) -> Mapping[str, Score]:
    known = [np.flatnonzero(~np.isnan(label)) for label in y_true.T]
    return {
        name: restricted(score(y_true[rows, j], predictions[rows, j]), rows)
        for j, (name, rows) in enumerate(zip(names, known, strict=True))
    }


def _over_cells(score: Callable[[Array, Array], Score], y_true: Array, predictions: Array) -> Score:
    """A score whose rows are the known labels; each weighs what its row weighs."""
    row, label = np.nonzero(~np.isnan(y_true))
    return restricted(score(y_true[row, label], predictions[row, label]), row)


def _counts(y_true: Array, decisions: Array) -> tuple[Floats, Floats, Floats]:
    """Whether each label is true and predicted, true, predicted: float64 [row, label], 0 where it is missing."""
    positive, predicted = y_true > 0, decisions & ~np.isnan(y_true)
    return (positive & predicted).astype(np.float64), positive.astype(np.float64), predicted.astype(np.float64)


def _most_likely(y_true: Array, probabilities: Array, k: int) -> npt.NDArray[np.bool_]:
    """Whether each label is among the row's k most likely known ones, bool [row, label]."""
    known = ~np.isnan(y_true)
    order = np.argsort(np.where(known, -probabilities, np.inf), axis=1, kind="stable")[:, :k]
    among = np.zeros(y_true.shape, bool)
    np.put_along_axis(among, order, True, axis=1)
    return np.asarray(among & known)


def _numbers(y_true: Array) -> list[str]:
    return [str(j) for j in range(y_true.shape[1])]
