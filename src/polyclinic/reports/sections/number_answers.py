"""Numbers: predicted against observed, errors by band of prediction, and how often intervals contain the truth."""

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, field_validator

from polyclinic.figures.curves import Curve, curves
from polyclinic.figures.numbers import number, percent
from polyclinic.figures.svg import ACCENT, MUTED, draw
from polyclinic.reports.document import ReportDocument
from polyclinic.reports.outcome_results import OutcomeResults, outcomes
from polyclinic.reports.page_section import PageSection, SectionType, score_cell
from polyclinic.reports.quantities import NO_SCORE, Count, Name, Number, Record, Score
from polyclinic.reports.section import Section
from polyclinic.reports.wording import interval

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_POINTS, MOST_BANDS, MOST_MODELS = 500, 50, 200
LEAD = (
    "Bands are fifths of the test rows by their prediction; an error is the prediction less the truth. A truth that is "
    "only a bound is charged the least error that it can have, and does not count in the mean error."
)
COVERED = (
    "Intervals of {model} that were to contain the truth in {wanted} of the rows do so in {reached} of the test rows "
    "({between}); they are {width} wide on average."
)


class BandRow(Record):
    """Test rows of similar predictions; see `polyclinic.evaluation.number_evaluation.Band`."""

    low: Number | None = None
    high: Number | None = None
    rows: Count
    predicted: Number
    error: Score = NO_SCORE
    absolute_error: Score = NO_SCORE
    coverage: Score | None = None
    width: Score | None = None


class CoverageRow(Record):
    """Coverage and mean width of intervals."""

    coverage: Score = NO_SCORE
    width: Score = NO_SCORE


class NumberResults(Record):
    """What the chosen model makes of a number.

    Attributes
    ----------
    wanted
        The share of truths that the intervals were to contain; None without intervals.
    points
        Prediction and truth of single test rows; none where single cases may not be shown.
    coverage
        Model → before and after its adjustment.
    """

    model: Name
    unit: Name = ""
    wanted: Number | None = None
    bands: Annotated[list[BandRow], Field(max_length=MOST_BANDS)] = Field(default_factory=list)
    points: Annotated[list[tuple[Number, Number]], Field(max_length=MOST_POINTS)] = Field(default_factory=list)
    coverage: Annotated[dict[Name, dict[Name, CoverageRow]], Field(max_length=MOST_MODELS)] = Field(
        default_factory=dict
    )

    @field_validator("bands")
    @classmethod
    def _none_where_one_is_hidden(cls, bands: list[BandRow]) -> list[BandRow]:
        """A band whose size may not be shown shows nothing, and its size would follow from those of the others."""
        return [] if any(isinstance(band.rows, str) for band in bands) else bands

    def named(self, what: str) -> str:
        """A quantity with its unit, as it stands on an axis."""
        return f"{what} ({self.unit})" if self.unit else what


class Numbers(Section):
    """Outcome → what the chosen model makes of its number."""

    kind: Literal["numbers"] = "numbers"
    outcomes: dict[Name, NumberResults] = Field(default_factory=dict)


def show(section: Numbers, report: ReportDocument, page: PageSection) -> None:
    """Predicted against observed, errors and coverage by band, coverage of all models."""
    for o in outcomes(report):
        if (results := section.outcomes.get(o.name)) is not None:
            if results.points:
                title = o.titled(f"Predicted against observed, {results.model}")
                page.draw(f"{title}, test rows", _scatter(results, title))
            _bands(page, o, results)
            _coverage(page, o, results)


def _scatter(results: NumberResults, title: str) -> str:
    """One dot a row, and the line of perfect predictions."""
    every = [value for point in results.points for value in point]
    low, high = min(every), max(every)
    pad = 0.04 * (high - low) or 1.0
    limits = (low - pad, high + pad)

    def paint(axes: "Axes") -> None:
        axes.grid()
        axes.set(xlim=limits, ylim=limits, xlabel=results.named("predicted"), ylabel=results.named("observed"))
        axes.plot(limits, limits, color=MUTED, lw=1, ls=(0, (2, 3)))
        x, y = zip(*results.points, strict=True)
        axes.plot(x, y, "o", color=ACCENT, ms=3.5, alpha=0.55, mew=0)
        axes.locator_params(nbins=5)

    words = f"One dot a test row, {len(results.points)} rows, from {number(low)} to {number(high)} {results.unit}."
    return draw(paint, title=title, description=words, height=300, margins=(56, 14, 12, 40))


def _bands(page: PageSection, o: OutcomeResults, results: NumberResults) -> None:
    if not results.bands:
        return
    page.say(LEAD)
    title = o.titled(f"Mean error of {results.model} by band of prediction")
    known = [band for band in results.bands if band.error.value is not None]
    if len(known) > 1:
        x, y = [band.predicted for band in known], [band.error.value or 0.0 for band in known]
        whiskers = [
            (band.predicted, band.error.low, band.error.high)
            for band in known
            if band.error.low is not None and band.error.high is not None
        ]
        zero = Curve("", x=[x[0], x[-1]], y=[0.0, 0.0], faint=True)
        line = Curve(results.model, x=x, y=y, strong=True, marks=x, whiskers=whiskers)
        spoken = "; ".join(f"predicted {number(a)}, mean error {number(b)}" for a, b in zip(x, y, strict=True))
        names = results.named("mean prediction of the band"), results.named("prediction less truth")
        words = f"Mean error by band with its 95 % interval. {spoken} {results.unit}."
        page.draw(title, curves([zero, line], title=title, axes_names=names, description=words, inside="upper left"))
    heads = [results.named("predicted"), "test rows", *(results.named(w) for w in ("mean error", "absolute error"))]
    some = any(band.coverage is not None for band in results.bands)
    heads += ["intervals with the truth", results.named("width")] if some else []
    rows: list[list[object]] = []
    for band in results.bands:
        cells = [band.error, band.absolute_error, *([band.coverage, band.width] if some else [])]
        rows.append([_between(band), band.rows, *map(score_cell, cells)])
    page.tabulate(rows, heads, o.titled(f"Bands of prediction of {results.model}, test rows"))


def _between(band: BandRow) -> str:
    if band.low is None or band.high is None:
        return (
            "all"
            if band.low is band.high
            else f"up to {number(band.high)}"
            if band.low is None
            else f"above {number(band.low)}"
        )
    return f"{number(band.low)} to {number(band.high)}"


def _coverage(page: PageSection, o: OutcomeResults, results: NumberResults) -> None:
    after = results.coverage.get(results.model, {}).get("after")
    if after is not None and after.coverage.value is not None and results.wanted is not None:
        between = f"95 % interval {interval(after.coverage)}" if after.coverage.has_interval else "no interval"
        width = f"{number(after.width.value)} {results.unit}".strip()
        wanted, reached = percent(results.wanted, 0), percent(after.coverage.value)
        page.say(COVERED.format(model=results.model, wanted=wanted, reached=reached, between=between, width=width))
    rows: list[list[object]] = []
    for model, versions in results.coverage.items():
        for when in ("before", "after"):
            if (one := versions.get(when)) is not None:
                rows.append([model, f"{when} the adjustment", score_cell(one.coverage), score_cell(one.width)])
    heads = ["model", "intervals", "with the truth", results.named("width")]
    page.tabulate(rows, heads, o.titled("Coverage and width of the intervals, test rows"))


SECTION = SectionType(model=Numbers, title="Numbers: errors and intervals", place=37, show=show)
