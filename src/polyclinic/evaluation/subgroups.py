"""Where a model fails: its scores in each level of each column, and how far each level differs from the rest."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from polyclinic.arrays import Array
from polyclinic.evaluation.evaluated import Gap, Subgroup, SubgroupScores
from polyclinic.evaluation.jackknife import jackknife, levels
from polyclinic.evaluation.scored_rows import ScoredRows
from polyclinic.evaluation.scores import Score, restricted
from polyclinic.notes import note

FALSE_DISCOVERIES = 0.05
"""The share of false findings that is accepted among the gaps that are called clear."""


@dataclass(frozen=True, eq=False)
class SubgroupAnalysis:
    """The subgroups of one model's test rows.

    Attributes
    ----------
    scores
        A model's weighted scores of some rows, by name.
    classes
        The class of each test row, [row]; None where there are none.
    in_use
        What the outcome looks at beside the scores; None: nothing.
    least
        Groups (patients) below which a subgroup is too small to be judged.
    """

    outcome: str
    primary: str
    model: str
    rows: ScoredRows
    scores: Callable[[ScoredRows, str], Mapping[str, Score]]
    classes: Array | None
    in_use: SubgroupScores | None
    least: int
    seed: int

    def subgroups(self, columns: Mapping[str, Array]) -> list[Subgroup]:
        """One entry a level; columns: [row] values by name, as the test rows stand."""
        parts = [(column, level, rows) for column, values in columns.items() for level, rows in _levels(column, values)]
        entries = [self._subgroup(column, level, rows) for column, level, rows in parts]
        sizes = [(rows, not entry.too_small) for (_, _, rows), entry in zip(parts, entries, strict=True)]
        gaps = controlled([self._gaps(rows) if judged else [] for rows, judged in sizes])
        return [replace(entry, gaps=tuple(own)) for entry, own in zip(entries, gaps, strict=True)]

    def _subgroup(self, column: str, level: str, rows: Array) -> Subgroup:
        part = self.rows.take(rows)
        scores = dict(self.scores(part, self.model))
        further = {} if self.in_use is None else {n: s for n, s in self.in_use.scores(rows).items() if n not in scores}
        classes = None if self.classes is None else self.classes[rows]
        replicates = jackknife({**scores, **further}, part.groups, classes=classes, seed=self.seed)
        small = replicates.groups < self.least or not replicates.estimate(self.primary).has_interval
        return Subgroup(
            column=column,
            level=level,
            n=replicates.rows,
            groups=replicates.groups,
            outcome=self.outcome,
            model=self.model,
            too_small=small,
            scores={name: replicates.estimate(name) for name in scores},
            positive=None if classes is None or classes.max(initial=0) > 1 else int(classes.sum()),
            in_use={} if small else {name: replicates.estimate(name) for name in further},
        )

    def _gaps(self, rows: Array) -> list[Gap]:
        """Subgroup and rest on the same replicates of all groups: a patient may have rows in both."""
        rest = np.setdiff1d(np.arange(len(self.rows.groups)), rows)
        if len(np.unique(self.rows.groups[rest])) < self.least:
            return []
        sides = {"in": rows, "rest": rest}
        measures = {(side, n): restricted(s, at) for side, at in sides.items() for n, s in self._compared(at).items()}
        replicates = jackknife(measures, self.rows.groups, seed=self.seed)
        names = [name for side, name in measures if side == "in"]
        return [
            Gap(
                n,
                replicates.difference(("in", n), ("rest", n)),
                replicates.p_value(("in", n), ("rest", n)),
                None,
                False,
            )
            for n in names
        ]

    def _compared(self, rows: Array) -> dict[str, Score]:
        part = self.rows.take(rows)
        scores: dict[str, Score] = {self.primary: self.scores(part, self.model)[self.primary]}
        if self.in_use is not None:
            further = self.in_use.scores(rows)
            scores |= {name: further[name] for name in self.in_use.compared if name in further}
        return scores


def _levels(column: str, values: Array) -> Iterator[tuple[str, Array]]:
    """The levels of a column; rows without one are noted."""
    parts = list(levels(values))
    if missing := len(values) - sum(len(rows) for _, rows in parts):
        why = "They count in every other figure."
        note("rows without a subgroup", f"{missing:,} of {len(values):,} test rows have no {column}", why)
    yield from parts


def controlled(gaps: Sequence[Sequence[Gap]]) -> list[list[Gap]]:
    """The gaps with their q-values, over all subgroups and scores together.

    References
    ----------
    Benjamini and Hochberg, Controlling the false discovery rate, Journal of the Royal Statistical Society B 1995.
    """
    measured = np.array([g.p_value for each in gaps for g in each if g.p_value is not None])
    adjusted = iter(false_discovery_rates(measured).tolist())

    def with_rate(gap: Gap) -> Gap:
        if gap.p_value is None:
            return gap
        q = next(adjusted)
        return replace(gap, q_value=q, clear=q < FALSE_DISCOVERIES)

    return [[with_rate(gap) for gap in each] for each in gaps]


def false_discovery_rates(p_values: Array) -> Array:
    """The q-value of each p-value, float64 [test]: the least rate of false discoveries at which it is one itself."""
    tests = len(p_values)
    order = np.argsort(p_values, kind="stable")
    rates = p_values[order] * tests / np.arange(1, tests + 1)
    adjusted = np.empty(tests)
    adjusted[order] = np.minimum.accumulate(rates[::-1])[::-1].clip(max=1)
    return adjusted
