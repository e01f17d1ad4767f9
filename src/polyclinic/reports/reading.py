"""Reading a `report.json`: what was chosen, against what, in which words its rows and groups are named."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from polyclinic.evaluation.scores import LOWER_IS_BETTER
from polyclinic.figures.numbers import count, finite

Report = Mapping[str, Any]
SCORE_NAMES = {
    "auroc": "AUROC",
    "auprc": "AUPRC",
    "brier": "Brier score",
    "ece": "Calibration error",
}
CHANCE = {"auroc": 0.5}
PASSED = frozenset({"held", "passed", "pass", "ok", "none", "none found", "nothing found", "chance"})
WORDS = dict.fromkeys(("subject", "subject_id"), ("patient", "patients"))


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
    one, many = WORDS.get(
        group, (plain := group.replace("_", " "), plain if plain.endswith("s") else f"{plain}s")
    )
    return one if n == 1 else many


def main_group(report: Report) -> tuple[str, Any] | None:
    """The group over which intervals are made: subject where there is one, else the first; None without groups."""
    groups = report["cohort"].get("groups") or {}
    name = "subject" if "subject" in groups else next(iter(groups), None)
    return (name, groups[name]) if name is not None else None


def rows_and_groups(report: Report) -> str:
    """`9,890 rows of 100 patients`; rows alone where each row is its own group."""
    rows, group = report["cohort"].get("rows"), main_group(report)
    if group is None:
        return f"{count(rows)} rows"
    if group[1] == rows:
        return f"{count(rows)} {group_word(group[0], rows)}"
    return f"{count(rows)} rows from {count(group[1])} {group_word(*group)}"


def outcomes(report: Report) -> list[str]:
    """The outcomes, in the order in which models report them."""
    found = [outcome for scores in report["models"].values() for outcome in scores]
    return list(dict.fromkeys([*report["chosen"], *found]))


def split_of(report: Report, outcome: str) -> str:
    """The split whose scores count: test where a model has one, else validation, else the first there is."""
    splits = [
        s for m in report["models"].values() for s, v in m.get(outcome, {}).items() if v and s != "folds"
    ]
    return next((s for s in ("test", "validation") if s in splits), next(iter(splits), "test"))


def scores_of(report: Report, model: str, outcome: str, split: str = "") -> Mapping[str, Any]:
    """Score → value, low, high, n of a model on the split that counts; empty where there is none."""
    found = report["models"].get(model, {}).get(outcome, {})
    return found.get(split or split_of(report, outcome)) or {}


def primary(report: Report, outcome: str) -> str:
    """The score by which models are compared: that of the first comparison, else the first score."""
    compared = [c["score"] for c in report["comparisons"] if c["outcome"] == outcome]
    own = [s for model in ordered(report, outcome) for s in scores_of(report, model, outcome)]
    return next(iter([*compared, *own]), "")


def role(report: Report, model: str) -> str:
    """Whether a model is studied ("model") or stands beside it ("baseline")."""
    return str((report.get("roles") or {}).get(model, "model"))


def ordered(report: Report, outcome: str) -> list[str]:
    """Models with scores for an outcome: those studied first, then the baselines."""
    having = [name for name, found in report["models"].items() if found.get(outcome)]
    return sorted(having, key=lambda name: role(report, name) == "baseline")


def fold_count(report: Report, outcome: str) -> int:
    """How many folds were cross-fitted; 0 where one split was."""
    return max((len(m.get(outcome, {}).get("folds") or []) for m in report["models"].values()), default=0)


def differences(report: Report, model: str, outcome: str, score: str) -> dict[str, Mapping[str, Any]]:
    """Each other model with the paired difference `model` minus other on the split that counts."""
    split, found = split_of(report, outcome), {}
    for c in report["comparisons"]:
        if (c["outcome"], c["score"]) == (outcome, score) and c.get("split", split) == split:
            if c["a"] == model:
                found[c["b"]] = c["difference"]
            elif c["b"] == model:
                found.setdefault(c["a"], turned(c["difference"]))
    return found


def turned(difference: Mapping[str, Any]) -> dict[str, Any]:
    """The difference seen from the other side."""
    flipped = {"value": "value", "low": "high", "high": "low"}
    return dict(difference) | {
        k: -difference[v] if finite(difference[v]) else None for k, v in flipped.items()
    }


def verdict(difference: Mapping[str, Any], score: str) -> str:
    """`better`, `worse`, `level` where the interval includes nought, or `untold` where there is none."""
    low, high = difference.get("low"), difference.get("high")
    if not (finite(low) and finite(high)):
        return "untold"
    if low <= 0 <= high:
        return "level"
    return "better" if (low > 0) != lower_is_better(score) else "worse"


def subgroups(report: Report, outcome: str) -> list[Mapping[str, Any]]:
    """The subgroups of the chosen model for an outcome, in the report's order."""
    chosen = report["chosen"].get(outcome)
    named = {"outcome": outcome, "model": chosen}
    return [s for s in report["subgroups"] if all(s.get(k, v) == v for k, v in named.items())]


def served_worse(report: Report, subgroup: Mapping[str, Any], outcome: str) -> bool:
    """Whether a subgroup's whole interval lies on the worse side of the score of all rows."""
    score = primary(report, outcome)
    overall = figure_of(scores_of(report, str(report["chosen"].get(outcome)), outcome).get(score))
    found = (subgroup.get("scores") or {}).get(score) or {}
    best, sign = (found.get("low"), -1) if lower_is_better(score) else (found.get("high"), 1)
    return not subgroup["too_small"] and finite(best) and finite(overall) and sign * best < sign * overall


def constant(report: Report, outcome: str) -> list[str]:
    """The models that give every row (of a fold) the same answer: each of their rank scores is chance to the digit."""
    found = []
    for model in ordered(report, outcome):
        scores = scores_of(report, model, outcome)
        alone = report["models"][model][outcome].get("folds") or [scores]
        for score in CHANCE.keys() & scores.keys():
            ends = scores[score] if alone == [scores] else {}
            values = [figure_of(one.get(score)) for one in alone] + [
                ends[k] for k in ("low", "high") if k in ends
            ]
            found += [model] if all(v == CHANCE[score] for v in values) else []
    return found


def same_answer(report: Report, outcome: str) -> str:
    """What a constant model does, in words."""
    return f"gives every row{' of a fold' if fold_count(report, outcome) > 1 else ''} the same answer"


def warns(entry: Mapping[str, Any]) -> bool:
    """Whether a sanity check found something: words, names or values; a measured number alone is no warning."""
    result = entry["result"]
    if not entry["applies"] or (isinstance(result, Mapping) and "value" in result):
        return False
    if isinstance(result, str):
        return bool(result.strip()) and result.strip(" .").lower() not in PASSED
    return result is True or (isinstance(result, list | Mapping) and bool(result))


def figure_of(entry: Any) -> Any:
    """The number in an entry that is a number or a score with an interval."""
    return entry.get("value") if isinstance(entry, Mapping) else entry
