"""What a report says of the models: scores, differences, calibration, subgroups, checks and gates."""

from typing import Annotated, Literal, TypeAlias

from pydantic import AliasChoices, BeforeValidator, Field, ValidationInfo, field_validator

from polyclinic.notes import Level
from polyclinic.reports.quantities import Count, Name, Number, Record, Score, Text, score_of

Scores: TypeAlias = dict[Name, Score]
AnyScore: TypeAlias = Annotated[Score, BeforeValidator(score_of)]
"""A score; a bare number is one without an interval."""
GateState: TypeAlias = Literal["passed", "failed", "undecided", "not tested"]


class ModelScores(Record):
    """The scores of one model and one outcome on each split, and on each test fold by itself."""

    train: Scores = Field(default_factory=dict)
    validation: Scores = Field(default_factory=dict)
    test: Scores = Field(default_factory=dict)
    folds: list[Scores] = Field(default_factory=list)

    def of(self, split: str) -> Scores:
        """Score name → score on the rows of a split."""
        return {"train": self.train, "validation": self.validation, "test": self.test}.get(split, {})


class MeasureRecord(Record):
    """What a reader must know of a score; see `polyclinic.evaluation.measures.Measure`."""

    title: Name
    better: Annotated[str, Field(pattern=r"^(high|low|near:-?[0-9.e+-]+)$", max_length=40)] = "high"
    unit: Name = ""
    chance: Number | None = None
    ranks: bool = False
    show: Literal["figure", "table"] = "figure"

    @property
    def axis(self) -> str:
        """The words under an axis: title, unit, and the direction where it is not upwards."""
        titled = f"{self.title} ({self.unit})" if self.unit else self.title
        words = {"high": titled, "low": f"{titled} (lower is better)"}
        return words.get(self.better, f"{titled} (best is {self.better.removeprefix('near:')})")


class Comparison(Record):
    """The paired difference in one score: model `a` minus model `b`, on the same rows and the same replicates."""

    a: Name
    b: Name
    outcome: Name
    score: Name
    difference: Score
    split: Name = "test"


class Choosing(Record):
    """What choosing among models costs, measured by choosing anew for each fold.

    Attributes
    ----------
    by_fold
        Fold → the model that the validation rows outside its test part choose.
    nested
        Scores of test rows, each as the model chosen for its fold has it: what the whole procedure reaches.
    optimism
        The chosen model minus that: how much choosing flatters it.
    """

    by_fold: dict[Name, Name]
    nested: Scores
    optimism: Scores


class CalibrationPoint(Record):
    """One bin: the mean prediction, and the share that was observed with its interval, all from 0 to 1."""

    predicted: Number | None
    observed: Number | None
    low: Number | None = None
    high: Number | None = None
    n: Count = 0


class CalibrationResult(Record):
    """How probabilities of one kind are calibrated.

    Attributes
    ----------
    slope, intercept
        Of the recalibration line (Cox 1958); 1 and 0 are perfect.
    observed_expected
        The observed number of events divided by the expected one; 1 is perfect, below 1 the model predicts too many.
    in_the_large
        Calibration-in-the-large: the intercept at a slope of 1; 0 is perfect.
    ece
        The mean gap between predicted and observed share over the bins, 0 to 1.
    curve
        One point a bin.
    """

    # The evaluation hands on the slope as a bare number, with its interval beside it.
    slope: Annotated[AnyScore, Field(validation_alias=AliasChoices("slope_interval", "slope"))] = Score()
    intercept: AnyScore | None = None
    observed_expected: AnyScore | None = None
    in_the_large: AnyScore | None = None
    ece: AnyScore | None = None
    curve: Annotated[list[CalibrationPoint], Field(max_length=1_000)] = Field(default_factory=list)


class Calibrations(Record):
    """before: the probabilities as the model gave them; after: recalibrated, where they were."""

    before: CalibrationResult | None = None
    after: CalibrationResult | None = None

    @property
    def recalibrated(self) -> bool:
        """Whether recalibration changed anything."""
        return self.before is not None and self.after is not None and self.before != self.after

    @property
    def left_as_they_were(self) -> bool:
        """Whether recalibration was tried and the probabilities were kept."""
        return self.before is not None and self.before == self.after

    @property
    def current(self) -> CalibrationResult | None:
        """The calibration of the probabilities that the model gives in use."""
        return self.after or self.before

    @property
    def by_name(self) -> dict[str, CalibrationResult]:
        """In words → calibration: of the probabilities in use first, then of those before recalibration."""
        if self.recalibrated and self.after and self.before:
            return {"after recalibration": self.after, "before recalibration": self.before}
        return {"without recalibration": self.current} if self.current else {}


