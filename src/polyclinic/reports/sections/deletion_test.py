"""Which parts of the inputs a model needs: how much its score falls where each of them is not known."""

from typing import Annotated, Literal

from pydantic import Field

from polyclinic.figures.curves import Curve, curves
from polyclinic.figures.numbers import number
from polyclinic.reports.document import ReportDocument
from polyclinic.reports.outcome_results import OutcomeResults
from polyclinic.reports.page_section import PageSection, SectionType, score_cell
from polyclinic.reports.quantities import Name, Record, Score
from polyclinic.reports.section import Section
from polyclinic.reports.wording import listed

LEAD = (
    "On held-out rows, each part of the inputs of {model} is made unknown in turn, here {parts} parts; the more {score} "
    "gets worse, the more the model needs that part. It needs most: {most}. This shows what the model uses, not what "
    "causes the outcome."
)
MOST_NAMED, MOST_LISTED = 4, 12


class PartLoss(Record):
    """What one part of the inputs is worth; see `polyclinic.inspection.deletion.PartLoss`."""

    part: Name
    loss: Score


class DeletionCurve(Record):
    """The losses of all parts of some inputs, in their order."""

    inputs: Name
    outcome: Name
    score: Name
    losses: Annotated[list[PartLoss], Field(max_length=2_000)]


class DeletionTest(Section):
    """The deletion test of one model."""

    kind: Literal["deletion"] = "deletion"
    model: Name
    curves: Annotated[list[DeletionCurve], Field(max_length=20)] = Field(default_factory=list)


def show(section: DeletionTest, report: ReportDocument, page: PageSection) -> None:
    """The losses along the parts, and a table of the greatest."""
    for one in section.curves:
        title = OutcomeResults(report, one.outcome).title(one.score)
        greatest = sorted(one.losses, key=lambda part: -(part.loss.value or 0.0))
        most = listed([f"{part.part} ({number(part.loss.value)})" for part in greatest[:MOST_NAMED]])
        page.say(LEAD.format(model=section.model, parts=len(one.losses), score=title, most=most))
        _draw(page, one, f"Loss of {title} without each part of {one.inputs}", title)
        rows = [[part.part, score_cell(part.loss)] for part in greatest[:MOST_LISTED]]
        page.tabulate(rows, ["part", f"loss of {title}"], f"The parts of {one.inputs} that are needed most")


def _draw(page: PageSection, one: DeletionCurve, title: str, score: str) -> None:
    places = _places([part.part for part in one.losses])
    known = [(x, part.loss) for x, part in zip(places, one.losses, strict=True) if part.loss.value is not None]
    x, y = [at for at, _ in known], [loss.value or 0.0 for _, loss in known]
    whiskers = [(at, s.low, s.high) for at, s in known if s.low is not None and s.high is not None]
    spoken = ", ".join(f"{part.part} {number(part.loss.value)}" for part in one.losses)
    drawn = [Curve("", x, y, strong=True, whiskers=whiskers)]
    axes = "position" if places != [*map(float, range(len(places)))] else "part, in order"
    figure = curves(
        drawn,
        title=title,
        axes_names=(axes, f"loss of {score}"),
        description=f"{title}: {spoken}.",
        inside="upper left",
    )
    page.draw(title, figure)


def _places(parts: list[str]) -> list[float]:
    """Where each part stands on the axis: its own number, where every part is one; else its place in the order."""
    try:
        return [float(part) for part in parts]
    except ValueError:
        return [float(place) for place in range(len(parts))]


SECTION = SectionType(model=DeletionTest, title="What the model cannot do without", place=66, show=show)
