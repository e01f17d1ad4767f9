"""Progress with time left: bars on a terminal, plain lines elsewhere, silence in a library call."""

import sys
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cached_property
from typing import Any, TextIO, TypeAlias, TypeVar

T = TypeVar("T")
Expected: TypeAlias = Callable[[T], float | None]
"""How many seconds an item will take: 0 where nothing is to be done for it, None where nobody knows."""

SILENT_SECONDS = 20.0
"""Without a terminal: how long work goes on before a line says how far it is."""


class Reporter:
    """Where progress goes. The default says nothing, so that a library call stays quiet."""

    def say(self, text: str) -> None:
        """A line that stays."""

    def track(
        self, items: Iterable[T], *, text: str, total: int | None = None, expected: Expected[T] | None = None
    ) -> Iterator[T]:
        """Yield the items; show how many are done and how long the rest will take; see `track`."""
        yield from items


class Console(Reporter):
    """Lines and bars on standard error.

    Parameters
    ----------
    file
        Where they go.
    clock
        Seconds, rising.
    """

    def __init__(self, file: TextIO | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self.file = file or sys.stderr
        self.clock, self.started = clock, clock()
        self.bars: Any = None
        self.counts: list[str] = []
        self.last_line = self.started

    @cached_property
    def console(self) -> Any:
        """What draws; made with the first line, since a command that says nothing need not load rich."""
        from rich.console import Console as RichConsole

        return RichConsole(file=self.file, highlight=False, soft_wrap=True)

    def say(self, text: str) -> None:
        from rich.text import Text

        self.last_line = self.clock()
        since = f"{self.last_line - self.started:6.1f} s"
        count = f"  {self.counts[0]}" if self.counts and not self.console.is_terminal else ""
        self.console.print(Text.assemble((since + count, "dim"), "  ", text))

    def track(
        self, items: Iterable[T], *, text: str, total: int | None = None, expected: Expected[T] | None = None
    ) -> Iterator[T]:
        work = Work(items, total, expected, self.clock)
        yield from self._bars(work, text) if self.console.is_terminal else self._lines(work, text)

    def _lines(self, work: "Work[T]", text: str) -> Iterator[T]:
        """How far the outermost work is stands before each line; work that says nothing for long says how far it is."""
        self.counts.append("")
        try:
            for item in work:
                self.counts[-1] = work.count
                if self.clock() - self.last_line >= SILENT_SECONDS and work.count:
                    self.say(f"{text}: {work.count}{work.time_left}")
                yield item
        finally:
            self.counts.pop()

    def _bars(self, work: "Work[T]", text: str) -> Iterator[T]:
        """One bar, below those of the work that it is a part of."""
        from rich import progress as rich

        outermost = self.bars is None
        if outermost:
            columns = (
                rich.TextColumn("{task.description}", markup=False),
                rich.BarColumn(),
                rich.TextColumn("{task.fields[left]}", markup=False),
            )
            self.bars = rich.Progress(*columns, console=self.console, transient=True)
            self.bars.start()
        bar = self.bars.add_task(text, total=work.total, left="")
        try:
            for item in work:
                self.bars.update(bar, completed=work.done, left=f"{work.count}{work.time_left}")
                yield item
        finally:
            self.bars.remove_task(bar)
            if outermost:
                self.bars.stop()
                self.bars = None


class Work(Iterable[T]):
    """Items that are worked on one after the other, how many are done, and how long the rest will take.

    Parameters
    ----------
    total
        How many items there are, where that is known.
    expected
        How long an item will take; without it, the rest takes as long as what is done.
    """

    def __init__(
        self, items: Iterable[T], total: int | None, expected: Expected[T] | None, clock: Callable[[], float]
    ) -> None:
        self.items: Iterable[T] = list(items) if expected else items
        self.total, self.expected, self.clock = total, expected, clock
        self.done, self.began = 0, clock()

    def __iter__(self) -> Iterator[T]:
        for item in self.items:
            yield item
            self.done += 1

    @property
    def count(self) -> str:
        """The item that is worked on, of how many: "7 of 26"; nothing where that is not known."""
        return f"{self.done + 1:,} of {self.total:,}" if self.total else ""

    @property
    def time_left(self) -> str:
        """How long this item and the rest will take, in words; nothing where nobody knows."""
        if self.expected is not None:
            times = [self.expected(item) for item in list(self.items)[self.done :]]
            known = [seconds for seconds in times if seconds is not None]
            if not sum(known):
                return ""
            return f", {'about' if len(known) == len(times) else 'more than'} {in_words(sum(known))} left"
        if not self.total or not self.done:
            return ""
        seconds = (self.clock() - self.began) / self.done * (self.total - self.done)
        return f", about {in_words(seconds)} left"


def in_words(seconds: float) -> str:
    """A duration as a person says it: "40 s", "3 min", "2 h 10 min"."""
    if seconds < 90:
        return f"{max(round(seconds), 1)} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"


_current: ContextVar[Reporter] = ContextVar("progress", default=Reporter())  # noqa: B039  it holds nothing


@contextmanager
def reporting(reporter: Reporter) -> Iterator[None]:
    """Send progress to `reporter` within the block."""
    token = _current.set(reporter)
    try:
        yield
    finally:
        _current.reset(token)


def say(text: str) -> None:
    """Show a line that stays."""
    _current.get().say(text)


def track(
    items: Iterable[T], *, text: str, total: int | None = None, expected: Expected[T] | None = None
) -> Generator[T, None, None]:
    """Yield items with progress: how many are done, and how long the rest will take.

    Parameters
    ----------
    text
        What is done, such as "fitting".
    total
        How many items there are, where that is known.
    expected
        How many seconds an item will take, for items that differ.
    """
    yield from _current.get().track(items, text=text, total=total, expected=expected)
