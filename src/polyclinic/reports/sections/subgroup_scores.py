"""Results by subgroup: for whom the chosen model works less well; what is too small is named as such."""

from itertools import groupby

from polyclinic.figures.html import with_small
from polyclinic.figures.intervals import Line, forest
from polyclinic.figures.numbers import count
from polyclinic.reports.document import ReportDocument
from polyclinic.reports.outcome_results import OutcomeResults, outcomes
from polyclinic.reports.page_section import PageSection
from polyclinic.reports.quantities import NO_SCORE
from polyclinic.reports.results import Scores, Subgroup
from polyclinic.reports.sections.model_scores import line, score_table
from polyclinic.reports.wording import group_word, plain, score_name

LEAD = (
    "The dashed line is the score of all rows. A subgroup in colour has its whole interval on the worse side of it; "
    "nothing can be said of one that is named too small."
)


def show(report: ReportDocument, page: PageSection) -> None:
    """A figure of the primary score, and a table of every score."""
    page.say(LEAD)
    group = report.cohort.main_group
    heads = ["subgroup", "rows", group_word(group) if group else "groups"]
    for o in outcomes(report):
        lines: list[Line] = []
        rows: list[tuple[list[object], Scores]] = []
        for column, members in groupby(o.subgroups, lambda s: plain(s.column)):
            lines.append(Line(column))
            for s in members:
                lines.append(_line(o, s))
                if not s.too_small:
                    rows.append(([with_small(plain(s.level), column), s.n, s.groups], _with_calibration(s)))
        if lines:
            name, overall = score_name(o.primary), o.score(o.chosen).value
            title = o.titled(f"{name} by subgroup")
            page.draw(title, forest(lines, title=title, axis=f"{name} of {o.chosen}", reference=overall))
        score_table(page, rows, heads, o.titled("Every score by subgroup"))


def _with_calibration(s: Subgroup) -> Scores:
    measured = s.calibration
    if measured is None:
        return s.scores
    more = {"observed : expected": measured.observed_expected, "calibration slope": measured.slope}
    return s.scores | {name: score for name, score in more.items() if score is not None}


def _line(o: OutcomeResults, s: Subgroup) -> Line:
    group, size = o.document.cohort.main_group, f"{count(s.n)} rows"
    if group and s.groups is not None:
        size = f"{count(s.groups)} {group_word(group, s.groups)}"
    if s.too_small:
        return Line(plain(s.level), note=f"too small ({size})")
    return line(plain(s.level), s.scores.get(o.primary, NO_SCORE), note=size, worse=o.is_served_worse(s))
