"""How a report names things in words: scores, groups, lists, verdicts."""

from collections.abc import Mapping, Sequence
from enum import StrEnum

from polyclinic.figures.numbers import count, finite, how_many, number, plural
from polyclinic.reports.cohort_facts import CohortFacts
from polyclinic.reports.quantities import Score


class Verdict(StrEnum):
    """What an interval says of a paired difference."""

    BETTER = "clearly better"
    WORSE = "clearly worse"
    LEVEL = "no clear difference"
    UNKNOWN = "no interval"


def verdict(difference: Score, better: str) -> Verdict:
    """What a difference in a score says; no clear difference where its interval, as it is shown, contains 0.

    better: which way the score is better, `high` or `low`; of one that is best near a value a difference says nothing.
    """
    if difference.low is None or difference.high is None or better not in ("high", "low"):
        return Verdict.UNKNOWN
    if difference.contains(0):
        return Verdict.LEVEL
    return Verdict.BETTER if (difference.low > 0) == (better == "high") else Verdict.WORSE


def plain(name: object) -> str:
    """A name of the study or its data as words: `age_band` → age band, `VITAL//map` → VITAL, map."""
    return str(name).replace("_", " ").replace("//", ", ")


def listed(words: Sequence[str], between: str = ", ") -> str:
    """`a, b and c`."""
    return " and ".join([between.join(words[:-1]), words[-1]] if len(words) > 1 else words)


def group_word(group: str) -> str:
    """The name of one group in a sentence: subject → patient; any other by its own name."""
    return "patient" if group in ("subject", "subject_id") else group.replace("_", " ")


def group_words(group: str) -> str:
    """The name of several groups in a sentence: subject → patients."""
    return plural(group_word(group))


def rows_and_groups(cohort: CohortFacts) -> str:
    """`9,890 rows from 100 patients`; rows alone where each row is its own group."""
    if not cohort.main_group:
        return how_many(cohort.rows, "row")
    groups = how_many(cohort.group_count, group_word(cohort.main_group))
    return groups if cohort.group_count == cohort.rows else f"{how_many(cohort.rows, 'row')} from {groups}"


def in_words(value: object) -> str:
    """A setting or a result in words: a range, a score with its interval, named values, yes or no."""
    if isinstance(value, Score):
        return score_with_interval(value)
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {in_words(one)}" for name, one in value.items())
    if isinstance(value, list | tuple):
        is_range = len(value) == 2 and all(map(finite, value))
        return " to ".join(map(in_words, value)) if is_range else listed([*map(in_words, value)])
    if isinstance(value, bool):
        return "yes" if value else "no"
    return number(value) if isinstance(value, float) else count(value)


def score_with_interval(score: Score) -> str:
    """`0.786 (0.761 to 0.811)`."""
    return f"{number(score.value)} ({interval(score)})" if score.known else number(None)


def interval(score: Score) -> str:
    """The interval alone: `0.761 to 0.811`."""
    return f"{number(score.low)} to {number(score.high)}" if score.has_interval else "no interval"
