"""What a report says of one outcome: its models, which was chosen, and how it compares."""

from dataclasses import dataclass

from polyclinic.reports.document import ReportDocument
from polyclinic.reports.quantities import NO_SCORE, Score
from polyclinic.reports.results import Calibrations, Comparison, MeasureRecord, ModelScores, Scores, Subgroup
from polyclinic.reports.wording import plain

NO_SCORES = ModelScores()


@dataclass(frozen=True)
class OutcomeResults:
    """One outcome of a report document."""

    document: ReportDocument
    name: str

    @property
    def chosen(self) -> str:
        """The model that was chosen; empty where none was."""
        return self.document.chosen.get(self.name, "")

    @property
    def models(self) -> list[str]:
        """Models with scores: those studied first, then the baselines."""
        return sorted((m for m, scores in self.document.models.items() if self.name in scores), key=self.is_baseline)

    def is_baseline(self, model: str) -> bool:
        """Whether a model stands beside those that are studied."""
        return self.document.roles.get(model) == "baseline"

    def splits(self, model: str) -> ModelScores:
        """The scores of a model on each split; empty ones where it has none."""
        return self.document.models.get(model, {}).get(self.name, NO_SCORES)

    def scores(self, model: str, split: str = "test") -> Scores:
        """Score name → score of a model on the rows of a split."""
        return self.splits(model).of(split)

    @property
    def fold_count(self) -> int:
        """How many folds were cross-fitted; 0 where there was one split."""
        return max((len(self.splits(m).folds) for m in self.models), default=0)

    @property
    def has_split(self) -> bool:
        """Whether there are scored rows beside the test rows; a table of predictions alone has none."""
        return any(self.splits(m).train or self.splits(m).validation for m in self.models)

    @property
    def primary(self) -> str:
        """The score by which models are compared: the first that the outcome measures."""
        return next((score for m in self.models for score in self.scores(m)), "")

    def measure(self, score: str) -> MeasureRecord:
        """What is known of a score; one that the report does not describe is called by its name."""
        known = self.document.measures.get(self.name, {})
        return known.get(score) or MeasureRecord(title=plain(score)[:1].upper() + plain(score)[1:])

    def title(self, score: str) -> str:
        """A score as people write it."""
        return self.measure(score).title

    def score(self, model: str) -> Score:
        """The primary score of a model on test rows."""
        return self.scores(model).get(self.primary, NO_SCORE)

    @property
    def comparisons(self) -> list[Comparison]:
        """Every comparison of this outcome."""
        return [c for c in self.document.comparisons if c.outcome == self.name]

    def differences(self, model: str) -> dict[str, Score]:
        """Each other model with the paired difference `model` minus other, in the primary score."""
        mine = (c for c in self.comparisons if c.a == model and c.score == self.primary)
        return {c.b: c.difference for c in mine}

    def calibration(self, model: str) -> Calibrations:
        """The calibration of a model before and after recalibration; empty where there is none."""
        return self.document.calibration.get(model, {}).get(self.name, Calibrations())

    @property
    def subgroups(self) -> list[Subgroup]:
        """The subgroups of the chosen model, in the report's order."""
        mine = {self.name, ""}, {self.chosen, ""}
        return [s for s in self.document.subgroups if s.outcome in mine[0] and s.model in mine[1]]

    def is_served_worse(self, subgroup: Subgroup) -> bool:
        """Whether a subgroup's whole interval lies on the worse side of the score of all rows."""
        overall = self.score(self.chosen).value
        here = subgroup.scores.get(self.primary, NO_SCORE)
        if subgroup.too_small or overall is None or here.low is None or here.high is None:
            return False
        better = self.measure(self.primary).better
        return {"high": here.high < overall, "low": here.low > overall}.get(better, False)

    @property
    def constant(self) -> list[str]:
        """The models that give every row (of a fold) the same answer: what they rank is chance."""
        return [model for model in self.models if model in self.document.constant.get(self.name, ())]

    def same_answer(self, models: int = 1) -> str:
        """What constant models do, in words."""
        verb, of_fold = ("gives" if models == 1 else "give"), (" of a fold" if self.fold_count > 1 else "")
        return f"{verb} every row{of_fold} the same answer"

    def titled(self, words: str) -> str:
        """The words, with the outcome where the report has several."""
        return f"{words}: {self.name}" if len(outcomes(self.document)) > 1 else words


def outcomes(document: ReportDocument) -> list[OutcomeResults]:
    """The outcomes, in the order in which models report them."""
    scored = [name for scores in document.models.values() for name in scores]
    return [OutcomeResults(document, name) for name in dict.fromkeys([*document.chosen, *scored])]
