"""The sections of the page: each reads the report and gives words, figures and tables, or nothing at all."""

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
from polyclinic.reports.reading import Outcome, Report, figure_of, group_word, score_name

MARKED = " Steps that are marked look past the index time: they decide on labels, never on inputs."
ONE_ANSWER = "one answer for all"
BELIEVED = {"outside": "outside the plausible range, set aside", "tied": "instants with more than one"}
VERDICTS = {"better": "clearly better", "worse": "clearly worse", "level": "level", "untold": "no interval"}
MEASURES = ("slope", "intercept", "ece")
CURVES = {
    "roc": ("ROC curve", ("1 − specificity", "sensitivity"), "auroc"),
    "pr": ("Precision and recall", ("recall (sensitivity)", "precision (PPV)"), "auprc"),
}
NET_BENEFIT = (
    "Net benefit weighs true alarms against false ones at each threshold; a model is worth having where its "
    "curve lies above an alert for all and an alert for none."
)
Rows = list[list[Any]]
Scored = list[tuple[list[Any], Mapping[str, Any]]]


@dataclass
class Section:
    """One part of the page. parts: its figures and tables as HTML, in the order in which they stand."""

    key: str
    title: str
    lead: str = ""
    parts: list[str] = field(default_factory=list)

    def draw(self, caption: str, figure: Callable[..., str], *given: Any, **how: Any) -> None:
        """Add what `figure(*given, **how)` draws; its title is the caption where `how` names none."""
        drawn = Markup(figure(*given, **{"title": caption, **how}))
        self.parts.append(Markup("<figure><figcaption>{}</figcaption>{}</figure>").format(caption, drawn))

    def tabulate(self, rows: Iterable[Sequence[Any]], heads: Sequence[str], caption: str) -> None:
        """Add a table, unless it has no rows."""
        if rows := [*rows]:
            self.parts.append(table(rows, heads, caption))


def cohort(section: Section, report: Report) -> None:
    """Who is in the data, step by step, and how the rows were split."""
    found = report["cohort"]
    steps, time = found.get("attrition") or [], found.get("time") or {}
    section.lead = f"{reading.rows_and_groups(report)}."
    section.lead += f" Times run from {time['from']} to {time.get('to')}." if time.get("from") else ""
    section.lead += MARKED if any(s.get("past_index") for s in steps) else ""
    if steps:
        section.draw("Rows left after each step", flow, steps, title="Cohort flow", unit="Rows")
    names, rows = _keys(s.get("groups") for s in steps), []
    for s in steps:
        name = f"fell out: {s['step']}" if s.get("excluded") else s["step"]
        rows.append([name, s["rows"], *((s.get("groups") or {}).get(n) for n in names)])
    section.tabulate(rows, ["step", "rows", *map(group_word, names)], "After each step")
    summary = {k: v for k, v in (found.get("summary") or {}).items() if k not in ("format", "shards")}
    read = [(_plain(k), v) for k, v in summary.items() if finite(v)]
    read += [(f"not an event: {_plain(name)}", n) for name, n in (summary.get("non_events") or {}).items()]
    for code, counts in (found.get("set_aside") or {}).items():
        read += [(f"{_plain(code)}: {BELIEVED.get(kind, kind)}", n) for kind, n in counts.items()]
    section.tabulate(read, ["what", "rows"], "What was read")
    cells = {(str(s.get("fold", "")), str(s.get("split", "all"))): s for s in found.get("splits") or []}
    folds, parts = (list(dict.fromkeys(key[i] for key in cells)) for i in (0, 1))
    rows = [[fold or "–", *(_part(cells.get((fold, part))) for part in parts)] for fold in folds]
    section.tabulate(rows, ["fold", *(f"{p} rows" for p in parts)], "How the rows were split")


def _keys(found: Iterable[Mapping[str, Any] | None]) -> list[str]:
    """The keys of all, each once, in order."""
    return list(dict.fromkeys(key for one in found for key in one or {}))


def _part(split: Mapping[str, Any] | None) -> Markup | None:
    """The rows of a part of a fold, and below them its groups and positives."""
    if split is None:
        return None
    groups = split.get("groups") or {}
    named = groups if isinstance(groups, Mapping) else {"group": groups}
    words = [f"{count(n)} {group_word(name, n)}" for name, n in named.items()]
    words += [f"{count(split['positive'])} positive"] if split.get("positive") is not None else []
    return with_small(count(split.get("rows")), ", ".join(words))


