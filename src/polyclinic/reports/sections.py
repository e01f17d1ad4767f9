"""The sections of the page: each reads the report and gives words, figures and tables, or nothing at all."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

from markupsafe import Markup

from polyclinic.figures.curves import Curve, calibration, curves
from polyclinic.figures.flow import flow
from polyclinic.figures.html import scored, table, with_small
from polyclinic.figures.intervals import Line, forest
from polyclinic.figures.numbers import count, finite, number, percent
from polyclinic.figures.svg import ACCENT, MUTED
from polyclinic.reports import reading
from polyclinic.reports.finding import in_words, told
from polyclinic.reports.reading import Report, score_name

SHARES = ((0.0, 1.0), (0.0, 1.0))


@dataclass
class Section:
    """One part of the page. figures: (caption, svg); beside: tables that stand next to them; tables: below."""

    key: str
    title: str
    lead: str = ""
    figures: list[tuple[str, str]] = field(default_factory=list)
    beside: list[str] = field(default_factory=list)
    tables: list[str] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.figures or self.beside or self.tables)


def cohort(report: Report) -> Section:
    """Who is in the data, step by step, and how the rows were split."""
    steps = report["cohort"].get("attrition") or []
    section = Section("cohort", "Who is in the data", _cohort_lead(report, steps))
    if steps:
        names = list(dict.fromkeys(g for s in steps for g in s.get("groups") or {}))
        section.figures.append(("Rows left after each step", flow(steps, title="Cohort flow", unit="Rows")))
        heads = ["step", "rows", *(reading.group_word(n) for n in names)]
        rows = [[_step_name(s), s["rows"], *((s.get("groups") or {}).get(n) for n in names)] for s in steps]
        tables = [table(rows, heads, "After each step"), *_read(report)]
        section.beside.append("".join(tables))
    section.tables += _splits(report["cohort"].get("splits") or [])
    return section


def _step_name(step: Mapping[str, Any]) -> str:
    return f"fell out: {step['step']}" if step.get("excluded") else str(step["step"])


def _cohort_lead(report: Report, steps: list[Mapping[str, Any]]) -> str:
    time = report["cohort"].get("time") or {}
    words = f"{reading.rows_and_groups(report)}."
    if time.get("from"):
        words += f" Times run from {time['from']} to {time.get('to')}."
    if any(s.get("past_index") for s in steps):
        words += (
            " Steps that are marked look past the index time; they decide on labels alone, never on inputs."
        )
    return words


def _read(report: Report) -> list[str]:
    """What ingest read, refused and set aside."""
    summary = dict(report["cohort"].get("summary") or {})
    found = {"not an event": summary.pop("non_events", {}), "set aside": report["cohort"].get("set_aside")}
    rows = [[_plain(k), v] for k, v in summary.items() if finite(v) and k not in ("format", "shards")]
    rows += [[f"{what}: {name}", v] for what, counts in found.items() for name, v in _flat(counts or {})]
    return [table(rows, ["what", "rows"], "What was read")] if rows else []


def _flat(value: Any, name: str = "") -> Iterable[tuple[str, Any]]:
    if not isinstance(value, Mapping):
        yield name, value
        return
    for key, inner in value.items():
        yield from _flat(inner, f"{name}, {key}" if name else _plain(key))


def _splits(splits: list[Mapping[str, Any]]) -> list[str]:
    """One line a fold; under each part its rows, and below them its groups and positives."""
    parts = list(dict.fromkeys(str(s.get("split", "all")) for s in splits))
    cells = {(str(s.get("fold", "")), str(s.get("split", "all"))): _part(s) for s in splits}
    folds = list(dict.fromkeys(fold for fold, _ in cells))
    rows = [[fold or "–", *(cells.get((fold, part)) for part in parts)] for fold in folds]
    return [table(rows, ["fold", *(f"{p} rows" for p in parts)], "How the rows were split")] if rows else []


def _part(split: Mapping[str, Any]) -> Markup:
    groups = split.get("groups") or {}
    named = groups if isinstance(groups, Mapping) else {"group": groups}
    words = [f"{count(n)} {reading.group_word(name, n)}" for name, n in named.items()]
    words += [f"{count(split['positive'])} positive"] if split.get("positive") is not None else []
    return with_small(count(split.get("rows")), ", ".join(words))


def table_one(report: Report) -> Section:
    """Table 1 and what is missing."""
    rows = report["cohort"].get("table1") or []
    section = Section("table1", "What the data hold")
    by = list(dict.fromkeys(label for r in rows for label in r.get("by") or {}))
    plain = [c for c in ("all", "negative", "positive") if any(r.get(c) is not None for r in rows)]
    body: list[list[Any]] = []
    for variable, levels in groupby(rows, lambda r: r["variable"]):
        body += _variable(_plain(variable), list(levels), plain, by)
    if body:
        section.beside.append(table(body, ["variable", *plain, *by], "Table 1"))
    missing = [[_plain(m["column"]), percent(m["share"])] for m in report["cohort"].get("missing") or []]
    if missing:
        section.beside.append(table(missing, ["input", "rows without a value"], "What is missing"))
    return section


def _variable(
    name: str, levels: list[Mapping[str, Any]], plain: Sequence[str], by: Sequence[str]
) -> list[list[Any]]:
    """A variable of table 1: one line, or a heading with one line a level."""
    numbers = [
        [*(told(r.get(c)) for c in plain), *(told((r.get("by") or {}).get(c)) for c in by)] for r in levels
    ]
    if len(levels) == 1:
        level = levels[0].get("level")
        return [[f"{name}, {level}" if level else name, *numbers[0]]]
    names = [Markup('<span class="level">{}</span>').format(_plain(r.get("level") or "–")) for r in levels]
    heading = [Markup("<b>{}</b>").format(name), *[""] * (len(plain) + len(by))]
    return [heading, *([level, *cells] for level, cells in zip(names, numbers, strict=True))]


def _plain(name: Any) -> str:
    return str(name).replace("_", " ").replace("//", ", ")


def scores(report: Report) -> Section:
    """Each score of each model with its interval, the folds behind it, and the curves it sums up."""
    section = Section("scores", "Scores", _score_lead(report))
    for outcome in reading.outcomes(report):
        models, first = reading.ordered(report, outcome), reading.primary(report, outcome)
        names = list(dict.fromkeys(s for m in models for s in reading.scores_of(report, m, outcome)))
        for score in sorted(names, key=lambda s: s != first):
            title = _titled(report, score_name(score), outcome)
            better = " (lower is better)" if reading.lower_is_better(score) else ""
            lines = [_score_line(report, m, outcome, score) for m in models]
            drawn = forest(lines, title=f"{title} of each model", axis=score_name(score) + better)
            section.figures.append((title, drawn))
        section.figures += _curves(report, outcome)
        if names:
            place = section.beside if len(names) <= 3 else section.tables
            place.append(_score_table(report, outcome, models, names))
    return section


def _titled(report: Report, words: str, outcome: str) -> str:
    return f"{words}: {outcome}" if len(reading.outcomes(report)) > 1 else words


def _score_lead(report: Report) -> str:
    outcome = next(iter(reading.outcomes(report)), "")
    folds, split = reading.fold_count(report, outcome), reading.split_of(report, outcome)
    group = reading.main_group(report)
    over = reading.group_word(group[0]) if group else "rows"
    pooled = f"pooled over {folds} folds, each row scored by a model that did not see it"
    where = pooled if folds > 1 else f"{split} rows"
    ticks = " Small ticks are the single folds." if folds > 1 else ""
    return (
        f"Point and 95 % interval, by a bootstrap over {over}; {where}.{ticks} The chosen model is in colour."
    )


def _score_line(report: Report, model: str, outcome: str, score: str) -> Line:
    found = reading.scores_of(report, model, outcome).get(score) or {}
    folds = report["models"][model][outcome].get("folds") or []
    dots = [reading.figure_of(fold.get(score)) for fold in folds if isinstance(fold, Mapping)]
    strong = report["chosen"].get(outcome) == model
    note = "baseline" if reading.role(report, model) == "baseline" else ""
    return _line(model, found, strong=strong, note=note, dots=tuple(d for d in dots if finite(d)))


def _line(label: str, found: Mapping[str, Any], **more: Any) -> Line:
    value = found.get("value")
    if not finite(value):
        more["note"] = more.get("note") or "no value"
    return Line(label, value, found.get("low"), found.get("high"), **more)


def _score_table(report: Report, outcome: str, models: list[str], names: list[str]) -> str:
    split = reading.split_of(report, outcome)
    rows = []
    for model in models:
        for part in dict.fromkeys((split, "validation")):
            found = reading.scores_of(report, model, outcome, part)
            if found:
                rows.append([with_small(model, f"{part} rows"), *(scored(found.get(s)) for s in names)])
    title = _titled(report, "Scores with 95 % intervals", outcome)
    return table(rows, ["model", *map(score_name, names)], title)


def _curves(report: Report, outcome: str) -> list[tuple[str, str]]:
    found = (report.get("curves") or {}).get(outcome) or {}
    kinds = {
        "roc": ("ROC curve", ("1 − specificity", "sensitivity"), "auroc"),
        "pr": ("Precision and recall", ("recall (sensitivity)", "precision (PPV)"), "auprc"),
    }
    return [
        (_titled(report, title, outcome), _curve(report, outcome, found[kind], title, axes, area))
        for kind, (title, axes, area) in kinds.items()
        if found.get(kind)
    ]


def _curve(
    report: Report, outcome: str, by_model: Mapping[str, Any], title: str, axes: tuple[str, str], area: str
) -> str:
    chosen, drawn = report["chosen"].get(outcome), []
    for m in _known(report, outcome, by_model):
        value = reading.figure_of(reading.scores_of(report, m, outcome).get(area))
        label = f"{m} {number(value)}" if finite(value) else m
        drawn.append(Curve(label, by_model[m]["x"], by_model[m]["y"], strong=m == chosen))
    words = f"{axes[1]} by {axes[0]}; area under the curve: {', '.join(c.label for c in drawn)}."
    high = sum(y for c in drawn for y in c.y) > 0.5 * sum(len(c.y) for c in drawn)
    roc = area == "auroc"
    corner: Any = "lower right" if roc else "lower left" if high else "upper right"
    return curves(
        drawn,
        title=title,
        axes_names=axes,
        description=words,
        limits=SHARES,
        diagonal=roc,
        inside=corner,
        height=300,
    )


def _known(report: Report, outcome: str, by_model: Mapping[str, Any]) -> list[str]:
    order = reading.ordered(report, outcome)
    return [m for m in order if m in by_model] + [m for m in by_model if m not in order]


def comparison(report: Report) -> Section:
    """Paired differences: chosen against each other, then the studied models against each baseline."""
    lead = (
        "Difference on the same rows, with its 95 % interval. Where the interval includes nought, the two are "
        "level: the data do not tell them apart."
    )
    section = Section("comparison", "Is it better?", lead)
    for outcome in reading.outcomes(report):
        mine = [c for c in report["comparisons"] if c["outcome"] == outcome]
        chosen = report["chosen"].get(outcome)
        for score in dict.fromkeys(c["score"] for c in mine):
            found = _turned((c for c in mine if c["score"] == score), chosen)
            lines: list[Line] = []
            for a, against in groupby(found, lambda c: c["a"]):
                lines.append(Line(f"{a} minus"))
                lines += [_compared(c, score, strong=a == chosen) for c in against]
            title = _titled(report, f"Differences in {score_name(score)}", outcome)
            side = "left" if reading.lower_is_better(score) else "right"
            drawn = forest(lines, title=title, axis=f"difference; better lies {side} of the line", zero=True)
            section.figures.append((title, drawn))
    return section


def _turned(found: Iterable[Mapping[str, Any]], chosen: str | None) -> list[Mapping[str, Any]]:
    """The comparisons, those of the chosen model first and seen from its side, each pair once."""
    turned = [
        {**c, "a": c["b"], "b": c["a"], "difference": reading.turned(c["difference"])}
        if c["b"] == chosen
        else c
        for c in found
    ]
    once = {(c["a"], c["b"]): c for c in turned}
    return sorted(once.values(), key=lambda c: (c["a"] != chosen, c["a"]))


def _compared(c: Mapping[str, Any], score: str, *, strong: bool) -> Line:
    word = reading.verdict(c["difference"], score)
    note = {"better": "clearly better", "worse": "clearly worse", "level": "level", "untold": "no interval"}[
        word
    ]
    return _line(c["b"], c["difference"], strong=strong, note=note)


def calibrated(report: Report) -> Section:
    """Does 0.8 mean 80 %: before and after recalibration."""
    section = Section("calibration", "Does 0.8 mean 80 %?")
    rows: list[list[Any]] = []
    for model, found in report["calibration"].items():
        for outcome, entry in found.items():
            rows += _calibration_rows(model, entry)
            if report["chosen"].get(outcome) == model and entry:
                title = _titled(report, f"Calibration of {model}", outcome)
                bins = [(entry.get(when) or {}).get("curve") or [] for when in ("before", "after")]
                section.figures.append((title, calibration(*bins, title=title, unit="rows")))
                section.lead += _calibration_lead(model, entry)
    if rows:
        section.lead += "A slope of 1 and an intercept of 0 are right."
        heads = ["model", "slope", "intercept", "mean error"]
        section.beside.append(table(rows, heads, "Calibration of each model"))
    return section


def _calibration_rows(model: str, entry: Mapping[str, Any]) -> list[list[Any]]:
    rows = []
    for when in ("before", "after"):
        found = entry.get(when)
        if found:
            values = [found.get(f"{k}_interval") or found.get(k) for k in ("slope", "intercept", "ece")]
            told_when = f"{when} recalibration" if entry.get("before") else "as given"
            rows.append([with_small(model, told_when), *map(_cell, values)])
    return rows


def _cell(entry: Any) -> Any:
    return scored(entry) if isinstance(entry, Mapping) else number(entry)


def _calibration_lead(model: str, entry: Mapping[str, Any]) -> str:
    after = entry.get("after") or {}
    slope = reading.figure_of(after.get("slope"))
    if not finite(slope):
        return ""
    when = "After recalibration" if entry.get("before") else "As they are given"
    return f"{when}, the probabilities of {model} {in_words(slope, after.get('ece'))} (slope {number(slope, 2)}). "


def usefulness(report: Report) -> Section:
    """Decision curve and operating points."""
    section = Section("usefulness", "Is it useful?")
    for outcome, found in (report.get("decision") or {}).items():
        section.figures.append(_decision(report, outcome, found))
    if section.figures:
        section.lead = (
            "Net benefit weighs true alarms against false ones at each threshold; a model is worth having where its "
            "curve lies above an alert for all and an alert for none."
        )
    points = report.get("operating") or []
    if points:
        heads = ["measure", *(p["model"] for p in points)]
        section.beside.append(table(_operating(points), heads, "Operating points"))
    return section


def _operating(points: list[Mapping[str, Any]]) -> list[list[Any]]:
    """One line a measure, one column an operating point: few points stand well side by side."""
    names = list(dict.fromkeys(s for p in points for s in p.get("scores") or {}))
    alerts = [p.get("alerts_interval") or p.get("alerts_per_100") for p in points]
    return [
        ["rule", *(told(p["rule"]).replace("_", " ") for p in points)],
        ["threshold", *(number(p.get("threshold")) for p in points)],
        *([_measure(s), *(scored((p.get("scores") or {}).get(s)) for p in points)] for s in names),
        ["alerts per 100 rows", *map(_cell, alerts)],
    ]


def _measure(score: str) -> str:
    return score.upper() if score in ("ppv", "npv") else score_name(score).lower()


def _decision(report: Report, outcome: str, found: Mapping[str, Any]) -> tuple[str, str]:
    x, models, nothing = found["thresholds"], found["models"], found.get("none") or 0
    chosen = report["chosen"].get(outcome)
    drawn = [Curve(m, x, models[m], strong=m == chosen) for m in _known(report, outcome, models)]
    none = nothing if isinstance(nothing, list) else [nothing] * len(x)
    drawn += [Curve("alert for all", x, found["all"], colour=MUTED), Curve("none", x, none, colour=MUTED)]
    most = max((v for c in drawn for v in c.y if finite(v)), default=0.1)
    title, middle = _titled(report, "Decision curve", outcome), len(x) // 2
    at = "; ".join(f"{c.label} {number(c.y[middle])}" for c in drawn if len(c.y) > middle)
    words = f"Net benefit by threshold. At threshold {number(x[middle], 2) if x else '–'}: {at}."
    names, limits = ("threshold probability", "net benefit"), (None, (-0.25 * most, most * 1.08))
    return title, curves(drawn, title=title, axes_names=names, description=words, limits=limits)


def subgroups(report: Report) -> Section:
    """Whom it serves well and whom not; what is too small is named as such."""
    lead = (
        "The dashed line is the score of all rows. A subgroup in colour has its whole interval on the worse side of "
        "it; one that is named too small says nothing either way."
    )
    section = Section("subgroups", "Whom does it serve?", lead)
    for outcome in reading.outcomes(report):
        own, score = reading.subgroups(report, outcome), reading.primary(report, outcome)
        if not own:
            continue
        chosen = str(report["chosen"].get(outcome))
        lines: list[Line] = []
        for column, members in groupby(own, lambda s: s["column"]):
            lines += [Line(_plain(column)), *(_subgroup(report, s, outcome) for s in members)]
        overall = reading.figure_of(reading.scores_of(report, chosen, outcome).get(score))
        title = _titled(report, f"{score_name(score)} by subgroup", outcome)
        drawn = forest(lines, title=title, axis=f"{score_name(score)} of {chosen}", reference=overall)
        section.figures.append((title, drawn))
        names = list(dict.fromkeys(name for s in own for name in s.get("scores") or {}))
        place = section.beside if len(names) <= 2 else section.tables
        place.append(_subgroup_table(report, own, names))
    return section


def _subgroup(report: Report, s: Mapping[str, Any], outcome: str) -> Line:
    found = (s.get("scores") or {}).get(reading.primary(report, outcome)) or {}
    if s["too_small"]:
        return Line(_plain(s["level"]), note=f"too small ({_size(report, s)})")
    return _line(
        _plain(s["level"]), found, note=_size(report, s), worse=reading.served_worse(report, s, outcome)
    )


def _size(report: Report, s: Mapping[str, Any]) -> str:
    group, n = reading.main_group(report), s.get("groups")
    if group is None or n is None:
        return f"{count(s['n'])} rows"
    return f"{count(n)} {reading.group_word(group[0], n)}"


def _subgroup_table(report: Report, own: list[Mapping[str, Any]], names: list[str]) -> str:
    group = reading.main_group(report)
    rows: list[list[Any]] = []
    for s in own:
        found = {} if s["too_small"] else s.get("scores") or {}
        level = with_small(_plain(s["level"]), "too small" if s["too_small"] else "")
        rows.append(
            [_plain(s["column"]), level, s["n"], s.get("groups"), *(scored(found.get(n)) for n in names)]
        )
    who = reading.group_word(group[0]) if group else "groups"
    return table(rows, ["column", "level", "rows", who, *map(score_name, names)], "Every score by subgroup")


def sanity(report: Report) -> Section:
    """Checks that should give chance, or find what was planted."""
    section = Section("sanity", "Sanity")
    rows = [
        [s["check"], "yes" if s["applies"] else "no", told(s["result"]), s["why"]] for s in report["sanity"]
    ]
    if rows:
        section.tables.append(table(rows, ["check", "applies", "result", "why"], "Sanity checks"))
    return section


def training(report: Report) -> Section:
    """How the loss fell, in each fold."""
    section = Section("training", "Training")
    runs = sorted(report.get("training") or [], key=lambda r: str(r["model"]))
    for model, found in groupby(runs, lambda r: r["model"]):
        fits = [r for r in found if len(_losses(r, "validation")) > 1 or len(_losses(r, "train")) > 1]
        if fits:
            section.figures.append((f"Training of {model}", _training(str(model), fits)))
    if section.figures:
        section.lead = "Loss by epoch, a line a fit; the dot is the epoch whose weights were kept."
    rows = [[r["model"], str(r.get("fold", "")), r.get("best"), r.get("seconds")] for r in runs]
    if rows:
        section.beside.append(table(rows, ["model", "fold", "best epoch", "seconds"], "Fits"))
    return section


def _losses(fit: Mapping[str, Any], part: str) -> list[tuple[float, float]]:
    return [(e["epoch"], e[part]) for e in fit.get("curve") or [] if "epoch" in e and finite(e.get(part))]


def _training(model: str, fits: list[Mapping[str, Any]]) -> str:
    drawn, lowest = [], []
    for fit in fits:
        for part, colour in (("validation", ACCENT), ("train", MUTED)):
            x, y = zip(*_losses(fit, part), strict=True) if _losses(fit, part) else ((), ())
            kept, last = part == "validation", fit is fits[-1]
            best = fit.get("best") if kept else None
            drawn.append(Curve(part, x, y, strong=last and kept, faint=not last, colour=colour, mark=best))
            lowest += [number(min(y))] if kept and y else []
    words = f"Loss of {len(fits)} fits of {model} by epoch. Lowest validation loss: {', '.join(lowest)}."
    title, names = f"Training of {model}", ("epoch", "loss")
    return curves(drawn, title=title, axes_names=names, description=words, height=240)


def gates(report: Report) -> Section:
    """Conditions written before the run."""
    lead = "Conditions written before the run. Too little evidence is never counted as held."
    section = Section("gates", "Gates", lead)
    rows = [
        [
            with_small(_plain(g["gate"]), g.get("why") or ""),
            _state(g["state"]),
            told(g["measured"]),
            _wanted(g),
        ]
        for g in report["gates"]
    ]
    if rows:
        section.tables.append(table(rows, ["gate", "state", "measured", "wanted"], "Gates"))
    return section


def _wanted(gate: Mapping[str, Any]) -> str:
    return _plain(told(gate.get("wanted")))


def _state(state: str) -> Markup:
    mark = {"held": "✓", "failed": "✗", "not tested": "○"}.get(state, "")
    return Markup('<span class="state {}">{} {}</span>').format(state.replace(" ", "-"), mark, state)


def package(report: Report) -> Section:
    """What leaves: is it portable, what is in it, what it is meant for."""
    found = {**(report.get("package") or {})}
    section = Section("package", "The package")
    if found:
        found["intended use"] = report.get("intended_use")
        rows = [
            [_plain(k), _packaged(k, v)] for k, v in found.items() if v is not None and v not in ("", [], {})
        ]
        section.tables.append(table(rows, ["what", "value"], "Package"))
    return section


def _packaged(key: str, value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if key == "size" and finite(value):
        return f"{value / 1e6:.1f} MB" if value >= 1e5 else f"{value / 1e3:.1f} kB"
    return told(value)


def provenance(report: Report) -> Section:
    """What is needed to run it again to the same figures."""
    section = Section("provenance", "To run it again", f"Study {report['study']}, seed {report['seed']}.")
    environment = dict(report["environment"])
    versions = environment.pop("versions", {})
    rows = [[_plain(k), told(v)] for k, v in environment.items()]
    rows += [[name, str(version)] for name, version in versions.items()]
    steps = [
        [s["step"], s["seconds"], "reused" if s.get("reused") else "run"] for s in report.get("steps") or []
    ]
    hashes = [[name, Markup("<code>{}</code>").format(value)] for name, value in report["data"].items()]
    if rows:
        section.beside.append(table(rows, ["what", "version"], "Environment"))
    if steps:
        section.beside.append(table(steps, ["step", "seconds", "state"], "Steps"))
    if hashes:
        section.tables.append(table(hashes, ["data", "SHA-256"], "Data"))
    return section


SECTIONS: tuple[Callable[[Report], Section], ...] = (
    *(cohort, table_one, scores, comparison, calibrated, usefulness, subgroups),
    *(sanity, training, gates, package, provenance),
)
