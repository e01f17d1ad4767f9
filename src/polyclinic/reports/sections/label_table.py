"""Each label by itself, where rows have several: how often it is known and positive, its scores and its threshold."""

from typing import Annotated, Literal

from pydantic import Field

from polyclinic.figures.intervals import forest
from polyclinic.figures.numbers import number, percent
from polyclinic.reports.document import ReportDocument
from polyclinic.reports.outcome_results import OutcomeResults, outcomes
from polyclinic.reports.page_section import PageSection, SectionType, score_cell
from polyclinic.reports.quantities import NO_SCORE, Count, Name, Number, Record, Score
from polyclinic.reports.results import Caution
from polyclinic.reports.section import Section
from polyclinic.reports.sections.model_scores import line
from polyclinic.reports.wording import listed, plain

LEAD = (
    "Each label is judged over the rows in which it is known. The dashed line is the mean over the labels; "
    "means over labels give a rare label the weight of a frequent one."
)
HEADS = ["label", "rows known", "missing", "positive", "AUROC", "AUPRC", "observed : expected", "threshold"]
MOST_LABELS, MANY = 2_000, 2


class LabelRecord(Record):
    """One label of the chosen model; see `polyclinic.evaluation.multilabel_evaluation.LabelFacts`."""

    label: Name
    known: Count
    positive: Count
    observed_expected: Score = NO_SCORE
    threshold: Number | None = None

    @property
    def share(self) -> str | None:
        """The share of positive rows; None where a count may not be shown."""
        if isinstance(self.known, str) or isinstance(self.positive, str) or not self.known:
            return None
        return percent(self.positive / self.known)


class LabelTable(Section):
    """labels: outcome → its labels, in the order of the study."""

    kind: Literal["label_table"] = "label_table"
    labels: dict[Name, Annotated[list[LabelRecord], Field(max_length=MOST_LABELS)]] = Field(default_factory=dict)


def show(section: LabelTable, report: ReportDocument, page: PageSection) -> None:
    """AUROC of each label with its interval, and a table."""
    for o in outcomes(report):
        if not (labels := section.labels.get(o.name)):
            continue
        page.lead = LEAD
        scores, title = o.scores(o.chosen), o.titled("AUROC by label")
        lines = [line(one.label, scores.get(f"auroc//{one.label}", NO_SCORE), note=_note(one)) for one in labels]
        overall = scores.get("macro_auroc", NO_SCORE).value
        page.draw(title, forest(lines, title=title, axis=f"AUROC of {o.chosen}", reference=overall))
        page.tabulate([_row(o, one) for one in labels], HEADS, o.titled(f"The labels of {o.chosen}"))


def _note(label: LabelRecord) -> str:
    return f"{label.positive} positive"


def _row(o: OutcomeResults, label: LabelRecord) -> list[object]:
    scores = o.scores(o.chosen)
    auroc, auprc = (score_cell(scores.get(f"{name}//{label.label}", NO_SCORE)) for name in ("auroc", "auprc"))
    level, threshold = score_cell(label.observed_expected), number(label.threshold)
    return [label.label, label.known, _missing(o, label), _positive(label), auroc, auprc, level, threshold]


def _missing(o: OutcomeResults, label: LabelRecord) -> str | None:
    """The share of the scored rows in which the label is missing."""
    rows = o.score(o.chosen).n
    if isinstance(rows, str) or isinstance(label.known, str) or not rows:
        return None
    return percent(1 - label.known / rows)


def _positive(label: LabelRecord) -> str:
    share = label.share
    return f"{label.positive}" + (f" ({share})" if share else "")


def _aurocs(section: LabelTable, o: OutcomeResults) -> dict[str, float | None]:
    """Label → AUROC of the chosen model."""
    scores = o.scores(o.chosen)
    return {one.label: scores.get(f"auroc//{one.label}", NO_SCORE).value for one in section.labels.get(o.name, [])}


def finding(section: LabelTable, o: OutcomeResults) -> str:
    """The weakest and the strongest label."""
    known = {label: value for label, value in _aurocs(section, o).items() if value is not None}
    if len(known) < MANY or o.chosen in o.constant:
        return ""
    low, high = (pick(known, key=known.__getitem__) for pick in (min, max))
    return (
        f"By label, its AUROC runs from {number(known[low])} ({plain(low)}) to {number(known[high])} ({plain(high)})."
    )


def cautions(section: LabelTable, o: OutcomeResults) -> list[Caution]:
    """Labels that cannot be scored: all rows in which they are known have one answer."""
    lacking = [plain(label) for label, value in _aurocs(section, o).items() if value is None]
    if not lacking:
        return []
    text = f"Nothing is known of how well {listed(lacking)} {'is' if len(lacking) == 1 else 'are'} predicted: the test rows "
    return [Caution(title="Labels", text=f"{text}do not have it both ways. Means over labels leave such labels out.")]


SECTION = SectionType(model=LabelTable, title="Label by label", place=35, show=show, finding=finding, cautions=cautions)