def table_one(section: Section, report: Report) -> None:
    """Table 1 and what is missing."""
    found, rows = report["cohort"].get("table1") or [], Rows()
    columns = [c for c in ("all", "negative", "positive") if any(r.get(c) is not None for r in found)]
    bold, level = Markup("<b>{}</b>"), Markup('<span class="level">{}</span>')
    for variable, members in groupby(found, lambda r: _plain(r["variable"])):
        levels = [(_plain(r.get("level") or ""), [told(r.get(c)) for c in columns]) for r in members]
        if len(levels) == 1:
            rows += [[", ".join(filter(None, (variable, name))), *values] for name, values in levels]
        else:
            rows.append([bold.format(variable), *[""] * len(columns)])
            rows += [[level.format(name or "–"), *values] for name, values in levels]
    section.tabulate(rows, ["variable", *columns], "Table 1")
    missing = [[_plain(m["column"]), percent(m["share"])] for m in report["cohort"].get("missing") or []]
    section.tabulate(missing, ["input", "rows without a value"], "What is missing")


def _plain(name: Any) -> str:
    return str(name).replace("_", " ").replace("//", ", ")


def scores(section: Section, report: Report) -> None:
    """Each score of each model with its interval, the folds behind it, and the curves it sums up."""
    section.lead = _score_lead(report)
    for o in reading.outcomes(report):
        for score in sorted(_keys(map(o.scores, o.models)), key=lambda s: s != o.primary):
            name, title = score_name(score), o.titled(score_name(score))
            axis = f"{name} (lower is better)" if reading.lower_is_better(score) else name
            lines = [_score_line(o, m, score) for m in o.models]
            section.draw(title, forest, lines, title=f"{title} of each model", axis=axis)
        _curves(section, o)
        parts = [(m, part) for m in o.models for part in ("test", "validation")]
        rows = [([with_small(m, f"{part} rows")], o.scores(m, part)) for m, part in parts]
        _score_table(section, rows, ["model"], o.titled("Scores with 95 % intervals"))


def _score_table(section: Section, rows: Scored, heads: list[str], caption: str) -> None:
    """rows: the first cells, under `heads`, and the scores that follow them, each with its interval."""
    names = _keys(found for _, found in rows)
    body = [[*first, *(scored(found.get(n)) for n in names)] for first, found in rows if found]
    section.tabulate(body, [*heads, *map(score_name, names)], caption)


def _score_lead(report: Report) -> str:
    first = next(iter(reading.outcomes(report)), Outcome(report, ""))
    group, folds = reading.main_group(report), first.fold_count
    over, where = group_word(group[0]) if group else "rows", "test rows."
    if folds > 1:
        where = f"pooled over {folds} folds, each row scored by a model that did not see it. Small ticks are the single folds."
    lead = f"Point and 95 % interval, over {over} (each left out in turn); {where} The chosen model is in colour."
    return lead + _one_answer(report)


def _one_answer(report: Report) -> str:
    """What the rank score of a model means that does not tell rows apart."""
    words = {m: o.same_answer() for o in reading.outcomes(report) for m in o.constant}
    return "".join(f" {m} {told}: its rank score is chance by definition." for m, told in words.items())


def _score_line(o: Outcome, model: str, score: str) -> Line:
    note = ONE_ANSWER if model in o.constant else "baseline" if o.is_baseline(model) else ""
    dots = tuple(v for fold in o.folds(model) if finite(v := figure_of(fold.get(score))))
    return _line(model, o.scores(model).get(score) or {}, strong=model == o.chosen, note=note, dots=dots)


def _line(label: str, found: Mapping[str, Any], *, note: str, **more: Any) -> Line:
    value = found.get("value")
    note = note if finite(value) else note or "no value"
    return Line(label, value, found.get("low"), found.get("high"), note=note, **more)


