"""Every error that a user can cause.

    PolyclinicError            what is wrong, where, what to do
    ├── UsageError        2    a name, key or option that does not exist or does not fit
    │   ├── UnknownName        with the nearest known name
    │   └── MissingDependency  with the line that installs it
    ├── BadData           3    the data cannot be read or cannot answer the question
    │   └── BadPackage         altered, newer, or made for something that is not installed
    ├── CheckFailed      1    a gate or a check failed
    └── Interrupted       4    stopped by the user; the run resumes

An error never shows a patient's value, only its pattern (`pattern_of`).
"""

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class Place:
    """Where an error lies: in a table (file, row, column) or in a YAML (file, key, line)."""

    file: str | None = None
    row: int | None = None
    column: str | None = None
    key: str | None = None
    line: int | None = None

    def __str__(self) -> str:
        file = self.file if self.line is None else f"{self.file or 'line'}:{self.line}"
        named = {"": file or None, "row ": self.row, "column ": self.column, "key ": self.key}
        return ", ".join(f"{name}{value}" for name, value in named.items() if value is not None)


class PolyclinicError(Exception):
    """What is wrong, where (`Place`), and what to do (`fix`)."""

    exit_code: ClassVar[int] = 3

    def __init__(self, what: str, *, at: Place | None = None, fix: str = "") -> None:
        self.what, self.at, self.fix = what, at, fix
        super().__init__(what, at, fix)

    def __str__(self) -> str:
        where = f"\n  where: {self.at}" if self.at and str(self.at) else ""
        todo = f"\n  what to do: {self.fix}" if self.fix else ""
        return f"{self.what}{where}{todo}"


class UsageError(PolyclinicError):
    """A name, key or option that does not exist or does not fit."""

    exit_code = 2


class UnknownName(UsageError):
    """A name that is not known; suggests the nearest one."""

    def __init__(self, kind: str, name: str, known: Iterable[str], *, at: Place | None = None) -> None:
        names = sorted(known)
        near = nearest(name, names)
        fix = f"did you mean {near!r}?" if near else f"known: {', '.join(names) or 'none'}"
        super().__init__(f"unknown {kind} {name!r}", at=at, fix=fix)


class MissingDependency(UsageError):
    """A library that is not installed."""


class BadData(PolyclinicError):
    """The data cannot be read or cannot answer the question."""


class BadPackage(BadData):
    """A model package that was altered, is newer, or needs what is not installed."""


class CheckFailed(PolyclinicError):
    """A gate or a check failed."""

    exit_code = 1


class Interrupted(PolyclinicError):
    """Stopped by the user; what was finished is kept."""

    exit_code = 4


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name closest to `name`, or None where none is close."""
    return next(iter(difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)), None)


def pattern_of(value: object) -> str:
    """The shape of a value without the value: digits become 9, letters a.

    >>> pattern_of("<0.5 mg")
    '<9.9 aa'
    """
    text = re.sub(r"[^\W\d_]", "a", re.sub(r"\d", "9", str(value)))
    return text if len(text) <= 24 else text[:24] + "…"