class Gap(Record):
    """How far a subgroup differs from all other rows in one score; see `polyclinic.evaluation.evaluated.Gap`."""

    score: Name
    difference: Score
    p_value: Number | None = None
    q_value: Number | None = None
    clear: bool = False


class Subgroup(Record):
    """The scores of the chosen model in one level of one column.

    Attributes
    ----------
    n, groups, positive
        How many rows, how many of the main group, and how many positive rows it has.
    too_small
        Whether it is too small to be judged; it is named, and not hidden.
    in_use
        What is looked at beside the scores: level, slope, sensitivity at the one threshold.
    gaps
        How it differs from all other rows; `clear` ones after control of false discoveries.
    """

    column: Name
    level: Name
    n: Count
    groups: Count | None = None
    outcome: Name = ""
    model: Name = ""
    positive: Count | None = None
    scores: Scores
    too_small: bool
    in_use: Scores = Field(default_factory=dict)
    gaps: list[Gap] = Field(default_factory=list)

    @field_validator("scores", "in_use")
    @classmethod
    def _no_scores_of_a_hidden_group(cls, scores: Scores, info: ValidationInfo) -> Scores:
        """A subgroup whose size may not be shown shows no score either."""
        if not _hidden(info):
            return scores
        return {name: score.without_values(info.data["n"]) for name, score in scores.items()}

    @field_validator("too_small")
    @classmethod
    def _hidden_is_too_small(cls, too_small: bool, info: ValidationInfo) -> bool:
        return too_small or _hidden(info)

    @field_validator("gaps")
    @classmethod
    def _no_gaps_of_a_hidden_group(cls, gaps: list[Gap], info: ValidationInfo) -> list[Gap]:
        return [] if _hidden(info) else gaps


def _hidden(info: ValidationInfo) -> bool:
    """Whether the size of the subgroup under validation was suppressed."""
    return any(isinstance(info.data.get(size), str) for size in ("n", "groups"))


class SanityCheck(Record):
    """A check of the data or of the evaluation.

    Attributes
    ----------
    applies
        Whether it could be made; `why` says why not, or what the result means.
    warns
        Whether what it found should be read before the results are believed.
    """

    check: Name
    applies: bool
    why: Text
    result: Text | Score | None
    warns: Annotated[bool, Field(validate_default=True)] = True

    @field_validator("warns", mode="after")
    @classmethod
    def _only_words_warn(cls, warns: bool, info: ValidationInfo) -> bool:
        """A check that could not be made, and a measured number alone, are no warning."""
        return warns and bool(info.data.get("applies")) and isinstance(info.data.get("result"), str)


class NoteRecord(Record):
    """Something that was counted or ignored on the way; see `polyclinic.notes`."""

    check: Name
    result: Text
    why: Text = ""
    step: Name = ""
    level: Level = "notable"


class Gate(Record):
    """A condition written before the run.

    Attributes
    ----------
    measured, wanted
        In words.
    why
        What the state does not say by itself.
    numbers
        The measured score.
    """

    gate: Name
    state: GateState
    measured: Text
    wanted: Text = ""
    why: Text = ""
    numbers: Score | None = None


class Caution(Record):
    """One thing to know before use: a short name, and a sentence."""

    title: Name
    text: Text


class Environment(Record):
    """What the study ran on."""

    python: Name = ""
    polyclinic: Name = ""
    platform: Name = ""
    cpu: Name = ""
    versions: dict[Name, Name] = Field(default_factory=dict)


class PackageFacts(Record):
    """What leaves: the models in the package, how they are combined, and whether any ONNX runtime can answer with it."""

    portable: bool = False
    models: list[Name] = Field(default_factory=list)
    members: int | None = None
    adjustment: Text = ""
    decision: Text = ""
    size: int | None = None


class StepRecord(Record):
    """One step of the run, how long it took, and whether an earlier run's was reused."""

    step: Name
    seconds: Number | None = None
    reused: bool = False
    folder: Name = ""
