"""The finding: one honest paragraph with numbers, the same for every outcome and every kind of data."""

from collections.abc import Mapping, Sequence
from typing import Any

from polyclinic.figures.numbers import bounds, count, finite, interval, number, percent, signed
from polyclinic.reports import reading
from polyclinic.reports.reading import CHANCE, Outcome, Report, figure_of, group_word

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
    sentences += [tell(o) for o in reading.outcomes(report) for tell in by_outcome]
    sentences += [tell(report) for tell in (_few, _gates, _warnings)]
    return " ".join(sentence for sentence in sentences if sentence)


def listed(words: Sequence[str], between: str = ", ") -> str:
    """`a, b and c`."""
    return " and ".join([between.join(words[:-1]), words[-1]] if len(words) > 1 else words)


def _asked(report: Report) -> str:
    title, rows = str(report.get("title") or report["study"]).strip(), report["cohort"].get("rows")
    targets = [t for t in (report["cohort"].get("targets") or {}).values() if isinstance(t, Mapping)]
    found = [t["positive"] for t in targets if finite(t.get("positive"))]
    known = len(found) == 1 and finite(rows) and rows
    positive = f"; {count(found[0])} ({percent(found[0] / rows)}) are positive" if known else ""
    end = "" if title[-1:] in "?.!" else "."
    return f"{title}{end} Asked of {reading.rows_and_groups(report)}{positive}."


def _chosen(o: Outcome) -> str:
    if not o.chosen:
        return "No model was chosen."
    # Predictions made elsewhere have no validation rows to choose on.
    choice = len(o.models) > 1 and any(o.scores(m, "validation") for m in o.models)
    among = f"Validation chose {o.chosen} among {len(o.models)} models"
    words = o.titled(among if choice else f"This is {o.chosen}")
    found, name = o.score(o.chosen), reading.score_name(o.primary)
    if not finite(found.get("value")):
        return f"{words}; its {name} cannot be computed on these rows." if found else f"{words}."
    where = "rows held out of the fit" if o.fold_count > 1 else f"{count(found['n'])} test rows"
    known = f"95 % interval {bounds(found)}" if finite(found.get("low")) else "no interval"
    return f"{words}: {name} {number(found['value'])} ({known}) on {where}."


def _chance(o: Outcome) -> str:
    """A model that learned nothing is named so, and not praised for being level with others."""
    if o.chosen in o.constant:
        words = "it tells no row from another and ranks no better than chance"
        return f"But {o.chosen} {o.same_answer()}: {words}."
    found = o.scores(o.chosen).get("auroc") or {}
    low, high = found.get("low"), found.get("high")
    if not finite(low) or not finite(high) or low > CHANCE:
        return ""
    words = "includes it: on these rows it is not shown to rank better than chance"
    if high < CHANCE:
        words = "lies below it: it ranks worse than chance, so look whether the labels are turned round"
    return f"AUROC of chance is {CHANCE}, and the interval of {o.chosen} {words}."


def _against(o: Outcome) -> str:
    if not o.chosen:
        return ""
    if len(o.models) < 2:
        return "No other model stands beside it to compare it with."
    if not (found := _compared(o, o.chosen)):
        return "It was not compared with the other models on the same rows."
    same = [m for m in o.constant if m in o.differences(o.chosen)]
    alike = f"{listed(same)} {o.same_answer(len(same))}"
    told = f"; of these, {alike}: a rank score that is chance by definition" if same else ""
    return f"On the same rows it is {found}{told}."


def _compared(o: Outcome, model: str, but: Sequence[str] = ()) -> str:
    """`clearly better than A (difference) and B (…), level with C (…)`; what is in `but` was told already."""
    told: dict[str, list[str]] = {}
    for other, difference in o.differences(model).items():
        if other not in but:
            words = f"{other} ({signed(difference.get('value'))}, {bounds(difference)})"
            told.setdefault(reading.verdict(difference, o.primary), []).append(words)
    return listed([f"{words} {listed(told[word])}" for word, words in VERDICTS.items() if word in told], "; ")


def _studied(o: Outcome) -> str:
    lost = [m for m in o.models if not o.is_baseline(m)]
    if not o.chosen or not lost or not o.is_baseline(o.chosen):
        return ""
    kept = f"the baseline {o.chosen}"
    kept = f"the package holds {kept}" if o.report.get("package") else f"{kept} was"
    sentences = [f"The study set out to test {listed(lost)}, which was not chosen: {kept}."]
    alone = {model: _compared(o, model, but=(o.chosen, *lost)) for model in lost}
    sentences += [f"On its own, {model} is {found}." for model, found in alone.items() if found]
    return " ".join(sentences)


def _calibrated(o: Outcome) -> str:
    words = in_words(o.calibration(o.chosen))
    return f"The probabilities of {o.chosen}, {words}." if words and o.chosen not in o.constant else ""


