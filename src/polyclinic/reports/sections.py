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
from polyclinic.reports.reading import Outcome, Report, score_name

SHARES = ((0.0, 1.0), (0.0, 1.0))
ONE_ANSWER = "one answer for all"
VERDICTS = {"better": "clearly better", "worse": "clearly worse", "level": "level", "untold": "no interval"}
MEASURES = ("slope", "intercept", "ece")
LEVEL = Markup('<span class="level">{}</span>')
CURVES = {
    "roc": ("ROC curve", ("1 − specificity", "sensitivity"), "auroc"),
    "pr": ("Precision and recall", ("recall (sensitivity)", "precision (PPV)"), "auprc"),
}
Scored = tuple[list[Any], Mapping[str, Any]]


@dataclass
class Section:
    """One part of the page. parts: its figures and tables as HTML, in the order in which they stand."""

    key: str
    title: str
    lead: str = ""
    parts: list[str] = field(default_factory=list)

    def draw(self, caption: str, svg: str) -> None:
        """Add a figure."""
        figure = Markup("<figure><figcaption>{}</figcaption>{}</figure>")
        self.parts.append(figure.format(caption, Markup(svg)))

    def tabulate(self, rows: Iterable[Sequence[Any]], heads: Sequence[str], caption: str) -> None:
        """Add a table, unless it has no rows."""
        if rows := [*rows]:
            self.parts.append(table(rows, heads, caption))


def cohort(report: Report) -> Section:
    """Who is in the data, step by step, and how the rows were split."""
    found, section = (
        report["cohort"],
        Section("cohort", "Who is in the data", f"{reading.rows_and_groups(report)}."),
    )
    steps, time = found.get("attrition") or [], found.get("time") or {}
    if time.get("from"):
        section.lead += f" Times run from {time['from']} to {time.get('to')}."
    if any(s.get("past_index") for s in steps):
        section.lead += (
            " Steps that are marked look past the index time: they decide on labels, never on inputs."
        )
    if steps:
        section.draw("Rows left after each step", flow(steps, title="Cohort flow", unit="Rows"))
    names, rows = _keys(s.get("groups") for s in steps), []
    for s in steps:
        name = f"fell out: {s['step']}" if s.get("excluded") else s["step"]
        rows.append([name, s["rows"], *((s.get("groups") or {}).get(n) for n in names)])
    section.tabulate(rows, ["step", "rows", *map(reading.group_word, names)], "After each step")
    summary = {k: v for k, v in (found.get("summary") or {}).items() if k not in ("format", "shards")}
    aside = {"not an event": summary.pop("non_events", {}), "set aside": found.get("set_aside")}
    read = [(_plain(k), v) for k, v in summary.items() if finite(v)]
    read += [(f"{what}: {name}", v) for what, counts in aside.items() for name, v in _flat(counts or {})]
    section.tabulate(read, ["what", "rows"], "What was read")
    _splits(section, found.get("splits") or [])
    return section


def _keys(found: Iterable[Mapping[str, Any] | None]) -> list[str]:
    """The keys of all, each once, in order."""
    return list(dict.fromkeys(key for one in found for key in one or {}))


def _flat(value: Any, name: str = "") -> Iterable[tuple[str, Any]]:
    if not isinstance(value, Mapping):
        yield name, value
        return
    for key, inner in value.items():
        yield from _flat(inner, f"{name}, {key}" if name else _plain(key))


def _splits(section: Section, splits: Sequence[Mapping[str, Any]]) -> None:
    """One line a fold; under each part its rows, and below them its groups and positives."""
    cells = {(str(s.get("fold", "")), str(s.get("split", "all"))): _part(s) for s in splits}
    folds, parts = (list(dict.fromkeys(names)) for names in zip(*cells, strict=True)) if cells else ([], [])
    rows = [[fold or "–", *(cells.get((fold, part)) for part in parts)] for fold in folds]
    section.tabulate(rows, ["fold", *(f"{p} rows" for p in parts)], "How the rows were split")


def _part(split: Mapping[str, Any]) -> Markup:
    groups = split.get("groups") or {}
    named = groups if isinstance(groups, Mapping) else {"group": groups}
    words = [f"{count(n)} {reading.group_word(name, n)}" for name, n in named.items()]
    words += [f"{count(split['positive'])} positive"] if split.get("positive") is not None else []
    return with_small(count(split.get("rows")), ", ".join(words))


