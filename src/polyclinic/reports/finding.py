"""The finding: three plain sentences with numbers, the same for every outcome and every kind of data."""

from polyclinic.figures.numbers import count, how_many, number, percent
from polyclinic.reports.document import ReportDocument
from polyclinic.reports.outcome_results import OutcomeResults, outcomes
from polyclinic.reports.page_section import section_types
from polyclinic.reports.wording import Verdict, interval, listed, rows_and_groups, verdict

VERDICTS = {
    Verdict.BETTER: "clearly better than",
    Verdict.LEVEL: "not clearly different from",
    Verdict.WORSE: "clearly worse than",
    Verdict.UNKNOWN: "without an interval to compare it with",
}


def finding(report: ReportDocument) -> str:
    """What was predicted and for which rows; how good it is beside the baselines; and what its
    sections say of it (what an alert is worth).

    Where a report has several outcomes, the sentences from the second on stand once for each. Nobody is called a patient
    where no group of the rows is a subject.
    """
    sentences = [what_was_predicted(report)]
    for o in outcomes(report):
        own = [kind.finding(section, o) for section, kind in section_types(report)]
        sentences += [how_good(o), *own]
    return " ".join(filter(None, sentences))


def what_was_predicted(report: ReportDocument) -> str:
    """What is predicted, and for which rows."""
    question = (report.title or report.study).strip()
    positives = [t.positive for t in report.cohort.targets.values() if t.positive is not None]
    positive, rows, share = (positives[0] if len(positives) == 1 else None), report.cohort.rows, ""
    if positive is not None:
        known = isinstance(positive, int) and isinstance(rows, int) and rows > 0
        part = f" ({percent(int(positive) / int(rows))})" if known else ""
        alone = report.cohort.main_group and report.cohort.group_count == rows
        share = f"; {count(positive)} of {'them' if alone else 'the rows'}{part} are positive"
    rows_of_groups = f"{rows_and_groups(report.cohort)}{share}."
    if question.endswith("?"):
        return f"“{question}” was predicted for {rows_of_groups}"
    return f"This report, “{question.rstrip('.')}”, is about predictions for {rows_of_groups}"


def how_good(o: OutcomeResults) -> str:
    """The chosen model, its score with the interval, and how it compares with the others."""
    if not o.chosen:
        return "No model was chosen."
    score, name = o.score(o.chosen), o.title(o.primary)
    subject = o.titled(f"The chosen model, {o.chosen}," if len(o.models) > 1 else f"The model, {o.chosen},")
    if not score.known:
        return f"{subject} could not be scored: its {name} cannot be computed on these rows."
    if o.chosen in o.constant:
        return f"{subject} {o.same_answer()}: it does not distinguish rows and ranks no better than chance."
    known = f"95 % interval {interval(score)}" if score.has_interval else "no interval"
    where = (
        "rows that it had not learned from"
        if o.fold_count > 1
        else how_many(score.n, "test row" if o.has_split else "row")
    )
    compared = compared_with(o, o.chosen)
    beside = f"; it is {compared}" if compared else ""
    return f"{subject} has {_article(name)} {name} of {number(score.value)} ({known}) on {where}{beside}."


def _article(name: str) -> str:
    return "an" if name[:1].upper() in "AEIOU" else "a"


def compared_with(o: OutcomeResults, model: str, but: tuple[str, ...] = ()) -> str:
    """`clearly better than last-value (0.722) and not clearly different from logistic (0.784)`."""
    words: dict[Verdict, list[str]] = {}
    for other, difference in o.differences(model).items():
        if other not in but:
            score = o.score(other)
            value = f" ({number(score.value)})" if score.known else ""
            words.setdefault(verdict(difference, o.measure(o.primary).better), []).append(f"{other}{value}")
    return listed([f"{VERDICTS[v]} {listed(words[v])}" for v in VERDICTS if v in words], ", ")
