"""Who is in the data: step by step, when, and how the rows were divided."""

from itertools import pairwise

from markupsafe import Markup

from polyclinic.figures.flow import FlowStep, flow
from polyclinic.figures.html import with_small
from polyclinic.figures.numbers import count, finite, how_many
from polyclinic.reports.cohort_facts import CohortFacts, Counts, SplitPart, TimeRange
from polyclinic.reports.document import ReportDocument
from polyclinic.reports.page_section import PageSection
from polyclinic.reports.wording import group_word, group_words, plain, rows_and_groups

MARKED = "Marked steps look past the index time: they decide on labels, never on inputs."
SHIFTED = (
    "The source moved all dates by years, so that nobody can be recognised; times between events of one patient are kept, "
    "but the calendar year and the season mean nothing."
)
NOT_COUNTS = ("format", "shards", "layout")
EXCLUDED_GROUPS = (
    "Beside an exclusion stands how many {groups} had at least one such row; they stay where other rows are left."
)
SET_ASIDE = {"outside": "outside the plausible range, set aside", "tied": "instants with more than one"}


def show(report: ReportDocument, page: PageSection) -> None:
    """The flow, what was read, and the folds."""
    cohort = report.cohort
    page.say(f"{rows_and_groups(cohort)}.")
    if cohort.time:
        page.say(_times(cohort.time))
    if any(step.past_index for step in cohort.attrition):
        page.say(MARKED)
    if cohort.attrition:
        group = cohort.main_group if any(cohort.main_group in s.groups for s in cohort.attrition) else ""
        if group and any(s.excluded and group in s.groups for s in cohort.attrition):
            page.say(EXCLUDED_GROUPS.format(groups=group_words(group)))
        figure = flow(flow_steps(cohort), title="Cohort flow", group=group_word(group) if group else "")
        page.draw("From the source to the rows that are used", figure)
    page.tabulate(_read(cohort), ["what", "count"], "What was read")
    _splits(cohort, page)


def _times(time: TimeRange) -> str:
    return f"Index times run from {time.first} to {time.last}.{f' {SHIFTED}' if time.shifted else ''}"


def flow_steps(cohort: CohortFacts) -> list[FlowStep]:
    """The attrition with what is needed to make it add up: a loss that no exclusion names becomes a line of its own."""
    group = cohort.main_group
    steps = [FlowStep(s.step, s.rows, s.groups.get(group), s.past_index, s.excluded) for s in cohort.attrition]
    left_at = [i for i, step in enumerate(steps) if not step.excluded]
    missing: dict[int, FlowStep] = {}
    for before, after in pairwise(left_at):
        numbers = [step.rows for step in steps[before : after + 1]]
        if all(map(finite, numbers)):
            known = [int(n) for n in numbers]
            lost = known[0] - sum(known[1:-1]) - known[-1]
            if lost > 0:
                missing[after] = FlowStep("for another reason", lost, excluded=True)
    with_losses: list[FlowStep] = []
    for i, step in enumerate(steps):
        with_losses += [missing[i], step] if i in missing else [step]
    return with_losses


def _read(cohort: CohortFacts) -> list[list[object]]:
    summary, rows = cohort.summary, list[list[object]]()
    if summary:
        named = {"rows in": summary.rows_in, "events out": summary.events_out, "quarantined": summary.quarantined}
        extra = {plain(k): v for k, v in (summary.model_extra or {}).items() if k not in NOT_COUNTS}
        rows += [[name, n] for name, n in (named | extra).items() if finite(n) or str(n)[:1] == "<"]
        rows += [[f"not an event: {plain(name)}", n] for name, n in summary.non_events.items()]
    for code, counts in cohort.set_aside.items():
        rows += [[f"{plain(code)}: {SET_ASIDE.get(kind, kind)}", n] for kind, n in counts.items()]
    return rows


def _splits(cohort: CohortFacts, page: PageSection) -> None:
    cells = {(part.fold, part.split): part for part in cohort.splits}
    folds, names = (list(dict.fromkeys(key[i] for key in cells)) for i in (0, 1))
    rows = [[fold or "–", *(_part(cells.get((fold, name))) for name in names)] for fold in folds]
    page.tabulate(rows, ["fold", *(f"{name} rows" for name in names)], "How the rows were divided")


def _part(part: SplitPart | None) -> Markup | None:
    """The rows of a part of a fold, and below them its groups and positives."""
    if part is None:
        return None
    words = [*_counted(part.groups), *(f"{count(n)} {name}" for name, n in part.answers.items() if name != "negative")]
    # A number and what it counts stay on one line.
    return with_small(count(part.rows), ", ".join(word.replace(" ", "\u00a0") for word in words))


def _counted(groups: Counts) -> list[str]:
    return [how_many(n, group_word(name)) for name, n in groups.items()]
