"""Comparison of the models: paired differences on the same rows."""

from itertools import groupby

from polyclinic.figures.intervals import Line, forest
from polyclinic.reports.document import ReportDocument
from polyclinic.reports.outcome_results import OutcomeResults, outcomes
from polyclinic.reports.page_section import PageSection
from polyclinic.reports.sections.model_scores import explain_constant, line
from polyclinic.reports.wording import verdict

LEAD = (
    "Difference on the same rows, with its 95 % interval. Where the interval contains 0, "
    "the rows do not show which model is better."
)


def show(report: ReportDocument, page: PageSection) -> None:
    """The chosen model minus each other, then the studied models minus each baseline."""
    page.say(LEAD + explain_constant(report))
    for o in outcomes(report):
        for score in dict.fromkeys(c.score for c in o.comparisons):
            measure = o.measure(score)
            better = measure.better
            if better not in ("high", "low") or measure.show != "figure":
                continue  # how much nearer to its best value a score is, a difference does not say
            side = "left" if better == "low" else "right"
            title, axis = f"Differences in {o.title(score)}", f"difference; better lies {side} of the line"
            page.draw(o.titled(title), forest(_lines(o, score), title=o.titled(title), axis=axis, zero=True))


def _lines(o: OutcomeResults, score: str) -> list[Line]:
    mine = [c for c in o.comparisons if c.score == score]
    better, lines = o.measure(score).better, list[Line]()
    for a, of_a in groupby(sorted(mine, key=lambda c: (c.a != o.chosen, c.a)), lambda c: c.a):
        lines.append(Line(f"{a} minus"))
        lines += [line(c.b, c.difference, strong=a == o.chosen, note=verdict(c.difference, better)) for c in of_a]
    return lines
