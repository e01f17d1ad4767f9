"""Times to an event: what happened in groups of predicted risk, calibration at horizons, and what causes compete."""

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import Field, model_validator

from polyclinic.figures.curves import CalibrationBin, Curve, calibration, curves
from polyclinic.figures.numbers import number
from polyclinic.reports.document import ReportDocument
from polyclinic.reports.outcome_results import OutcomeResults, outcomes
from polyclinic.reports.page_section import PageSection, SectionType, score_cell
from polyclinic.reports.quantities import Count, Name, Number, Record, Score
from polyclinic.reports.section import Section

MOST_TIMES, MOST_CURVES, MOST_BINS = 1_000, 20, 100
LEAD = (
    "The test rows are divided into thirds by the time that {model} expects them to lose. Lines are the share that is "
    "free of any event by Kaplan and Meier; where they lie apart in the right order, the model tells rows apart."
)
COLUMNS_AT_RISK = 6


class RiskCurve(Record):
    """Rows of similar risk, or one cause over all rows; see `polyclinic.evaluation.survival_evaluation.RiskCurve`."""

    name: Name
    rows: Count
    events: Count
    observed: Annotated[list[Number | None], Field(max_length=MOST_TIMES)]
    predicted: Annotated[list[Number], Field(max_length=MOST_TIMES)]
    at_risk: Annotated[list[Count], Field(max_length=MOST_TIMES)]

    @model_validator(mode="after")
    def _one_number_a_time(self) -> "RiskCurve":
        if not len(self.observed) == len(self.predicted) == len(self.at_risk):
            raise ValueError("a curve needs one number a time")
        for place, count in enumerate(self.at_risk):  # a step of few rows says when each of them had its event
            if isinstance(count, str) or isinstance(self.events, str):
                self.observed[place] = None
        return self


class RiskBin(Record):
    """Rows of similar risk at a horizon: predicted and observed share."""

    predicted: Number
    observed: Number | None
    rows: Count


class HorizonCalibration(Record):
    """One horizon and cause; observed_expected: observed events for each expected one."""

    horizon: Number
    cause: Name = ""
    observed_expected: Score
    bins: Annotated[list[RiskBin], Field(max_length=MOST_BINS)]


class SurvivalResults(Record):
    """What the chosen model's answers are like on test rows.

    Attributes
    ----------
    model
        The chosen model.
    unit, times
        The unit of time, and the times of the answers.
    groups
        Thirds of the rows by predicted risk, the lowest first.
    causes
        Each cause over all rows; empty where there is one.
    calibration
        By horizon and cause.
    """

    model: Name
    unit: Name
    times: Annotated[list[Number], Field(max_length=MOST_TIMES)]
    groups: Annotated[list[RiskCurve], Field(max_length=MOST_CURVES)]
    causes: Annotated[list[RiskCurve], Field(max_length=MOST_CURVES)] = Field(default_factory=list)
    calibration: Annotated[list[HorizonCalibration], Field(max_length=MOST_BINS)] = Field(default_factory=list)

    @model_validator(mode="after")
    def _curves_of_these_times(self) -> "SurvivalResults":
        if any(len(curve.observed) != len(self.times) for curve in (*self.groups, *self.causes)):
            raise ValueError("a curve needs one number a time")
        return self

    @property
    def axis(self) -> str:
        """What stands under a figure."""
        return f"time ({self.unit})" if self.unit else "time"


class Survival(Section):
    """Outcome → what its chosen model's answers are like."""

    kind: Literal["survival"] = "survival"
    outcomes: dict[Name, SurvivalResults] = Field(default_factory=dict)


def show(section: Survival, report: ReportDocument, page: PageSection) -> None:
    """Survival by risk group with the rows at risk, incidence by cause, calibration at each horizon."""
    for o in outcomes(report):
        if results := section.outcomes.get(o.name):
            page.say(LEAD.format(model=results.model))
            _risk_groups(page, o, results)
            if results.causes:
                _causes(page, o, results)
            _calibration(page, o, results)


