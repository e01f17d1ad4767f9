"""The rows of one split that are scored, the same for every model."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import reduce
from typing import Self

import numpy as np
import polars as pl

from polyclinic.arrays import Array
from polyclinic.errors import BadData, Place
from polyclinic.figures.numbers import how_many

MOST_MODELS = 10
"""Models that one error names."""


@dataclass(frozen=True, eq=False)
class ScoredRows:
    """The scored rows of one split: the same rows in the same order for every model.

    frames: model → labelled rows of the predictions table; place: where each row stands among the samples;
    groups: what the intervals are over. A row that several folds held out stands there once for each.
    tied: the models that give every row of a fold the same answer → their rows as rank scores see them, one tie.
    Such a model ranks nothing, so that its AUROC is 0.5 and its AUPRC the prevalence. Pooled as they are, its answers
    would rank the folds, and against their test rows: a fold that holds back positives learns fewer.
    """

    frames: Mapping[str, pl.DataFrame]
    place: Array
    groups: Array
    tied: Mapping[str, pl.DataFrame]

    @classmethod
    def of(
        cls,
        rows: pl.DataFrame,
        split: str,
        models: Iterable[str],
        row_id: Array,
        groups: Array,
        answers: tuple[str, ...] = (),
    ) -> Self:
        """Rows of these models in one split; `answers`: the columns that hold the answers in numbers.

        Raises `BadData` where models have different rows.
        """
        every = {name: rows.filter(model=name, split=split).sort("row_id", "fold") for name in models}
        frames = {name: frame for name, frame in every.items() if frame.height}
        first, keys = next(iter(frames), ""), [frame.select("row_id", "fold") for frame in frames.values()]
        if any(not key.equals(keys[0]) for key in keys):
            raise _different_rows(frames, split)
        order = np.argsort(row_id, kind="stable")
        ids = frames[first]["row_id"].to_numpy() if frames else row_id[:0]
        place = order[np.searchsorted(row_id, ids, sorter=order)]
        alike = [name for name, frame in frames.items() if _one_answer(frame, groups[place], answers)]
        tied = {name: frames[name].with_columns(pl.col(answers).first()) for name in alike}
        return cls(frames, place, groups[place], tied)

    def take(self, rows: Array) -> Self:
        """Some of the rows."""
        frames, tied = ({name: f[rows] for name, f in each.items()} for each in (self.frames, self.tied))
        return type(self)(frames, self.place[rows], self.groups[rows], tied)


def _different_rows(frames: Mapping[str, pl.DataFrame], split: str) -> BadData:
    """The error for models that do not answer the same rows: how many each has, and how many all have."""
    kind = "validation row" if split == "validation" else "row"
    named = [f"{name!r} {how_many(frame.height, kind)}" for name, frame in list(frames.items())[:MOST_MODELS]]
    named += ["…"] if len(frames) > MOST_MODELS else []
    common = reduce(lambda one, other: one.join(other, on=["row_id", "fold"], how="semi"), frames.values()).height
    what = f"the models do not answer the same rows: {', '.join(named)}; {how_many(common, 'is', 'are')} common to all"
    fix = "give each model the same rows with a truth, for example those that are common to all; or evaluate each by itself"
    return BadData(what, at=Place(column="model"), fix=fix)


def _one_answer(frame: pl.DataFrame, groups: Array, answers: tuple[str, ...]) -> bool:
    """Whether every row of a fold has the same answer, in each of these columns (numbers, or lists of numbers).

    Folds of one group each cannot show it: there a model that reads only what a group shares answers so, too.
    """
    if not answers or not set(answers) <= set(frame.columns):
        return False
    folds = frame.select("fold", *answers).with_columns(group=pl.Series(groups))
    if folds.group_by("fold").agg(pl.col("group").n_unique())["group"].sum() < 2 * folds["fold"].n_unique():
        return False
    return all(_alike(part[name]) for part in folds.partition_by("fold") for name in answers)


def _alike(answers: pl.Series) -> bool:
    """Whether all answers are the same to the sixth digit."""
    if answers.has_nulls():
        return False
    numbers = np.stack(answers.to_list()) if answers.dtype.is_nested() else answers.to_numpy()
    spread, largest = np.ptp(numbers, axis=0), np.abs(numbers).max(axis=0)
    return bool((spread <= 1e-6 * largest).all())
