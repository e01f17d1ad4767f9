"""From a task to a plan: the points in time that windows hang on, and which windows lie behind the index.

Point X lies at its parent's time plus an offset, or at the nearest event from there. What is known about any two
points (offsets exactly, events by their direction) gives how late X can be relative to Y; a window is *closed* when
all that defines it is never later than the index time.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import product

from polyclinic.cohorts.predicates import ANY, END, START
from polyclinic.cohorts.sorted_times import MICROSECOND
from polyclinic.cohorts.task import TRIGGER, Task, Window

NEVER = 2**62


@dataclass(frozen=True, slots=True)
class Point:
    """A point in time: `parent` plus `offset` microseconds, or the nearest instant with `event` before or after it.

    inclusive: whether the event may lie at the parent's own time. whole: whether it is the edge of the subject's record,
    is always there, and only bounds a window that includes it: everything on that side counts, and nobody has to read
    all events of the record to know when it began or ended.
    """

    parent: str
    offset: int = 0
    event: str | None = None
    before: bool = False
    inclusive: bool = False
    whole: bool = False


@dataclass(frozen=True, slots=True)
class Span:
    """A window over points: `left` to `right` in time, what it must hold, and whether it lies behind the index."""

    name: str
    left: str
    right: str
    window: Window
    closed: bool

    @property
    def has(self) -> Mapping[str, tuple[int | None, int | None]]:
        """Its criteria; a window of no width has none (as in ACES)."""
        return {} if self.left == self.right else self.window.has


@dataclass(frozen=True, slots=True)
class WindowPlan:
    """The points and the windows that matter, and the point of the index.

    live: whether the index times are known without looking past them.
    """

    points: Mapping[str, Point]
    spans: tuple[Span, ...]
    index: str
    live: bool

    def predicates(self) -> set[str]:
        """Predicates that some point waits for or some window counts."""
        waited = (p.event for p in self.points.values() if not p.whole)
        counted = (name for s in self.spans for name in (*s.has, s.window.label))
        return {name for name in (*waited, *counted) if name}

    def may_lack_index(self) -> bool:
        """Whether an event that leads to the index, and bounds no closed window, may never come."""
        bounds = {p for s in self.spans if s.closed for p in (s.left, s.right)}
        return any(self.points[p].event for p in _line(self.index, self.points) if p not in bounds)


@lru_cache(maxsize=16)
def plan(task: Task) -> WindowPlan:
    """The plan of a task's windows; made once for a task, which is used over and over for one patient live."""
    points = {f"{n}.{side}": _point(n, side, w) for n, w in task.windows.items() for side in ("start", "end")}
    late = _lateness(points)
    index = _index(task)
    behind = {p for p in late if all(late[q][index] <= 0 for q in (TRIGGER, *_line(p, points)))}
    spans = [_span(name, w, points, behind) for name, w in task.windows.items()]
    kept = _needed(points, spans, index, late)
    waits = {p for p in kept if points[p].event}
    spans = [s for s in spans if s.has or s.window.label or {s.left, s.right} & waits]
    parents = {index, *(points[name].parent for name in kept)}
    edges = {n for n in kept - parents if task.trigger and points[n].event in (START, END) and _always(points[n], late)}
    placed = {n: replace(p, whole=n in edges) for n, p in points.items() if n in kept}
    return WindowPlan(placed, tuple(spans), index, index in behind)


def _point(name: str, side: str, window: Window) -> Point:
    bound = window.start if side == "start" else window.end
    parent = f"{name}.{bound.point}" if bound.point in ("start", "end") else bound.point
    edge = window.start_inclusive if side == "start" else window.end_inclusive
    hangs = edge and side != window.root
    return Point(parent, bound.offset // MICROSECOND, bound.event, bound.before, inclusive=hangs)


def _line(point: str, points: Mapping[str, Point]) -> list[str]:
    """The point and all that it hangs on, down to the one that hangs on the trigger."""
    return [] if point == TRIGGER else [point, *_line(points[point].parent, points)]


def _lateness(points: Mapping[str, Point]) -> dict[str, dict[str, int]]:
    """late[x][y]: how many microseconds x can lie after y at most (shortest paths over what is known)."""
    names = [TRIGGER, *points]
    late = {x: {y: 0 if x == y else NEVER for y in names} for x in names}
    for name, point in points.items():
        if not point.event or point.before:
            late[name][point.parent] = point.offset
        if not point.event or not point.before:
            late[point.parent][name] = -point.offset
    for k, x, y in product(names, repeat=3):
        late[x][y] = min(late[x][y], late[x][k] + late[k][y])
    return late


def _index(task: Task) -> str:
    """The point of the index time; the trigger where no window names one.

    In ACES 0.7 a window that reaches back by a fixed time gives its start for its end, and its end for its start.
    """
    for name, window in task.windows.items():
        if window.index_timestamp:
            swapped = window.root == "end" and not window.start.event
            return f"{name}.{'start' if (window.index_timestamp == 'end') == swapped else 'end'}"
    return TRIGGER


def _span(name: str, window: Window, points: Mapping[str, Point], behind: set[str]) -> Span:
    left, right = f"{name}.start", f"{name}.end"
    hanging = points[right if window.root == "start" else left]
    if not hanging.event and not hanging.offset:
        left = right = f"{name}.{window.root}"
    closed = {left, right} <= behind and END not in (*window.has, window.label) and not window.label
    return Span(name, left, right, window, closed)


def _needed(
    points: Mapping[str, Point], spans: list[Span], index: str, late: Mapping[str, Mapping[str, int]]
) -> set[str]:
    """Points that the index, a criterion, a label or an event that may be missing needs."""
    ends = {index, *(p for s in spans if s.has or s.window.label for p in (s.left, s.right))}
    ends |= {name for name, p in points.items() if p.event and not _always(p, late)}
    return {p for end in ends for p in _line(end, points)}


def _always(point: Point, late: Mapping[str, Mapping[str, int]]) -> bool:
    """A record begins no later than the trigger and ends no sooner, so that such an event is always found."""
    if not point.inclusive or point.event not in (START, END, ANY):
        return False
    return late[TRIGGER][point.parent] <= 0 if point.before else late[point.parent][TRIGGER] <= 0
