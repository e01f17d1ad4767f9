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
ONE_ANSWER = "one answer for all"


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
    found = report["cohort"]
    steps, time = found.get("attrition") or [], found.get("time") or {}
    section = Section("cohort", "Who is in the data", f"{reading.rows_and_groups(report)}.")
    if time.get("from"):
        section.lead += f" Times run from {time['from']} to {time.get('to')}."
    if any(s.get("past_index") for s in steps):
        section.lead += (
            " Steps that are marked look past the index time; they decide on labels alone, never on inputs."
        )
    if steps:
        section.draw("Rows left after each step", flow(steps, title="Cohort flow", unit="Rows"))
    names = _keys(s.get("groups") for s in steps)
    rows = [[_step_name(s), s["rows"], *((s.get("groups") or {}).get(n) for n in names)] for s in steps]
    section.tabulate(rows, ["step", "rows", *map(reading.group_word, names)], "After each step")
    section.tabulate(_read(found), ["what", "rows"], "What was read")
    _splits(section, found.get("splits") or [])
    return section


def _keys(found: Iterable[Mapping[str, Any] | None]) -> list[str]:
    """The keys of all, each once, in order."""
    return list(dict.fromkeys(key for one in found for key in one or {}))


def _step_name(step: Mapping[str, Any]) -> str:
    return f"fell out: {step['step']}" if step.get("excluded") else str(step["step"])


def _read(found: Mapping[str, Any]) -> Iterable[Sequence[Any]]:
    """What ingest read, refused and set aside."""
    summary = dict(found.get("summary") or {})
    aside = {"not an event": summary.pop("non_events", {}), "set aside": found.get("set_aside")}
    yield from ((_plain(k), v) for k, v in summary.items() if finite(v) and k not in ("format", "shards"))
    for what, counts in aside.items():
        yield from ((f"{what}: {name}", v) for name, v in _flat(counts or {}))


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
    by = _keys(r.get("by") for r in found)
    plain = [c for c in ("all", "negative", "positive") if any(r.get(c) is not None for r in found)]
    rows: list[list[Any]] = []
    for variable, members in groupby(found, lambda r: _plain(r["variable"])):
        levels = [
            [r.get("level"), *(told({**(r.get("by") or {}), **r}.get(c)) for c in (*plain, *by))]
            for r in members
        ]
        if len(levels) == 1:
            level, *values = levels[0]
            rows.append([f"{variable}, {level}" if level else variable, *values])
            continue
        rows.append([Markup("<b>{}</b>").format(variable), *[""] * len(plain + by)])
        rows += [
            [Markup('<span class="level">{}</span>').format(_plain(level or "–")), *v] for level, *v in levels
        ]
    section.tabulate(rows, ["variable", *plain, *by], "Table 1")
    missing = [[_plain(m["column"]), percent(m["share"])] for m in report["cohort"].get("missing") or []]
    section.tabulate(missing, ["input", "rows without a value"], "What is missing")
    return section


def _plain(name: Any) -> str:
    return str(name).replace("_", " ").replace("//", ", ")


def scores(report: Report) -> Section:
    """Each score of each model with its interval, the folds behind it, and the curves it sums up."""
    section = Section("scores", "Scores", _score_lead(report))
    for outcome in reading.outcomes(report):
        models, first = reading.ordered(report, outcome), reading.primary(report, outcome)
        names = _keys(reading.scores_of(report, m, outcome) for m in models)
        for score in sorted(names, key=lambda s: s != first):
            title = _titled(report, score_name(score), outcome)
            axis = score_name(score) + (" (lower is better)" if reading.lower_is_better(score) else "")
            lines = [_score_line(report, m, outcome, score) for m in models]
            section.draw(title, forest(lines, title=f"{title} of each model", axis=axis))
        _curves(section, report, outcome)
        tested = dict.fromkeys((reading.split_of(report, outcome), "validation"))
        rows = [
            ([with_small(m, f"{part} rows")], reading.scores_of(report, m, outcome, part))
            for m in models
            for part in tested
        ]
        _score_table(section, rows, ["model"], _titled(report, "Scores with 95 % intervals", outcome))
    return section


def _score_table(
    section: Section, rows: Sequence[tuple[list[Any], Mapping[str, Any]]], heads: list[str], caption: str
) -> None:
    """rows: the first cells, under `heads`, and the scores that follow them, each with its interval."""
    names = _keys(found for _, found in rows)
    body = [[*first, *(scored(found.get(n)) for n in names)] for first, found in rows if found]
    section.tabulate(body, [*heads, *map(score_name, names)], caption)


def _titled(report: Report, words: str, outcome: str) -> str:
    return f"{words}: {outcome}" if len(reading.outcomes(report)) > 1 else words


