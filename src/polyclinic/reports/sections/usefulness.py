"""Use at a threshold: what alerts would be like, and the net benefit at every threshold (Vickers and Elkin 2006)."""

from typing import Annotated, Literal

from pydantic import AliasChoices, Field, model_validator

from polyclinic.figures.curves import Curve, curves
from polyclinic.figures.numbers import number
from polyclinic.figures.svg import MUTED
from polyclinic.reports.document import ReportDocument
from polyclinic.reports.outcome_results import OutcomeResults, outcomes
from polyclinic.reports.page_section import PageSection, SectionType, score_cell
from polyclinic.reports.quantities import NO_SCORE, Name, Number, Record, Score
from polyclinic.reports.results import AnyScore, Caution, Scores
from polyclinic.reports.section import Section
from polyclinic.reports.wording import in_words, listed, plain

NET_BENEFIT = (
    "Net benefit weighs right alerts against false ones at each threshold; a model is worth having where its "
    "curve lies above an alert for all and an alert for none."
)
MOST_POINTS = 2_000
AT_THRESHOLD = {"sensitivity": "Sensitivity", "specificity": "Specificity", "ppv": "PPV", "npv": "NPV"}


class Reached(Record):
    """Whether an operating point is kept on test rows: `undecided` where the interval holds the target."""

    rule: Name
    target: Number
    measured: Score
    state: Literal["yes", "no", "undecided"]


class OperatingPoint(Record):
    """What a model does at its threshold.

    Attributes
    ----------
    rule
        The required value: `specificity`, `sensitivity` or `threshold` → its value.
    chosen_on
        The split whose rows decided on the threshold; empty where it was not chosen here.
    basis
        What makes a row an alert: a score at or above the threshold, or the decision that the file holds.
    scores
        On test rows: sensitivity, specificity, ppv, npv …
    alerts_per_100
        Alerts per 100 rows.
    fold_thresholds, reached
        Fold → the threshold of its test rows, learned from other groups; and whether the rule is kept at these.
    alerts_per_day, false_alerts_per_day
        Alerts per day that a patient is under observation; None where rows have no times.
    """

    model: Name
    outcome: Name
    rule: dict[Name, Number]
    threshold: Number | None
    chosen_on: Name = ""
    scores: Scores
    # The evaluation hands on alerts as a bare number, with its interval beside it.
    alerts_per_100: Annotated[AnyScore, Field(validation_alias=AliasChoices("alerts_interval", "alerts_per_100"))]
    alerts_per_day: Score | None = None
    false_alerts_per_day: Score | None = None
    fold_thresholds: dict[Name, Number | None] = Field(default_factory=dict)
    reached: Reached | None = None
    basis: Literal["threshold", "decisions in the file"] = "threshold"

    @property
    def wanted(self) -> tuple[str, float] | None:
        """The score that the rule names and its wanted value; None where the threshold itself was given."""
        return next(((name, value) for name, value in self.rule.items() if name in self.scores), None)

    @property
    def flatters(self) -> bool:
        """Whether the threshold was chosen on the very rows that are scored."""
        return self.chosen_on == "test" and self.wanted is not None

    @property
    def place(self) -> str:
        """What alerts are measured at, in words."""
        return "its threshold" if self.basis == "threshold" else f"the {self.basis}"


class NetBenefit(Record):
    """Net benefit of each model, of an alert for all and of none, over thresholds from 0 to 1."""

    thresholds: Annotated[list[Number], Field(max_length=MOST_POINTS)]
    models: dict[Name, Annotated[list[Number | None], Field(max_length=MOST_POINTS)]]
    all: Annotated[list[Number | None], Field(max_length=MOST_POINTS)]

    @model_validator(mode="after")
    def _one_number_a_threshold(self) -> "NetBenefit":
        if any(len(curve) != len(self.thresholds) for curve in (self.all, *self.models.values())):
            raise ValueError("each curve needs one number a threshold")
        return self


class Usefulness(Section):
    """Operating points of the models, and decision curves by outcome."""

    kind: Literal["usefulness"] = "usefulness"
    points: list[OperatingPoint] = Field(default_factory=list)
    decision: dict[Name, NetBenefit] = Field(default_factory=dict)

    def point(self, model: str, outcome: str) -> OperatingPoint | None:
        """The operating point of a model; None where there is none."""
        return next((p for p in self.points if (p.model, p.outcome) == (model, outcome)), None)


def show(section: Usefulness, report: ReportDocument, page: PageSection) -> None:
    """The decision curves, and a table of operating points."""
    for o in outcomes(report):
        if o.name in section.decision:
            page.lead = NET_BENEFIT
            _decision(page, o, section.decision[o.name])
    ships = report.package is not None
    columns = [_operating_point(p, ships) for p in section.points]
    measures = list(dict.fromkeys(name for column in columns for name in column))
    rows = [[measure, *(column.get(measure) for column in columns)] for measure in measures]
    page.tabulate(rows, ["measure", *(p.model for p in section.points)], "Operating points")


def _operating_point(point: OperatingPoint, ships: bool) -> dict[str, object]:
    column: dict[str, object] = {}
    if point.basis == "threshold":
        column["Rule"] = plain(in_words(point.rule))
    else:
        column["Measured"] = f"at {point.place}"
    if point.basis == "threshold" or point.threshold is not None:
        column["Threshold that ships" if ships else "Threshold"] = _threshold(point.threshold)
    if point.flatters:
        column["Thresholds chosen on"] = "the rows that are scored"
    elif point.chosen_on and point.wanted:
        column["Thresholds chosen on"] = f"{point.chosen_on} rows"
    if len(point.fold_thresholds) > 1:
        column["Thresholds of the folds"] = ", ".join(map(_threshold, point.fold_thresholds.values()))
    column |= {AT_THRESHOLD.get(name, name): score_cell(score) for name, score in point.scores.items()}
    alerts = {
        "Alerts per 100 rows": point.alerts_per_100,
        "Alerts per patient-day": point.alerts_per_day,
        "False alerts per patient-day": point.false_alerts_per_day,
    }
    return column | {name: score_cell(score) for name, score in alerts.items() if score is not None}


