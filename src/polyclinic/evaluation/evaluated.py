"""What an evaluation results in: frozen records of numbers, which the report composes."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from polyclinic.arrays import Array
from polyclinic.evaluation.decision import Reached
from polyclinic.evaluation.estimates import Estimate
from polyclinic.evaluation.measures import Measure, Show
from polyclinic.evaluation.outcome_section import OutcomeSection
from polyclinic.evaluation.scores import Score, finite

Basis: TypeAlias = Literal["threshold", "decisions in the file"]


@dataclass(frozen=True, slots=True)
class ModelScores:
    """The scores of one model, on validation and on test rows; `folds`: on each test fold by itself."""

    validation: Mapping[str, Estimate] = field(default_factory=dict)
    test: Mapping[str, Estimate] = field(default_factory=dict)
    folds: Sequence[Mapping[str, Estimate]] = ()


@dataclass(frozen=True, slots=True)
class Comparison:
    """The paired difference in one score: model `a` minus model `b`, on the same rows and the same replicates."""

    a: str
    b: str
    outcome: str
    split: str
    score: str
    difference: Estimate


@dataclass(frozen=True, slots=True)
class OperatingPoint:
    """A model at one threshold, or at the decisions that stand beside its predictions.

    Attributes
    ----------
    rule
        The required value, such as {"specificity": 0.9}; empty where decisions of the file are taken as they are.
    threshold
        The one that ships, learned from all validation rows: at and above it a score is an alert. None where the rule
        gives none.
    fold_thresholds
        Fold → the threshold of its test rows, learned from validation rows of other groups. What is measured here is
        measured at these.
    reached
        Whether the rule is kept on test rows; None where the rule is a threshold itself, and where these rows chose it.
    chosen_on
        The rows that the threshold was chosen on: validation, or test where there are no others; empty where it was not
        chosen here.
    basis
        What makes a row an alert: a score at or above the threshold, or the decision that the file holds.
    scores
        Sensitivity, specificity, ppv and npv on test rows.
    alerts_per_100
        Alerts per 100 test rows, with their interval in `alerts_interval`.
    alerts_per_day, false_alerts_per_day
        Alerts for each day that a patient is watched; None where rows are not questions on a grid of times.
    """

    model: str
    outcome: str
    rule: Mapping[str, float]
    threshold: float | None
    chosen_on: str
    scores: Mapping[str, Estimate]
    alerts_per_100: float | None
    alerts_interval: Estimate
    alerts_per_day: Estimate | None = None
    false_alerts_per_day: Estimate | None = None
    fold_thresholds: Mapping[str, float | None] = field(default_factory=dict)
    reached: Reached | None = None
    basis: Basis = "threshold"


@dataclass(frozen=True, slots=True)
class Gap:
    """How far a subgroup differs from all other rows in one score.

    Attributes
    ----------
    score
        The name of the score.
    difference
        Subgroup minus the rest.
    p_value
        How often so large a difference comes about by chance; None without an interval.
    q_value
        The share of false findings among all gaps that are at least as clear (Benjamini and Hochberg 1995).
    clear
        Whether `q_value` is below 0.05.
    """

    score: str
    difference: Estimate
    p_value: float | None
    q_value: float | None
    clear: bool


@dataclass(frozen=True, eq=False)
class SubgroupScores:
    """What an outcome looks at in each subgroup beside its scores: level, decisions.

    Attributes
    ----------
    scores
        Positions among the test rows → name of a measure → weighted score of these rows.
    measures
        What these are, in the order of the table.
    compared
        The names of those in which a subgroup is also compared with all other rows.
    """

    scores: Callable[[Array], Mapping[str, Score]]
    measures: Sequence[Measure] = ()
    compared: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Subgroup:
    """The chosen model in one level of one column.

    Attributes
    ----------
    n, groups, positive
        How many rows, groups (patients) and positive rows; `positive` is None where rows are of no two classes.
    too_small
        Whether it has fewer groups than a subgroup needs, or a score without an interval. It is named, not hidden.
    scores
        Score → estimate.
    in_use
        Score → estimate of what the outcome looks at beside its scores: level, slope, sensitivity at the one threshold.
    gaps
        How it differs from the rest; empty where either is too small.
    """

    column: str
    level: str
    n: int
    groups: int
    outcome: str
    model: str
    too_small: bool
    scores: Mapping[str, Estimate]
    positive: int | None = None
    in_use: Mapping[str, Estimate] = field(default_factory=dict)
    gaps: Sequence[Gap] = ()


@dataclass(frozen=True, slots=True)
class Choosing:
    """What choosing among models costs, measured by choosing anew for each fold.

    Attributes
    ----------
    by_fold
        Fold → the model that the validation rows outside its test part choose.
    nested
        Score → estimate for test rows, each as the model chosen for its fold has it: what the whole procedure reaches.
    optimism
        Score → the chosen model minus that, on the same replicates: how much choosing flatters it.
    """

    by_fold: Mapping[str, str]
    nested: Mapping[str, Estimate]
    optimism: Mapping[str, Estimate]


@dataclass(frozen=True, slots=True)
class MeasureFacts:
    """What a reader must know of a score; see `polyclinic.evaluation.measures.Measure`.

    Attributes
    ----------
    chance
        Its value without any model, on the test rows where these decide it; None where it is not known.
    """

    title: str
    better: str
    unit: str = ""
    chance: float | None = None
    ranks: bool = False
    show: Show = "figure"

    @classmethod
    def of(cls, measure: Measure, chance: float | None = None) -> "MeasureFacts":
        """The facts of a measure; chance: on these rows, where it depends on them."""
        known = measure.chance if chance is None else finite(chance)
        return cls(measure.title, measure.better, measure.unit, known, measure.ranks, measure.show)


@dataclass(frozen=True, slots=True)
class Evaluated:
    """One outcome, evaluated. Names of fields are those of `report.json`, where `name` is a key.

    Attributes
    ----------
    name
        Of the outcome.
    measures
        Score → its title, direction, unit; the first one compares models.
    roles
        Model → model or baseline.
    chosen
        The model that validation chose.
    constant
        The models that give every row of a fold the same answer.
    models
        Model → scores.
    choosing
        What choosing costs; None without folds, or without validation rows.
    calibration
        Model → before and after the adjustment; empty where the outcome knows no calibration.
    sections
        What the outcome shows of its kind of answer, and what the evidence rests on.
    """

    name: str
    measures: Mapping[str, MeasureFacts]
    roles: Mapping[str, str]
    chosen: str
    constant: Sequence[str]
    seed: int
    models: Mapping[str, ModelScores]
    comparisons: Sequence[Comparison]
    subgroups: Sequence[Subgroup]
    choosing: Choosing | None = None
    calibration: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    sections: Sequence[OutcomeSection] = ()
