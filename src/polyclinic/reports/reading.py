"""Reading a `report.json`: what was chosen, against what, in which words its rows and groups are named."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from polyclinic.evaluation.scores import LOWER_IS_BETTER
from polyclinic.figures.numbers import count, finite

Report = Mapping[str, Any]
SCORE_NAMES = {"ece": "Calibration error", "brier": "Brier score"}
SCORE_NAMES |= {name: name.upper() for name in ("auroc", "auprc", "ppv", "npv")}
CHANCE = 0.5
"""The AUROC of a model that tells no row from another."""
PASSED = frozenset({"", "held", "passed", "pass", "ok", "none", "none found", "nothing found", "chance"})


def score_name(score: str) -> str:
    """A score as people write it: `auroc` → AUROC, `dice//1` → Dice, label 1."""
    name, _, part = score.partition("//")
    written = SCORE_NAMES.get(name, name.replace("_", " ").capitalize())
    return f"{written}, label {part}" if part.isdigit() else f"{written}, {part}" if part else written


def lower_is_better(score: str) -> bool:
    """Whether a smaller number is the better one."""
    return score.partition("//")[0] in LOWER_IS_BETTER


def group_word(group: str, n: Any = 2) -> str:
    """The name of a group in a sentence: subject → patients; any other by its own name."""
    one = "patient" if group in ("subject", "subject_id") else group.replace("_", " ")
    return one if n == 1 or one.endswith("s") else f"{one}s"


def main_group(report: Report) -> tuple[str, Any] | None:
    """The group over which intervals are made: subject where there is one, else the first; None without groups."""
    groups = report["cohort"].get("groups") or {}
    name = "subject" if "subject" in groups else next(iter(groups), None)
    return (name, groups[name]) if name is not None else None


def rows_and_groups(report: Report) -> str:
    """`9,890 rows from 100 patients`; rows alone where each row is its own group."""
    rows, group = report["cohort"].get("rows"), main_group(report)
    if group is None:
        return f"{count(rows)} rows"
    told = f"{count(group[1])} {group_word(*group)}"
    return told if group[1] == rows else f"{count(rows)} rows from {told}"


@dataclass(frozen=True)
class Outcome:
    """What a report says of one outcome."""

    report: Report
    name: str

    @property
    def chosen(self) -> str:
        """The model that was chosen; empty where none was."""
        return str(self.report["chosen"].get(self.name) or "")

    @property
    def models(self) -> list[str]:
        """Models with scores: those studied first, then the baselines."""
        return sorted(filter(self.splits, self.report["models"]), key=self.is_baseline)

    def splits(self, model: str) -> Mapping[str, Any]:
        """Split → scores of a model, and its `folds`; empty where there are none."""
        return self.report["models"].get(model, {}).get(self.name) or {}

    def is_baseline(self, model: str) -> bool:
        """Whether a model stands beside those that are studied."""
        return (self.report.get("roles") or {}).get(model) == "baseline"

    def scores(self, model: str, split: str = "test") -> Mapping[str, Any]:
        """Score → value, low, high, n of a model on the rows of a split; empty where there is none."""
        return self.splits(model).get(split) or {}

    def folds(self, model: str) -> list[Mapping[str, Any]]:
        """The scores of each cross-fitted fold; none where one split was."""
        return self.splits(model).get("folds") or []

    @property
    def fold_count(self) -> int:
        """How many folds were cross-fitted; 0 where one split was."""
        return max((len(self.folds(m)) for m in self.models), default=0)

    @property
    def primary(self) -> str:
        """The score by which models are compared: the first that the outcome measures."""
        return next((score for m in self.models for score in self.scores(m)), "")

    def score(self, model: str) -> Mapping[str, Any]:
        """The primary score of a model; empty where there is none."""
        return self.scores(model).get(self.primary) or {}

    def differences(self, model: str) -> dict[str, Mapping[str, Any]]:
        """Each other model with the paired difference `model` minus other, in the primary score."""
        given = self._of("comparisons", score=self.primary, a=model)
        return {c["b"]: c["difference"] for c in given}

    @property
    def comparisons(self) -> list[Mapping[str, Any]]:
        """Every comparison of this outcome: paired differences `a` minus `b`."""
        return self._of("comparisons")

    def calibration(self, model: str) -> Mapping[str, Any]:
        """`before` and `after` of a model; empty where there are none."""
        return (self.report["calibration"].get(model) or {}).get(self.name) or {}

    def _of(self, part: str, **wanted: str) -> list[Mapping[str, Any]]:
        """The entries of a part of the report that are of this outcome and as wanted, or do not say."""
        wanted |= {"outcome": self.name}
        return [e for e in self.report[part] if all(e.get(k, v) == v for k, v in wanted.items())]

    @property
    def subgroups(self) -> list[Mapping[str, Any]]:
        """The subgroups of the chosen model, in the report's order."""
        return self._of("subgroups", model=self.chosen)

    def served_worse(self, subgroup: Mapping[str, Any]) -> bool:
        """Whether a subgroup's whole interval lies on the worse side of the score of all rows."""
        overall = self.score(self.chosen).get("value")
        found = (subgroup.get("scores") or {}).get(self.primary) or {}
        best, sign = (found.get("low"), -1) if lower_is_better(self.primary) else (found.get("high"), 1)
        return not subgroup["too_small"] and finite(best) and finite(overall) and sign * best < sign * overall

    @property
    def constant(self) -> list[str]:
        """The models that give every row (of a fold) the same answer: each rank score is chance to the digit."""
        return [m for m in self.models if self._is_chance(m)]

    def _is_chance(self, model: str) -> bool:
        whole = self.scores(model).get("auroc") or {}
        folds = [figure_of(fold.get("auroc")) for fold in self.folds(model)]
        if folds:
            return all(v == CHANCE for v in folds)
        return whole.get("value") == CHANCE and whole.get("low") in (None, CHANCE)

    def same_answer(self, models: int = 1) -> str:
        """What constant models do, in words."""
        return f"{'gives' if models == 1 else 'give'} every row{' of a fold' if self.fold_count > 1 else ''} the same answer"

    def titled(self, words: str) -> str:
        """The words, with the outcome where the report has several."""
        return f"{words}: {self.name}" if len(outcomes(self.report)) > 1 else words


