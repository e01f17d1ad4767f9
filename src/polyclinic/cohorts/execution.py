"""A plan over instants: where every point lies, and what every window holds, for all rows at once."""

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import polars as pl

from polyclinic.arrays import Ints, Mask
from polyclinic.cohorts.plan import Point, Span, WindowPlan
from polyclinic.cohorts.sorted_times import following, position, preceding
from polyclinic.cohorts.task import TRIGGER


@dataclass(frozen=True, eq=False)
class Execution:
    """Rows of (subject, time of the trigger) that walk through a plan.

    instants: `subject_id`, `time` and how often each predicate holds, one row an instant, sorted by subject and time;
    subject, trigger: int64 [row], microseconds; a point's time is computed at its first use.
    """

    plan: WindowPlan
    instants: pl.DataFrame
    subject: Ints
    trigger: Ints
    _times: dict[str, tuple[Ints, Mask]] = field(init=False, default_factory=dict)

    @cached_property
    def _instants(self) -> tuple[Ints, Ints, Ints]:
        """The times of the instants, and where those of each row's subject begin and end."""
        subject, time = (self.instants[name].to_physical().to_numpy() for name in ("subject_id", "time"))
        return time, np.searchsorted(subject, self.subject), np.searchsorted(subject, self.subject, "right")

    def counts(self, name: str) -> Ints:
        """How often a predicate holds at each instant."""
        return self.instants[name].cast(pl.Int64).to_numpy()

    def time(self, name: str) -> tuple[Ints, Mask]:
        """A point's time, and whether there is one (an event may never come)."""
        if name == TRIGGER:
            return self.trigger, np.ones(len(self.trigger), np.bool_)
        if name not in self._times:
            self._times[name] = self._time(self.plan.points[name])
        return self._times[name]

    def _time(self, point: Point) -> tuple[Ints, Mask]:
        parent, there = self.time(point.parent)
        if not point.event:
            return parent + point.offset, there
        time, low, high = self._instants
        nearest = (preceding if point.before else following)(self.counts(point.event) > 0)
        place = nearest[position(time, low, high, parent, after=point.before == point.inclusive)]
        exists = (low <= place) & (place < high)
        return np.where(exists, np.append(time, 0)[place], parent), there & exists

    def open(self, span: Span) -> Mask:
        """Whether an event that bounds the window never came."""
        bounds = [p for p in (span.left, span.right) if p in self.plan.points and not self._whole(p)]
        there = [self.time(p)[1] for p in bounds] or [np.ones(len(self.trigger), np.bool_)]
        none: Mask = ~np.logical_and.reduce(there)
        return none

    def _whole(self, name: str) -> bool:
        return name in self.plan.points and self.plan.points[name].whole

    def count(self, span: Span, name: str) -> Ints:
        """How many events of a predicate the window holds."""
        times, low, high = self._instants
        begin, end = low, high
        if not self._whole(span.left):
            begin = position(times, low, high, self.time(span.left)[0], after=not span.window.start_inclusive)
        if not self._whole(span.right):
            end = position(times, low, high, self.time(span.right)[0], after=span.window.end_inclusive)
        running = np.append(0, np.cumsum(self.counts(name)))
        count: Ints = np.maximum(running[end] - running[begin], 0)
        return count
