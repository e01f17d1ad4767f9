"""Scores: each score of each model with its interval, and the folds behind it."""

from collections.abc import Iterable, Sequence

from polyclinic.evaluation.measures import PART
from polyclinic.figures.html import with_small
from polyclinic.figures.intervals import Line, forest
from polyclinic.figures.numbers import number
from polyclinic.reports.document import ReportDocument
from polyclinic.reports.outcome_results import OutcomeResults, outcomes
from polyclinic.reports.page_section import PageSection, score_cell
from polyclinic.reports.quantities import NO_SCORE, Score
from polyclinic.reports.results import Scores
from polyclinic.reports.wording import group_words, interval, listed

ONE_ANSWER = "one answer for all"
MOST_PARTS = 8
"""Scores of single classes, labels or structures that a table of all scores holds beside the others."""


def show(report: ReportDocument, page: PageSection) -> None:
    """A figure for each score, and a table of all of them."""
    page.say(_how_measured(report))
    for o in outcomes(report):
        if cost := cost_of_choosing(o):
            page.say(cost)
        names = score_names(o.scores(m) for m in o.models)
        drawn = [score for score in names if o.measure(score).show == "figure"]
        for score in sorted(drawn, key=lambda s: s != o.primary):
            measure = o.measure(score)
            title = o.titled(measure.title)
            lines = [score_line(o, m, score) for m in o.models]
            reference = None if measure.ranks and measure.chance == 0.5 else measure.chance
            page.draw(title, forest(lines, title=f"{title} of each model", axis=measure.axis, reference=reference))
        rows: list[tuple[list[object], Scores]]
        rows = [
            ([with_small(m, f"{split} rows")], o.scores(m, split)) for m in o.models for split in ("test", "validation")
        ]
        kept, left_out = without_many_parts(names)
        rows = [(first, {name: scores[name] for name in kept if name in scores}) for first, scores in rows]
        score_table(page, o, rows, ["model"], o.titled("Scores with 95 % intervals"))
        if left_out:
            page.say(f"{len(left_out):,} further scores, of single parts, stand in tables/scores.csv.")
        if dashed := _without_a_model(o, drawn):
            page.say(o.titled(f"Dashed lines: without any model, {dashed}."))


def without_many_parts(names: Sequence[str]) -> tuple[list[str], list[str]]:
    """The names of scores for a table, and those left out: scores of parts (`NAME//PART`), where there are many."""
    parts = [name for name in names if PART in name]
    left_out = parts if len(parts) > MOST_PARTS else []
    return [name for name in names if name not in left_out], left_out


def _without_a_model(o: OutcomeResults, drawn: Iterable[str]) -> str:
    """What each score is without any model, in words; chance of rank scores, .5, goes without saying."""
    known = {score: o.measure(score) for score in drawn}
    words = [f"{m.title} is {number(m.chance)}" for m in known.values() if m.chance is not None and m.chance != 0.5]
    return listed(words)


def _how_measured(report: ReportDocument) -> str:
    first = next(iter(outcomes(report)), OutcomeResults(report, ""))
    group, folds = report.cohort.main_group, first.fold_count
    over = group_words(group) if group else "rows"
    where = "test rows."
    if folds > 1:
        where = f"rows pooled over {folds} folds, each scored by a model that did not learn from it. Small ticks are the single folds."
    words = f"Point and 95 % interval, over {over} (each left out in turn); {where} The chosen model is in colour."
    return words + explain_constant(report)


def choosing_flatters(o: OutcomeResults) -> bool:
    """Whether the folds would have been scored by other models than the one that was chosen."""
    choosing = o.document.choosing.get(o.name)
    known = choosing is not None and choosing.nested.get(o.primary, NO_SCORE).known
    return choosing is not None and known and set(choosing.by_fold.values()) != {o.chosen}


def cost_of_choosing(o: OutcomeResults) -> str:
    """How much choosing flatters the chosen model, beside what the whole procedure reaches; empty without folds."""
    choosing = o.document.choosing.get(o.name)
    if choosing is None or not choosing.nested.get(o.primary, NO_SCORE).known:
        return ""
    if set(choosing.by_fold.values()) == {o.chosen}:
        return f"For each fold the other groups chose {o.chosen} as well, so that choosing does not flatter it."
    name, nested = o.title(o.primary), choosing.nested[o.primary]
    measured = (
        f"Where each fold uses the model that other groups chose, {name} is {number(nested.value)} ({interval(nested)})"
    )
    optimism = choosing.optimism[o.primary]
    return f"{measured}: choosing flatters {o.chosen} by {number(optimism.value)} ({interval(optimism)})."


def explain_constant(report: ReportDocument) -> str:
    """What the rank score of a model means that gives all rows the same answer."""
    words = {m: o.same_answer() for o in outcomes(report) for m in o.constant}
    return "".join(f" {m} {does}: its rank score is chance by definition." for m, does in words.items())


def score_names(scores: Iterable[Scores]) -> list[str]:
    """The names of all scores, each once, in order."""
    return list(dict.fromkeys(name for one in scores for name in one))


def score_line(o: OutcomeResults, model: str, score: str) -> Line:
    """A model's line in a figure of one score."""
    note = ONE_ANSWER if model in o.constant else "baseline" if o.is_baseline(model) else ""
    folds = (fold.get(score, NO_SCORE).value for fold in o.splits(model).folds)
    dots = tuple(value for value in folds if value is not None)
    return line(model, o.scores(model).get(score, NO_SCORE), strong=model == o.chosen, note=note, dots=dots)


def line(
    label: str, score: Score, *, note: str, strong: bool = False, worse: bool = False, dots: tuple[float, ...] = ()
) -> Line:
    """A score as a line of a figure; one without a value says so."""
    note = note if score.known else note or "no value"
    return Line(label, score.value, score.low, score.high, dots, strong, worse, note)


def score_table(
    page: PageSection, o: OutcomeResults, rows: list[tuple[list[object], Scores]], heads: list[str], caption: str
) -> None:
    """A table of scores. rows: the first cells, under `heads`, and the scores that follow them with their intervals."""
    names = score_names(scores for _, scores in rows)
    body = [[*first, *(score_cell(scores.get(n)) for n in names)] for first, scores in rows if scores]
    page.tabulate(body, [*heads, *map(o.title, names)], caption)
