"""How a section stands on the page: words, figures and tables, in the order in which they are added."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from markupsafe import Markup

from polyclinic import registry
from polyclinic.figures.html import scored, table
from polyclinic.reports.document import ReportDocument
from polyclinic.reports.outcome_results import OutcomeResults
from polyclinic.reports.quantities import Score
from polyclinic.reports.results import Caution
from polyclinic.reports.section import Section, UnknownSection

S = TypeVar("S", bound=Section)


@dataclass
class PageSection:
    """One section of the page.

    Attributes
    ----------
    key, title
        Its anchor and its heading.
    lead
        Words under the heading.
    parts
        Its figures and tables as HTML.
    """

    key: str
    title: str
    lead: str = ""
    parts: list[str] = field(default_factory=list)

    def say(self, sentence: str) -> None:
        """Add a sentence to the words under the heading."""
        self.lead = f"{self.lead} {sentence}".strip()

    def draw(self, caption: str, svg: str) -> None:
        """Add a figure, given as SVG of `polyclinic.figures`."""
        figure = Markup("<figure><figcaption>{}</figcaption>{}</figure>")
        self.parts.append(figure.format(caption, Markup(svg)))

    def tabulate(self, rows: Iterable[Sequence[object]], heads: Sequence[str], caption: str) -> None:
        """Add a table, unless it has no rows."""
        if listed := [*rows]:
            self.parts.append(table(listed, heads, caption))


@dataclass(frozen=True)
class SectionType(Generic[S]):
    """A section type as it is registered: the entry point `polyclinic.sections` names an instance of this class.

    Attributes
    ----------
    model
        The pydantic model of its numbers.
    title
        Its heading on the page.
    place
        Where it stands on the page; see `polyclinic.reports.page.PLACES`.
    show
        Draws a section of a report; a section that adds no figure and no table is left out.
    finding
        One sentence of an outcome's finding; empty where the section has none to say.
    cautions
        What to know before use of an outcome's answers.
    out_of_100
        Of 100 decisions how many are right: dots beside the first figure; None where that is not known.
    """

    model: type[S]
    title: str
    place: int
    show: Callable[[S, ReportDocument, PageSection], None]
    finding: Callable[[S, OutcomeResults], str] = lambda section, o: ""
    cautions: Callable[[S, OutcomeResults], Sequence[Caution]] = lambda section, o: ()
    out_of_100: Callable[[S, OutcomeResults], int | None] = lambda section, o: None


def section_types(report: ReportDocument) -> Iterator[tuple[Section, SectionType[Section]]]:
    """The sections of a report whose types are installed, each with its type."""
    for section in report.sections:
        if not isinstance(section, UnknownSection):
            yield section, registry.load("sections", section.kind)


def score_cell(score: Score | None) -> Markup | None:
    """A score for a cell of a table: the value, and its interval on a line of its own."""
    return scored(score.value, score.low, score.high) if score else None
