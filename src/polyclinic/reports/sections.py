"""The sections of the page: each reads the report and gives words, figures and tables, or nothing at all."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

from markupsafe import Markup

from polyclinic.figures.curves import Curve, calibration, curves
from polyclinic.figures.flow import flow
from polyclinic.figures.html import table
from polyclinic.figures.intervals import Line, forest
from polyclinic.figures.numbers import count, finite, interval, number, percent
from polyclinic.figures.svg import ACCENT, MUTED
from polyclinic.reports import reading
from polyclinic.reports.finding import in_words, told
from polyclinic.reports.reading import Report, score_name

BOTH_SHARES = (0.0, 1.0)


@dataclass
class Section:
    """One part of the page. figures: (caption, svg); tables: HTML, shown below the figures."""

    key: str
    title: str
    lead: str = ""
    figures: list[tuple[str, str]] = field(default_factory=list)
    tables: list[str] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.figures or self.tables)


def cohort(report: Report) -> Section:
    """Who is in the data, step by step, and how the rows were split."""
    steps = report["cohort"].get("attrition") or []
    section = Section("cohort", "Who is in the data", _cohort_lead(report, steps))
    if steps:
        names = list(dict.fromkeys(g for s in steps for g in s.get("groups") or {}))
        unit = "Rows"
        section.figures.append(("Rows left after each step", flow(steps, title="Cohort flow", unit=unit)))
        heads = ["step", "rows", *(reading.group_word(n) for n in names)]
        rows = [[s["step"], s["rows"], *((s.get("groups") or {}).get(n) for n in names)] for s in steps]
        section.tables.append(table(rows, heads, "Rows and groups after each step"))
    splits = report["cohort"].get("splits") or []
    section.tables += _of_mappings(splits, "How the rows were split")
    section.tables += _read(report)
    return section


def _cohort_lead(report: Report, steps: list[Mapping[str, Any]]) -> str:
    past = [s["step"] for s in steps if s.get("past_index")]
    words = f"{reading.rows_and_groups(report)}."
    time = report["cohort"].get("time") or {}
    if time.get("from"):
        words += f" Times run from {time['from']} to {time.get('to')}."
    if past:
        words += (
            " Steps marked in the figure look past the index time; they decide on labels, never on inputs."
        )
    return words


def _read(report: Report) -> list[str]:
    """What ingest read, refused and set aside."""
    summary = dict(report["cohort"].get("summary") or {})
    non_events = summary.pop("non_events", {})
    aside = report["cohort"].get("set_aside") or {}
    rows = [[k.replace("_", " "), v] for k, v in summary.items() if not isinstance(v, Mapping | list)]
    rows += [[f"not an event: {k}", v] for k, v in _flat(non_events)]
    rows += [[f"set aside: {k}", v] for k, v in _flat(aside)]
    return [table(rows, ["what was read", "rows"], "Every row read is accounted for")] if rows else []


def _flat(value: Any, name: str = "") -> Iterable[tuple[str, Any]]:
    if not isinstance(value, Mapping):
        yield name, value if finite(value) or isinstance(value, str) else told(value)
        return
    for key, inner in value.items():
        yield from _flat(inner, f"{name}, {key}" if name else str(key))


def _of_mappings(rows: list[Mapping[str, Any]], caption: str) -> list[str]:
    columns = list(dict.fromkeys(key for row in rows for key in row))
    shown = [[_shown(row.get(c)) for c in columns] for row in rows]
    return [table(shown, [c.replace("_", " ") for c in columns], caption)] if rows else []


def _shown(value: Any) -> Any:
    return told(value) if isinstance(value, Mapping | list | tuple) else value


def table_one(report: Report) -> Section:
    """Table 1 and what is missing."""
    rows = report["cohort"].get("table1") or []
    section = Section("table1", "What the data hold")
    by = list(dict.fromkeys(label for r in rows for label in r.get("by") or {}))
    plain = [c for c in ("all", "negative", "positive") if any(r.get(c) is not None for r in rows)]
    if rows:
        body, last = [], None
        for r in rows:
            name = r["variable"] if r["variable"] != last else ""
            last = r["variable"]
            numbers = [_shown(r.get(c)) for c in plain] + [
                _shown((r.get("by") or {}).get(label)) for label in by
            ]
            body.append([name, str(r.get("level") or ""), *numbers])
        section.tables.append(table(body, ["variable", "level", *plain, *by], "Table 1"))
    missing = [[m["column"], percent(m["share"])] for m in report["cohort"].get("missing") or []]
    if missing:
        section.tables.append(table(missing, ["column", "missing"], "Share of rows without a value"))
    return section


def scores(report: Report) -> Section:
    """Each score of each model with its interval, the folds behind it, and the curves it sums up."""
    section = Section("scores", "Scores")
    for outcome in reading.outcomes(report):
        models = reading.ordered(report, outcome)
        names = list(dict.fromkeys(s for m in models for s in reading.scores_of(report, m, outcome)))
        for score in sorted(names, key=lambda s: s != reading.primary(report, outcome)):
            title = _titled(report, score_name(score), outcome)
            better = " (lower is better)" if reading.lower_is_better(score) else ""
            lines = [_score_line(report, m, outcome, score) for m in models]
            axis = score_name(score) + better
            section.figures.append((title, forest(lines, title=f"{title} of each model", axis=axis)))
        section.figures += _curves(report, outcome)
        section.tables.append(_score_table(report, outcome, models, names))
    section.lead = _score_lead(report)
    return section


def _titled(report: Report, words: str, outcome: str) -> str:
    return f"{words}: {outcome}" if len(reading.outcomes(report)) > 1 else words


def _score_lead(report: Report) -> str:
    outcome = next(iter(reading.outcomes(report)), "")
    folds, split = reading.fold_count(report, outcome), reading.split_of(report, outcome)
    group = reading.main_group(report)
    over = reading.group_word(group[0]) if group else "rows"
    where = (
        f"pooled over {folds} folds, each row scored by a model that did not see it"
        if folds > 1
        else f"{split} rows"
    )
    ticks = " Small ticks are the single folds." if folds > 1 else ""
    return f"Point and 95 % interval by a bootstrap over {over}; {where}.{ticks} The chosen model is in bold."


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
        parts = [s for s in (split, "validation") if report["models"][model][outcome].get(s)]
        for part in dict.fromkeys(parts):
            found = reading.scores_of(report, model, outcome, part)
            rows.append([model, part, *(interval(found[s]) if s in found else None for s in names)])
    return table(
        rows,
        ["model", "rows", *map(score_name, names)],
        _titled(report, "Scores with 95 % intervals", outcome),
    )


def _curves(report: Report, outcome: str) -> list[tuple[str, str]]:
    found = (report.get("curves") or {}).get(outcome) or {}
    kinds = {
        "roc": ("ROC curve", ("1 − specificity", "sensitivity"), "chance"),
        "pr": ("Precision and recall", ("recall (sensitivity)", "precision (PPV)"), ""),
    }
    return [
        (_titled(report, title, outcome), _curve(report, outcome, found[kind], title, axes, diagonal))
        for kind, (title, axes, diagonal) in kinds.items()
        if found.get(kind)
    ]


def _curve(
    report: Report,
    outcome: str,
    by_model: Mapping[str, Any],
    title: str,
    axes: tuple[str, str],
    diagonal: str,
) -> str:
    chosen = report["chosen"].get(outcome)
    drawn = [
        Curve(m, by_model[m]["x"], by_model[m]["y"], strong=m == chosen)
        for m in _known(report, outcome, by_model)
    ]
    words = (
        f"{axes[1]} by {axes[0]} for {', '.join(c.label for c in drawn)}; the scores above sum the curves up."
    )
    limits = (BOTH_SHARES, BOTH_SHARES)
    names: Any = {
        "title": title,
        "axes_names": axes,
        "description": words,
        "limits": limits,
        "diagonal": diagonal,
    }
    return curves(drawn, height=300, inside=bool(diagonal), **names)


def _known(report: Report, outcome: str, by_model: Mapping[str, Any]) -> list[str]:
    order = reading.ordered(report, outcome)
    return [m for m in order if m in by_model] + [m for m in by_model if m not in order]


def comparison(report: Report) -> Section:
    """Paired differences: chosen against each other, then the studied models against each baseline."""
    lead = (
        "Difference on the same rows, with its 95 % interval. Where the interval includes nought, the two are level: "
        "the data do not tell them apart."
    )
    section = Section("comparison", "Is it better?", lead)
    key = lambda c: (c["outcome"], c["score"])  # noqa: E731 - two uses, one line
    for (outcome, score), found in groupby(sorted(report["comparisons"], key=key), key):
        chosen = report["chosen"].get(outcome)
        turned = [
            c
            if c["a"] == chosen or c["b"] != chosen
            else {**c, "a": c["b"], "b": c["a"], "difference": reading.turned(c["difference"])}
            for c in found
        ]
        lines = [
            _line(f"{c['a']} − {c['b']}", c["difference"], strong=c["a"] == chosen, note=_judged(c, score))
            for c in sorted(turned, key=lambda c: c["a"] != chosen)
        ]
        better = "left" if reading.lower_is_better(score) else "right"
        title = _titled(report, f"Differences in {score_name(score)}", outcome)
        axis = f"difference (better: {better} of the line)"
        section.figures.append((title, forest(lines, title=title, axis=axis, zero="level")))
    section.figures.sort(
        key=lambda f: not any(score_name(reading.primary(report, o)) in f[0] for o in report["chosen"])
    )
    return section


def _judged(c: Mapping[str, Any], score: str) -> str:
    word = reading.verdict(c["difference"], score)
    return {"better": "clearly better", "worse": "clearly worse", "level": "level"}[word]


def calibrated(report: Report) -> Section:
    """Does 0.8 mean 80 %: before and after recalibration."""
    section = Section("calibration", "Does 0.8 mean 80 %?")
    rows = []
    for model, found in report["calibration"].items():
        for outcome, entry in found.items():
            for when in ("before", "after"):
                if entry.get(when):
                    rows.append(
                        [model, when, *(_figure(entry[when].get(k)) for k in ("slope", "intercept", "ece"))]
                    )
            if report["chosen"].get(outcome) == model and (entry.get("before") or entry.get("after")):
                section.figures.append(_calibration_figure(report, model, outcome, entry))
                section.lead += _calibration_lead(entry)
    if rows:
        heads = ["model", "when", "slope (1 is right)", "intercept (0 is right)", "mean error (ECE)"]
        section.tables.append(table(rows, heads, "Calibration of each model"))
    return section


def _figure(entry: Any) -> Any:
    return interval(entry) if isinstance(entry, Mapping) else number(entry)


def _calibration_figure(
    report: Report, model: str, outcome: str, entry: Mapping[str, Any]
) -> tuple[str, str]:
    title = _titled(report, f"Calibration of {model}", outcome)
    before, after = ((entry.get(when) or {}).get("curve") or [] for when in ("before", "after"))
    return title, calibration(before, after, title=title, unit="rows")


def _calibration_lead(entry: Mapping[str, Any]) -> str:
    after = entry.get("after") or entry.get("before") or {}
    slope = reading.figure_of(after.get("slope"))
    if not finite(slope):
        return ""
    when = "After recalibration" if entry.get("after") else "As they come"
    return f"{when}, the chosen model's probabilities {in_words(slope)} (slope {number(slope, 2)}). "


def usefulness(report: Report) -> Section:
    """Decision curve and operating points."""
    section = Section("usefulness", "Is it useful?")
    for outcome, found in (report.get("decision") or {}).items():
        section.figures.append(_decision(report, outcome, found))
    if section.figures:
        section.lead = (
            "Net benefit weighs true alarms against false ones at each threshold; a model is worth having where its "
            "curve lies above treating all and treating none."
        )
    points = report.get("operating") or []
    names = list(dict.fromkeys(s for p in points for s in p.get("scores") or {}))
    rows = [
        [p["model"], p["rule"], p.get("threshold"), *(interval(p["scores"][s]) if s in p["scores"] else None for s in names),
         _figure(p.get("alerts_per_100"))]
        for p in points
    ]  # fmt: skip
    if rows:
        heads = ["model", "rule", "threshold", *(_short(s) for s in names), "alerts per 100 rows"]
        section.tables.append(table(rows, heads, "Operating points"))
    return section


def _short(score: str) -> str:
    return score.upper() if score in ("ppv", "npv") else score_name(score).lower()


def _decision(report: Report, outcome: str, found: Mapping[str, Any]) -> tuple[str, str]:
    x, models = found["thresholds"], found["models"]
    chosen = report["chosen"].get(outcome)
    drawn = [Curve(m, x, models[m], strong=m == chosen) for m in _known(report, outcome, models)]
    nothing = found.get("none") or 0
    none = nothing if isinstance(nothing, list) else [nothing] * len(x)
    drawn += [Curve("all", x, found["all"], colour=MUTED), Curve("none", x, none, colour=MUTED)]
    most = max((v for c in drawn for v in c.y if finite(v)), default=0.1)
    title = _titled(report, "Decision curve", outcome)
    middle = len(x) // 2
    at = "; ".join(f"{c.label} {number(c.y[middle])}" for c in drawn if len(c.y) > middle)
    words = f"Net benefit by threshold. At threshold {number(x[middle], 2) if x else '–'}: {at}."
    limits = (None, (-0.25 * most, most * 1.08))
    names = ("threshold probability", "net benefit")
    return title, curves(drawn, title=title, axes_names=names, description=words, limits=limits)


def subgroups(report: Report) -> Section:
    """Whom it serves well and whom not; what is too small is named as such."""
    lead = (
        "The dashed line is the score of all rows. A subgroup whose interval lies wholly on the worse side is served "
        "worse; one named too small says nothing either way."
    )
    section = Section("subgroups", "Whom does it serve?", lead)
    for outcome in reading.outcomes(report):
        chosen, score = report["chosen"].get(outcome), reading.primary(report, outcome)
        own = [
            s for s in report["subgroups"]
            if s.get("outcome", outcome) == outcome and s.get("model", chosen) == chosen
        ]  # fmt: skip
        if not own:
            continue
        lines: list[Line] = []
        for column, members in groupby(own, lambda s: s["column"]):
            lines += [Line(str(column).replace("_", " ")), *(_subgroup(report, s, score) for s in members)]
        overall = reading.figure_of(reading.scores_of(report, str(chosen), outcome).get(score))
        title = _titled(report, f"{score_name(score)} by subgroup", outcome)
        axis = f"{score_name(score)} of {chosen}"
        section.figures.append((title, forest(lines, title=title, axis=axis, reference=overall)))
        section.tables.append(_subgroup_table(report, own))
    return section


def _subgroup(report: Report, s: Mapping[str, Any], score: str) -> Line:
    found = (s.get("scores") or {}).get(score) or {}
    if s["too_small"]:
        return Line(str(s["level"]), note=f"too small ({_size(report, s)})")
    return _line(str(s["level"]), found, note=_size(report, s))


def _size(report: Report, s: Mapping[str, Any]) -> str:
    group, n = reading.main_group(report), s.get("groups")
    if group is None or n is None:
        return f"{count(s['n'])} rows"
    return f"{count(n)} {reading.group_word(group[0], n)}"


def _subgroup_table(report: Report, own: list[Mapping[str, Any]]) -> str:
    group = reading.main_group(report)
    names = list(dict.fromkeys(score for s in own for score in s.get("scores") or {}))
    rows = [
        [s["column"], str(s["level"]), s["n"], s.get("groups"), "too small" if s["too_small"] else "",
         *(interval(s["scores"][n]) if n in (s.get("scores") or {}) else None for n in names)]
        for s in own
    ]  # fmt: skip
    heads = [
        "column",
        "level",
        "rows",
        reading.group_word(group[0]) if group else "groups",
        "note",
        *map(score_name, names),
    ]
    return table(rows, heads, "Subgroups")


def sanity(report: Report) -> Section:
    """Checks that should give chance, or find what was planted."""
    rows = [
        [s["check"], "yes" if s["applies"] else "does not apply", told(s["result"]), s["why"]]
        for s in report["sanity"]
    ]
    section = Section("sanity", "Sanity")
    if rows:
        section.tables.append(table(rows, ["check", "applies", "result", "why"], "Sanity checks"))
    return section


def training(report: Report) -> Section:
    """How the loss fell, in each fold."""
    section = Section("training", "Training", "Loss by epoch; the dot is the epoch whose weights were kept.")
    runs = sorted(report.get("training") or [], key=lambda r: str(r["model"]))
    for model, found in groupby(runs, lambda r: r["model"]):
        fits = [r for r in found if r.get("curve")]
        if fits:
            section.figures.append((f"Training of {model}", _training(str(model), fits)))
    rows = [[r["model"], str(r.get("fold")), r.get("seed"), r.get("best"), r.get("seconds")] for r in runs]
    if rows:
        section.tables.append(table(rows, ["model", "fold", "seed", "best epoch", "seconds"], "Fits"))
    return section


def _training(model: str, fits: list[Mapping[str, Any]]) -> str:
    drawn = []
    for place, fit in enumerate(fits):
        x = [e["epoch"] for e in fit["curve"]]
        for part, colour in (("validation", ACCENT), ("train", MUTED)):
            y = [e.get(part) for e in fit["curve"]]
            mark = fit.get("best") if part == "validation" else None
            last = place == len(fits) - 1
            drawn.append(
                Curve(
                    part, x, y, strong=last and part == "validation", faint=not last, colour=colour, mark=mark
                )
            )
    ends = ", ".join(
        number(min(c.y)) for c in drawn if c.label == "validation" and all(map(finite, c.y)) and c.y
    )
    words = f"Loss of {len(fits)} fits of {model} by epoch. Lowest validation loss of each: {ends}."
    return curves(
        drawn, title=f"Training of {model}", axes_names=("epoch", "loss"), description=words, height=230
    )


def gates(report: Report) -> Section:
    """Conditions written before the run."""
    lead = "Conditions written before the run. Too little evidence is never counted as held."
    section = Section("gates", "Gates", lead)
    rows = [
        [g["gate"].replace("_", " "), _state(g["state"]), told(g["measured"]), told(g.get("wanted"))]
        for g in report["gates"]
    ]
    if rows:
        section.tables.append(table(rows, ["gate", "state", "measured", "wanted"], "Gates"))
    return section


def _state(state: str) -> Markup:
    mark = {"held": "✓", "failed": "✗", "not tested": "○"}.get(state, "")
    return Markup('<span class="state {}">{} {}</span>').format(state.replace(" ", "-"), mark, state)


def package(report: Report) -> Section:
    """What leaves: is it portable, what is in it, what it is meant for."""
    found = dict(report.get("package") or {})
    section = Section("package", "The package")
    if found:
        found["intended use"] = report.get("intended_use")
        rows = [
            [k.replace("_", " "), _package_value(k, v)]
            for k, v in found.items()
            if v not in (None, "", [], {})
        ]
        section.tables.append(table(rows, ["what", "value"], "Package"))
    return section


def _package_value(key: str, value: Any) -> str:
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
    rows = [[k, told(v)] for k, v in environment.items()] + [[k, str(v)] for k, v in versions.items()]
    hashes = [[name, Markup("<code>{}</code>").format(value)] for name, value in report["data"].items()]
    steps = [
        [s["step"], s["seconds"], "reused" if s.get("reused") else "run"] for s in report.get("steps") or []
    ]
    if rows:
        section.tables.append(table(rows, ["what", "version"], "Environment"))
    if hashes:
        section.tables.append(table(hashes, ["data", "SHA-256"], "Data"))
    if steps:
        section.tables.append(table(steps, ["step", "seconds", "state"], "Steps"))
    return section


SECTIONS: tuple[Callable[[Report], Section], ...] = (
    cohort, table_one, scores, comparison, calibrated, usefulness, subgroups, sanity, training, gates, package, provenance,
)  # fmt: skip