def in_words(entry: Mapping[str, Any]) -> str:
    """What calibration means for the one who reads a probability, and whether recalibration made it worse.

    entry: `before` and `after` of one model; empty where there is no slope.
    """
    when, after = next(iter(reading.calibrations(entry).items()), ("", {}))
    slope, ece = figure_of(after.get("slope")), figure_of(after.get("ece"))
    if not finite(slope):
        return ""
    if entry.get("before") == entry.get("after"):
        when += " (validation gave no reason to recalibrate them)"
    known = after.get("slope_interval") or after["slope"]
    low, high = (known.get("low"), known.get("high")) if isinstance(known, Mapping) else (None, None)
    without = isinstance(known, Mapping) and not (finite(low) and finite(high))
    unsure = without or (finite(low) and finite(high) and low <= 1 <= high and (low < 0.8 or high > 1.2))
    ways = {
        "are not shown to be right or wrong": unsure,
        "are too extreme: high ones are too high and low ones too low": slope < 0.9,
        "are too cautious: high ones are too low and low ones too high": slope > 1.1,
        "have the right spread but are not exact": finite(ece) and ece > 0.025,
        "can be read as they stand": True,
    }
    words = next(words for words, so in ways.items() if so)
    about = f", {bounds(known)}: too little evidence" if unsure else ""
    off = f"; {100 * ece:.1f} percentage points off on average" if finite(ece) else ""
    return f"{when}, {words} (slope {number(slope, 2)}{about}{off}){_worse(entry, slope, ece)}"


def _worse(entry: Mapping[str, Any], slope: float, ece: Any) -> str:
    """What recalibration made worse, in the digits that are shown."""
    before = reading.calibrations(entry).get("before recalibration", {})
    was, gap = figure_of(before.get("slope")), figure_of(before.get("ece"))
    worse = []
    if finite(was) and round(abs(slope - 1), 2) > round(abs(was - 1), 2):
        worse.append(f"the slope ({number(was, 2)} before)")
    if finite(gap) and finite(ece) and round(100 * ece, 1) > round(100 * gap, 1):
        worse.append(f"the average gap ({100 * gap:.1f} points before)")
    return f"; recalibration made {listed(worse)} worse" if worse else ""


def _procedure(o: Outcome) -> str:
    n = o.fold_count
    mean = f"; the package answers with the mean of those {n} models, which is not itself scored"
    seen = f"Each row was scored by a model that had not seen it, in {n} cross-fitted folds"
    told = f"{seen}: the scores estimate the procedure{mean if o.report.get('package') else ''}."
    return told if n > 1 else ""


def _weakest(o: Outcome) -> str:
    worse = []
    for s in filter(o.served_worse, o.subgroups):
        found = s["scores"][o.primary]
        name = f"{s['column']} {s['level']}".replace("_", " ")
        worse.append(f"{name} ({number(found['value'])}, {bounds(found)})")
    return f"The score is clearly worse for {listed(worse)}." if worse else ""


def _few(report: Report) -> str:
    name, n = reading.main_group(report) or ("", None)
    models = max((len(o.models) for o in reading.outcomes(report)), default=0)
    if not finite(n) or n >= FEW_GROUPS or models < 2:
        return ""
    level = any(reading.verdict(c["difference"], c["score"]) == "level" for c in report["comparisons"])
    most = "most gaps between models: do not rank them by small gaps"
    gaps = most if level else "a small gap between models"
    few = f"With only {count(n)} {group_word(name, n)}{_held_for_validation(report, name)}"
    return f"{few}, a change of seed can be as large as {gaps}."


def _held_for_validation(report: Report, group: str) -> str:
    splits = [s["groups"] for s in report["cohort"].get("splits") or [] if s.get("split") == "validation"]
    known = [n for s in splits if finite(n := s.get(group) if isinstance(s, Mapping) else s)]
    each = " in a fold" if len(known) > 1 else ""
    return f", about {round(sum(known) / len(known))} of them for validation{each}" if known else ""


def _warnings(report: Report) -> str:
    found = [str(entry["check"]).replace("_", " ") for entry in filter(reading.warns, report["sanity"])]
    return f"Read the warnings before believing any of this: {listed(found)}." if found else ""


def _gates(report: Report) -> str:
    by_state: dict[str, list[str]] = {"held": [], "failed": [], "not tested": []}
    for gate in report["gates"]:
        wanted = f", wanted {told(gate['wanted'])}" if gate.get("wanted") is not None else ""
        measured = f" (measured {told(gate['measured'])}{wanted})" if gate["state"] == "failed" else ""
        by_state[gate["state"]].append(f"{gate['gate']}{measured}".replace("_", " "))
    held, failed, untested = by_state.values()
    n = len(report["gates"])
    if len(held) == n:
        words = {1: "The one gate", 2: "Both gates"}.get(n, f"All {n} gates")
        return f"{words} set before the run held." if n else ""
    parts = [f"{len(held) or 'none'} held"]
    parts += [f"failed: {listed(failed)}"] if failed else []
    parts += [f"not tested, for want of evidence: {listed(untested)}"] if untested else []
    return f"Of {n} gates set before the run, {'; '.join(parts)}."


def told(value: Any) -> str:
    """A gate's or setting's value in words: a range, a score with its interval, named values."""
    if isinstance(value, Mapping):
        return interval(value) if "value" in value else ", ".join(f"{k} {told(v)}" for k, v in value.items())
    if isinstance(value, list | tuple):
        ends = len(value) == 2 and all(map(finite, value))
        return " to ".join(map(told, value)) if ends else listed([*map(told, value)])
    if isinstance(value, bool):
        return "yes" if value else "no"
    return number(value) if isinstance(value, float) else count(value)
