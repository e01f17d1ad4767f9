"""Which inputs matter: how much a score falls on held-out rows when one group of inputs is taken from other patients.

References
----------
Breiman, Random forests, Machine Learning 2001; Fisher, Rudin and Dominici, All models are wrong, but many are useful,
Journal of Machine Learning Research 2019 (of any model, on held-out rows).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np
import polars as pl

from polyclinic import seeds
from polyclinic.arrays import Array
from polyclinic.evaluation.estimates import Estimate
from polyclinic.evaluation.jackknife import jackknife
from polyclinic.outcomes.outcome import Outcome
from polyclinic.packages.fitted import Fitted
from polyclinic.samples import Column, Dense, Ragged, Samples
from polyclinic.samples.splits import Fold

MOST_ROWS = 1_000
"""Held-out rows that are answered again for each group of inputs: enough for an interval, and some seconds' work."""

FEW_CODES = 12
"""Codes that begin alike and are looked at one by one: ten vital signs, but not two hundred laboratory codes."""

MOST_GROUPS = 16
"""Groups of inputs: what a reader takes in, and what bounds the time."""


Use: TypeAlias = Literal["used", "unused", "not read"]


@dataclass(frozen=True, slots=True)
class InputImportance:
    """How much the model relies on one group of inputs.

    Attributes
    ----------
    inputs
        The column, or what the codes of a timed column begin with.
    outcome, score
        What is measured.
    loss
        By how much the score gets worse when these inputs come from other patients, with its interval over groups.
        Zero: the model does as well without them. Inputs that say the same share their importance, so that each may
        look unimportant.
    use
        Whether exchanging these inputs changes any answer: `used`; `unused`: the model reads them, and no answer
        changes; `not read`: they are not among what the model makes of a row (a code that too few rows have).
    """

    inputs: str
    outcome: str
    score: str
    loss: Estimate
    use: Use = "used"


@dataclass(frozen=True, slots=True)
class InputGroup:
    """A column, or those of its codes that begin alike (`levels`: positions of these codes)."""

    name: str
    column: str
    levels: tuple[int, ...] = ()


def permutation_importance(
    fits: Sequence[tuple[Fitted, Fold]], samples: Samples, outcome: Outcome, *, groups: Array, seed: int = 0
) -> list[InputImportance]:
    """The importance of each group of inputs of a model, most important first.

    Parameters
    ----------
    fits
        The fitted model of each fold, with the fold: its test rows are answered, which it did not learn from.
    samples
        All rows, with their targets.
    outcome
        The outcome; one whose answers are files, not numbers, is not inspected.
    groups
        [row], what the intervals are over.
    seed
        Decides whose inputs a row gets.

    Returns
    -------
    Empty where no input is dense or ragged, or where rows have no probability. At most 16 groups, on at most 1,000
    rows: those of a dense column, and of the codes of a timed column that begin alike (`LAB`, `VITAL`), the most
    frequent first.
    """
    inputs = input_groups(samples)
    if not inputs or not fits or not outcome.answer_columns:
        return []
    parts = [
        (fitted, samples.take(some), some) for (fitted, fold) in fits for some in [some_rows(fold.test, len(fits))]
    ]
    rows = np.concatenate([some for *_, some in parts])
    primary, own = outcome.measures[0], pl.concat([answered(fitted, part, part, outcome) for fitted, part, _ in parts])
    measures, uses = {"": outcome.scores(own)[primary.name]}, dict[str, Use]()
    for group in inputs:
        exchange = [(fitted, part, _permuted(part, group, groups[some], seed)) for fitted, part, some in parts]
        answers = pl.concat([answered(fitted, permuted, part, outcome) for fitted, part, permuted in exchange])
        measures[group.name] = outcome.scores(answers)[primary.name]
        uses[group.name] = _use(exchange) if answers.equals(own) else "used"
    replicates = jackknife(measures, groups[rows], seed=seed)
    sides = ("{0}", "") if primary.better == "low" else ("", "{0}")
    pairs = {group.name: tuple(side.format(group.name) for side in sides) for group in inputs}
    losses = [
        InputImportance(name, outcome.kind, primary.name, replicates.difference(*pair), uses[name])
        for name, pair in pairs.items()
    ]
    return sorted(losses, key=lambda one: -(one.loss.value or 0.0))


