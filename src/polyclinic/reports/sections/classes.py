"""Classes: what is confused with what, calibration by class, and the sets that hold the true class."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationInfo, field_validator, model_validator

from polyclinic.figures.confusion import confusion
from polyclinic.figures.curves import Curve, curves
from polyclinic.figures.numbers import count, number, percent
from polyclinic.reports.document import ReportDocument
from polyclinic.reports.outcome_results import OutcomeResults, outcomes
from polyclinic.reports.page_section import PageSection, SectionType, score_cell
from polyclinic.reports.quantities import NO_SCORE, Count, Name, Number, Record, Score
from polyclinic.reports.results import CalibrationResult
from polyclinic.reports.section import Section
from polyclinic.reports.wording import interval

MOST = 500
MOST_DRAWN, MOST_CURVES = 12, 5
LEAD = (
    "Rows of the table are true classes, columns what {model} decides for; bold numbers are right. Test rows whose most "
    "probable classes are equally probable are not decided."
)
SETS = (
    "The set of a row has every class that is probable enough. Sets that were to hold the true class in {wanted} of the "
    "rows do so in {reached} of the test rows ({between}), with {size} classes on average."
)


class ClassRow(Record):
    """One class of the chosen model; see `polyclinic.evaluation.class_evaluation.ClassRecord`."""

    name: Name
    rows: Count
    recall: Score
    precision: Score
    calibration: CalibrationResult | None = None

    @field_validator("recall", "precision")
    @classmethod
    def _nothing_of_a_hidden_class(cls, score: Score, info: ValidationInfo) -> Score:
        """A class whose size may not be shown shows no score either."""
        rows = info.data.get("rows")
        return score.without_values(rows) if isinstance(rows, str) else score

    @field_validator("calibration")
    @classmethod
    def _no_curve_of_a_hidden_class(
        cls, calibration: CalibrationResult | None, info: ValidationInfo
    ) -> CalibrationResult | None:
        return None if isinstance(info.data.get("rows"), str) else calibration


class ClassResults(Record):
    """What the chosen model makes of the classes.

    Attributes
    ----------
    counts
        Test rows by true class and by the class that is decided for.
    undecided
        Test rows by true class for which no class is decided for.
    coverage, size
        How often the set of a row holds the true class, and how many classes it has; None without sets.
    sizes
        How many test rows have a set of 0, 1, 2 … classes.
    wanted
        The share of rows whose set was to hold the true class.
    """

    model: Name
    classes: Annotated[list[Name], Field(max_length=MOST)]
    counts: Annotated[list[Annotated[list[Count], Field(max_length=MOST)]], Field(max_length=MOST)]
    undecided: Annotated[list[Count], Field(max_length=MOST)]
    by_class: Annotated[list[ClassRow], Field(max_length=MOST)]
    coverage: Score | None = None
    size: Score | None = None
    sizes: Annotated[list[Count], Field(max_length=MOST + 1)] = Field(default_factory=list)
    wanted: Number | None = None

    @model_validator(mode="before")
    @classmethod
    def _hide_complements(cls, data: Any) -> Any:
        """A single hidden count of a line follows from the others and their total: a second one is hidden as well."""
        if not isinstance(data, Mapping) or not isinstance(data.get("counts"), list):
            return data
        table = [[*row, *more] for row, more in zip(data["counts"], [[u] for u in data["undecided"]], strict=True)]
        hidden = with_complements(table)
        return {**data, "counts": [row[:-1] for row in hidden], "undecided": [row[-1] for row in hidden]}

    @model_validator(mode="after")
    def _one_line_a_class(self) -> "ClassResults":
        sizes = {len(self.counts), len(self.undecided), len(self.by_class), *(len(row) for row in self.counts)}
        if sizes != {len(self.classes)}:
            raise ValueError("every table needs one line a class")
        return self

    def row(self, code: int) -> ClassRow:
        """A class; without recall and precision where its right rows may not be counted."""
        one = self.by_class[code]
        if isinstance(self.counts[code][code], str):
            return one.model_copy(update={"recall": NO_SCORE, "precision": NO_SCORE})
        return one


class Classes(Section):
    """Outcome → what the chosen model makes of its classes."""

    kind: Literal["classes"] = "classes"
    outcomes: dict[Name, ClassResults] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _no_scores_of_hidden_cells(self) -> "Classes":
        """Recall and precision give a hidden count of right rows away."""
        for results in self.outcomes.values():
            results.by_class[:] = [results.row(code) for code in range(len(results.classes))]
        return self


def with_complements(table: Sequence[Sequence[int | str]]) -> list[list[int | str]]:
    """The table in which no row and no column has exactly one hidden count, as far as others can be hidden.

    A count that is hidden for the sake of another is written as below the next ten: `"<20"` for 13.
    """
    hidden = [list(row) for row in table]
    places = [[(r, c) for c in range(len(row))] for r, row in enumerate(hidden)]
    lines = places + [list(line) for line in zip(*places, strict=True)]
    while cell := next(filter(None, (_complement(hidden, line) for line in lines)), None):
        r, c = cell
        hidden[r][c] = f"<{10 * (int(hidden[r][c]) // 10 + 1)}"
    return hidden


def _complement(table: Sequence[Sequence[int | str]], line: Sequence[tuple[int, int]]) -> tuple[int, int] | None:
    """The count to hide beside the only hidden one of a line; None where there are more, or none.

    One whose other line has a hidden count as well is taken first, which it helps, too; then the smallest.
    """
    if sum(isinstance(table[r][c], str) for r, c in line) != 1:
        return None
    shown = [(r, c) for r, c in line if isinstance(table[r][c], int) and table[r][c]]
    is_row = len({r for r, _ in line}) == 1

    def rank(cell: tuple[int, int]) -> tuple[bool, int]:
        other = [row[cell[1]] for row in table] if is_row else table[cell[0]]
        return not any(isinstance(count, str) for count in other), int(table[cell[0]][cell[1]])

    return min(shown, key=rank, default=None)


def show(section: Classes, report: ReportDocument, page: PageSection) -> None:
    """The table of true and decided classes, the classes one by one, their calibration, the sets."""
    for o in outcomes(report):
        if (results := section.outcomes.get(o.name)) is not None:
            page.say(LEAD.format(model=results.model))
            _confusion(page, o, results)
            _by_class(page, o, results)
            _calibration(page, o, results)
            _sets(page, o, results)


def _confusion(page: PageSection, o: OutcomeResults, results: ClassResults) -> None:
    title = o.titled(f"True and decided classes of {results.model}")
    if len(results.classes) <= MOST_DRAWN:
        drawn = confusion(results.counts, results.classes, title=title, truth="true class", predicted="decided for")
        page.draw(f"{title}, test rows", drawn)
    some = any(cell != 0 for cell in results.undecided)
    lines = zip(results.classes, results.counts, results.undecided, strict=True)
    rows = [[name, *counts, *([undecided] if some else [])] for name, counts, undecided in lines]
    page.tabulate(rows, ["true class", *results.classes, *(["not decided"] if some else [])], f"{title}, test rows")


def _by_class(page: PageSection, o: OutcomeResults, results: ClassResults) -> None:
    auroc = {name: o.scores(results.model).get(f"auroc//{name}") for name in results.classes}
    rows: list[list[object]] = []
    for one in results.by_class:
        level = one.calibration.observed_expected if one.calibration else None
        error = one.calibration.ece if one.calibration else None
        ranked = [auroc[one.name]] if any(auroc.values()) else []  # grades have none
        cells = [one.recall, one.precision, *ranked, level]
        rows.append([one.name, one.rows, *map(score_cell, cells), error and error.value])
    heads = ["class", "test rows", "recall", "precision", *(["AUROC"] if any(auroc.values()) else [])]
    heads += ["observed : expected", "mean error"]
    page.tabulate(rows, heads, o.titled(f"Each class of {results.model}"))


def _calibration(page: PageSection, o: OutcomeResults, results: ClassResults) -> None:
    """The curves of the classes with most rows."""
    known = [one for one in results.by_class if one.calibration is not None and one.calibration.curve]
    largest = sorted(known, key=lambda one: -one.rows if isinstance(one.rows, int) else 0)[:MOST_CURVES]
    drawn = [curve for one in largest if (curve := _curve(one)).x]
    if not drawn:
        return
    title = o.titled(f"Calibration of {results.model} by class")
    spoken = "; ".join(
        f"{c.label}: {', '.join(f'predicted {number(x)}, observed {number(y)}' for x, y in zip(c.x, c.y, strict=True))}"
        for c in drawn
    )
    figure = curves(
        drawn,
        title=title,
        axes_names=("predicted", "observed (dotted: as predicted)"),
        description=f"Observed share of each class by its predicted share. {spoken}.",
        limits=((0, 1), (0, 1)),
        diagonal=True,
        inside="upper left",
        height=300,
    )
    page.draw(title, figure)


def _curve(one: ClassRow) -> Curve:
    """Predicted and observed share of one class."""
    bins = one.calibration.curve if one.calibration else []
    points = [(p.predicted, p.observed) for p in bins if p.predicted is not None and p.observed is not None]
    x, y = [p for p, _ in points], [o for _, o in points]
    return Curve(one.name, x=x, y=y, marks=x)


def _sets(page: PageSection, o: OutcomeResults, results: ClassResults) -> None:
    coverage, size = results.coverage, results.size
    if coverage is None or size is None or coverage.value is None:
        return
    wanted = "most" if results.wanted is None else percent(results.wanted, 0)
    between = f"95 % interval {interval(coverage)}" if coverage.has_interval else "no interval"
    page.say(SETS.format(wanted=wanted, reached=percent(coverage.value), between=between, size=number(size.value, 2)))
    rows = [[count(classes), rows] for classes, rows in enumerate(results.sizes) if rows != 0]
    page.tabulate(rows, ["classes in the set", "test rows"], o.titled("Sets of classes"))


SECTION = SectionType(model=Classes, title="Classes", place=45, show=show)
