"""What the evidence rests on: prevalence, how rows are spread over patients, and how the outcome was ascertained."""

from typing import Annotated, Literal

from pydantic import Field

from polyclinic.figures.numbers import count, number, percent
from polyclinic.reports.document import ReportDocument
from polyclinic.reports.outcome_results import outcomes
from polyclinic.reports.page_section import PageSection, SectionType, score_cell
from polyclinic.reports.quantities import Count, Name, Number, Record, Score
from polyclinic.reports.section import Section
from polyclinic.reports.wording import group_words, plain

FEW_WORDS = "Intervals that rest on fewer than 20 {groups} of either class, or on a few that decide, may be too narrow: {names}."
CONCENTRATED = 0.5
"""The effective number of groups, as a share of all, below which a few groups are said to decide the numbers."""


class RowSpread(Record):
    """How test rows are spread over groups; see `polyclinic.evaluation.concentration.Concentration`."""

    group: Name
    groups: Count
    rows: Count
    median_rows: Number
    most_rows: Count
    effective_groups: Number
    few: int
    share_of_rows: Number
    positive_rows: Count | None = None
    positive_groups: Count | None = None
    share_of_positives: Number | None = None

    @property
    def is_uneven(self) -> bool:
        """Whether a few groups decide the numbers."""
        return isinstance(self.groups, int) and self.effective_groups < CONCENTRATED * self.groups

    def sentence(self) -> str:
        """What the largest groups hold, in words."""
        words = group_words(self.group)
        positives = (
            f" and {percent(self.share_of_positives, 0)} of the positive ones" if self.share_of_positives else ""
        )
        return (
            f"The {self.few} {words} with most rows hold {percent(self.share_of_rows, 0)} of the rows{positives}; "
            f"the {count(self.groups)} {words} carry as much evidence as {number(self.effective_groups)} of one size would."
        )


class AscertainedPart(Record):
    """Rows that were ascertained alike; see `polyclinic.evaluation.ascertainment.Ascertained`."""

    by: Name
    level: Name
    rows: Count
    labelled: Count
    positive: Count


class Evidence(Section):
    """What the evidence rests on.

    Attributes
    ----------
    prevalence
        Outcome → the share of positive test rows.
    """

    kind: Literal["evidence"] = "evidence"
    prevalence: dict[Name, Score] = Field(default_factory=dict)
    concentration: RowSpread | None = None
    ascertainment: Annotated[list[AscertainedPart], Field(max_length=100)] = Field(default_factory=list)


def show(section: Evidence, report: ReportDocument, page: PageSection) -> None:
    """Tables of spread and ascertainment, and which intervals are worth little."""
    spread = section.concentration
    facts: list[list[object]] = [
        ["positive share of the test rows", score_cell(score)] for score in section.prevalence.values()
    ]
    if spread and spread.group != "row" and spread.groups != spread.rows:
        facts += _facts(spread)
    page.tabulate(facts, ["what", "value"], "What the test rows rest on")
    parts = [[plain(p.by), plain(p.level), p.rows, p.labelled, p.positive, _share(p)] for p in section.ascertainment]
    heads = ["by", "level", "rows", "labelled", "positive", "positive share"]
    page.tabulate(parts, heads, "How the outcome was ascertained")
    if weak := _weak(report):
        groups = group_words(report.cohort.main_group) if report.cohort.main_group else "rows"
        page.say(FEW_WORDS.format(groups=groups, names=", ".join(weak)))


def _facts(spread: RowSpread) -> list[list[object]]:
    many = group_words(spread.group)
    most = f"{spread.few} {many} with most of them"
    facts: list[list[object]] = [
        [many, spread.groups],
        [f"{many} of one size that would carry as much (effective number)", number(spread.effective_groups)],
        ["rows of the middle one, and of the largest", f"{_median(spread.median_rows)}, {count(spread.most_rows)}"],
        [f"share of the rows that the {most} have", percent(spread.share_of_rows, 0)],
    ]
    if spread.share_of_positives is not None:
        facts.append([f"share of the positive rows that the {most} have", percent(spread.share_of_positives, 0)])
    return facts


def _median(rows: float) -> str:
    """A median of counts: whole, or in the middle of two."""
    return count(rows) if rows == int(rows) else f"{rows:,.1f}"


def _share(part: AscertainedPart) -> str | None:
    if isinstance(part.positive, str) or isinstance(part.labelled, str) or not part.labelled:
        return None
    return percent(part.positive / part.labelled)


def _weak(report: ReportDocument) -> list[str]:
    """The scores of the chosen models whose intervals are worth little."""
    chosen = [o for o in outcomes(report) if o.chosen]
    return [o.title(name) for o in chosen for name, s in o.scores(o.chosen).items() if s.evidence == "little"]


SECTION = SectionType(model=Evidence, title="What the evidence rests on", place=25, show=show)
