"""What an evaluation results in: frozen records of numbers, which the report composes."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Literal, TypeAlias

from polyclinic.evaluation.concentration import Concentration
from polyclinic.evaluation.decision import Reached
from polyclinic.evaluation.estimates import Estimate

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
        The name of the score; `sensitivity`, `specificity` and `ppv` are at the one threshold.
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


@dataclass(frozen=True, slots=True)
class SubgroupCalibration:
    """observed_expected: positives observed for each one predicted, 1 is perfect; slope: of the recalibration line."""

    observed_expected: Estimate
    slope: Estimate


@dataclass(frozen=True, slots=True)
class Subgroup:
    """The chosen model in one level of one column.

    Attributes
    ----------
    n, groups, positive
        How many rows, groups (patients) and positive rows; `positive` is None where the answer is not yes or no.
    too_small
        Whether it has fewer groups than a subgroup needs, or a score without an interval. It is named, not hidden.
    scores
        Score → estimate.
    operating
        Sensitivity, specificity and ppv at the one threshold of the model; empty where there is none.
    calibration
        Level and slope; None where the answer is no probability, or the subgroup is too small.
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
    operating: Mapping[str, Estimate] = field(default_factory=dict)
    calibration: SubgroupCalibration | None = None
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
class Evaluated:
    """One outcome, evaluated. Names of fields are those of `report.json`.

    Attributes
    ----------
    roles
        Model → model or baseline.
    chosen
        Outcome → the model that validation chose.
    models
        Model → outcome → scores.
    choosing
        Outcome → what choosing costs; empty without folds, or without validation rows.
    calibration, operating, decision, curves
        Empty where the answer is not one probability a row.
    prevalence
        Outcome → the share of positive test rows: what AUPRC and Brier score are to be read beside.
    concentration
        How the test rows are spread over the groups that the intervals are over; None without rows.
    """

    roles: Mapping[str, str]
    chosen: Mapping[str, str]
    seed: int
    models: Mapping[str, Mapping[str, ModelScores]]
    comparisons: Sequence[Comparison]
    subgroups: Sequence[Subgroup]
    choosing: Mapping[str, Choosing] = field(default_factory=dict)
    calibration: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    operating: Sequence[OperatingPoint] = ()
    decision: Mapping[str, object] = field(default_factory=dict)
    curves: Mapping[str, object] = field(default_factory=dict)
    prevalence: Mapping[str, Estimate] = field(default_factory=dict)
    concentration: Concentration | None = None

    def document(self) -> dict[str, object]:
        """The same as mappings and lists, as JSON has them."""
        return {key: _plain(value) for key, value in asdict(self).items()}


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, (list, tuple)) else value
