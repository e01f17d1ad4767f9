"""Classes in tables: the values of a column as names, and the predictions of other programs, checked and typed."""

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
import polars as pl

from polyclinic.arrays import Floats
from polyclinic.errors import BadData, Place, UnknownName
from polyclinic.figures.numbers import how_many
from polyclinic.samples.frames import as_lists, numbers, of_lists
from polyclinic.samples.prediction_columns import CLASS, CLASSES, PREDICTED_CLASS, PROBABILITIES, REFUSED

MOST_CLASSES = 200
"""Different values up to which a column is taken for classes; more are names or measurements."""

PREFIX = "probability//"
"""How the column of the probability of one class begins, where there is one column a class."""

SLACK = 1e-3
"""By how much the probabilities of a row may miss 1, as rounded ones do."""


def class_texts(series: pl.Series) -> pl.Series:
    """The values of a column as names of classes, null where missing; raises `BadData` where they are no classes."""
    at, name = Place(column=series.name), series.name
    if series.dtype.is_nested() or series.dtype.is_temporal() or series.dtype == pl.Binary:
        raise BadData(f"the target {name!r} holds {series.dtype}", at=at, fix="name a column of text or whole numbers")
    if series.dtype.is_float():
        series = series.fill_nan(None)
        if not (series.drop_nulls() == series.drop_nulls().floor()).all() or series.is_infinite().any():
            fix = "make classes of the numbers, or take `kind: number`"
            raise BadData(f"the target {name!r} holds numbers that are not whole", at=at, fix=fix)
        series = series.cast(pl.Int64)
    texts = series.cast(pl.String).str.strip_chars()
    texts = texts.set(texts == "", None)
    if (count := texts.drop_nulls().n_unique()) > MOST_CLASSES:
        fix = "name a column of few classes; numbers that are measured are of `kind: number`"
        raise BadData(f"the target {name!r} has {count:,} different values, which are no classes", at=at, fix=fix)
    return texts


def read_columns(frame: pl.DataFrame, predicted: Callable[[Floats], npt.NDArray[np.int64]]) -> pl.DataFrame:
    """Predictions joined with their truth, in the columns that an outcome of classes writes itself.

    Parameters
    ----------
    frame
        `class_value`; `probabilities` with `classes`, or one column `probability//NAME` a class; perhaps
        `predicted_class_value`.
    predicted
        Probabilities [row, class] → the number of the class that is decided for, where the table does not say.

    Returns
    -------
    DataFrame
        The same with `classes` and `probabilities` as lists; a class that occurs and is not among them has 0.

    Raises
    ------
    UnknownName
        Where a column is missing.
    BadData
        Where classes or probabilities are none, or a class that was decided for is not named.
    """
    if CLASS not in frame.columns:
        raise UnknownName("column", CLASS, frame.columns, at=Place(column=CLASS))
    truth = class_texts(frame[CLASS]).alias(CLASS)
    names, probabilities = _probabilities(frame)
    _check(frame, probabilities)
    more = [name for name in truth.drop_nulls().unique().sort() if name not in names]
    probabilities = np.c_[probabilities, np.where(np.isnan(probabilities[:, :1]), np.nan, np.zeros((1, len(more))))]
    names = [*names, *more]
    decided = _decided(frame, names)
    if decided is None:
        codes = predicted(probabilities)
        decided = pl.Series([None, *names], dtype=pl.String).gather(codes + 1).alias(PREDICTED_CLASS)
    listed = pl.Series(CLASSES, [names], pl.List(pl.String)).new_from_index(0, frame.height)
    own = [name for name in frame.columns if name.startswith(PREFIX)]
    return frame.drop(own).with_columns(truth, decided, listed, as_lists(PROBABILITIES, probabilities))


def _probabilities(frame: pl.DataFrame) -> tuple[list[str], Floats]:
    """The names of the classes, and the probability of each, float64 [row, class]."""
    if PROBABILITIES in frame.columns and CLASSES in frame.columns:
        lists = frame[CLASSES].drop_nulls()
        kinds = lists.unique() if isinstance(lists.dtype, pl.List) else lists
        if not isinstance(lists.dtype, pl.List) or len(kinds) != 1:
            fix = "give every row the same list of names, in the order of its probabilities"
            raise BadData("the rows do not all list the same classes", at=Place(column=CLASSES), fix=fix)
        names = [str(name) for name in kinds.to_list()[0]]
        return names, of_lists(frame[PROBABILITIES], len(names))
    columns = [name for name in frame.columns if name.startswith(PREFIX)]
    if len(columns) < 2:
        missing = CLASSES if PROBABILITIES in frame.columns else PROBABILITIES
        fix = f"give lists in `{PROBABILITIES}` and `{CLASSES}`, or a column `{PREFIX}NAME` for each class"
        raise BadData(f"there is no column {missing!r}", at=Place(column=missing), fix=fix)
    names = [name.removeprefix(PREFIX) for name in columns]
    return names, np.stack([numbers(frame[name]) for name in columns], axis=1).astype(np.float64)


def _check(frame: pl.DataFrame, probabilities: Floats) -> None:
    """Raise `BadData` for an answered row whose probabilities are none, or do not add up to 1."""
    answered = frame[REFUSED].is_null().to_numpy() if REFUSED in frame.columns else np.ones(frame.height, bool)
    inside = ((probabilities >= 0) & (probabilities <= 1)).all(axis=1)
    wrong = answered & ~(inside & (np.abs(probabilities.sum(axis=1) - 1) <= SLACK))
    if wrong.any():
        where = Place(column=PROBABILITIES, row=int(wrong.argmax()))
        what = f"{how_many(int(wrong.sum()), 'row has', 'rows have')} no probabilities that add up to 1"
        fix = "give probabilities (after the softmax), one a class in every row, or a reason in a column `refused`"
        raise BadData(what, at=where, fix=fix)


def _decided(frame: pl.DataFrame, names: Sequence[str]) -> pl.Series | None:
    """The classes that were decided for; None where the table does not say."""
    if PREDICTED_CLASS not in frame.columns:
        return None
    decided = class_texts(frame[PREDICTED_CLASS])
    if strange := int((~decided.is_in(list(names))).fill_null(False).sum()):
        what = f"{how_many(strange, 'row is', 'rows are')} decided for a class that `{CLASSES}` does not name"
        raise BadData(what, at=Place(column=PREDICTED_CLASS), fix="name every class, written alike")
    return decided.alias(PREDICTED_CLASS)
