"""A plan over moments: where every point lies, and what every window holds, for all rows at once."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from polyclinic.cohorts.moments import Ints, Mask, Moments, following, position, preceding, totals
from polyclinic.cohorts.plan import Plan, Point, Span
from polyclinic.cohorts.task import TRIGGER


@dataclass(slots=True, eq=False)
class Execution:
    """Rows of (subject, time of the trigger) that walk through a plan.

    subject, trigger: int64 [row], microseconds; a point's time is computed when it is first asked for.
    """

    plan: Plan
    moments: Moments
    subject: Ints
    trigger: Ints
    _low: Ints = field(init=False)
    _high: Ints = field(init=False)
    _times: dict[str, tuple[Ints, Mask]] = field(init=False, default_factory=dict)
    _totals: dict[str, Ints] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        self._low, self._high = self.moments.ranges(self.subject)
        self._times[TRIGGER] = self.trigger, np.ones(len(self.trigger), np.bool_)

    def time(self, name: str) -> tuple[Ints, Mask]:
        """A point's time, and whether there is one (an event may never come)."""
        if name not in self._times:
            self._times[name] = self._time(self.plan.points[name])
        return self._times[name]

    def _time(self, point: Point) -> tuple[Ints, Mask]:
        parent, there = self.time(point.parent)
        if not point.event:
            return parent + point.offset, there
        holds = self.moments.counts[point.event] > 0
        if point.before:
            place = preceding(holds)[self._place(parent, after=point.inclusive)]
            found = place >= self._low
        else:
            place = following(holds)[self._place(parent, after=not point.inclusive)]
            found = place < self._high
        times = np.append(self.moments.time, 0)
        return np.where(found, times[np.where(found, place, -1)], parent), there & found

    def _place(self, when: Ints, *, after: bool) -> Ints:
        return position(self.moments.time, self._low, self._high, when, after=after)

    def open(self, span: Span) -> Mask:
        """Whether an event that bounds the window never came."""
        there = [self.time(p)[1] for p in (span.left, span.right) if p in self.plan.points]
        none: Mask = ~np.logical_and.reduce(there)
        return none

    def count(self, span: Span, name: str) -> Ints:
        """How many events of a predicate the window holds."""
        if name not in self._totals:
            self._totals[name] = totals(self.moments.counts[name])
        left, right = self.time(span.left)[0], self.time(span.right)[0]
        begin = self._place(left, after=not span.window.start_inclusive)
        end = self._place(right, after=span.window.end_inclusive)
        running = self._totals[name]
        held: Ints = np.maximum(running[end] - running[begin], 0)
        return held