def outcomes(report: Report) -> list[Outcome]:
    """The outcomes, in the order in which models report them."""
    found = [outcome for scores in report["models"].values() for outcome in scores]
    return [Outcome(report, name) for name in dict.fromkeys([*report["chosen"], *found])]


def verdict(difference: Mapping[str, Any], score: str) -> str:
    """`better`, `worse`, `level` where the interval includes nought in the digits shown, or `untold` without one."""
    low, high = difference.get("low"), difference.get("high")
    if not (finite(low) and finite(high)):
        return "untold"
    if round(low, 3) <= 0 <= round(high, 3):
        return "level"
    return "better" if (low > 0) != lower_is_better(score) else "worse"


def warns(entry: Mapping[str, Any]) -> bool:
    """Whether a sanity check found something: words, names or values; a measured number alone is no warning."""
    result = entry["result"]
    if not entry["applies"] or (isinstance(result, Mapping) and "value" in result):
        return False
    if isinstance(result, str):
        return result.strip(" .").lower() not in PASSED
    return isinstance(result, bool | list | Mapping) and bool(result)


def calibrations(entry: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """In words → how the probabilities of one model are calibrated: as they are given first, then as they were."""
    before, after = entry.get("before"), entry.get("after")
    if before and after and before != after:
        return {"after recalibration": after, "before recalibration": before}
    return {"as given": found} if (found := after or before) else {}


def figure_of(entry: Any) -> Any:
    """The number in an entry that is a number or a score with an interval."""
    return entry.get("value") if isinstance(entry, Mapping) else entry
