"""From a table of predictions to the numbers of the report, whoever made the predictions.

Nothing here knows what kind of answer it evaluates: an outcome says how its answers are scored, and what else is looked
at.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Protocol

import numpy as np
import polars as pl

from polyclinic.arrays import Array
from polyclinic.decisions import Decision
from polyclinic.evaluation.choosing import Measurable, chosen_rows
from polyclinic.evaluation.concentration import concentration
from polyclinic.evaluation.estimates import Estimate
from polyclinic.evaluation.evaluated import (
    Choosing,
    Comparison,
    Evaluated,
    MeasureFacts,
    ModelScores,
    Subgroup,
    SubgroupScores,
)
from polyclinic.evaluation.evaluated_rows import Cases, EvaluatedRows
from polyclinic.evaluation.jackknife import Jackknife, jackknife
from polyclinic.evaluation.outcome_section import OutcomeSection
from polyclinic.evaluation.predictions import labelled
from polyclinic.evaluation.scored_rows import ScoredRows
from polyclinic.evaluation.scores import Score, finite, of_all
from polyclinic.evaluation.settings import Evaluation
from polyclinic.evaluation.subgroups import SubgroupAnalysis
from polyclinic.notes import note
from polyclinic.samples.splits import HELD_OUT


class Evaluable(Measurable, Protocol):
    """An outcome, as far as it evaluates predictions; see `polyclinic.outcomes.outcome.Outcome`."""

    @property
    def kind(self) -> str: ...

    @property
    def answer_columns(self) -> tuple[str, ...]: ...

    def without_a_model(self, frame: pl.DataFrame) -> Mapping[str, float]: ...

    def support(self, frame: pl.DataFrame) -> Array | None: ...

    def in_use(self, rows: EvaluatedRows, model: str) -> SubgroupScores | None: ...

    def calibration(self, rows: EvaluatedRows) -> Mapping[str, Mapping[str, object]]: ...

    def sections(self, rows: EvaluatedRows) -> Sequence[OutcomeSection]: ...


@dataclass(frozen=True, eq=False)
class Evaluator:
    """One outcome of a study under evaluation.

    Attributes
    ----------
    choices
        Fold → the model that the rows outside its test part choose.
    """

    outcome: Evaluable
    rows: EvaluatedRows
    choices: Mapping[str, str] = field(default_factory=dict)

    @property
    def test(self) -> ScoredRows:
        """The test rows."""
        return self.rows.test

    def replicates(self, part: ScoredRows, models: Iterable[str]) -> Jackknife[tuple[str, str]]:
        """Every score of these models, on shared replicates."""
        scores = {(m, name): score for m in models for name, score in self.scores(part, m).items()}
        return jackknife(scores, part.groups, classes=self.classes(part), seed=self.rows.seed)

    def classes(self, part: ScoredRows) -> Array | None:
        """The class of each row; None where the outcome has no classes, or nothing is scored."""
        return self.outcome.support(next(iter(part.frames.values()))) if part.frames else None

    def scores(self, part: ScoredRows, model: str) -> dict[str, Score]:
        """Weighted scores of a model's rows; those that see only the order, of its rows as one tie if it is `tied`."""
        scores = dict(self.outcome.scores(part.frames[model]))
        tied = self.outcome.scores(part.tied[model]) if model in part.tied else {}
        return scores | {name: tied[name] for name in self.ranking if name in tied}

    @property
    def ranking(self) -> list[str]:
        """The names of the scores that see only the order of the answers."""
        return [measure.name for measure in self.outcome.measures if measure.ranks]

    def models(self, replicates: Mapping[str, Jackknife[tuple[str, str]]]) -> dict[str, ModelScores]:
        """Model → its scores on each split with their intervals, and those of each test fold."""
        parts = self.rows.validation, self.test
        names = [model for model in self.rows.roles if any(model in part.frames for part in parts)]
        scores: dict[str, dict[str, dict[str, Estimate]]] = {
            model: {split: {} for split in replicates} for model in names
        }
        for split, one in replicates.items():
            for model, score in one.points:
                scores[model][split][score] = one.estimate((model, score))
        folds = {model: self.folds(frame) for model, frame in self.test.frames.items()}
        return {model: ModelScores(**scores[model], folds=folds.get(model, ())) for model in names}

    def folds(self, frame: pl.DataFrame) -> list[dict[str, Estimate]]:
        """The scores of each fold by itself, without intervals; none where there is one."""
        pieces = frame.sort("fold", maintain_order=True).partition_by("fold", maintain_order=True)
        return [self._without_intervals(piece) for piece in pieces] if len(pieces) > 1 else []

    def _without_intervals(self, frame: pl.DataFrame) -> dict[str, Estimate]:
        scores, rows = self.outcome.scores(frame).items(), frame.height
        return {name: Estimate(finite(of_all(score, rows)), n=rows) for name, score in scores}

    def comparisons(self, replicates: Jackknife[tuple[str, str]]) -> list[Comparison]:
        """The chosen model minus every other, and every model minus every baseline, on the same replicates."""
        chosen, roles = self.rows.chosen, self.rows.roles
        others = [model for model in self.test.frames if model != chosen]
        pairs = [(chosen, b) for b in others if chosen in self.test.frames]
        pairs += [(a, b) for a in others for b in others if (roles[a], roles[b]) == ("model", "baseline")]
        name = self.rows.outcome
        return [
            Comparison(a, b, name, "test", score, replicates.difference((a, score), (b, score)))
            for a, b in pairs
            for model, score in replicates.points
            if model == a
        ]

    def subgroups(self, strata: Mapping[str, Array]) -> list[Subgroup]:
        """The chosen model in each level of each stratum."""
        analysis = SubgroupAnalysis(
            outcome=self.rows.outcome,
            primary=self.outcome.measures[0].name,
            model=self.rows.chosen,
            rows=self.test,
            scores=self.scores,
            classes=self.classes(self.test),
            in_use=self.in_use,
            least=self.rows.settings.min_subjects,
            seed=self.rows.seed,
        )
        names = self.rows.settings.subgroup_names
        return analysis.subgroups({name: np.asarray(strata[name])[self.test.place] for name in names})

    def choosing(self) -> Choosing | None:
        """What choosing among the models costs, on test rows; None where there is nothing to choose again."""
        if not self.choices or self.rows.chosen not in self.test.frames:
            return None
        rows = chosen_rows(self.test.frames, self.choices)
        nested = dict(self.outcome.scores(rows))
        if all(model in self.test.tied for model in self.choices.values()):
            tied = self.outcome.scores(chosen_rows(self.test.tied, self.choices))
            nested |= {name: tied[name] for name in self.ranking if name in tied}
        scores = {("chosen", name): score for name, score in self.scores(self.test, self.rows.chosen).items()}
        scores |= {("nested", name): score for name, score in nested.items()}
        replicates = jackknife(scores, self.test.groups, classes=self.classes(self.test), seed=self.rows.seed)
        return Choosing(
            by_fold=dict(self.choices),
            nested={name: replicates.estimate(("nested", name)) for name in nested},
            optimism={name: replicates.difference(("chosen", name), ("nested", name)) for name in nested},
        )

    def measures(self) -> dict[str, MeasureFacts]:
        """What a reader must know of each score, those of subgroups last."""
        some = next(iter(self.test.frames.values()), None)
        chance = {} if some is None else self.outcome.without_a_model(some)
        facts = {measure.name: MeasureFacts.of(measure, chance.get(measure.name)) for measure in self.outcome.measures}
        further = self.in_use.measures if self.in_use else ()
        return facts | {one.name: MeasureFacts.of(one) for one in further if one.name not in facts}

    @cached_property
    def in_use(self) -> SubgroupScores | None:
        """What the outcome looks at in subgroups of the chosen model; None: nothing, or no such rows."""
        chosen = self.rows.chosen
        return self.outcome.in_use(self.rows, chosen) if chosen in self.test.frames else None

    def evaluated(self, strata: Mapping[str, Array]) -> Evaluated:
        """Everything that is measured of this outcome."""
        parts = {"validation": self.rows.validation, "test": self.test}
        replicates = {split: self.replicates(part, part.frames) for split, part in parts.items()}
        classes = self.classes(self.test)
        positive = None if classes is None or classes.max(initial=0) > 1 else classes
        spread = concentration(self.rows.group, self.test.groups, positive)
        return Evaluated(
            name=self.rows.outcome,
            measures=self.measures(),
            roles=dict(self.rows.roles),
            chosen=self.rows.chosen,
            constant=tuple(self.test.tied),
            seed=self.rows.seed,
            models=self.models(replicates),
            comparisons=self.comparisons(replicates["test"]),
            subgroups=self.subgroups(strata) if self.rows.chosen in self.test.frames else (),
            choosing=self.choosing(),
            calibration=self.outcome.calibration(self.rows),
            sections=[*self.outcome.sections(self.rows), OutcomeSection("evidence", {"concentration": spread})],
        )