def table_one(report: Report) -> Section:
    """Table 1 and what is missing."""
    section, found = Section("table1", "What the data hold"), report["cohort"].get("table1") or []
    plain = [c for c in ("all", "negative", "positive") if any(r.get(c) is not None for r in found)]
    columns, rows = [*plain, *_keys(r.get("by") for r in found)], []
    for variable, members in groupby(found, lambda r: _plain(r["variable"])):
        flat = [{**(r.get("by") or {}), **r} for r in members]
        levels = [(_plain(r.get("level") or ""), [told(r.get(c)) for c in columns]) for r in flat]
        if len(levels) == 1:
            rows += [[", ".join(filter(None, (variable, level))), *values] for level, values in levels]
            continue
        rows.append([Markup("<b>{}</b>").format(variable), *[""] * len(columns)])
        rows += [[LEVEL.format(level or "–"), *values] for level, values in levels]
    section.tabulate(rows, ["variable", *columns], "Table 1")
    missing = [[_plain(m["column"]), percent(m["share"])] for m in report["cohort"].get("missing") or []]
    section.tabulate(missing, ["input", "rows without a value"], "What is missing")
    return section


def _plain(name: Any) -> str:
    return str(name).replace("_", " ").replace("//", ", ")


def scores(report: Report) -> Section:
    """Each score of each model with its interval, the folds behind it, and the curves it sums up."""
    section = Section("scores", "Scores", _score_lead(report))
    for o in reading.outcomes(report):
        names = _keys(map(o.scores, o.models))
        for score in sorted(names, key=lambda s: s != o.primary):
            title = o.titled(score_name(score))
            axis = score_name(score) + (" (lower is better)" if reading.lower_is_better(score) else "")
            lines = [_score_line(o, m, score) for m in o.models]
            section.draw(title, forest(lines, title=f"{title} of each model", axis=axis))
        _curves(section, o)
        parts = [(m, part) for m in o.models for part in dict.fromkeys((o.split, "validation"))]
        rows = [([with_small(m, f"{part} rows")], o.scores(m, part)) for m, part in parts]
        _score_table(section, rows, ["model"], o.titled("Scores with 95 % intervals"))
    return section


def _score_table(section: Section, rows: Sequence[Scored], heads: list[str], caption: str) -> None:
    """rows: the first cells, under `heads`, and the scores that follow them, each with its interval."""
    names = _keys(found for _, found in rows)
    body = [[*first, *(scored(found.get(n)) for n in names)] for first, found in rows if found]
    section.tabulate(body, [*heads, *map(score_name, names)], caption)


def _score_lead(report: Report) -> str:
    first = next(iter(reading.outcomes(report)), reading.Outcome(report, ""))
    group, folds = reading.main_group(report), first.fold_count
    over, where = reading.group_word(group[0]) if group else "rows", f"{first.split} rows."
    if folds > 1:
        where = f"pooled over {folds} folds, each row scored by a model that did not see it. Small ticks are the single folds."
    lead = f"Point and 95 % interval, by a bootstrap over {over}; {where} The chosen model is in colour."
    return lead + _one_answer(report)


def _one_answer(report: Report) -> str:
    """What the rank score of a model means that does not tell rows apart."""
    words = {m: o.same_answer for o in reading.outcomes(report) for m in o.constant}
    return "".join(f" {m} {told}: its rank score is chance by definition." for m, told in words.items())


def _score_line(o: Outcome, model: str, score: str) -> Line:
    note = ONE_ANSWER if model in o.constant else "baseline" if o.is_baseline(model) else ""
    dots = tuple(v for fold in o.folds(model) if finite(v := reading.figure_of(fold.get(score))))
    return _line(model, o.scores(model).get(score) or {}, strong=model == o.chosen, note=note, dots=dots)


def _line(label: str, found: Mapping[str, Any], **more: Any) -> Line:
    value = found.get("value")
    if not finite(value):
        more["note"] = more.get("note") or "no value"
    return Line(label, value, found.get("low"), found.get("high"), **more)