def _curves(section: Section, o: Outcome) -> None:
    found = (o.report.get("curves") or {}).get(o.name) or {}
    for kind, (title, axes, area) in CURVES.items():
        drawn, by_model = [], found.get(kind) or {}
        for m in _known(o, by_model):
            value = figure_of(o.scores(m).get(area))
            label = f"{m} {number(value)}" if finite(value) else m
            drawn.append(Curve(label, by_model[m]["x"], by_model[m]["y"], strong=m == o.chosen))
        if drawn:
            words = f"{axes[1]} by {axes[0]}; area under the curve: {', '.join(c.label for c in drawn)}."
            high = sum(y for c in drawn for y in c.y) > 0.5 * sum(len(c.y) for c in drawn)
            corner = "lower right" if kind == "roc" else "lower left" if high else "upper right"
            frame = {"limits": ((0.0, 1.0), (0.0, 1.0)), "diagonal": kind == "roc", "inside": corner}
            frame |= {"title": title, "axes_names": axes, "description": words, "height": 300}
            section.draw(o.titled(title), curves, drawn, **frame)


def _known(o: Outcome, by_model: Mapping[str, Any]) -> list[str]:
    return [m for m in dict.fromkeys([*o.models, *by_model]) if m in by_model]


def comparison(section: Section, report: Report) -> None:
    """Paired differences: chosen against each other, then the studied models against each baseline."""
    section.lead = "Difference on the same rows, with its 95 % interval. Where the interval includes nought, "
    section.lead += f"the two are level: the data do not tell them apart.{_one_answer(report)}"
    for o in reading.outcomes(report):
        by_score: dict[str, dict[tuple[str, str], Mapping[str, Any]]] = {}
        for c in o.comparisons:
            by_score.setdefault(c["score"], {})[c["a"], c["b"]] = c["difference"]
        for score, found in by_score.items():
            lines = list[Line]()
            pairs = sorted(found.items(), key=lambda pair: (pair[0][0] != o.chosen, pair[0][0]))
            for a, of_a in groupby(pairs, lambda pair: pair[0][0]):
                told = [(b, d, VERDICTS[reading.verdict(d, score)]) for (_, b), d in of_a]
                lines.append(Line(f"{a} minus"))
                lines += [_line(b, d, strong=a == o.chosen, note=note) for b, d, note in told]
            side = "left" if reading.lower_is_better(score) else "right"
            title, axis = f"Differences in {score_name(score)}", f"difference; better lies {side} of the line"
            section.draw(o.titled(title), forest, lines, axis=axis, zero=True)


def calibrated(section: Section, report: Report) -> None:
    """Does 0.8 mean 80 %: before and after recalibration."""
    rows = Rows()
    for o in reading.outcomes(report):
        for model in report["calibration"]:
            rows += _calibration_rows(model, o.calibration(model), model in o.constant)
        if entry := o.calibration(o.chosen):
            bins = {when: found.get("curve") or [] for when, found in reading.calibrations(entry).items()}
            section.draw(o.titled(f"Calibration of {o.chosen}"), calibration, bins, unit="rows")
            words = "" if o.chosen in o.constant else in_words(entry)
            section.lead += f"The probabilities of {o.chosen}, {words}. " if words else ""
    section.lead += "A slope of 1 and an intercept of 0 are right." if rows else ""
    section.tabulate(rows, ["model", "slope", "intercept", "mean error"], "Calibration of each model")


def _calibration_rows(model: str, entry: Mapping[str, Any], constant: bool) -> Iterable[list[Any]]:
    """constant: one answer for all rows has no slope; what pooled folds give is none."""
    for words, found in reversed(reading.calibrations(entry).items()):
        slope, intercept, error = (_cell(found.get(f"{k}_interval") or found.get(k)) for k in MEASURES)
        if constant:
            words, slope, intercept = f"{words}, {ONE_ANSWER}", None, None
        yield [with_small(model, words), slope, intercept, error]


def _cell(entry: Any) -> Any:
    return scored(entry) if isinstance(entry, Mapping) else number(entry)


def usefulness(section: Section, report: Report) -> None:
    """Decision curve and operating points."""
    points = report.get("operating") or []
    for o in reading.outcomes(report):
        if found := (report.get("decision") or {}).get(o.name):
            section.lead = NET_BENEFIT
            _decision(section, o, found)
    told_of = [_operating_point(p) for p in points]
    rows = [[measure, *(one.get(measure) for one in told_of)] for measure in _keys(told_of)]
    section.tabulate(rows, ["measure", *(p["model"] for p in points)], "Operating points")