def _risk_groups(page: PageSection, o: OutcomeResults, results: SurvivalResults) -> None:
    title = o.titled("Free of any event, by predicted risk")
    drawn = [
        _curve(g.name, results.times, [_free(v) for v in g.observed], 1.0, strong=g is results.groups[-1])
        for g in results.groups
    ]
    spoken = "; ".join(f"{g.name}: {number(_last([_free(v) for v in g.observed]), 2)}" for g in results.groups)
    page.draw(
        title,
        curves(
            drawn,
            title=title,
            axes_names=(results.axis, "share free of any event"),
            description=f"Share free of any event by time, for thirds of predicted risk. At the last time: {spoken}.",
            limits=((0, results.times[-1]), (0, 1.02)),
        ),
    )
    size = len(results.times)
    places = sorted({round(k * (size - 1) / (COLUMNS_AT_RISK - 1)) for k in range(COLUMNS_AT_RISK)}) if size else []
    heads = ["group", "rows", "events", *(f"at risk at {results.times[at]:g}" for at in places)]
    rows = [[g.name, g.rows, g.events, *(g.at_risk[at] for at in places)] for g in results.groups]
    page.tabulate(rows, heads, o.titled(f"Rows at risk, by time in {results.unit}"))


def _causes(page: PageSection, o: OutcomeResults, results: SurvivalResults) -> None:
    title = o.titled("Cumulative incidence of each cause")
    drawn = [
        _curve(cause.name, results.times, [_number(v) for v in cause.observed], 0.0, strong=k == 0)
        for k, cause in enumerate(results.causes)
    ]
    drawn += [_curve(f"{c.name}, predicted", results.times, list(c.predicted), 0.0) for c in results.causes]
    spoken = "; ".join(
        f"{c.name}: observed {number(_last([_number(v) for v in c.observed]), 2)}, predicted {number(c.predicted[-1], 2)}"
        for c in results.causes
    )
    page.draw(
        title,
        curves(
            drawn,
            title=title,
            axes_names=(results.axis, "share with the event"),
            description=f"Share of all rows that had each cause by time (Aalen and Johansen). At the last time: {spoken}.",
            limits=((0, results.times[-1]), None),
            inside="upper left",
        ),
    )


def _calibration(page: PageSection, o: OutcomeResults, results: SurvivalResults) -> None:
    """Each horizon is a curve of one figure for each cause, and a line of the table."""
    for cause in dict.fromkeys(c.cause for c in results.calibration):
        some = [c for c in results.calibration if c.cause == cause]
        words = f"Calibration at horizons, {cause}" if cause else "Calibration at horizons"
        title = o.titled(words)
        bins = {
            f"by {c.horizon:g} {results.unit}": [CalibrationBin(b.predicted, b.observed) for b in c.bins] for c in some
        }
        page.draw(title, calibration(bins, title=title, unit="rows"))
    rows = [
        [f"{c.horizon:g} {results.unit}", c.cause or None, score_cell(c.observed_expected)] for c in results.calibration
    ]
    heads = ["by", "cause", "observed : expected"]
    several = any(c.cause for c in results.calibration)
    page.tabulate(
        rows if several else [[r[0], r[2]] for r in rows],
        heads if several else [heads[0], heads[2]],
        o.titled("Observed events for each expected one"),
    )


def _curve(name: str, times: Sequence[float], values: Sequence[float], start: float, *, strong: bool = False) -> Curve:
    """A curve from time 0 on; start: its value there."""
    return Curve(name, [0.0, *times], [start, *values], strong=strong)


def _free(incidence: float | None) -> float:
    return float("nan") if incidence is None else 1 - incidence


def _number(value: float | None) -> float:
    return float("nan") if value is None else value


def _last(values: Sequence[float]) -> float:
    """The last known value; NaN where none is."""
    return next((v for v in reversed(values) if v == v), float("nan"))


SECTION = SectionType(model=Survival, title="Survival", place=38, show=show)
