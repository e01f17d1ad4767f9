"""ROC and precision–recall curves of each model."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from polyclinic.figures.curves import Curve, curves
from polyclinic.figures.numbers import number
from polyclinic.reports.document import ReportDocument
from polyclinic.reports.outcome_results import OutcomeResults, outcomes
from polyclinic.reports.page_section import PageSection, SectionType
from polyclinic.reports.quantities import NO_SCORE, Name, Number, Record
from polyclinic.reports.section import Section

MOST_POINTS = 2_000


class Points(Record):
    """A curve: x and y of its points, from 0 to 1."""

    x: Annotated[list[Number], Field(max_length=MOST_POINTS)]
    y: Annotated[list[Number], Field(max_length=MOST_POINTS)]

    @model_validator(mode="after")
    def _pairs(self) -> "Points":
        if len(self.x) != len(self.y):
            raise ValueError("x and y need the same number of points")
        return self


class OutcomeCurves(Record):
    """roc: model → false against true positive rate; pr: model → recall against precision."""

    roc: dict[Name, Points] = Field(default_factory=dict)
    pr: dict[Name, Points] = Field(default_factory=dict)


class RankCurves(Section):
    """Outcome → its curves."""

    kind: Literal["rank_curves"] = "rank_curves"
    curves: dict[Name, OutcomeCurves] = Field(default_factory=dict)


def show(section: RankCurves, report: ReportDocument, page: PageSection) -> None:
    """Both kinds of curves of every model, with the area under each."""
    page.say("Beside each name stands the area under the curve.")
    for o in outcomes(report):
        of_outcome = section.curves.get(o.name, OutcomeCurves())
        _draw(page, o, of_outcome.roc, "ROC curve", ("1 − specificity", "sensitivity"), "auroc")
        _draw(page, o, of_outcome.pr, "Precision and recall", ("recall (sensitivity)", "precision (PPV)"), "auprc")


def _draw(
    page: PageSection, o: OutcomeResults, by_model: dict[str, Points], title: str, axes: tuple[str, str], area: str
) -> None:
    drawn = []
    for m in o.models:
        if m in by_model:
            value = o.scores(m).get(area, NO_SCORE).value
            label = m if value is None else f"{m} {number(value)}"
            drawn.append(Curve(label, by_model[m].x, by_model[m].y, strong=m == o.chosen))
    if not drawn:
        return
    spoken = f"{axes[1]} by {axes[0]}; area under the curve: {', '.join(c.label for c in drawn)}."
    # Names stand where the curves are not: below a ROC curve, opposite to where precision lies.
    is_high = sum(y for c in drawn for y in c.y) > 0.5 * sum(len(c.y) for c in drawn)
    figure = curves(
        drawn,
        title=o.titled(title),
        axes_names=axes,
        description=spoken,
        limits=((0.0, 1.0), (0.0, 1.0)),
        diagonal=area == "auroc",
        inside="lower right" if area == "auroc" else "lower left" if is_high else "upper right",
        height=300,
    )
    page.draw(o.titled(title), figure)


SECTION = SectionType(model=RankCurves, title="Curves", place=35, show=show)