def _score_lead(report: Report) -> str:
    outcome = next(iter(reading.outcomes(report)), "")
    folds, group = reading.fold_count(report, outcome), reading.main_group(report)
    over = reading.group_word(group[0]) if group else "rows"
    pooled = f"pooled over {folds} folds, each row scored by a model that did not see it"
    where = pooled if folds > 1 else f"{reading.split_of(report, outcome)} rows"
    ticks = " Small ticks are the single folds." if folds > 1 else ""
    return (
        f"Point and 95 % interval, by a bootstrap over {over}; {where}.{ticks} The chosen model is in colour."
        + _one_answer(report)
    )


def _one_answer(report: Report) -> str:
    """What the rank score of a model means that does not tell rows apart."""
    told: dict[str, str] = {}
    for outcome in reading.outcomes(report):
        pooled = reading.fold_count(report, outcome) > 1
        more = "; a pooled value other than 0.5 comes of folds whose answers differ" if pooled else ""
        for model in reading.constant(report, outcome):
            told[model] = (
                f" {model} {reading.same_answer(report, outcome)}: its rank score is chance by definition{more}."
            )
    return "".join(told.values())


def _score_line(report: Report, model: str, outcome: str, score: str) -> Line:
    folds = report["models"][model][outcome].get("folds") or []
    dots = [reading.figure_of(fold.get(score)) for fold in folds if isinstance(fold, Mapping)]
    note = (
        ONE_ANSWER
        if model in reading.constant(report, outcome)
        else "baseline"
        if reading.role(report, model) == "baseline"
        else ""
    )
    found = reading.scores_of(report, model, outcome).get(score) or {}
    return _line(
        model,
        found,
        strong=report["chosen"].get(outcome) == model,
        note=note,
        dots=tuple(filter(finite, dots)),
    )


def _line(label: str, found: Mapping[str, Any], **more: Any) -> Line:
    value = found.get("value")
    if not finite(value):
        more["note"] = more.get("note") or "no value"
    return Line(label, value, found.get("low"), found.get("high"), **more)


CURVES = {
    "roc": ("ROC curve", ("1 − specificity", "sensitivity"), "auroc"),
    "pr": ("Precision and recall", ("recall (sensitivity)", "precision (PPV)"), "auprc"),
}


def _curves(section: Section, report: Report, outcome: str) -> None:
    for kind, by_model in ((report.get("curves") or {}).get(outcome) or {}).items():
        if kind not in CURVES or not by_model:
            continue
        title, axes, area = CURVES[kind]
        drawn = []
        for m in _known(report, outcome, by_model):
            value = reading.figure_of(reading.scores_of(report, m, outcome).get(area))
            label = f"{m} {number(value)}" if finite(value) else m
            drawn.append(
                Curve(label, by_model[m]["x"], by_model[m]["y"], strong=m == report["chosen"].get(outcome))
            )
        words = f"{axes[1]} by {axes[0]}; area under the curve: {', '.join(c.label for c in drawn)}."
        high = sum(y for c in drawn for y in c.y) > 0.5 * sum(len(c.y) for c in drawn)
        corner: Any = "lower right" if kind == "roc" else "lower left" if high else "upper right"
        svg = curves(
            drawn,
            title=title,
            axes_names=axes,
            description=words,
            limits=SHARES,
            diagonal=kind == "roc",
            inside=corner,
            height=300,
        )
        section.draw(_titled(report, title, outcome), svg)


def _known(report: Report, outcome: str, by_model: Mapping[str, Any]) -> list[str]:
    return [m for m in dict.fromkeys([*reading.ordered(report, outcome), *by_model]) if m in by_model]


VERDICTS = {"better": "clearly better", "worse": "clearly worse", "level": "level", "untold": "no interval"}


def comparison(report: Report) -> Section:
    """Paired differences: chosen against each other, then the studied models against each baseline."""
    lead = (
        "Difference on the same rows, with its 95 % interval. Where the interval includes nought, the two are "
        "level: the data do not tell them apart."
    )
    section = Section("comparison", "Is it better?", lead + _one_answer(report))
    for outcome in reading.outcomes(report):
        mine = [c for c in report["comparisons"] if c["outcome"] == outcome]
        chosen = report["chosen"].get(outcome)
        for score in dict.fromkeys(c["score"] for c in mine):
            lines: list[Line] = []
            for a, against in groupby(
                _turned((c for c in mine if c["score"] == score), chosen), lambda c: c["a"]
            ):
                lines.append(Line(f"{a} minus"))
                for c in against:
                    note = VERDICTS[reading.verdict(c["difference"], score)]
                    lines.append(_line(c["b"], c["difference"], strong=a == chosen, note=note))
            title = _titled(report, f"Differences in {score_name(score)}", outcome)
            axis = (
                f"difference; better lies {'left' if reading.lower_is_better(score) else 'right'} of the line"
            )
            section.draw(title, forest(lines, title=title, axis=axis, zero=True))
    return section


