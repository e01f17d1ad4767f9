"""Values with their intervals, one a line: scores of models, paired differences, subgroups."""

import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from polyclinic.figures.numbers import bounds, finite, number, signed
from polyclinic.figures.svg import ACCENT, GRID, INK, MUTED, PAPER, SECOND, WIDTH, ArtistStyle, draw

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LEFT, RIGHT, LINE = 104, 86, 14
MOST_LINES = 200
MOST_WORDS = 6
"""Lines of a label; a longer one is cut, in the figure alone."""


@dataclass(frozen=True)
class Line:
    """One line of an interval plot: a value in [low, high], or a heading where there is no value.

    dots: single measurements (folds) drawn faintly behind. strong: the line that the reader should find first;
    worse: one to worry about.
    note: small words under the label, or in the place of the interval where there is none.
    """

    label: str
    value: float | None = None
    low: float | None = None
    high: float | None = None
    dots: tuple[float, ...] = ()
    strong: bool = False
    worse: bool = False
    note: str = ""

    @property
    def heading(self) -> bool:
        """Whether it names the lines below it."""
        return self.value is None and not self.note

    def spoken(self, write: Callable[[float], str]) -> str:
        """The line as a screen reader says it."""
        if not finite(self.value):
            return f"{self.label}: {self.note or 'no value'}"
        return f"{self.label} {write(self.value)}, {bounds(self.low, self.high)}"


def forest(lines: Sequence[Line], *, title: str, axis: str, zero: bool = False, reference: float | None = None) -> str:
    """An interval plot as SVG.

    zero: draw the line at 0; values carry their sign. reference: a value drawn as
    a thin upright line (the score of all rows, behind subgroups).
    """
    if (more := len(lines) - MOST_LINES) > 0:
        lines = [*lines[:MOST_LINES], Line("…", note=f"and {more:,} more")]
    heights = [line_height(line) for line in lines]

    def paint(axes: "Axes") -> None:
        paint_lines(axes, lines, axis=axis, zero=zero, reference=reference)

    height, margins = sum(heights) + 46, (LEFT, RIGHT, 6, 40)
    return draw(paint, title=title, description=f"{axis}. {spoken(lines, zero)}.", height=height, margins=margins)


def spoken(lines: Sequence[Line], zero: bool = False) -> str:
    """The lines as a screen reader says them; zero: values carry their sign."""
    write = signed if zero else number
    return "; ".join(line.spoken(write) for line in lines if finite(line.value) or line.note)


def paint_lines(
    axes: "Axes", lines: Sequence[Line], *, axis: str, zero: bool = False, reference: float | None = None
) -> None:
    """Paint an interval plot on axes that leave `LEFT` and `RIGHT` pixels for words; see `forest`."""
    write, upright = (signed, 0.0) if zero else (number, reference)
    heights = [line_height(line) for line in lines]
    axes.set(xlim=_range(lines, upright), ylim=(max(sum(heights), 1), 0), xlabel=axis, yticks=[])
    axes.spines["left"].set_visible(False)
    axes.locator_params(axis="x", nbins=3 if zero else 4)
    axes.grid(axis="x")
    if upright is not None:
        axes.axvline(upright, color=MUTED, lw=1.2, ls="-" if zero else (0, (3, 3)))
    for i, line in enumerate(lines):
        _paint(axes, line, sum(heights[:i]), heights[i], write)


def line_height(line: Line) -> float:
    """Pixels that a line takes."""
    return LINE * (len(_wrapped(line)) + bool(line.note and finite(line.value))) + 12


def _wrapped(line: Line) -> list[str]:
    return textwrap.wrap(line.label, 40 if line.heading else 15, max_lines=MOST_WORDS, placeholder=" …") or [""]


def _range(lines: Sequence[Line], upright: float | None) -> tuple[float, float]:
    drawn = [v for line in lines for v in (line.value, line.low, line.high, *line.dots)]
    every = [v for v in (*drawn, upright) if finite(v)] or [0.0, 1.0]
    low, high = min(every), max(every)
    pad = 0.06 * (high - low) or 0.05
    return low - pad, high + pad


def _paint(axes: "Axes", line: Line, top: float, height: float, write: Callable[[float], str]) -> None:
    colour = ACCENT if line.strong else SECOND if line.worse else INK
    middle = top + height / 2
    style: ArtistStyle = {"va": "center", "transform": axes.get_yaxis_transform()}
    left, right = -LEFT / (WIDTH - LEFT - RIGHT), 1 + RIGHT / (WIDTH - LEFT - RIGHT)
    weight = "bold" if line.strong or line.worse or line.heading else "normal"
    kind: ArtistStyle = {"color": MUTED if line.heading else colour, "fontsize": 11, "fontweight": weight}
    words = [(word, kind) for word in _wrapped(line)]
    words += [(line.note, {"color": MUTED, "fontsize": 9.5})] if line.note and finite(line.value) else []
    for i, (word, look) in enumerate(words):
        axes.text(left, middle + LINE * (i - (len(words) - 1) / 2), word, **look, **style)
    if not finite(line.value):
        axes.text(0, middle, line.note, color=MUTED, fontsize=10, fontstyle="italic", **style)
        return
    _mark(axes, line, line.value, middle, colour)
    axes.text(right, middle - 6.5, write(line.value), color=colour, fontweight="bold", ha="right", **style)
    axes.text(right, middle + 6.5, bounds(line.low, line.high), color=MUTED, fontsize=9.5, ha="right", **style)
    across: ArtistStyle = {"transform": style["transform"], "clip_on": False}
    axes.plot([left, right], [top + height] * 2, color=GRID, lw=0.6, **across)


def _mark(axes: "Axes", line: Line, value: float, middle: float, colour: str) -> None:
    """The folds behind, the interval, and the value on it."""
    axes.plot(line.dots, [middle + 6] * len(line.dots), "|", color=MUTED, ms=4, mew=1, clip_on=False)
    if finite(line.low) and finite(line.high):
        ends = [line.low, line.high]
        style: ArtistStyle = {"color": colour, "clip_on": False}
        axes.plot(ends, [middle] * 2, lw=2.4 if line.strong else 1.8, **style)
        axes.plot(ends, [middle] * 2, "|", ms=8, mew=1.4, **style)
    axes.plot([value], [middle], "o", color=colour, ms=6, mec=PAPER, mew=1, clip_on=False)
