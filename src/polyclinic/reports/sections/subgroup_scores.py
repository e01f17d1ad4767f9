"""Results by subgroup: where the chosen model works less well; what is too small is named as such."""

from itertools import groupby

from markupsafe import Markup

from polyclinic.figures.html import with_small
from polyclinic.figures.intervals import Line, forest
from polyclinic.figures.numbers import how_many, number, signed
from polyclinic.reports.document import ReportDocument
from polyclinic.reports.outcome_results import OutcomeResults, outcomes
from polyclinic.reports.page_section import PageSection
from polyclinic.reports.quantities import NO_SCORE
from polyclinic.reports.results import Gap, Scores, Subgroup
from polyclinic.reports.sections.model_scores import line, score_table
from polyclinic.reports.wording import group_word, group_words, interval, plain

LEAD = (
    "The dashed line is the score of all rows. A subgroup in colour has its whole interval on the worse side of it; "
    "nothing can be said of one that is named too small."
)
GAPS = (
    "A gap is the subgroup minus all other rows. It is called clear where the share of false findings among gaps at least "
    "as clear (q) stays below 5 %."
)


def show(report: ReportDocument, page: PageSection) -> None:
    """A figure of the primary score, and a table of every score."""
    page.say(LEAD)
    group = report.cohort.main_group
    heads = ["subgroup", "rows", group_words(group) if group else "groups"]
    for o in outcomes(report):
        lines: list[Line] = []
        rows: list[tuple[list[object], Scores]] = []
        for column, members in groupby(o.subgroups, lambda s: plain(s.column)):
            lines.append(Line(column))
            for s in members:
                lines.append(_line(o, s))
                if not s.too_small:
                    rows.append(([with_small(plain(s.level), column), s.n, s.groups], _scores(o, s)))
        if lines:
            name, overall = o.title(o.primary), o.score(o.chosen).value
            title = o.titled(f"{name} by subgroup")
            page.draw(title, forest(lines, title=title, axis=f"{name} of {o.chosen}", reference=overall))
        score_table(page, o, rows, heads, o.titled("Scores by subgroup"))
        _gaps(page, o)


def _scores(o: OutcomeResults, s: Subgroup) -> Scores:
    """The primary score, and what the outcome looks at in its subgroups."""
    shown = {o.primary: s.scores[o.primary]} if o.primary in s.scores else {}
    return shown | s.in_use


def _gaps(page: PageSection, o: OutcomeResults) -> None:
    """One row a subgroup and one column a score; clear gaps are marked."""
    names = list(dict.fromkeys(gap.score for s in o.subgroups for gap in s.gaps))
    rows = [
        [with_small(plain(s.level), plain(s.column)), *(_gap({g.score: g for g in s.gaps}.get(n)) for n in names)]
        for s in o.subgroups
        if s.gaps
    ]
    if rows:
        page.say(GAPS)
    page.tabulate(rows, ["subgroup", *map(o.title, names)], o.titled("Gaps to all other rows"))


def _gap(gap: Gap | None) -> Markup | None:
    if gap is None or not gap.difference.known:
        return None
    value = Markup("<b>{} clear</b>") if gap.clear else Markup("{}")
    q = f", q {number(gap.q_value, 2)}" if gap.q_value is not None else ""
    words = f"{interval(gap.difference)}{q}".replace(" ", "\u00a0").replace(",\u00a0", ", ")
    return value.format(signed(gap.difference.value)) + with_small("", words)


def _line(o: OutcomeResults, s: Subgroup) -> Line:
    group, size = o.document.cohort.main_group, how_many(s.n, "row")
    if group and s.groups is not None:
        size = how_many(s.groups, group_word(group))
    if s.too_small:
        return Line(plain(s.level), note=f"too small ({size})")
    return line(plain(s.level), s.scores.get(o.primary, NO_SCORE), note=size, worse=o.is_served_worse(s))