def _curves(section: Section, o: Outcome) -> None:
    for kind, by_model in ((o.report.get("curves") or {}).get(o.name) or {}).items():
        title, axes, area = CURVES.get(kind, ("", ("", ""), ""))
        drawn = []
        for m in _known(o, by_model) if title else ():
            value = reading.figure_of(o.scores(m).get(area))
            label = f"{m} {number(value)}" if finite(value) else m
            drawn.append(Curve(label, by_model[m]["x"], by_model[m]["y"], strong=m == o.chosen))
        if not drawn:
            continue
        words = f"{axes[1]} by {axes[0]}; area under the curve: {', '.join(c.label for c in drawn)}."
        high = sum(y for c in drawn for y in c.y) > 0.5 * sum(len(c.y) for c in drawn)
        corner = "lower right" if kind == "roc" else "lower left" if high else "upper right"
        frame: Any = {"limits": SHARES, "diagonal": kind == "roc", "inside": corner, "height": 300}
        section.draw(o.titled(title), curves(drawn, title=title, axes_names=axes, description=words, **frame))


def _known(o: Outcome, by_model: Mapping[str, Any]) -> list[str]:
    return [m for m in dict.fromkeys([*o.models, *by_model]) if m in by_model]


def comparison(report: Report) -> Section:
    """Paired differences: chosen against each other, then the studied models against each baseline."""
    lead = (
        "Difference on the same rows, with its 95 % interval. Where the interval includes nought, the two are "
        "level: the data do not tell them apart."
    )
    section = Section("comparison", "Is it better?", lead + _one_answer(report))
    for o in reading.outcomes(report):
        by_score: dict[str, dict[tuple[str, str], Mapping[str, Any]]] = {}
        for c in report["comparisons"]:
            if c["outcome"] == o.name:
                a, b, difference = c["a"], c["b"], c["difference"]
                if b == o.chosen:
                    a, b, difference = b, a, reading.turned(difference)
                by_score.setdefault(c["score"], {})[a, b] = difference
        for score, found in by_score.items():
            title, side = (
                o.titled(f"Differences in {score_name(score)}"),
                "left" if reading.lower_is_better(score) else "right",
            )
            lines: list[Line] = []
            for a, pairs in groupby(
                sorted(found, key=lambda ab: (ab[0] != o.chosen, ab[0])), lambda ab: ab[0]
            ):
                told = [(b, found[a, b], VERDICTS[reading.verdict(found[a, b], score)]) for _, b in pairs]
                lines += [
                    Line(f"{a} minus"),
                    *(_line(b, d, strong=a == o.chosen, note=note) for b, d, note in told),
                ]
            axis = f"difference; better lies {side} of the line"
            section.draw(title, forest(lines, title=title, axis=axis, zero=True))
    return section


def calibrated(report: Report) -> Section:
    """Does 0.8 mean 80 %: before and after recalibration."""
    section = Section("calibration", "Does 0.8 mean 80 %?")
    rows: list[list[Any]] = []
    for o in reading.outcomes(report):
        for model, found in report["calibration"].items():
            entry = found.get(o.name) or {}
            rows += _calibration_rows(model, entry, model in o.constant)
            if entry and model == o.chosen:
                title = o.titled(f"Calibration of {model}")
                bins = {when: found.get("curve") or [] for when, found in reading.calibrations(entry).items()}
                section.draw(title, calibration(bins, title=title, unit="rows"))
                words = "" if model in o.constant else in_words(entry)
                section.lead += f"The probabilities of {model}, {words}. " if words else ""
    if rows:
        section.lead += "A slope of 1 and an intercept of 0 are right."
    section.tabulate(rows, ["model", "slope", "intercept", "mean error"], "Calibration of each model")
    return section


def _calibration_rows(model: str, entry: Mapping[str, Any], constant: bool) -> Iterable[list[Any]]:
    """constant: one answer for all rows has no slope; what pooled folds give is none."""
    for words, found in reversed(reading.calibrations(entry).items()):
        slope, intercept, error = (_cell(found.get(f"{k}_interval") or found.get(k)) for k in MEASURES)
        if constant:
            words, slope, intercept = f"{words}, {ONE_ANSWER}", None, None
        yield [with_small(model, words), slope, intercept, error]


def _cell(entry: Any) -> Any:
    return scored(entry) if isinstance(entry, Mapping) else number(entry)


