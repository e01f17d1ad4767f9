"""The deletion test: how much worse a model does where one part of its inputs after the other is not known.

References
----------
Zeiler and Fergus, Visualizing and understanding convolutional networks, ECCV 2014 (occlusion).
Zhou and Troyanskaya, Predicting effects of noncoding variants with deep learning-based sequence model, Nature Methods
2015 (of sequences).
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from polyclinic.arrays import Array
from polyclinic.evaluation.estimates import Estimate
from polyclinic.evaluation.jackknife import jackknife
from polyclinic.evaluation.measures import Measure
from polyclinic.evaluation.scores import Score
from polyclinic.inspection.permutation import answered, some_rows
from polyclinic.outcomes.outcome import Outcome
from polyclinic.packages.fitted import Fitted
from polyclinic.samples import Samples
from polyclinic.samples.blankable import Blankable
from polyclinic.samples.splits import Fold

MOST_PARTS = 2_000
"""Parts that are made unknown at most, each of which has the held-out rows answered anew."""


@dataclass(frozen=True, slots=True)
class PartLoss:
    """What one part of the inputs is worth.

    Attributes
    ----------
    part
        Its name.
    loss
        By how much the score gets worse where the part is not known, with its interval over groups.
    """

    part: str
    loss: Estimate


@dataclass(frozen=True, slots=True)
class Deletion:
    """The losses of all parts of the inputs, in their order; score: the name of the measure."""

    inputs: str
    outcome: str
    score: str
    losses: Sequence[PartLoss]


def deletions(
    fits: Sequence[tuple[Fitted, Fold]],
    samples: Samples,
    outcome: Outcome,
    readers: Iterable[tuple[str, object]],
    *,
    groups: Array,
    seed: int = 0,
) -> list[Deletion]:
    """Make each part of the inputs unknown and score the held-out rows anew.

    Parameters
    ----------
    fits
        The fitted model of each fold, with the fold: its test rows are answered.
    samples
        All rows, with their targets.
    readers
        Name → inputs; those that are `Blankable` are looked at.
    groups
        [row], what the intervals are over.

    Returns
    -------
    One entry for each of the inputs that have parts; none where answers are files.
    """
    if not fits or not outcome.answer_columns:
        return []
    blankable = [(name, reader) for name, reader in readers if isinstance(reader, Blankable)]
    parts = [(fitted, some_rows(fold.test, len(fits))) for fitted, fold in fits]
    measure = outcome.measures[0]
    return [
        Deletion(name, outcome.kind, measure.name, losses)
        for name, reader in blankable
        if (losses := _losses(reader, parts, samples, outcome, measure, groups, seed))
    ]


def _losses(
    reader: Blankable,
    parts: Sequence[tuple[Fitted, Array]],
    samples: Samples,
    outcome: Outcome,
    measure: Measure,
    groups: Array,
    seed: int,
) -> list[PartLoss]:
    rows = [(fitted, samples.take(at)) for fitted, at in parts]
    own = pl.concat([answered(fitted, part, part, outcome) for fitted, part in rows])
    scores: dict[str, Score] = {"": outcome.scores(own)[measure.name]}
    blanked = [reader.blanked(part) for _, part in rows]
    for name, tables in _in_step(blanked):
        tables_of_fits = zip(rows, tables, strict=True)
        answers = pl.concat([answered(fitted, changed, part, outcome) for (fitted, part), changed in tables_of_fits])
        scores[name] = outcome.scores(answers)[measure.name]
    replicates = jackknife(scores, groups[np.concatenate([at for _, at in parts])], seed=seed)
    turned = measure.better == "low"
    names = [name for name in scores if name]
    return [PartLoss(name, replicates.difference(*((name, "") if turned else ("", name)))) for name in names]


def _in_step(blanked: Sequence[Iterator[tuple[str, Samples]]]) -> Iterator[tuple[str, list[Samples]]]:
    """The name of each part, and the rows of every fold without it."""
    for number, each in enumerate(zip(*blanked, strict=True)):
        if number >= MOST_PARTS:
            return
        yield each[0][0], [rows for _, rows in each]
