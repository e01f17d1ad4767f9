"""Table 1: what the rows are like, over all and by answer; and what is missing."""

from itertools import groupby

from markupsafe import Markup

from polyclinic.figures.html import with_small
from polyclinic.figures.numbers import count, how_many, percent
from polyclinic.reports.cohort_facts import TableOneCell, TableOneRow
from polyclinic.reports.document import ReportDocument
from polyclinic.reports.page_section import PageSection
from polyclinic.reports.wording import group_word, group_words, plain

BOLD, LEVEL = Markup("<b>{}</b>"), Markup('<span class="level">{}</span>')


def show(report: ReportDocument, page: PageSection) -> None:
    """Table 1 with rows, per cent and patients; what is missing, the most missing first."""
    table, group = report.cohort.table1, report.cohort.main_group
    columns = ["all", *dict.fromkeys(name for row in table for name in row.by_answer)]
    body: list[list[object]] = []
    for variable, members in groupby(table, lambda row: plain(row.variable)):
        rows = [*members]
        if len(rows) == 1:
            name = ", ".join(filter(None, (variable, plain(rows[0].level))))
            body.append([name, *(_written(_cell(rows[0], c), group) for c in columns)])
            continue
        body.append([BOLD.format(variable), *[""] * len(columns)])
        body += [
            [LEVEL.format(plain(row.level) or "–"), *(_written(_cell(row, c), group) for c in columns)] for row in rows
        ]
    if any(row.all.rows is not None for row in table):
        also = f", and how many {group_words(group)} have at least one such row" if _counts_groups(table) else ""
        page.say(f"How many rows; below, their share of the column{also}.")
    page.tabulate(body, ["variable", *(f"{c} rows" if c != "all" else "all rows" for c in columns)], "Table 1")
    most_first = sorted(report.cohort.missing, key=lambda m: -m.share)
    missing = [[plain(m.column), percent(m.share)] for m in most_first]
    page.tabulate(missing, ["input", "rows without a value"], "What is missing")


def _counts_groups(table: list[TableOneRow]) -> bool:
    return any(row.all.groups is not None for row in table)


def _cell(row: TableOneRow, column: str) -> TableOneCell | None:
    return row.all if column == "all" else row.by_answer.get(column)


def _written(cell: TableOneCell | None, group: str) -> object:
    if cell is None:
        return None
    if cell.rows is None:
        return cell.text
    small = [percent(cell.share)] if cell.share is not None else []
    small += [how_many(cell.groups, group_word(group))] if cell.groups is not None else []
    # A number and its unit stay on one line.
    return with_small(count(cell.rows), ", ".join(words.replace(" ", "\u00a0") for words in small))