def usefulness(report: Report) -> Section:
    """Decision curve and operating points."""
    section, points = Section("usefulness", "Is it useful?"), report.get("operating") or []
    for o in reading.outcomes(report):
        if found := (report.get("decision") or {}).get(o.name):
            section.lead = (
                "Net benefit weighs true alarms against false ones at each threshold; a model is worth having where its "
                "curve lies above an alert for all and an alert for none."
            )
            section.draw(o.titled("Decision curve"), _decision(o, found))
    told_of = [_operating_point(p) for p in points]
    rows = [[measure, *(one.get(measure) for one in told_of)] for measure in _keys(told_of)]
    section.tabulate(rows, ["measure", *(p["model"] for p in points)], "Operating points")
    return section


def _operating_point(point: Mapping[str, Any]) -> dict[str, Any]:
    measured = {score_name(name): scored(score) for name, score in (point.get("scores") or {}).items()}
    alerts = _cell(point.get("alerts_interval") or point.get("alerts_per_100"))
    rule, threshold = _plain(told(point["rule"])), number(point.get("threshold"))
    where = {"Chosen on": f"{point['chosen_on']} rows"} if point.get("chosen_on") else {}
    return {"Rule": rule, "Threshold": threshold, **where, **measured, "Alerts per 100 rows": alerts}


def _decision(o: Outcome, found: Mapping[str, Any]) -> str:
    x, models, none = found["thresholds"], found["models"], found.get("none") or 0
    drawn = [Curve(m, x, models[m], strong=m == o.chosen) for m in _known(o, models)]
    flat = none if isinstance(none, list) else [none] * len(x)
    drawn += [Curve("alert for all", x, found["all"], colour=MUTED), Curve("none", x, flat, colour=MUTED)]
    most, middle = max((v for c in drawn for v in c.y if finite(v)), default=0.1), len(x) // 2
    at = "; ".join(f"{c.label} {number(c.y[middle])}" for c in drawn if len(c.y) > middle)
    words = f"Net benefit by threshold. At threshold {number(x[middle], 2) if x else '–'}: {at}."
    names, limits = ("threshold probability", "net benefit"), (None, (-0.25 * most, most * 1.08))
    title = o.titled("Decision curve")
    return curves(drawn, title=title, axes_names=names, description=words, limits=limits)


def subgroups(report: Report) -> Section:
    """Whom it serves well and whom not; what is too small is named as such."""
    lead = (
        "The dashed line is the score of all rows. A subgroup in colour has its whole interval on the worse side of "
        "it; one that is named too small says nothing either way."
    )
    section, group = Section("subgroups", "Whom does it serve?", lead), reading.main_group(report)
    heads = ["subgroup", "rows", reading.group_word(group[0]) if group else "groups"]
    for o in reading.outcomes(report):
        lines: list[Line] = []
        rows: list[Scored] = []
        for column, members in groupby(o.subgroups, lambda s: _plain(s["column"])):
            lines.append(Line(column))
            for s in members:
                lines.append(_subgroup(o, s))
                first = [with_small(_plain(s["level"]), column), s["n"], s.get("groups")]
                rows += [] if s["too_small"] else [(first, s.get("scores") or {})]
        if lines:
            name, overall = score_name(o.primary), o.score(o.chosen).get("value")
            title, axis = o.titled(f"{name} by subgroup"), f"{name} of {o.chosen}"
            section.draw(title, forest(lines, title=title, axis=axis, reference=overall))
        _score_table(section, rows, heads, o.titled("Every score by subgroup"))
    return section


def _subgroup(o: Outcome, s: Mapping[str, Any]) -> Line:
    group, n, level = reading.main_group(o.report), s.get("groups"), _plain(s["level"])
    size = (
        f"{count(n)} {reading.group_word(group[0], n)}"
        if group and n is not None
        else f"{count(s['n'])} rows"
    )
    if s["too_small"]:
        return Line(level, note=f"too small ({size})")
    return _line(level, (s.get("scores") or {}).get(o.primary) or {}, note=size, worse=o.served_worse(s))


def sanity(report: Report) -> Section:
    """Checks that should give chance, or find what was planted; those that warn stand first."""
    section, rows = Section("sanity", "Sanity"), []
    for s in sorted(report["sanity"], key=lambda s: not reading.warns(s)):
        applies = _state("warning") if reading.warns(s) else told(s["applies"])
        rows.append([_plain(s["check"]), applies, told(s["result"]), told(s["why"])])
    section.tabulate(rows, ["check", "applies", "result", "why"], "Sanity checks")
    return section