def _turned(found: Iterable[Mapping[str, Any]], chosen: str | None) -> list[Mapping[str, Any]]:
    """The comparisons, those of the chosen model first and seen from its side, each pair once."""
    once = {}
    for c in found:
        if c["b"] == chosen:
            c = {**c, "a": c["b"], "b": c["a"], "difference": reading.turned(c["difference"])}
        once[c["a"], c["b"]] = c
    return sorted(once.values(), key=lambda c: (c["a"] != chosen, c["a"]))


def calibrated(report: Report) -> Section:
    """Does 0.8 mean 80 %: before and after recalibration."""
    section = Section("calibration", "Does 0.8 mean 80 %?")
    rows: list[list[Any]] = []
    for model, found in report["calibration"].items():
        for outcome, entry in found.items():
            rows += _calibration_rows(model, entry, model in reading.constant(report, outcome))
            if report["chosen"].get(outcome) == model and entry:
                title = _titled(report, f"Calibration of {model}", outcome)
                bins = [(entry.get(when) or {}).get("curve") or [] for when in ("before", "after")]
                section.draw(title, calibration(*bins, title=title, unit="rows"))
                if words := in_words(entry):
                    section.lead += f"The probabilities of {model}, {words}. "
    if rows:
        section.lead += "A slope of 1 and an intercept of 0 are right."
    section.tabulate(rows, ["model", "slope", "intercept", "mean error"], "Calibration of each model")
    return section


def _calibration_rows(model: str, entry: Mapping[str, Any], constant: bool) -> Iterable[list[Any]]:
    """constant: one answer for all rows has no slope; what pooled folds give is none."""
    for when in ("before", "after"):
        if found := entry.get(when):
            kinds = ("slope", "intercept", "ece")
            values = [
                None if constant and k != "ece" else found.get(f"{k}_interval") or found.get(k) for k in kinds
            ]
            words = f"{when} recalibration" if entry.get("before") else "as given"
            yield [with_small(model, f"{words}, {ONE_ANSWER}" if constant else words), *map(_cell, values)]


def _cell(entry: Any) -> Any:
    return scored(entry) if isinstance(entry, Mapping) else number(entry)


def usefulness(report: Report) -> Section:
    """Decision curve and operating points."""
    section = Section("usefulness", "Is it useful?")
    for outcome, found in (report.get("decision") or {}).items():
        section.lead = (
            "Net benefit weighs true alarms against false ones at each threshold; a model is worth having where its "
            "curve lies above an alert for all and an alert for none."
        )
        title = _titled(report, "Decision curve", outcome)
        section.draw(title, _decision(report, outcome, found, title))
    points = report.get("operating") or []
    found = [_operating_point(p) for p in points]
    rows = [[measure, *(one.get(measure) for one in found)] for measure in _keys(found)]
    section.tabulate(rows, ["measure", *(p["model"] for p in points)], "Operating points")
    return section


def _operating_point(point: Mapping[str, Any]) -> dict[str, Any]:
    scores = {_measure(name): scored(score) for name, score in (point.get("scores") or {}).items()}
    alerts = _cell(point.get("alerts_interval") or point.get("alerts_per_100"))
    rule, threshold = told(point["rule"]).replace("_", " "), number(point.get("threshold"))
    return {"rule": rule, "threshold": threshold, **scores, "alerts per 100 rows": alerts}


def _measure(score: str) -> str:
    return score.upper() if score in ("ppv", "npv") else score_name(score).lower()


def _decision(report: Report, outcome: str, found: Mapping[str, Any], title: str) -> str:
    x, models, nothing = found["thresholds"], found["models"], found.get("none") or 0
    drawn = [
        Curve(m, x, models[m], strong=m == report["chosen"].get(outcome))
        for m in _known(report, outcome, models)
    ]
    none = nothing if isinstance(nothing, list) else [nothing] * len(x)
    drawn += [Curve("alert for all", x, found["all"], colour=MUTED), Curve("none", x, none, colour=MUTED)]
    most = max((v for c in drawn for v in c.y if finite(v)), default=0.1)
    middle = len(x) // 2
    at = "; ".join(f"{c.label} {number(c.y[middle])}" for c in drawn if len(c.y) > middle)
    words = f"Net benefit by threshold. At threshold {number(x[middle], 2) if x else '–'}: {at}."
    names, limits = ("threshold probability", "net benefit"), (None, (-0.25 * most, most * 1.08))
    return curves(drawn, title=title, axes_names=names, description=words, limits=limits)


