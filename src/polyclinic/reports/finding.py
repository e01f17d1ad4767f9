"""The finding: one honest paragraph with numbers, the same for every outcome and every kind of data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from polyclinic.figures.numbers import count, finite, interval, number, percent
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


def listed(words: list[str]) -> str:
    """`a, b and c`."""
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


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
    split = reading.split_of(report, outcome)
    found = reading.scores_of(report, model, outcome).get(score)
    among = len(reading.ordered(report, outcome))
    how = f"Among {among} models, validation chose {model}" if among > 1 else f"The one model is {model}"
    many = f" for {outcome}" if len(reading.outcomes(report)) > 1 else ""
    where = "out of fold" if reading.fold_count(report, outcome) > 1 else f"on {split} rows"
    shown = (
        f": {reading.score_name(score)} {interval(found)} {where}, with the 95 % interval" if found else ""
    )
    return f"{how}{many}{shown}."


def _against(report: Report, outcome: str) -> str:
    model = report["chosen"].get(outcome)
    return _compared(report, str(model), outcome, f"{model} is") if model else ""


def _compared(report: Report, model: str, outcome: str, opening: str, only: str = "") -> str:
    score = reading.primary(report, outcome)
    words = {"better": "clearly better than {}", "level": "level with {}", "worse": "clearly worse than {}"}
    found = [
        f"{words[reading.verdict(d, score)].format(other)} ({interval_of(d)})"
        for other, d in reading.differences(report, model, outcome, score)
        if only in ("", reading.role(report, other))
    ]
    return f"In {reading.score_name(score)}, paired, {opening} {listed(found)}." if found else ""


def interval_of(difference: Mapping[str, Any]) -> str:
    """`+0.056, 0.038 to 0.073`."""
    return interval(difference, sign=True).replace(" (", ", ").rstrip(")")


def _studied(report: Report, outcome: str) -> str:
    chosen = report["chosen"].get(outcome)
    lost = [m for m in reading.ordered(report, outcome) if reading.role(report, m) == "model" and m != chosen]
    if not chosen or not lost or reading.role(report, chosen) != "baseline":
        return ""
    told = [
        f"{listed(lost)}, which the study set out to test, was not chosen: "
        f"the package holds the baseline {chosen}."
    ]
    for model in lost:
        told.append(_compared(report, model, outcome, f"{model} itself is", only="baseline"))
    return " ".join(told)


def _calibrated(report: Report, outcome: str) -> str:
    entry = (report["calibration"].get(report["chosen"].get(outcome, "")) or {}).get(outcome) or {}
    after = entry.get("after") or entry.get("before")
    if not after:
        return ""
    slope, ece = reading.figure_of(after.get("slope")), reading.figure_of(after.get("ece"))
    if not finite(slope):
        return ""
    when = "after recalibration" if entry.get("after") else "as it comes, without recalibration,"
    off = (
        f"; predicted and observed differ by {100 * ece:.1f} percentage points on average"
        if finite(ece)
        else ""
    )
    return f"Its probabilities {when} {in_words(slope)} (slope {number(slope, 2)}){off}."


def in_words(slope: float) -> str:
    """What a calibration slope means for the one who reads a probability."""
    if 0.9 <= slope <= 1.1:
        return "can be read as they stand"
    if slope < 0.9:
        return "are too extreme: high ones are too high and low ones too low"
    return "are too cautious: high ones are too low and low ones too high"


def _procedure(report: Report, outcome: str) -> str:
    folds = reading.fold_count(report, outcome)
    if folds < 2:
        return ""
    return (
        f"The scores come from {folds} cross-fitted folds and estimate the procedure; "
        "the package, which averages the folds' models, is not itself scored."
    )


def _weakest(report: Report, outcome: str) -> str:
    chosen, score = report["chosen"].get(outcome), reading.primary(report, outcome)
    overall = reading.figure_of(reading.scores_of(report, str(chosen), outcome).get(score))
    sign = -1 if reading.lower_is_better(score) else 1
    worse = []
    for s in report["subgroups"]:
        found = (s.get("scores") or {}).get(score) or {}
        best = found.get("high" if sign > 0 else "low")
        own = s.get("model", chosen) == chosen and s.get("outcome", outcome) == outcome
        if own and not s["too_small"] and finite(best) and finite(overall) and sign * best < sign * overall:
            worse.append(f"{s['column']} {s['level']} ({interval(found)})")
    return f"It does clearly worse for {listed(worse)}." if worse else ""


def _few(report: Report) -> str:
    group = reading.main_group(report)
    models = max((len(reading.ordered(report, o)) for o in reading.outcomes(report)), default=0)
    if group is None or not finite(group[1]) or group[1] >= FEW_GROUPS or models < 2:
        return ""
    held = [s["groups"] for s in report["cohort"].get("splits") or [] if s.get("split") == "validation"]
    held = [n for n in held if finite(n)]
    each = " in a fold" if len(held) > 1 else ""
    aside = f", about {round(sum(held) / len(held))} of them for validation{each}" if held else ""
    return (
        f"With only {count(group[1])} {reading.group_word(*group)}{aside}, "
        "a change of seed moves a score as far as most gaps between models: do not rank models by small gaps."
    )


def _gates(report: Report) -> str:
    gates = report["gates"]
    if not gates:
        return ""
    failed = [
        f"{g['gate']} (measured {told(g['measured'])}{_wanted(g)})" for g in gates if g["state"] == "failed"
    ]
    untested = [str(g["gate"]) for g in gates if g["state"] == "not tested"]
    if not failed and not untested:
        return f"All {len(gates)} gates set before the run held." if len(gates) > 1 else "The gate held."
    parts = [f"gates failed: {listed(failed)}"] * bool(failed)
    parts += [f"not tested for want of evidence: {listed(untested)}"] * bool(untested)
    return f"Of {len(gates)} gates set before the run, {'; '.join(parts)}."


def _wanted(gate: Mapping[str, Any]) -> str:
    return f", wanted {told(gate['wanted'])}" if gate.get("wanted") is not None else ""


def told(value: Any) -> str:
    """A gate's or setting's value in words: a range, a score with its interval, named values."""
    if isinstance(value, Mapping):
        if {"value", "low", "high"} <= set(value):
            return interval(value)
        return ", ".join(f"{k} {told(v)}" for k, v in value.items())
    if isinstance(value, list | tuple):
        return (
            " to ".join(map(told, value))
            if len(value) == 2 and all(map(finite, value))
            else listed([*map(told, value)])
        )
    return number(value) if isinstance(value, float) else count(value)
