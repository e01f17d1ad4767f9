"""Who is in the data and who fell out: one bar a step."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

from polyclinic.figures.numbers import count, finite
from polyclinic.figures.svg import ACCENT, GRID, INK, MUTED, SECOND, WIDTH, draw

LINE = 14


def flow(steps: Sequence[Mapping[str, Any]], *, title: str, unit: str) -> str:
    """Rows left after each step as bars; steps that look past the index time are marked in words and colour.

    steps: mappings with `step`, `rows` (a count or "<5") and `past_index`.
    """
    words = [textwrap.wrap(str(step["step"]), 40) or [""] for step in steps]
    heights = [LINE * len(w) + 34 for w in words]
    most = max((s["rows"] for s in steps if finite(s["rows"])), default=1) or 1

    def paint(axes: Any) -> None:
        axes.set_xlim(0, WIDTH)
        axes.set_ylim(max(sum(heights), 1), 0)
        axes.axis("off")
        before: Any = None
        for i, step in enumerate(steps):
            _step(axes, step, words[i], sum(heights[:i]), before, most)
            before = step["rows"]

    spoken = "; ".join(
        f"{s['step']}{' (looks past the index)' if s.get('past_index') else ''}: {count(s['rows'])}"
        for s in steps
    )
    description = f"{unit} left after each step. {spoken}."
    return draw(paint, title=title, description=description, height=sum(heights) + 4, margins=(1, 1, 2, 2))


def _step(axes: Any, step: Mapping[str, Any], words: list[str], top: float, before: Any, most: float) -> None:
    rows, past = step["rows"], bool(step.get("past_index"))
    colour = SECOND if past else ACCENT
    for i, word in enumerate(words):
        axes.text(0, top + 9 + LINE * i, word, va="center", color=INK)
    axes.text(WIDTH - 2, top + 9, count(rows), va="center", ha="right", color=INK, fontweight="bold")
    bar = top + LINE * len(words) + 8
    axes.plot([2, WIDTH - 4], [bar] * 2, color=GRID, lw=5)
    if finite(rows) and rows > 0:
        axes.plot([2, max(3, (WIDTH - 4) * rows / most)], [bar] * 2, color=colour, lw=5)
    if past:
        axes.text(
            0, bar + 13, "looks past the index time: labels only", va="center", color=SECOND, fontsize=10
        )
    if finite(rows) and finite(before) and before > rows:
        axes.text(
            WIDTH - 2, bar + 13, f"−{before - rows:,}", va="center", ha="right", color=MUTED, fontsize=10
        )
