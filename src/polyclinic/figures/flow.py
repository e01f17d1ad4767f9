"""Who is in the data and who was excluded: rows and patients left after each step, exclusions between the steps."""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from polyclinic.figures.numbers import count, finite, how_many, plural
from polyclinic.figures.svg import ACCENT, GRID, INK, MUTED, SECOND, WIDTH, ArtistStyle, draw

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LINE = 14
MOST_STEPS = 100
COLUMN = 62
"""Width of a column of counts, in pixels."""
PAST_INDEX = "looks past the index time: labels only"


@dataclass(frozen=True)
class FlowStep:
    """One step of a cohort flow.

    Attributes
    ----------
    label
        What is left after the step or, where `excluded`, why rows were excluded.
    rows, groups
        How many rows, and how many patients (or whatever groups the rows) have at least one of them; None: not known.
    past_index
        Whether the step looks past the index time.
    excluded
        Whether the counts are those of the rows that were excluded.
    """

    label: str
    rows: int | str
    groups: int | str | None = None
    past_index: bool = False
    excluded: bool = False

    @property
    def lines(self) -> list[str]:
        """The label in lines that leave room for the columns."""
        return textwrap.wrap(self.label, 27 if self.groups is not None else 38, max_lines=6, placeholder=" …") or [""]

    @property
    def height(self) -> float:
        """Pixels that the step takes."""
        return LINE * (len(self.lines) + self.past_index) + (6 if self.excluded else 22)

    def spoken(self, group: str) -> str:
        """The step as a screen reader says it."""
        before, after = ("excluded, " if self.excluded else ""), (" (looks past the index)" if self.past_index else "")
        groups = f", {how_many(self.groups, group)}" if self.groups is not None else ""
        return f"{before}{self.label}{after}: {how_many(self.rows, 'row')}{groups}"


def flow(steps: Sequence[FlowStep], *, title: str, group: str = "") -> str:
    """The cohort flow as SVG: one bar a step, with columns for rows and for groups.

    Parameters
    ----------
    steps
        From the source to the rows that are used.
    title
        What a screen reader says first.
    group
        What one of the groups of the second column is called ("patient"); empty where there are none.
    """
    steps = steps[:MOST_STEPS]
    most = max((s.rows for s in steps if finite(s.rows) and not s.excluded), default=1) or 1
    tops = [LINE + 6 + sum(s.height for s in steps[:i]) for i in range(len(steps))]
    height = LINE + 10 + sum(s.height for s in steps)

    def paint(axes: "Axes") -> None:
        axes.set(xlim=(0, WIDTH), ylim=(height, 0))
        axes.axis("off")
        for right, heading in ((_right(group), "rows"), (WIDTH - 2, plural(group) if group else "")):
            axes.text(right, 7, heading, ha="right", va="center", color=MUTED, fontsize=10)
        for i, step in enumerate(steps):
            _paint(axes, step, tops[i], most, group, counts_alike(steps[i:]))

    description = f"Left after each step, and excluded between the steps: {'; '.join(s.spoken(group) for s in steps)}."
    return draw(paint, title=title, description=description, height=height, margins=(1, 1, 2, 2))


def counts_alike(steps: Sequence[FlowStep]) -> bool:
    """Whether the first of some steps counts what the next one counts: stays become hours, of which there are more."""
    left = [s.rows for s in steps if not s.excluded]
    return len(left) < 2 or not finite(left[0]) or not finite(left[1]) or left[1] <= left[0]


def _right(group: str) -> float:
    """Where the column of rows ends."""
    return WIDTH - 2 - (COLUMN if group else 0)


def _paint(axes: "Axes", step: FlowStep, top: float, most: float, group: str, has_bar: bool) -> None:
    below, out = top + 9, step.excluded
    style: ArtistStyle = {"va": "center", "color": MUTED if out else INK}
    weight = "normal" if out else "bold"
    counts = [(_right(group), f"− {count(step.rows)}" if out else count(step.rows))]
    if step.groups is not None:
        counts.append((WIDTH - 2, f"of {count(step.groups)}" if out else count(step.groups)))
    for right, text in counts:
        axes.text(right, below, text, ha="right", fontweight=weight, **style)
    for line in step.lines:
        axes.text(14 if out else 0, below, line, **style)
        below += LINE
    if step.past_index:
        axes.text(14 if out else 0, below, PAST_INDEX, va="center", color=SECOND, fontsize=10)
        below += LINE
    if not out and has_bar:
        axes.plot([2, WIDTH - 4], [below] * 2, color=GRID, lw=5)
        if finite(step.rows) and step.rows > 0:
            end = max(3, (WIDTH - 4) * step.rows / most)
            axes.plot([2, end], [below] * 2, color=SECOND if step.past_index else ACCENT, lw=5)
