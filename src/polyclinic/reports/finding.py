"""The finding: one honest paragraph with numbers, the same for every outcome and every kind of data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from polyclinic.figures.numbers import bounds, count, finite, interval, number, percent, signed
from polyclinic.reports import reading
from polyclinic.reports.reading import Report

FEW_GROUPS = 300


def finding(report: Report) -> str:
    """What was asked, of how many, what came out with its interval, and what not to believe.

    report: the content of `report.json`; its own `finding` is not read. Without a `subject` group no patient is named.
    """
    sentences = [_asked(report)]
    for outcome in reading.outcomes(report):
        sentences += [_chosen(report, outcome), _against(report, outcome), _studied(report, outcome)]
        sentences += [_calibrated(report, outcome), _procedure(report, outcome), _weakest(report, outcome)]
    sentences += [_few(report), _gates(report)]
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
    found = reading.scores_of(report, model, outcome).get(score)
    among = len(reading.ordered(report, outcome))
    how = (
        f"Validation chose {model} among {among} models"
        if _was_a_choice(report, outcome)
        else f"This is {model}"
    )
    many = f" for {outcome}" if len(reading.outcomes(report)) > 1 else ""
    folds = reading.fold_count(report, outcome)
    where = "on rows held out of the fit" if folds > 1 else f"on {reading.split_of(report, outcome)} rows"
    if not found:
        return f"{how}{many}."
    known = f"95 % interval {bounds(found)}" if finite(found.get("low")) else "no interval"
    return f"{how}{many}: {reading.score_name(score)} {number(found.get('value'))} ({known}) {where}."


def _was_a_choice(report: Report, outcome: str) -> bool:
    """Whether validation rows were there to choose on; predictions made elsewhere have none."""
    models = reading.ordered(report, outcome)
    return len(models) > 1 and any(report["models"][m][outcome].get("validation") for m in models)


def _against(report: Report, outcome: str) -> str:
    model = report["chosen"].get(outcome)
    found = _compared(report, str(model), outcome)
    return f"Paired on the same rows it is {found}." if found else ""


def _compared(report: Report, model: str, outcome: str, but: tuple[str, ...] = ()) -> str:
    """`clearly better than A (difference) and B (…), level with C (…)`; what is in `but` was told already."""
    score = reading.primary(report, outcome)
    told: dict[str, list[str]] = {}
    for other, difference in reading.differences(report, model, outcome, score).items():
        if other not in but:
            words = f"{other} ({interval_of(difference)})"
            told.setdefault(reading.verdict(difference, score), []).append(words)
    opening = {
        "better": "clearly better than",
        "level": "level with",
        "worse": "clearly worse than",
        "untold": "not to be told apart, for want of an interval, from",
    }
    return listed([f"{words} {listed(told[word])}" for word, words in opening.items() if word in told], "; ")


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
    entry = (report["calibration"].get(report["chosen"].get(outcome, "")) or {}).get(outcome) or {}
    after = entry.get("after") or {}
    slope, ece = reading.figure_of(after.get("slope")), reading.figure_of(after.get("ece"))
    if not finite(slope):
        return ""
    when = "after recalibration" if entry.get("before") else "as they are given"
    off = f", {100 * ece:.1f} percentage points off on average" if finite(ece) else ""
    return f"The probabilities of {report['chosen'][outcome]}, {when}, {in_words(slope, ece)} (slope {number(slope, 2)}{off})."


def in_words(slope: float, ece: Any) -> str:
    """What a calibration slope and the mean gap mean for the one who reads a probability."""
    if slope < 0.9:
        return "are too extreme: high ones are too high and low ones too low"
    if slope > 1.1:
        return "are too cautious: high ones are too low and low ones too high"
    return (
        "have the right spread but are not exact"
        if finite(ece) and ece > 0.025
        else "can be read as they stand"
    )


def _procedure(report: Report, outcome: str) -> str:
    folds = reading.fold_count(report, outcome)
    if folds < 2:
        return ""
    return (
        f"The scores come from {folds} cross-fitted folds and estimate the procedure; "
        "the mean of the folds' models, which is packaged, is not itself scored."
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
        return (
            f"With only {few}, a change of seed is as large as most gaps between models: "
            "do not rank them by small gaps."
        )
    return f"With only {few}, a change of seed can be as large as a small gap between models."


def _held_for_validation(report: Report, group: str) -> str:
    splits = [s for s in report["cohort"].get("splits") or [] if s.get("split") == "validation"]
    sizes = [s["groups"].get(group) if isinstance(s["groups"], Mapping) else s["groups"] for s in splits]
    known = [n for n in sizes if finite(n)]
    if not known:
        return ""
    each = " in a fold" if len(known) > 1 else ""
    return f", about {round(sum(known) / len(known))} of them for validation{each}"


def _gates(report: Report) -> str:
    gates = report["gates"]
    if not gates:
        return ""
    failed = [
        f"{g['gate']} (measured {told(g['measured'])}{_wanted(g)})" for g in gates if g["state"] == "failed"
    ]
    untested = [str(g["gate"]) for g in gates if g["state"] == "not tested"]
    if not failed and not untested:
        return f"All {len(gates)} gates set before the run held." if len(gates) > 1 else "The one gate held."
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