def evaluate(
    predictions: pl.DataFrame,
    outcome: Evaluable,
    settings: Evaluation,
    *,
    row_id: Array,
    groups: Mapping[str, Array],
    strata: Mapping[str, Array],
    roles: Mapping[str, str],
    chosen: str,
    name: str = "",
    choices: Mapping[str, str] | None = None,
    shipped: Mapping[str, Decision | None] | None = None,
    decisions_in_file: bool = False,
    cases: Cases | None = None,
    seed: int = 0,
) -> Evaluated:
    """Everything that is measured of one outcome.

    Parameters
    ----------
    predictions
        The predictions table with the labels in it; rows that the package answered are never scored.
    row_id, groups, strata
        [row] of the samples.
    roles
        Model → model or baseline, in the order of the page.
    chosen, choices
        The model that all validation rows choose, and fold → the one chosen for it; see `evaluation.choosing`.
    name
        Of the outcome in the report; its kind if left out.
    shipped, decisions_in_file, cases
        As in `EvaluatedRows`.

    Raises
    ------
    UnknownName
        For a group or a stratum that is not there.
    """
    settings.check_names(groups, strata)
    if settings.bootstrap is not None:
        why = "Intervals come from leaving out groups; write `intervals: {over: …}` in place of `bootstrap`."
        note("evaluation.bootstrap.resamples", "has no effect", why, "detail")
    over, group = settings.interval_groups(groups, row_id), settings.over or next(iter(groups), "row")
    rows = labelled(predictions.filter(pl.col("fold") != "package"), outcome)
    rows = rows.filter(pl.col("refused").is_null()) if "refused" in rows.columns else rows
    answers = outcome.answer_columns
    validation, test = (ScoredRows.of(rows, split, roles, row_id, over, answers) for split in HELD_OUT)
    evaluated = EvaluatedRows(
        name or outcome.kind, settings, roles, chosen, seed, group, validation, test, shipped, decisions_in_file, cases
    )
    return Evaluator(outcome, evaluated, choices or {}).evaluated(strata)
