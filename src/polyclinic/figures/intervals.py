"""Values with their intervals, one a line: scores of models, paired differences, subgroups."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from polyclinic.figures.numbers import bounds, finite, number, signed
from polyclinic.figures.svg import ACCENT, GRID, INK, MUTED, PAPER, SECOND, WIDTH, draw

LEFT, RIGHT, LINE = 104, 86, 14


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

    def spoken(self, write: Any) -> str:
        """The line as a screen reader says it."""
        if not finite(self.value):
            return f"{self.label}: {self.note or 'no value'}"
        return f"{self.label} {write(self.value)}, {bounds(vars(self))}"


def forest(
    lines: Sequence[Line], *, title: str, axis: str, zero: bool = False, reference: float | None = None
) -> str:
    """An interval plot as SVG.

    zero: draw the line at nought; values carry their sign. reference: a value drawn as
    a thin upright line (the score of all rows, behind subgroups).
    """
    write = signed if zero else number
    heights = [_height(line) for line in lines]
    total = sum(heights)
    tops = [sum(heights[:i]) for i in range(len(lines))]

    def paint(axes: Any) -> None:
        axes.set_xlim(*_range(lines, [0.0] if zero else [reference]))
        axes.set_ylim(total, 0)
        axes.spines["left"].set_visible(False)
        axes.set_yticks([])
        axes.locator_params(axis="x", nbins=3 if zero else 4)
        axes.grid(axis="x")
        axes.set_xlabel(axis)
        upright = 0.0 if zero else reference
        if upright is not None:
            axes.axvline(upright, color=MUTED, lw=1.2, ls="-" if zero else (0, (3, 3)))
        for line, top, height in zip(lines, tops, heights, strict=True):
            _paint(axes, line, top, height, write)

    spoken = "; ".join(line.spoken(write) for line in lines if finite(line.value) or line.note)
    margins = (LEFT, RIGHT, 6, 40)
    return draw(paint, title=title, description=f"{axis}. {spoken}.", height=total + 46, margins=margins)


def _height(line: Line) -> float:
    return LINE * (len(_wrapped(line)) + bool(line.note and finite(line.value))) + 12


def _wrapped(line: Line) -> list[str]:
    return textwrap.wrap(line.label, 40 if line.value is None and not line.note else 17) or [""]


def _range(lines: Sequence[Line], more: list[float | None]) -> tuple[float, float]:
    drawn = [v for line in lines for v in (line.value, line.low, line.high, *line.dots)]
    every = [v for v in [*drawn, *more] if finite(v)]
    low, high = (min(every), max(every)) if every else (0.0, 1.0)
    pad = 0.06 * (high - low) or 0.05
    return low - pad, high + pad


def _paint(axes: Any, line: Line, top: float, height: float, write: Any) -> None:
    colour = ACCENT if line.strong else SECOND if line.worse else INK
    weight = "bold" if line.strong or line.worse else "normal"
    across = axes.get_yaxis_transform()
    left, right = -LEFT / (WIDTH - LEFT - RIGHT), 1 + RIGHT / (WIDTH - LEFT - RIGHT)
    words = _wrapped(line)
    heading = line.value is None and not line.note
    middle = top + height / 2
    rows = [*words, line.note] if line.note and finite(line.value) else words
    start = middle - LINE * (len(rows) - 1) / 2
    for i, word in enumerate(rows):
        small = i >= len(words)
        style = {"color": MUTED if small or heading else colour, "fontsize": 9.5 if small else 11}
        style["fontweight"] = "bold" if heading else "normal" if small else weight
        axes.text(left, start + LINE * i, word, va="center", transform=across, **style)
    if heading:
        return
    if not finite(line.value):
        axes.text(
            0, middle, line.note, va="center", transform=across, color=MUTED, fontsize=10, fontstyle="italic"
        )
        return
    if line.dots:
        axes.plot(line.dots, [middle + 6] * len(line.dots), "|", color=MUTED, ms=4, mew=1, clip_on=False)
    if finite(line.low) and finite(line.high):
        ends, width = [line.low, line.high], 2.4 if line.strong else 1.8
        axes.plot(ends, [middle] * 2, color=colour, lw=width, clip_on=False)
        axes.plot(ends, [middle] * 2, "|", color=colour, ms=8, mew=1.4, clip_on=False)
    axes.plot([line.value], [middle], "o", color=colour, ms=6, mec=PAPER, mew=1, clip_on=False)
    at = {"ha": "right", "va": "center", "transform": across}
    axes.text(right, middle - 6.5, write(line.value), color=colour, fontweight="bold", **at)
    axes.text(right, middle + 6.5, bounds(vars(line)), color=MUTED, fontsize=9.5, **at)
    axes.plot([left, right], [top + height] * 2, color=GRID, lw=0.6, transform=across, clip_on=False)