def input_groups(samples: Samples) -> list[InputGroup]:
    """The groups of inputs, dense columns first, then the most frequent codes; at most 16."""
    inputs = samples.inputs.items()
    groups = [InputGroup(name, name) for name, column in inputs if isinstance(column, Dense)]
    for name, column in inputs:
        if isinstance(column, Ragged) and "code" in column.levels and column.of is None:
            groups += _by_prefix(name, column)
    return groups[:MOST_GROUPS]


def _by_prefix(name: str, column: Ragged) -> list[InputGroup]:
    """Codes by what stands before `//`, or by themselves where few begin alike; the most frequent first."""
    used = np.bincount(column.values["code"].astype(np.int64), minlength=len(column.levels["code"]))
    prefixes: dict[str, list[int]] = {}
    for level in np.flatnonzero(used).tolist():
        prefixes.setdefault(str(column.levels["code"][level]).partition("//")[0], []).append(level)
    groups: list[InputGroup] = []
    for prefix, levels in prefixes.items():
        alone = len(levels) <= FEW_CODES
        parts = [(str(column.levels["code"][n]), [n]) for n in levels] if alone else [(prefix, levels)]
        groups += [InputGroup(part, name, tuple(members)) for part, members in parts]
    return sorted(groups, key=lambda group: -int(used[list(group.levels)].sum()))


def _use(exchange: Sequence[tuple[Fitted, Samples, Samples]]) -> Use:
    """Why exchanging inputs changes no answer: the model does not read them, or reads them in vain.

    exchange: each fitted model, its rows, and the same rows with inputs of others.
    """
    for fitted, rows, permuted in exchange:
        for own, other in zip(fitted.batches(rows), fitted.batches(permuted), strict=True):
            read = fitted.encoded(own), fitted.encoded(other)
            if not all(np.array_equal(value, read[1][name], equal_nan=True) for name, value in read[0].items()):
                return "unused"
    return "not read"


def some_rows(rows: Array, folds: int) -> Array:
    """Every k-th row, so that all patients stay in."""
    return np.sort(rows)[:: max(1, -(-len(rows) * folds // MOST_ROWS))]


def answered(fitted: Fitted, rows: Samples, labelled: Samples, outcome: Outcome) -> pl.DataFrame:
    """What a model predicts for rows, beside the truth of the same rows as they were."""
    answers = fitted.predict(rows, outcome, folder=Path())
    return outcome.truth(labelled).drop(answers.columns, strict=False).hstack(answers)


def _permuted(rows: Samples, group: InputGroup, groups: Array, seed: int) -> Samples:
    """The rows with one group of inputs from other rows."""
    order = other_groups(groups, seeds.generator(seed, "permutation", group.name))
    column = rows.columns[group.column]
    if isinstance(column, Ragged):
        changed: Column = exchanged(column, group.levels, order, rows.time)
    else:
        changed = column.take(order)
    return rows.with_column(group.column, changed, "input")


def other_groups(groups: Array, rng: np.random.Generator) -> Array:
    """A row of another group for each row, wherever that can be had: the rows by group, turned half way round."""
    _, place = np.unique(groups, return_inverse=True)
    shuffled = rng.permutation(int(place.max(initial=-1)) + 1)
    order = np.lexsort((rng.random(len(place)), shuffled[place]))
    other = np.empty(len(place), np.int64)
    other[order] = np.roll(order, len(order) // 2)
    return other


def exchanged(column: Ragged, levels: Sequence[int], order: Array, time: Array | None) -> Ragged:
    """Each row's own elements, but those of some codes from row `order[row]`, moved so that they are as old as there."""
    row, position = column.elements()
    chosen = np.isin(column.values["code"][position], levels)
    receiver = np.empty(len(order), np.int64)
    receiver[order] = np.arange(len(order))
    new_row = np.where(chosen, receiver[row], row)
    values: Mapping[str, Array] = {name: field[position] for name, field in column.values.items()}
    if time is not None and "time" in values:
        when = time.astype("datetime64[us]").astype(np.int64)
        values = {**values, "time": values["time"] + when[new_row] - when[row]}
    keys = (values["time"], new_row) if "time" in values else (new_row,)
    sorting = np.lexsort(keys)
    stop = np.cumsum(np.bincount(new_row, minlength=len(column)))
    start = np.append(0, stop[:-1]).astype(np.int64)
    return replace(column, start=start, stop=stop, values={name: field[sorting] for name, field in values.items()})
