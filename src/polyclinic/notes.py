"""Notes: what a reader of a report must know beside its numbers, kept as data.

Whatever is counted, ignored or doubtful on the way from data to a report is noted where it happens. A note is shown as
a line of progress at once and collected by whoever runs the step, so that it reaches the page as well.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Literal, TypeAlias

from polyclinic import progress

Level: TypeAlias = Literal["serious", "notable", "detail"]


@dataclass(frozen=True, slots=True)
class Note:
    """One thing to know.

    Attributes
    ----------
    check
        What was looked at, a short noun phrase ("levels not seen in training").
    result
        What came out, with counts and never with a patient's value.
    why
        What it means for the reader, and what to do.
    step
        The step of the study in which it was noted; empty outside a study.
    level
        `serious`: the results may mean nothing, or something else than they say; `notable`: rows or inputs were left
        out or are doubtful; `detail`: how something was read or set.
    """

    check: str
    result: str
    why: str = ""
    step: str = ""
    level: Level = "notable"


_collection: ContextVar[list[Note] | None] = ContextVar("notes", default=None)


def note(check: str, result: str, why: str = "", level: Level = "notable") -> None:
    """Record a note: show it as a line of progress, and add it to the collection in progress, once."""
    entry = Note(check, result, why, level=level)
    collection = _collection.get()
    if collection is not None and entry in collection:
        return
    progress.say(f"{check}: {result}")
    if collection is not None:
        collection.append(entry)


@contextmanager
def collection() -> Iterator[list[Note]]:
    """Collect the notes made within the block; those of an inner collection belong to it alone."""
    notes: list[Note] = []
    token = _collection.set(notes)
    try:
        yield notes
    finally:
        _collection.reset(token)