def _threshold(threshold: float | None) -> str:
    """A threshold as it is shown: one just above 0 does not look like 0, at which every row is an alert."""
    return "below 0.001" if threshold is not None and 0 < threshold < 0.001 else number(threshold)


def _decision(page: PageSection, o: OutcomeResults, benefit: NetBenefit) -> None:
    x = benefit.thresholds
    drawn = [Curve(m, x, _drawable(benefit.models[m]), strong=m == o.chosen) for m in o.models if m in benefit.models]
    drawn += [Curve("alert for all", x, _drawable(benefit.all), colour=MUTED)]
    drawn += [Curve("none", x, [0.0] * len(x), colour=MUTED)]
    highest, middle = max((v for c in drawn for v in c.y if v == v), default=0.1), len(x) // 2
    spoken = "; ".join(f"{c.label} {number(c.y[middle])}" for c in drawn if len(c.y) > middle)
    title = o.titled("Decision curve")
    figure = curves(
        drawn,
        title=title,
        axes_names=("threshold probability", "net benefit"),
        description=f"Net benefit by threshold. At threshold {number(x[middle], 2) if x else '–'}: {spoken}.",
        limits=(None, (-0.25 * highest, highest * 1.08)),
    )
    page.draw(title, figure)


def _drawable(values: list[float | None]) -> list[float]:
    return [float("nan") if value is None else value for value in values]


def operating_point(o: OutcomeResults) -> OperatingPoint | None:
    """The operating point of the chosen model; None where there is none, or where it gives all rows one answer."""
    section = o.document.section(Usefulness)
    return section.point(o.chosen, o.name) if section and o.chosen not in o.constant else None


def out_of_100(section: Usefulness, o: OutcomeResults) -> int | None:  # noqa: ARG001
    """Of 100 alerts of the chosen model, how many are right; None where that cannot be computed."""
    point = operating_point(o)
    ppv = point.scores.get("ppv", NO_SCORE).value if point else None
    return None if ppv is None else round(100 * ppv)


def reached(point: OperatingPoint) -> str:
    """Whether the required operating point was reached on test rows, in words; empty where none was, and where these rows chose it."""
    if point.wanted is None or point.flatters:
        return ""
    name, wanted = point.wanted
    score = point.scores.get(name, NO_SCORE)
    if score.value is None:
        return ""
    measured = f"{AT_THRESHOLD.get(name, name).lower()} {number(score.value)} where {number(wanted)} was required"
    if round(score.value, 3) >= wanted:
        return f"the operating point was reached ({measured})"
    if score.contains(wanted):
        return f"the operating point was nearly reached ({measured}, which lies within the interval)"
    return f"the operating point was missed ({measured})"


def finding(section: Usefulness, o: OutcomeResults) -> str:  # noqa: ARG001
    """Of 100 alerts how many are right, how many alerts there are, and whether the operating point was reached."""
    point = operating_point(o)
    if point is None or not point.alerts_per_100.known:
        return ""
    if point.alerts_per_100.value == 0:
        return f"At {point.place} it gives no alert at all, and {reached(point) or 'finds nobody'}.{_flattery(point)}"
    parts = [_right_of_100(point), _sensitivity(point), _alerts(point, o.document.cohort.main_group), reached(point)]
    return f"At {point.place} {listed([*filter(None, parts)])}.{_flattery(point)}"


def _flattery(point: OperatingPoint) -> str:
    """That the rows which chose the threshold are those that are scored."""
    if not point.flatters:
        return ""
    return " The threshold was chosen on these same rows, so that the numbers at it flatter it."


def _right_of_100(point: OperatingPoint) -> str:
    ppv = point.scores.get("ppv", NO_SCORE)
    if ppv.value is None:
        return ""
    known = f" ({100 * ppv.low:.0f} to {100 * ppv.high:.0f})" if ppv.low is not None and ppv.high is not None else ""
    return f"{round(100 * ppv.value)} of 100 alerts are right{known}"


def _sensitivity(point: OperatingPoint) -> str:
    sensitivity = point.scores.get("sensitivity", NO_SCORE).value
    return "" if sensitivity is None else f"{round(100 * sensitivity)} of 100 positive rows are found"


def _alerts(point: OperatingPoint, group: str) -> str:
    if point.alerts_per_day is not None and point.alerts_per_day.known:
        day = "patient-day" if group in ("subject", "subject_id") else f"day of each {group}"
        return f"there are {number(point.alerts_per_day.value, 2)} alerts a {day}"
    return f"there are {number(point.alerts_per_100.value, 2)} alerts in 100 rows"


def cautions(section: Usefulness, o: OutcomeResults) -> list[Caution]:  # noqa: ARG001
    """A threshold that was chosen on the rows that judge it."""
    point = operating_point(o)
    if point is None or not point.flatters:
        return []
    text = (
        "The threshold was chosen on the rows that are scored, so that the numbers at it are better than on new rows. "
    )
    text += "Give the decisions in a column predicted_boolean_value, or other rows to choose it on with validation in a column split."
    return [Caution(title="Threshold", text=text)]


SECTION = SectionType(
    model=Usefulness,
    title="Use at a threshold",
    place=60,
    show=show,
    finding=finding,
    cautions=cautions,
    out_of_100=out_of_100,
)
