"""Structures of pictures: predicted against true volumes, what was missed or invented, and three cases."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from polyclinic.figures.numbers import count, number
from polyclinic.figures.pictures import Slice, overlay, unpacked
from polyclinic.figures.svg import ACCENT, FOURTH, INK, MUTED, PAPER, SECOND, THIRD, ArtistStyle, draw
from polyclinic.reports.document import ReportDocument
from polyclinic.reports.outcome_results import OutcomeResults, outcomes
from polyclinic.reports.page_section import PageSection, SectionType, score_cell
from polyclinic.reports.quantities import NO_SCORE, Count, Name, Number, Record, Score
from polyclinic.reports.results import Caution
from polyclinic.reports.section import Section
from polyclinic.reports.wording import listed, plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LEAD = (
    "A difference is the predicted volume less the true one; 95 % of the differences of single cases lie within the "
    "limits of agreement, were they normally distributed. Missed: the reference alone has the structure; invented: the "
    "prediction alone has it. Where neither has it, there is nothing to score, and where one alone has it, the surface "
    "Dice is 0 and the distance the diagonal of the picture."
)
OUTLINES = "Yellow and solid: the reference; blue and dashed: the prediction. The patient's right is on the right."
HEADS = [
    "structure", "cases", "absent", "missed", "invented", "reference (ml)", "predicted (ml)", "difference (ml)",
    "limits of agreement (ml)",
]  # fmt: skip
MOST_STRUCTURES, MOST_POINTS, LONGEST = 500, 500, 512
MOST_TEXT = 400_000
HUES = (ACCENT, SECOND, THIRD, FOURTH, INK)


class Volumes(Record):
    """One structure; see `polyclinic.evaluation.structure_evaluation.StructureVolumes`."""

    structure: Name
    cases: Count
    absent: Count = 0
    missed: Count = 0
    invented: Count = 0
    reference_ml: Score = NO_SCORE
    predicted_ml: Score = NO_SCORE
    difference_ml: Score = NO_SCORE
    agreement_ml: tuple[Number, Number] | None = None
    points: Annotated[list[tuple[Number, Number]], Field(max_length=MOST_POINTS)] = Field(default_factory=list)


class CaseSlice(Record):
    """A slice of a case, packed; see `polyclinic.figures.pictures`."""

    name: Name
    rows: Annotated[int, Field(ge=1, le=LONGEST)]
    columns: Annotated[int, Field(ge=1, le=LONGEST)]
    sides: tuple[Annotated[float, Field(gt=0, lt=1e4)], Annotated[float, Field(gt=0, lt=1e4)]]
    grey: Annotated[str, Field(max_length=MOST_TEXT)]
    predicted: Annotated[str, Field(max_length=MOST_TEXT)]
    reference: Annotated[str, Field(max_length=MOST_TEXT)]

    def slice(self) -> Slice:
        """Its pictures; raises `ValueError` where they are none of this size."""
        grey, predicted, reference = (
            unpacked(text, (self.rows, self.columns)) for text in (self.grey, self.predicted, self.reference)
        )
        return Slice(self.name, grey, predicted, reference, self.sides)


class Case(Record):
    """A single case; see `polyclinic.evaluation.structure_evaluation.ShownCase`."""

    rank: Name
    name: Name
    dice: dict[Name, Number | None] = Field(default_factory=dict)
    slices: Annotated[list[CaseSlice], Field(max_length=3)]


class Structures(Section):
    """volumes, cases: outcome → its structures, and the best, the median and the worst case where they may be shown."""

    kind: Literal["structures"] = "structures"
    volumes: dict[Name, Annotated[list[Volumes], Field(max_length=MOST_STRUCTURES)]] = Field(default_factory=dict)
    cases: dict[Name, Annotated[list[Case], Field(max_length=3)]] = Field(default_factory=dict)


def show(section: Structures, report: ReportDocument, page: PageSection) -> None:
    """Volumes in a figure and a table, then the cases."""
    for o in outcomes(report):
        if volumes := section.volumes.get(o.name, []):
            page.lead = LEAD
            if any(one.points for one in volumes):
                title = o.titled("Predicted against true volume")
                page.draw(title, _agreement(volumes, title))
            page.tabulate(map(_row, volumes), HEADS, o.titled(f"Volumes by {o.chosen}"))
        for case in section.cases.get(o.name, []):
            _draw_case(page, o, case)


def _row(one: Volumes) -> list[object]:
    means = [score_cell(score) for score in (one.reference_ml, one.predicted_ml, one.difference_ml)]
    limits = None if one.agreement_ml is None else f"{number(one.agreement_ml[0])} to {number(one.agreement_ml[1])}"
    return [plain(one.structure), one.cases, one.absent, one.missed, one.invented, *means, limits]


def _agreement(volumes: Sequence[Volumes], title: str) -> str:
    """One dot a case and structure, and the line of equal volumes."""
    most = max((max(point) for one in volumes for point in one.points), default=1.0) * 1.05 or 1.0
    spoken = "; ".join(
        f"{plain(one.structure)}: {number(one.predicted_ml.value)} ml predicted, {number(one.reference_ml.value)} ml true"
        for one in volumes
    )

    def paint(axes: "Axes") -> None:
        axes.grid()
        axes.set(xlim=(0, most), ylim=(0, most), xlabel="true volume (ml)", ylabel="predicted volume (ml)")
        axes.plot([0, most], [0, most], color=MUTED, lw=1, ls=(0, (2, 3)))
        for place, one in enumerate(volumes):
            colour = HUES[place % len(HUES)]
            points = [[point[side] for point in one.points] for side in (0, 1)]
            axes.plot(*points, "o", color=colour, ms=5, mec=PAPER, mew=0.6, clip_on=False)
            look: ArtistStyle = {"transform": axes.transAxes, "color": colour, "va": "center"}
            axes.text(0.04, 0.95 - 0.07 * place, plain(one.structure), **look)
        axes.locator_params(nbins=5)

    words = f"One dot a case. Means: {spoken}."
    return draw(paint, title=title, description=words, height=270, margins=(46, 14, 12, 40))


def _draw_case(page: PageSection, o: OutcomeResults, case: Case) -> None:
    dice = ", ".join(f"{plain(name)} {number(value)}" for name, value in case.dice.items())
    title = o.titled(f"The {case.rank} case, {case.name}: Dice {dice}")
    try:
        slices = [one.slice() for one in case.slices]
    except ValueError:  # a report of a stranger: what is no picture is not drawn
        return
    if not slices:
        return
    description = f"Slices of {case.name} with the outlines of reference and prediction; Dice {dice}."
    page.draw(title, overlay(slices, title=title, description=description))
    if OUTLINES not in page.lead:
        page.say(OUTLINES)


def cautions(section: Structures, o: OutcomeResults) -> list[Caution]:
    """Structures that were missed or invented, and volumes that are clearly off on average."""
    doubts: list[Caution] = []
    volumes = section.volumes.get(o.name, [])
    wrong = [
        f"{plain(one.structure)} was {verb} in {count(cases)} of {count(one.cases)} cases"
        for one in volumes
        for verb, cases in (("missed", one.missed), ("invented", one.invented))
        if cases
    ]
    if wrong:
        doubts.append(Caution(title="Structures", text=f"{listed(wrong)[:1].upper()}{listed(wrong)[1:]}."))
    off = [sentence for one in volumes if (sentence := _off(one))]
    if off:
        doubts.append(Caution(title="Volumes", text=f"On average the predicted volume of {listed(off)}."))
    return doubts


def _off(one: Volumes) -> str:
    """How far a volume is off, in words; empty where the interval holds no difference."""
    difference = one.difference_ml
    if difference.value is None or not difference.has_interval or difference.contains(0):
        return ""
    size = "small" if difference.value < 0 else "large"
    true = f" where {number(one.reference_ml.value)} ml are true" if one.reference_ml.known else ""
    return f"{plain(one.structure)} is {number(abs(difference.value))} ml too {size}{true}"


SECTION = SectionType(model=Structures, title="Structures: volumes and cases", place=36, show=show, cautions=cautions)
