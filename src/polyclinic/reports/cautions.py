"""Before you use this: what a reader must know beside the finding, the most serious first."""

from collections.abc import Callable, Sequence

from polyclinic.figures.numbers import finite, how_many, number
from polyclinic.reports.calibration_words import calibration_verdict
from polyclinic.reports.document import ReportDocument
from polyclinic.reports.finding import compared_with
from polyclinic.reports.outcome_results import OutcomeResults, outcomes
from polyclinic.reports.page_section import section_types
from polyclinic.reports.results import Caution
from polyclinic.reports.sections.evidence import Evidence
from polyclinic.reports.sections.model_scores import choosing_flatters, cost_of_choosing
from polyclinic.reports.wording import Verdict, group_word, in_words, interval, listed, plain, verdict

MOST_NOTES = 4
FEW_GROUPS = 300
"""Groups below which another seed changes scores as much as the gaps between good models."""


def cautions(report: ReportDocument) -> list[Caution]:
    """What is doubtful, missing or easily misread; empty where nothing is.

    In this order: what makes the results worthless; what they fail in; what they are worth; how they were made.
    """
    every = [*outcomes(report)]
    return [
        *_warnings(report),
        *_serious_notes(report),
        *_of_each(_chance, every),
        *_gates(report),
        *_of_sections(report, every),
        *_of_each(_calibration, every),
        *_of_each(_subgroups, every),
        *_of_each(_not_chosen, every),
        *_of_each(_choosing, every),
        *_concentration(report),
        *_notes(report),
        *_few(report),
        *_of_each(_procedure, every),
    ]


def _of_each(look: Callable[[OutcomeResults], list[Caution]], every: Sequence[OutcomeResults]) -> list[Caution]:
    return [caution for o in every for caution in look(o)]


def _of_sections(report: ReportDocument, every: Sequence[OutcomeResults]) -> list[Caution]:
    """What the sections of the report know to be doubtful."""
    types = list(section_types(report))
    return [caution for o in every for section, kind in types for caution in kind.cautions(section, o)]


def _warnings(report: ReportDocument) -> list[Caution]:
    """Checks that warn, in full: a leak or a doubtful label makes every number below worthless."""
    warned = [check for check in report.sanity if check.warns]
    return [
        Caution(title=_sentence_case(plain(c.check)), text=f"{_closed(in_words(c.result))} {c.why}".strip())
        for c in warned
    ]


def _serious_notes(report: ReportDocument) -> list[Caution]:
    """Notes of what may make the results mean something else than they say, each in full."""
    serious = [note for note in report.notes if note.level == "serious"]
    return [Caution(title=_sentence_case(plain(n.check)), text=f"{_closed(n.result)} {n.why}".strip()) for n in serious]


def _notes(report: ReportDocument) -> list[Caution]:
    """What else was noted on the way, in short; what is a detail is counted."""
    notes = [note for note in report.notes if note.level == "notable"]
    if not notes:
        return []
    named = [f"{plain(note.check)}: {note.result}" for note in notes[:MOST_NOTES]]
    more = sum(note.level != "serious" for note in report.notes) - len(named)
    rest = f"; {how_many(more, 'more stands', 'more stand')} under “Checks and notes”" if more > 0 else ""
    return [Caution(title="Noted during the run", text=f"{'; '.join(named)}{rest}.")]


def _concentration(report: ReportDocument) -> list[Caution]:
    """Few patients that decide the numbers, and intervals that are worth little."""
    section = report.section(Evidence)
    spread = section.concentration if section else None
    entries = [Caution(title="Few decide", text=spread.sentence())] if spread and spread.is_uneven else []
    doubtful = [o for o in outcomes(report) if o.score(o.chosen).evidence == "little"]
    if doubtful:
        text = "The intervals rest on fewer than 20 independent groups, or a few groups decide them: they may be too narrow."
        entries.append(Caution(title="Intervals", text=text))
    return entries


