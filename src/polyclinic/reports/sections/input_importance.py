"""Which inputs matter to the chosen model: how much its score falls when they come from other patients."""

from typing import Annotated, Literal

from pydantic import Field

from polyclinic.figures.intervals import Line, forest
from polyclinic.figures.numbers import count
from polyclinic.reports.document import ReportDocument
from polyclinic.reports.outcome_results import OutcomeResults
from polyclinic.reports.page_section import PageSection, SectionType
from polyclinic.reports.quantities import Name, Record, Score
from polyclinic.reports.section import Section
from polyclinic.reports.wording import listed, plain

LEAD = (
    "On held-out rows, each group of inputs of {model} is replaced by that of another row, of another patient or "
    "whatever the intervals are over; the more the score gets worse, the more the model relies on it. Inputs that say "
    "the same can stand in for one another, so that each of them may look unimportant. This shows what the model uses, "
    "not what causes the outcome."
)


SENTENCES = {
    "not read": "{model} does not read {names}: what it makes of a row is the same whatever they are (codes that few "
    "rows have are left out).",
    "unused": "No answer of {model} changes with {names}.",
}


class Importance(Record):
    """How much one group of inputs matters; see `polyclinic.inspection.permutation.InputImportance`."""

    inputs: Name
    outcome: Name
    score: Name
    loss: Score
    use: Literal["used", "unused", "not read"] | None = None

    @property
    def in_use(self) -> str:
        """Whether an answer changes; of a report without that fact, a loss of 0 without an interval says that none does."""
        return self.use or ("unused" if self.loss.value == 0 and not self.loss.has_interval else "used")


class InputImportances(Section):
    """The importance of each group of inputs of one model, most important first."""

    kind: Literal["input_importance"] = "input_importance"
    model: Name
    importances: Annotated[list[Importance], Field(max_length=200)]


def show(section: InputImportances, report: ReportDocument, page: PageSection) -> None:
    """A figure of the losses with their intervals."""
    if not section.importances:
        return
    first = section.importances[0]
    page.say(LEAD.format(model=section.model))
    for use, sentence in SENTENCES.items():
        if names := [plain(one.inputs) for one in section.importances if one.in_use == use]:
            page.say(sentence.format(model=section.model, names=listed(names)))
    used = [one for one in section.importances if one.in_use == "used"]
    if any(not one.loss.has_interval for one in used):
        page.say("A bar without an interval rests on too few groups for one.")
    lines = [Line(plain(one.inputs), one.loss.value, one.loss.low, one.loss.high) for one in used]
    if not lines:
        return
    name = OutcomeResults(report, first.outcome).title(first.score)
    title = f"Loss of {name} without each group of inputs"
    page.draw(
        f"{title}, on {count(first.loss.n)} held-out rows",
        forest(lines, title=title, axis=f"loss of {name}", zero=True),
    )


SECTION = SectionType(model=InputImportances, title="Which inputs matter", place=65, show=show)