def training(report: Report) -> Section:
    """How the loss fell, in each fold."""
    section, rows = Section("training", "Training"), []
    by_model: dict[str, list[Mapping[str, Any]]] = {}
    for run in report.get("training") or []:
        by_model.setdefault(run["model"], []).append(run)
    for model, runs in sorted(by_model.items()):
        if fits := [r for r in runs if max(len(_losses(r, part)) for part in ("validation", "train")) > 1]:
            section.lead = "Loss by epoch, a line a fit; the dot is the epoch whose weights were kept."
            section.draw(f"Training of {model}", _training(model, fits))
        best, seconds = ([r[k] for r in runs if finite(r.get(k))] for k in ("best", "seconds"))
        rows.append([model, len(runs), ", ".join(map(count, best)) or "–", sum(seconds) if seconds else None])
    section.tabulate(rows, ["model", "fits", "best epoch of each", "seconds, all fits"], "Fits")
    return section


def _losses(fit: Mapping[str, Any], part: str) -> dict[float, float]:
    return {e["epoch"]: e[part] for e in fit.get("curve") or [] if "epoch" in e and finite(e.get(part))}


def _training(model: str, fits: list[Mapping[str, Any]]) -> str:
    drawn = []
    for fit in fits:
        last, best = fit is fits[-1], [fit["best"]] if finite(fit.get("best")) else []
        of, train = _losses(fit, "validation"), _losses(fit, "train")
        drawn.append(
            Curve("validation", [*of], [*of.values()], strong=last, faint=not last, colour=ACCENT, marks=best)
        )
        drawn.append(Curve("train", [*train], [*train.values()], faint=not last, colour=MUTED))
    lowest = ", ".join(number(min(c.y)) for c in drawn if c.y and c.label == "validation")
    words = f"Loss of {len(fits)} fits of {model} by epoch. Lowest validation loss: {lowest}."
    title, names = f"Training of {model}", ("epoch", "loss")
    return curves(drawn, title=title, axes_names=names, description=words, height=240)


def gates(report: Report) -> Section:
    """Conditions written before the run."""
    lead = "Conditions written before the run. Too little evidence is never counted as held."
    section, rows = Section("gates", "Gates", lead), []
    for g in report["gates"]:
        name = with_small(_plain(g["gate"]), g.get("why") or "")
        rows.append([name, _state(g["state"]), told(g["measured"]), _plain(told(g.get("wanted")))])
    section.tabulate(rows, ["gate", "state", "measured", "wanted"], "Gates")
    return section


def _state(state: str) -> Markup:
    mark = {"held": "✓", "failed": "✗", "not tested": "○", "warning": "!"}.get(state, "")
    return Markup('<span class="state {}">{} {}</span>').format(state.replace(" ", "-"), mark, state)


def package(report: Report) -> Section:
    """What leaves: is it portable, what is in it, what it is meant for."""
    section, found = Section("package", "The package"), report.get("package") or {}
    named = {**found, "intended use": report.get("intended_use")} if found else {}
    rows = [[_plain(k), told(v)] for k, v in named.items() if v is not None and v not in ("", [], {})]
    section.tabulate(rows, ["what", "value"], "Package")
    return section


def provenance(report: Report) -> Section:
    """What is needed to run it again to the same figures."""
    section = Section("provenance", "To run it again", f"Study {report['study']}, seed {report['seed']}.")
    environment, code = dict(report["environment"]), Markup("<code>{}</code>")
    versions = environment.pop("versions", {})
    rows = [[name, told(v)] for name, v in (*environment.items(), *versions.items())]
    section.tabulate(rows, ["what", "version"], "Environment")
    steps = [
        [s["step"], s["seconds"], "reused" if s.get("reused") else "run"] for s in report.get("steps") or []
    ]
    section.tabulate(steps, ["step", "seconds", "state"], "Steps")
    hashes = [[name, code.format(value)] for name, value in report["data"].items()]
    section.tabulate(hashes, ["data", "SHA-256"], "Data")
    return section


SECTIONS: tuple[Callable[[Report], Section], ...] = (
    *(cohort, table_one, scores, comparison, calibrated, usefulness, subgroups),
    *(gates, sanity, training, package, provenance),
)