def subgroups(report: Report) -> Section:
    """Whom it serves well and whom not; what is too small is named as such."""
    lead = (
        "The dashed line is the score of all rows. A subgroup in colour has its whole interval on the worse side of "
        "it; one that is named too small says nothing either way."
    )
    section, group = Section("subgroups", "Whom does it serve?", lead), reading.main_group(report)
    who = reading.group_word(group[0]) if group else "groups"
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
        axis = f"{score_name(score)} of {chosen}"
        section.draw(title, forest(lines, title=title, axis=axis, reference=overall))
        rows = [
            (
                [with_small(_plain(s["level"]), _plain(s["column"])), s["n"], s.get("groups")],
                s.get("scores") or {},
            )
            for s in own
            if not s["too_small"]
        ]
        _score_table(section, rows, ["subgroup", "rows", who], "Every score by subgroup")
    return section


def _subgroup(report: Report, s: Mapping[str, Any], outcome: str) -> Line:
    group, n, level = reading.main_group(report), s.get("groups"), _plain(s["level"])
    size = (
        f"{count(s['n'])} rows"
        if group is None or n is None
        else f"{count(n)} {reading.group_word(group[0], n)}"
    )
    if s["too_small"]:
        return Line(level, note=f"too small ({size})")
    found = (s.get("scores") or {}).get(reading.primary(report, outcome)) or {}
    return _line(level, found, note=size, worse=reading.served_worse(report, s, outcome))


def sanity(report: Report) -> Section:
    """Checks that should give chance, or find what was planted; those that warn stand first."""
    section = Section("sanity", "Sanity")
    entries = sorted(report["sanity"], key=lambda s: not reading.warns(s))
    rows = [[_plain(s["check"]), _applied(s), told(s["result"]), told(s["why"])] for s in entries]
    section.tabulate(rows, ["check", "applies", "result", "why"], "Sanity checks")
    return section


def _applied(entry: Mapping[str, Any]) -> str | Markup:
    return _state("warning") if reading.warns(entry) else "yes" if entry["applies"] else "no"


def training(report: Report) -> Section:
    """How the loss fell, in each fold."""
    section = Section("training", "Training")
    rows = []
    for model, found in groupby(sorted(report.get("training") or [], key=_fitted), _fitted):
        runs = list(found)
        fits = [r for r in runs if len(_losses(r, "validation")) > 1 or len(_losses(r, "train")) > 1]
        if fits:
            section.lead = "Loss by epoch, a line a fit; the dot is the epoch whose weights were kept."
            section.draw(f"Training of {model}", _training(model, fits))
        best, seconds = ([r[k] for r in runs if finite(r.get(k))] for k in ("best", "seconds"))
        rows.append(
            [model, len(runs), ", ".join(map(count, best)) or "–", number(sum(seconds)) if seconds else None]
        )
    section.tabulate(rows, ["model", "fits", "best epoch of each", "seconds, all fits"], "Fits")
    return section


def _fitted(run: Mapping[str, Any]) -> str:
    return str(run["model"])


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
    section = Section(
        "gates", "Gates", "Conditions written before the run. Too little evidence is never counted as held."
    )
    rows = [
        [
            with_small(_plain(g["gate"]), g.get("why") or ""),
            _state(g["state"]),
            told(g["measured"]),
            _plain(told(g.get("wanted"))),
        ]
        for g in report["gates"]
    ]
    section.tabulate(rows, ["gate", "state", "measured", "wanted"], "Gates")
    return section


def _state(state: str) -> Markup:
    mark = {"held": "✓", "failed": "✗", "not tested": "○", "warning": "!"}.get(state, "")
    return Markup('<span class="state {}">{} {}</span>').format(state.replace(" ", "-"), mark, state)


def package(report: Report) -> Section:
    """What leaves: is it portable, what is in it, what it is meant for."""
    section, found = Section("package", "The package"), report.get("package") or {}
    named = {**found, "intended use": report.get("intended_use")} if found else {}
    rows = [[_plain(k), _packaged(k, v)] for k, v in named.items() if v is not None and v not in ("", [], {})]
    section.tabulate(rows, ["what", "value"], "Package")
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
    rows = [
        [name, told(v)] for name, v in ({_plain(k): v for k, v in environment.items()} | versions).items()
    ]
    section.tabulate(rows, ["what", "version"], "Environment")
    steps = [
        [s["step"], s["seconds"], "reused" if s.get("reused") else "run"] for s in report.get("steps") or []
    ]
    section.tabulate(steps, ["step", "seconds", "state"], "Steps")
    hashes = [[name, Markup("<code>{}</code>").format(value)] for name, value in report["data"].items()]
    section.tabulate(hashes, ["data", "SHA-256"], "Data")
    return section


SECTIONS: tuple[Callable[[Report], Section], ...] = (
    *(cohort, table_one, scores, comparison, calibrated, usefulness, subgroups),
    *(gates, sanity, training, package, provenance),
)