def _operating_point(point: Mapping[str, Any]) -> dict[str, Any]:
    measured = {score_name(name): scored(score) for name, score in (point.get("scores") or {}).items()}
    alerts = _cell(point.get("alerts_interval") or point.get("alerts_per_100"))
    rule, threshold = _plain(told(point["rule"])), number(point.get("threshold"))
    where = {"Chosen on": f"{point['chosen_on']} rows"} if point.get("chosen_on") else {}
    return {"Rule": rule, "Threshold": threshold, **where, **measured, "Alerts per 100 rows": alerts}


def _decision(section: Section, o: Outcome, found: Mapping[str, Any]) -> None:
    x, models, none = found["thresholds"], found["models"], found.get("none") or 0
    drawn = [Curve(m, x, models[m], strong=m == o.chosen) for m in _known(o, models)]
    drawn += [Curve("alert for all", x, found["all"], colour=MUTED)]
    drawn += [Curve("none", x, [none] * len(x), colour=MUTED)]
    most, middle = max((v for c in drawn for v in c.y if finite(v)), default=0.1), len(x) // 2
    at = "; ".join(f"{c.label} {number(c.y[middle])}" for c in drawn if len(c.y) > middle)
    words = f"Net benefit by threshold. At threshold {number(x[middle], 2) if x else '–'}: {at}."
    names, limits = ("threshold probability", "net benefit"), (None, (-0.25 * most, most * 1.08))
    frame = {"axes_names": names, "description": words, "limits": limits}
    section.draw(o.titled("Decision curve"), curves, drawn, **frame)


def subgroups(section: Section, report: Report) -> None:
    """Whom it serves well and whom not; what is too small is named as such."""
    section.lead = "The dashed line is the score of all rows. A subgroup in colour has its whole interval on "
    section.lead += "the worse side of it; one that is named too small says nothing either way."
    group = reading.main_group(report)
    heads = ["subgroup", "rows", group_word(group[0]) if group else "groups"]
    for o in reading.outcomes(report):
        lines, rows = list[Line](), Scored()
        for column, members in groupby(o.subgroups, lambda s: _plain(s["column"])):
            lines.append(Line(column))
            for s in members:
                lines.append(_subgroup(o, s))
                first = [with_small(_plain(s["level"]), column), s["n"], s.get("groups")]
                rows += [] if s["too_small"] else [(first, s.get("scores") or {})]
        if lines:
            name, overall = score_name(o.primary), o.score(o.chosen).get("value")
            title, axis = o.titled(f"{name} by subgroup"), f"{name} of {o.chosen}"
            section.draw(title, forest, lines, axis=axis, reference=overall)
        _score_table(section, rows, heads, o.titled("Every score by subgroup"))


def _subgroup(o: Outcome, s: Mapping[str, Any]) -> Line:
    group, n, size = reading.main_group(o.report), s.get("groups"), f"{count(s['n'])} rows"
    if group and n is not None:
        size = f"{count(n)} {group_word(group[0], n)}"
    if s["too_small"]:
        return Line(_plain(s["level"]), note=f"too small ({size})")
    found = (s.get("scores") or {}).get(o.primary) or {}
    return _line(_plain(s["level"]), found, note=size, worse=o.served_worse(s))


def sanity(section: Section, report: Report) -> None:
    """Checks that should give chance, or find what was planted; those that warn stand first."""
    rows = Rows()
    for s in sorted(report["sanity"], key=lambda s: not reading.warns(s)):
        applies = _state("warning") if reading.warns(s) else told(s["applies"])
        rows.append([_plain(s["check"]), applies, told(s["result"]), told(s["why"])])
    section.tabulate(rows, ["check", "applies", "result", "why"], "Sanity checks")


def training(section: Section, report: Report) -> None:
    """How the loss fell, in each fold."""
    rows = Rows()
    fits = sorted(report.get("training") or [], key=lambda fit: fit["model"])
    for model, found in groupby(fits, lambda fit: fit["model"]):
        runs = list(found)
        if drawn := [r for r in runs if max(len(_losses(r, part)) for part in ("validation", "train")) > 1]:
            section.lead = "Loss by epoch, a line a fit; the dot is the epoch whose weights were kept."
            _training(section, model, drawn)
        best, seconds = ([r[k] for r in runs if finite(r.get(k))] for k in ("best", "seconds"))
        rows.append([model, len(runs), ", ".join(map(count, best)) or "–", sum(seconds) if seconds else None])
    section.tabulate(rows, ["model", "fits", "best epoch of each", "seconds, all fits"], "Fits")


