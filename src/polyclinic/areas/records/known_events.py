"""Events of many subjects as arrays in which a window is two binary searches: sorted by when they became known."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from polyclinic.arrays import Array
from polyclinic.cohorts.sorted_times import position
from polyclinic.cohorts.values import plausible_rows
from polyclinic.samples.columns import Index
from polyclinic.timelines.availability import TIMELESS
from polyclinic.timelines.event_arrays import EventArrays, numbered

FAR = 1 << 62


class KnownEvents(NamedTuple):
    """Events sorted by subject and by when they became known: [event] each, times in microseconds since 1970.

    Attributes
    ----------
    subjects
        Who has events, rising.
    bounds
        Where the events of each of them begin, and where those of the last one end.
    levels
        The names of the codes, sorted; `code` counts in them.
    infinite
        How many events were left out since their value is infinite.
    """

    subjects: Index
    bounds: Index
    known: Index
    time: Index
    code: npt.NDArray[np.int32]
    value: npt.NDArray[np.float32]
    levels: list[str]
    infinite: int = 0

    def of_subjects(self, subjects: Index) -> tuple[Index, Index]:
        """Where the events of each of these subjects begin and end; both are the same for who has none."""
        return (
            self.bounds[np.searchsorted(self.subjects, subjects, "left")],
            self.bounds[np.searchsorted(self.subjects, subjects, "right")],
        )


def known_events(events: EventArrays, values: Mapping[str, object]) -> KnownEvents:
    """The plausible events. An event's end is an event of its own (`CODE//end`), known no sooner than it came."""
    rows, value = plausible_rows(events, values)
    subject, time, known, end = events.subject, events.time, events.known, events.end
    code = events.code.fill_null("") if events.code.null_count() else events.code
    if end is not None:
        ended = rows[end[rows] != TIMELESS]
        rows = np.append(rows, np.arange(len(code), len(code) + len(ended)))
        code = pl.concat([code, code[ended] + "//end"])
        known, time = (np.append(v, after[ended]) for v, after in ((known, np.maximum(known, end)), (time, end)))
        subject, value = np.append(subject, subject[ended]), np.append(value, np.full(len(ended), np.nan))
    number, levels = numbered(code)
    rows = rows[by_subject_and_known(subject[rows], known[rows], known[rows] > time[rows])]
    subjects, bounds = runs(subject[rows])
    infinite = int(np.isinf(events.value).sum())
    fields = known[rows], time[rows], number[rows], value[rows].astype(np.float32, copy=False)
    return KnownEvents(subjects, bounds, *fields, levels, infinite)


def by_subject_and_known(subject: Index, known: Index, late: npt.NDArray[np.bool_]) -> Index:
    """Positions of events in the order of subject and of when they became known, then of their places.

    late: which of them became known only after they happened. The others mostly stand in this order as they are
    stored, so that the late ones are sorted alone, and put in between.
    """
    key = _one_key(subject, known)
    if key is None:
        return np.lexsort((known, subject))
    early, some = np.flatnonzero(~late), np.flatnonzero(late)
    stored = key[early]
    if (stored[1:] < stored[:-1]).any():
        return np.argsort(key, kind="stable")
    some = some[np.argsort(key[some], kind="stable")]
    low, high = (np.searchsorted(stored, key[some], side).astype(np.int64) for side in ("left", "right"))
    return np.insert(early, position(early, low, high, some, after=False), some)


def _one_key(subject: Index, known: Index) -> Index | None:
    """A number for each event that rises with subject and time; None where subjects are mixed or numbers do not suffice."""
    if not len(subject) or (subject[1:] < subject[:-1]).any():
        return None
    rank = np.append(0, np.cumsum(subject[1:] != subject[:-1]))
    timed = known != TIMELESS
    first, last = int(known.min(initial=FAR, where=timed)), int(known.max(initial=-FAR, where=timed))
    span = max(last - first, 0) + 2
    if span * (int(rank[-1]) + 1) > FAR:
        return None
    return rank * span + np.where(timed, known - first + 1, 0)


def runs(subject: Index) -> tuple[Index, Index]:
    """The subjects of sorted events, and where the events of each begin, with the end of the last one's."""
    begins = np.flatnonzero(np.append(True, subject[1:] != subject[:-1])[: len(subject)])
    return subject[begins], np.append(begins, len(subject)).astype(np.int64)


def joined(parts: Sequence[KnownEvents]) -> KnownEvents:
    """The events of several parts of a timeline together. Where a subject lies in one part, no event is compared."""
    if len(parts) == 1:
        return parts[0]
    levels = sorted({level for part in parts for level in part.levels})
    number = {level: n for n, level in enumerate(levels)}
    owners = np.concatenate([part.subjects for part in parts])
    lengths = np.concatenate([np.diff(part.bounds) for part in parts])
    order = np.argsort(owners, kind="stable")
    begins = np.empty(len(order), np.int64)
    begins[order] = np.cumsum(lengths[order]) - lengths[order]
    places = _places(parts, begins)

    def together(field: Callable[[KnownEvents], Array]) -> Array:
        whole = np.empty(int(lengths.sum()), field(parts[0]).dtype)
        for place, part in zip(places, parts, strict=True):
            whole[place] = field(part)
        return whole

    def code(part: KnownEvents) -> Array:
        return np.array([number[level] for level in part.levels], np.int32)[part.code]

    known, time = together(lambda part: part.known), together(lambda part: part.time)
    numbers, value = together(code), together(lambda part: part.value)
    subject = np.repeat(owners[order], lengths[order])
    if (np.diff(owners[order]) == 0).any():  # not as MEDS has it: somebody lies in two parts
        rows = np.lexsort((known, subject))
        known, time, numbers, value = known[rows], time[rows], numbers[rows], value[rows]
    infinite = sum(part.infinite for part in parts)
    return KnownEvents(*runs(subject), known, time, numbers, value, levels, infinite)


def _places(parts: Sequence[KnownEvents], begins: Index) -> list[Index]:
    """Where the events of each part come to stand; begins: where those of each part's subjects do, part after part."""
    places, first = [], 0
    for part in parts:
        last = first + len(part.subjects)
        shift = np.repeat(begins[first:last] - part.bounds[:-1], np.diff(part.bounds))
        places.append(np.arange(len(shift)) + shift)
        first = last
    return places
