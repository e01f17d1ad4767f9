"""The task file: when to predict, and what happened. Every ACES 0.7 file is one; `kind values every at_risk labels` are ours."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal

from polyclinic.cohorts.predicates import END, START, Derived, Predicate

TRIGGER = "trigger"
Side = Literal["start", "end"]


@dataclass(frozen=True, slots=True)
class Bound:
    """One end of a window: a point (`trigger`, `start`, `gap.end`), then a step in time or the nearest event."""

    point: str
    offset: timedelta = timedelta(0)
    event: str | None = None
    before: bool = False

    @property
    def backwards(self) -> bool | None:
        """Whether it lies before its point; None where it is that point."""
        return self.before if self.event else self.offset < timedelta(0) if self.offset else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """A span of time around the trigger, what it must hold, and whether it gives the label."""

    start: Bound = Bound("end", event=START, before=True)
    end: Bound = Bound("start", event=END)
    start_inclusive: bool = True
    end_inclusive: bool = True
    has: Mapping[str, tuple[int | None, int | None]] = field(default_factory=dict)
    label: str | None = None
    index_timestamp: Side | None = None

    @property
    def root(self) -> Side:
        """The end that hangs on another point; the other hangs on it."""
        return "end" if self.start.point == "end" else "start"

    @property
    def hangs_on(self) -> str:
        """The window that its root hangs on, or the trigger."""
        return (self.start if self.root == "start" else self.end).point.partition(".")[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Every:
    """A grid of index times while between two events: `after` the begin, then each `step`, the end included."""

    step: timedelta
    begin: str
    end: str
    after: timedelta = timedelta(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Last:
    """The newest value known at the index: at most `within` old, and from `value_min` to `value_max` (both included)."""

    within: timedelta | None = None
    value_min: float | None = None
    value_max: float | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class Task:
    """A question, read and checked. `document` is the plain file, its predicates completed."""

    document: Mapping[str, object]
    predicates: Mapping[str, Predicate]
    kind: str = "binary"
    trigger: str | None = None
    windows: Mapping[str, Window] = field(default_factory=dict)
    values: Mapping[str, Any] = field(default_factory=dict)
    every: Every | None = None
    last: Mapping[str, Last] = field(default_factory=dict)
    labels: Path | None = None

    @property
    def label(self) -> str | None:
        """The window that gives the label."""
        return next((name for name, w in self.windows.items() if w.label), None)

    @property
    def statics(self) -> tuple[str, ...]:
        """Predicates that must hold in a subject's events without a time."""
        return tuple(name for name, p in self.predicates.items() if p.static)

    @property
    def named_in_windows(self) -> set[str]:
        """The predicates that trigger and windows name."""
        windows = self.windows.values()
        names = {n for w in windows for n in (w.start.event, w.end.event, w.label, *w.has)}
        return {n for n in {*names, self.trigger} if n}

    @property
    def window_predicates(self) -> set[str]:
        """The predicates that trigger and windows name, and those they are derived from."""
        return inputs_of(self.predicates, self.named_in_windows)

    @property
    def counted_predicates(self) -> set[str]:
        """The predicates to count: those that are used, and the static ones."""
        return self.window_predicates | inputs_of(self.predicates, self.statics)


def inputs_of(predicates: Mapping[str, Predicate], names: Iterable[str]) -> set[str]:
    """The names, and everything that they are derived from."""
    closure, waiting = set[str](), set(names)
    while waiting:
        closure |= waiting
        derived = (p for p in map(predicates.get, waiting) if isinstance(p, Derived))
        waiting = {name for p in derived for name in p.names()} - closure
    return closure
