"""Progress with time left, on a terminal; plain lines elsewhere; silence in a library call."""

import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeVar

T = TypeVar("T")


class Reporter:
    """Where progress goes. The default says nothing, so that a library call stays quiet."""

    def say(self, text: str) -> None:
        """A line that stays."""

    def track(self, items: Iterable[T], *, text: str, total: int | None = None) -> Iterator[T]:
        """Yield the items; show how many are done and how long the rest will take."""
        yield from items


class Console(Reporter):
    """Lines and bars on standard error."""

    def __init__(self) -> None:
        from rich.console import Console as RichConsole

        self.console = RichConsole(stderr=True, highlight=False, soft_wrap=True)
        self.started, self.busy = time.monotonic(), False

    def say(self, text: str) -> None:
        from rich.text import Text

        since = f"{time.monotonic() - self.started:6.1f} s"
        self.console.print(Text.assemble((since, "dim"), "  ", text))

    def track(self, items: Iterable[T], *, text: str, total: int | None = None) -> Iterator[T]:
        if self.busy or not sys.stderr.isatty():
            yield from items
            return
        from rich import progress as rich

        columns = rich.TextColumn("{task.description}"), rich.BarColumn(), rich.MofNCompleteColumn()
        bars = rich.Progress(*columns, rich.TimeRemainingColumn(), console=self.console, transient=True)
        self.busy = True
        try:
            with bars:
                yield from bars.track(items, description=text, total=total)
        finally:
            self.busy = False


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
    """Tell the user a line."""
    _current.get().say(text)


def track(items: Iterable[T], *, text: str, total: int | None = None) -> Iterator[T]:
    """Yield items with progress; a bar inside another bar stays silent."""
    yield from _current.get().track(items, text=text, total=total)