def _losses(fit: Mapping[str, Any], part: str) -> dict[float, float]:
    return {e["epoch"]: e[part] for e in fit.get("curve") or [] if "epoch" in e and finite(e.get(part))}


def _training(section: Section, model: str, fits: list[Mapping[str, Any]]) -> None:
    drawn = []
    for fit in fits:
        last, best = fit is fits[-1], [fit["best"]] if finite(fit.get("best")) else []
        for part, colour, marks in (("validation", ACCENT, best), ("train", MUTED, [])):
            losses, strong = _losses(fit, part), last and colour == ACCENT
            drawn.append(Curve(part, [*losses], [*losses.values()], strong, not last, colour, marks))
    lowest = ", ".join(number(min(c.y)) for c in drawn if c.y and c.label == "validation")
    words = f"Loss of {len(fits)} fits of {model} by epoch. Lowest validation loss: {lowest}."
    frame: Any = {"axes_names": ("epoch", "loss"), "height": 240}
    section.draw(f"Training of {model}", curves, drawn, description=words, **frame)


def gates(section: Section, report: Report) -> None:
    """Conditions written before the run."""
    section.lead = "Conditions written before the run. Too little evidence is never counted as held."
    rows = Rows()
    for g in report["gates"]:
        name = with_small(_plain(g["gate"]), g.get("why") or "")
        rows.append([name, _state(g["state"]), told(g["measured"]), _plain(told(g.get("wanted")))])
    section.tabulate(rows, ["gate", "state", "measured", "wanted"], "Gates")


def _state(state: str) -> Markup:
    mark = {"held": "✓", "failed": "✗", "not tested": "○", "warning": "!"}.get(state, "")
    return Markup('<span class="state {}">{} {}</span>').format(state.replace(" ", "-"), mark, state)


def package(section: Section, report: Report) -> None:
    """What leaves: is it portable, what is in it, what it is meant for."""
    found = report.get("package") or {}
    named = {**found, "intended use": report.get("intended_use")} if found else {}
    rows = [[_plain(k), told(v)] for k, v in named.items() if v is not None and v not in ("", [], {})]
    section.tabulate(rows, ["what", "value"], "Package")


def provenance(section: Section, report: Report) -> None:
    """What is needed to run it again to the same figures."""
    section.lead = f"Study {report['study']}, seed {report['seed']}."
    environment, code = dict(report["environment"]), Markup("<code>{}</code>")
    versions = environment.pop("versions", {})
    rows = [[name, told(v)] for name, v in (environment | versions).items()]
    section.tabulate(rows, ["what", "version"], "Environment")
    done = report.get("steps") or []
    steps = [[s["step"], s["seconds"], "reused" if s.get("reused") else "run"] for s in done]
    section.tabulate(steps, ["step", "seconds", "state"], "Steps")
    hashes = [[name, code.format(value)] for name, value in report["data"].items()]
    section.tabulate(hashes, ["data", "SHA-256"], "Data")


SECTIONS: dict[Callable[[Section, Report], None], tuple[str, str]] = {
    cohort: ("cohort", "Who is in the data"),
    table_one: ("table1", "What the data hold"),
    scores: ("scores", "Scores"),
    comparison: ("comparison", "Is it better?"),
    calibrated: ("calibration", "Does 0.8 mean 80 %?"),
    usefulness: ("usefulness", "Is it useful?"),
    subgroups: ("subgroups", "Whom does it serve?"),
    gates: ("gates", "Gates"),
    sanity: ("sanity", "Sanity"),
    training: ("training", "Training"),
    package: ("package", "The package"),
    provenance: ("provenance", "To run it again"),
}


def sections(report: Report) -> list[Section]:
    """The sections that have something to show, in the order of the page."""
    made = []
    for fill, named in SECTIONS.items():
        section = Section(*named)
        fill(section, report)
        made += [section] if section.parts else []
    return made
