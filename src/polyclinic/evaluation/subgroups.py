"""Where a model fails: its scores in each level of each column, and how far each level differs from the rest."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from polyclinic.arrays import Array
from polyclinic.evaluation.calibration import line
from polyclinic.evaluation.evaluated import Gap, Subgroup, SubgroupCalibration
from polyclinic.evaluation.jackknife import jackknife, levels
from polyclinic.evaluation.scored_rows import ScoredRows
from polyclinic.evaluation.scores import Score, at_alerts, observed_expected, restricted
from polyclinic.notes import note

FALSE_DISCOVERIES = 0.05
"""The share of false findings that is accepted among the gaps that are called clear."""


@dataclass(frozen=True, eq=False)
class SubgroupAnalysis:
    """The subgroups of one model's test rows.

    Attributes
    ----------
    measures
        A model's weighted scores of some rows, by name.
    probabilities
        Labels and probabilities of some rows; None where the answer is no probability.
    alerts
        Whether each test row is an alert, bool [row]; None where nothing says so.
    least
        Groups (patients) below which a subgroup is too small to be judged.
    """

    outcome: str
    primary: str
    model: str
    rows: ScoredRows
    measures: Any
    probabilities: Any
    alerts: Array | None
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
        scores: dict[str, Score] = dict(self.measures(part, self.model))
        names, pair = list(scores), self.probabilities(part, self.model) if self.probabilities else None
        measures = {**scores, **(self._binary(pair[0], pair[1], rows) if pair else {})}
        replicates = jackknife(measures, part.groups, y_true=pair[0] if pair else None, seed=self.seed)
        estimated = {name: replicates.estimate(name) for name in measures}
        small = replicates.groups < self.least or not estimated[self.primary].has_interval
        calibration = SubgroupCalibration(estimated["observed_expected"], estimated["slope"]) if pair else None
        return Subgroup(
            column=column,
            level=level,
            n=replicates.rows,
            groups=replicates.groups,
            outcome=self.outcome,
            model=self.model,
            too_small=small,
            scores={name: estimated[name] for name in names},
            positive=int(pair[0].sum()) if pair else None,
            operating={name: estimated[name] for name in AT_THRESHOLD if name in estimated},
            calibration=None if small else calibration,
        )

    def _binary(self, y_true: Array, probability: Array, rows: Array) -> dict[str, Score]:
        fit = {"slope": line(y_true, probability)["slope"], "observed_expected": observed_expected(y_true, probability)}
        if self.alerts is None:
            return fit
        at = at_alerts(y_true, self.alerts[rows])
        return fit | {name: at[name] for name in AT_THRESHOLD}

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
        scores: dict[str, Score] = {self.primary: self.measures(part, self.model)[self.primary]}
        if not self.probabilities:
            return scores
        y_true, probability = self.probabilities(part, self.model)
        scores["observed_expected"] = observed_expected(y_true, probability)
        if self.alerts is not None:
            scores["sensitivity"] = at_alerts(y_true, self.alerts[rows])["sensitivity"]
        return scores


AT_THRESHOLD = ("sensitivity", "specificity", "ppv")


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
