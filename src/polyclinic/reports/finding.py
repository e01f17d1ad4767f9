"""The finding: one honest paragraph with numbers, the same for every outcome and every kind of data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from polyclinic.figures.numbers import bounds, count, finite, interval, number, percent, signed
from polyclinic.reports import reading
from polyclinic.reports.reading import Report

FEW_GROUPS = 300
VERDICTS = {
    "better": "clearly better than",
    "level": "level with",
    "worse": "clearly worse than",
    "untold": "not to be told apart, for want of an interval, from",
}


def finding(report: Report) -> str:
    """What was asked, of how many, what came out with its interval, and what not to believe.

    report: the content of `report.json`; its own `finding` is not read. Without a `subject` group no patient is named.
    """
    by_outcome = (_chosen, _chance, _against, _studied, _calibrated, _procedure, _weakest)
    sentences = [_asked(report)]
    sentences += [tell(report, outcome) for outcome in reading.outcomes(report) for tell in by_outcome]
    sentences += [tell(report) for tell in (_few, _gates, _warnings)]
    return " ".join(sentence for sentence in sentences if sentence)


def listed(words: Sequence[str], between: str = ", ") -> str:
    """`a, b and c`."""
    return " and ".join([between.join(words[:-1]), words[-1]] if len(words) > 1 else words)


def _asked(report: Report) -> str:
    title = str(report.get("title") or report["study"]).strip()
    asked = title if title[-1:] in "?.!" else f"{title}."
    return f"{asked} Asked of {reading.rows_and_groups(report)}{_prevalence(report)}."


def _prevalence(report: Report) -> str:
    rows = report["cohort"].get("rows")
    found = [
        (o, t["positive"])
        for o, t in (report["cohort"].get("targets") or {}).items()
        if isinstance(t, Mapping) and finite(t.get("positive"))
    ]
    if len(found) != 1 or not finite(rows) or not rows:
        return ""
    return f"; {count(found[0][1])} ({percent(found[0][1] / rows)}) are positive"


def _chosen(report: Report, outcome: str) -> str:
    model, score = report["chosen"].get(outcome), reading.primary(report, outcome)
    if not model:
        return "No model was chosen."
    among = len(reading.ordered(report, outcome))
    choice = f"Validation chose {model} among {among} models"
    how = choice if _was_a_choice(report, outcome) else f"This is {model}"
    many = f" for {outcome}" if len(reading.outcomes(report)) > 1 else ""
    found, name = reading.scores_of(report, model, outcome).get(score), reading.score_name(score)
    if not found:
        return f"{how}{many}."
    if not finite(found.get("value")):
        return f"{how}{many}; its {name} cannot be computed on these rows."
    folds, split = reading.fold_count(report, outcome), reading.split_of(report, outcome)
    where = "on rows held out of the fit" if folds > 1 else f"on {count(found['n'])} {split} rows"
    known = f"95 % interval {bounds(found)}" if finite(found.get("low")) else "no interval"
    return f"{how}{many}: {name} {number(found['value'])} ({known}) {where}."


def _was_a_choice(report: Report, outcome: str) -> bool:
    """Whether validation rows were there to choose on; predictions made elsewhere have none."""
    models = reading.ordered(report, outcome)
    return len(models) > 1 and any(report["models"][m][outcome].get("validation") for m in models)


def _chance(report: Report, outcome: str) -> str:
    """A model that learned nothing is named so, and not praised for being level with others."""
    model = str(report["chosen"].get(outcome))
    if model in reading.constant(report, outcome):
        return f"But {model} {reading.same_answer(report, outcome)}: it tells no row from another and ranks no better than chance."
    for score, chance in reading.CHANCE.items():
        found = reading.scores_of(report, model, outcome).get(score) or {}
        low, high = found.get("low"), found.get("high")
        if finite(low) and finite(high) and low <= chance:
            below = "lies below it: it ranks worse than chance, so look whether the labels are turned round"
            words = (
                below
                if high < chance
                else "includes it: on these rows it is not shown to rank better than chance"
            )
            return f"{reading.score_name(score)} of chance is {chance}, and the interval of {model} {words}."
    return ""


def _against(report: Report, outcome: str) -> str:
    model = str(report["chosen"].get(outcome))
    if not report["chosen"].get(outcome):
        return ""
    if found := _compared(report, model, outcome):
        others = reading.differences(report, model, outcome, reading.primary(report, outcome))
        same = [m for m in reading.constant(report, outcome) if m in others and m != model]
        told = (
            f"; of these, {listed(same)} {reading.same_answer(report, outcome)}, so its rank score is chance by definition"
            if same
            else ""
        )
        return f"On the same rows it is {found}{told}."
    beside = len(reading.ordered(report, outcome)) > 1
    return (
        "It was not compared with the other models on the same rows."
        if beside
        else "No other model stands beside it to compare it with."
    )


def _compared(report: Report, model: str, outcome: str, but: tuple[str, ...] = ()) -> str:
    """`clearly better than A (difference) and B (…), level with C (…)`; what is in `but` was told already."""
    score = reading.primary(report, outcome)
    told: dict[str, list[str]] = {}
    for other, difference in reading.differences(report, model, outcome, score).items():
        if other not in but:
            words = f"{other} ({interval_of(difference)})"
            told.setdefault(reading.verdict(difference, score), []).append(words)
    return listed([f"{words} {listed(told[word])}" for word, words in VERDICTS.items() if word in told], "; ")


def interval_of(score: Mapping[str, Any]) -> str:
    """A difference without brackets of its own: `+0.056, 0.038 to 0.073`."""
    return f"{signed(score.get('value'))}, {bounds(score)}"


def _studied(report: Report, outcome: str) -> str:
    chosen = report["chosen"].get(outcome)
    models = reading.ordered(report, outcome)
    lost = [m for m in models if reading.role(report, m) == "model" and m != chosen]
    if not chosen or not lost or reading.role(report, chosen) != "baseline":
        return ""
    kept = (
        f"the package holds the baseline {chosen}" if report.get("package") else f"the baseline {chosen} was"
    )
    sentences = [f"The study set out to test {listed(lost)}, which was not chosen: {kept}."]
    for model in lost:
        found = _compared(report, model, outcome, but=(chosen, *lost))
        sentences.append(f"On its own, {model} is {found}." if found else "")
    return " ".join(s for s in sentences if s)


def _calibrated(report: Report, outcome: str) -> str:
    model = str(report["chosen"].get(outcome))
    words = in_words((report["calibration"].get(model) or {}).get(outcome) or {})
    return (
        f"The probabilities of {model}, {words}."
        if words and model not in reading.constant(report, outcome)
        else ""
    )


def in_words(entry: Mapping[str, Any]) -> str:
    """What calibration means for the one who reads a probability, and whether recalibration made it worse.

    entry: `before` and `after` of one model; empty where there is no slope.
    """
    after, before = entry.get("after") or {}, entry.get("before") or {}
    slope, ece = reading.figure_of(after.get("slope")), reading.figure_of(after.get("ece"))
    if not finite(slope):
        return ""
    known = after.get("slope_interval") or after["slope"]
    low, high = (known.get("low"), known.get("high")) if isinstance(known, Mapping) else (None, None)
    if unsure := finite(low) and finite(high) and (low < 0.8 or high > 1.2) and low <= 1 <= high:
        words = "are not shown to be right or wrong"
    elif slope < 0.9:
        words = "are too extreme: high ones are too high and low ones too low"
    elif slope > 1.1:
        words = "are too cautious: high ones are too low and low ones too high"
    else:
        words = (
            "have the right spread but are not exact"
            if finite(ece) and ece > 0.025
            else "can be read as they stand"
        )
    when = "after recalibration" if before else "as they are given"
    about = f", {bounds(known)}: too little evidence" if unsure else ""
    off = f"; {100 * ece:.1f} percentage points off on average" if finite(ece) else ""
    return f"{when}, {words} (slope {number(slope, 2)}{about}{off}){_worse(before, slope, ece)}"


def _worse(before: Mapping[str, Any], slope: float, ece: Any) -> str:
    """What recalibration made worse, in the digits that are shown."""
    was, gap = reading.figure_of(before.get("slope")), reading.figure_of(before.get("ece"))
    worse = []
    if finite(was) and round(abs(slope - 1), 2) > round(abs(was - 1), 2):
        worse.append(f"the slope ({number(was, 2)} before)")
    if finite(gap) and finite(ece) and round(100 * ece, 1) > round(100 * gap, 1):
        worse.append(f"the average gap ({100 * gap:.1f} points before)")
    return f"; recalibration made {listed(worse)} worse" if worse else ""


def _procedure(report: Report, outcome: str) -> str:
    folds = reading.fold_count(report, outcome)
    if folds < 2:
        return ""
    packaged = f"; the package answers with the mean of those {folds} models, which is not itself scored"
    return (
        f"Each row was scored by a model that had not seen it, in {folds} cross-fitted folds: "
        f"the scores estimate the procedure{packaged if report.get('package') else ''}."
    )


def _weakest(report: Report, outcome: str) -> str:
    score = reading.primary(report, outcome)
    worse = [
        f"{s['column']} {s['level']} ({interval_of_score(s['scores'][score])})".replace("_", " ")
        for s in reading.subgroups(report, outcome)
        if reading.served_worse(report, s, outcome)
    ]
    return f"The score is clearly worse for {listed(worse)}." if worse else ""


def interval_of_score(score: Mapping[str, Any]) -> str:
    """A score without brackets of its own: `0.690, 0.650 to 0.730`."""
    return f"{number(score.get('value'))}, {bounds(score)}"


def _few(report: Report) -> str:
    group = reading.main_group(report)
    models = max((len(reading.ordered(report, o)) for o in reading.outcomes(report)), default=0)
    if group is None or not finite(group[1]) or group[1] >= FEW_GROUPS or models < 2:
        return ""
    few = f"{count(group[1])} {reading.group_word(*group)}{_held_for_validation(report, group[0])}"
    if any(reading.verdict(c["difference"], c["score"]) == "level" for c in report["comparisons"]):
        return f"With only {few}, a change of seed can be as large as most gaps between models: do not rank them by small gaps."
    return f"With only {few}, a change of seed can be as large as a small gap between models."


def _held_for_validation(report: Report, group: str) -> str:
    splits = [s for s in report["cohort"].get("splits") or [] if s.get("split") == "validation"]
    sizes = [s["groups"].get(group) if isinstance(s["groups"], Mapping) else s["groups"] for s in splits]
    known = [n for n in sizes if finite(n)]
    if not known:
        return ""
    each = " in a fold" if len(known) > 1 else ""
    return f", about {round(sum(known) / len(known))} of them for validation{each}"


def _warnings(report: Report) -> str:
    found = [f"{entry['check']}".replace("_", " ") for entry in report["sanity"] if reading.warns(entry)]
    return f"Read the warnings before believing any of this: {listed(found)}." if found else ""


def _gates(report: Report) -> str:
    gates = report["gates"]
    if not gates:
        return ""
    failed = [
        f"{g['gate']} (measured {told(g['measured'])}{_wanted(g)})" for g in gates if g["state"] == "failed"
    ]
    untested = [str(g["gate"]) for g in gates if g["state"] == "not tested"]
    if not failed and not untested:
        words = {1: "The one gate", 2: "Both gates"}.get(len(gates), f"All {len(gates)} gates")
        return f"{words} set before the run held."
    parts = [f"{len(gates) - len(failed) - len(untested) or 'none'} held"]
    parts += [f"failed: {listed(failed)}"] if failed else []
    parts += [f"not tested, for want of evidence: {listed(untested)}"] if untested else []
    return f"Of {len(gates)} gates set before the run, {'; '.join(parts)}.".replace("_", " ")


def _wanted(gate: Mapping[str, Any]) -> str:
    return f", wanted {told(gate['wanted'])}" if gate.get("wanted") is not None else ""


def told(value: Any) -> str:
    """A gate's or setting's value in words: a range, a score with its interval, named values."""
    if isinstance(value, Mapping):
        if "value" in value:
            return interval(value)
        return ", ".join(f"{k} {told(v)}" for k, v in value.items())
    if isinstance(value, list | tuple):
        return (
            " to ".join(map(told, value))
            if len(value) == 2 and all(map(finite, value))
            else listed([*map(told, value)])
        )
    return number(value) if isinstance(value, float) else count(value)