def _gates(report: ReportDocument) -> list[Caution]:
    """The gates that did not pass, with what was measured and what was wanted."""
    if not report.gates:
        return []
    by_state = {state: [g for g in report.gates if g.state == state] for state in ("failed", "undecided", "not tested")}
    words = []
    for state, gates in by_state.items():
        named = [f"{plain(g.gate)} (measured {g.measured}, wanted {plain(g.wanted)})" for g in gates]
        words += [f"{state.capitalize()}: {listed(named, '; ')}"] if named else []
    passed = sum(gate.state == "passed" for gate in report.gates)
    if not words:
        return []
    text = f"{passed} of {len(report.gates)} conditions that were set before the run passed. {'. '.join(words)}."
    return [Caution(title="Gates", text=text)]


def _chance(o: OutcomeResults) -> list[Caution]:
    """An interval of a rank score that contains chance, or lies below it."""
    score, measure = o.score(o.chosen), o.measure(o.primary)
    if o.chosen in o.constant or not measure.ranks or measure.chance is None or measure.better != "high":
        return []
    if score.low is None or score.high is None or score.low > measure.chance:
        return []
    words = "on these rows it is not shown to rank better than chance"
    if score.high < measure.chance:
        words = "it ranks worse than chance, so look whether the labels are reversed"
    text = f"The {measure.title} of {o.chosen} is {interval(score)}, chance is {measure.chance:g}: {words}."
    return [Caution(title="Chance", text=text)]


def _calibration(o: OutcomeResults) -> list[Caution]:
    judged = calibration_verdict(o.chosen, o.calibration(o.chosen))
    if judged is None or o.chosen in o.constant:
        return []
    return [Caution(title="Calibration", text=judged.sentence)]


def _subgroups(o: OutcomeResults) -> list[Caution]:
    worse = []
    for s in filter(o.is_served_worse, o.subgroups):
        score = s.scores[o.primary]
        worse.append(f"{plain(s.column)} {plain(s.level)} ({number(score.value)}, {interval(score)})")
    if not worse:
        return []
    return [Caution(title="Subgroups", text=f"The score is clearly worse for {listed(worse)}.")]


def _choosing(o: OutcomeResults) -> list[Caution]:
    """By how much choosing among the models flatters the one that was chosen, where it does."""
    if not choosing_flatters(o):
        return []
    return [Caution(title="Choosing", text=cost_of_choosing(o))]


def _not_chosen(o: OutcomeResults) -> list[Caution]:
    """A studied model that lost is said to have lost."""
    lost = [m for m in o.models if not o.is_baseline(m)]
    if not o.chosen or not lost or not o.is_baseline(o.chosen):
        return []
    kept = f"the package holds the baseline {o.chosen}" if o.document.package else f"the baseline {o.chosen} was"
    sentences = [f"The study set out to test {listed(lost)}, which was not chosen: {kept}."]
    for model in lost:
        compared = compared_with(o, model, but=(o.chosen, *lost))
        sentences += [f"On its own, {model} is {compared}."] if compared else []
    return [Caution(title="The studied model was not chosen", text=" ".join(sentences))]


def _procedure(o: OutcomeResults) -> list[Caution]:
    if o.fold_count < 2:
        return []
    mean = "; the package answers with the mean of those models, which is not itself scored"
    text = f"Each row was scored by a model of {o.fold_count} cross-fitted folds that had not learned from it. "
    text += f"The scores estimate the procedure{mean if o.document.package else ''}."
    return [Caution(title="What was scored", text=text)]


def _few(report: ReportDocument) -> list[Caution]:
    group, n = report.cohort.main_group, report.cohort.group_count
    models = max((len(o.models) for o in outcomes(report)), default=0)
    if not group or not finite(n) or n >= FEW_GROUPS or models < 2:
        return []
    level = any(
        verdict(c.difference, o.measure(c.score).better) is Verdict.LEVEL
        for o in outcomes(report)
        for c in o.comparisons
    )
    gaps = "most gaps between the models: do not rank them by small gaps" if level else "a small gap between models"
    text = f"With {how_many(n, group_word(group))}, a change of the seed can move scores by as much as {gaps}."
    return [Caution(title="Few data", text=text)]


def _sentence_case(words: str) -> str:
    return words[:1].upper() + words[1:]


def _closed(sentence: str) -> str:
    """A sentence with its full stop; a question has its own mark."""
    return sentence if sentence.endswith("?") else f"{sentence}."
