"""Who is in the data and who fell out: one bar a step."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

from polyclinic.figures.numbers import count, finite
from polyclinic.figures.svg import ACCENT, GRID, INK, MUTED, SECOND, WIDTH, draw

LINE = 14


def flow(steps: Sequence[Mapping[str, Any]], *, title: str, unit: str) -> str:
    """Rows left after each step as bars, and between them what fell out and why, as SVG.

    steps: mappings with `step`, `rows` (a count or "<5"), `past_index` and `excluded`: whether the rows are those that
    fell out, not those that are left. Steps that look past the index time are marked in words and colour.
    """
    lost = [bool(step.get("excluded")) for step in steps]
    words = [textwrap.wrap(str(step["step"]), 40) or [""] for step in steps]
    past = [bool(step.get("past_index")) for step in steps]
    heights = [LINE * (len(w) + p) + (6 if out else 22) for w, p, out in zip(words, past, lost, strict=True)]
    most = max((s["rows"] for s in steps if finite(s["rows"])), default=1) or 1

    def paint(axes: Any) -> None:
        axes.set_xlim(0, WIDTH)
        axes.set_ylim(max(sum(heights), 1), 0)
        axes.axis("off")
        for i, step in enumerate(steps):
            _step(axes, step["rows"], words[i], sum(heights[:i]), (past[i], lost[i]), most)

    told = (
        f"{'fell out, ' if out else ''}{s['step']}{' (looks past the index)' if p else ''}: {count(s['rows'])}"
        for s, p, out in zip(steps, past, lost, strict=True)
    )
    description = f"{unit} left after each step. {'; '.join(told)}."
    return draw(paint, title=title, description=description, height=sum(heights) + 4, margins=(1, 1, 2, 2))


def _step(axes: Any, rows: Any, words: list[str], top: float, kind: tuple[bool, bool], most: float) -> None:
    past, lost = kind
    indent, colour = (14, MUTED) if lost else (0, INK)
    for i, word in enumerate(words):
        axes.text(indent, top + 9 + LINE * i, word, va="center", color=colour)
    right = {"va": "center", "ha": "right", "color": colour, "fontweight": "normal" if lost else "bold"}
    axes.text(WIDTH - 2, top + 9, f"− {count(rows)}" if lost else count(rows), **right)
    below = top + 9 + LINE * len(words)
    if past:
        axes.text(
            indent, below, "looks past the index time: labels only", va="center", color=SECOND, fontsize=10
        )
        below += LINE
    if not lost:
        axes.plot([2, WIDTH - 4], [below] * 2, color=GRID, lw=5)
        if finite(rows) and rows > 0:
            end = max(3, (WIDTH - 4) * rows / most)
            axes.plot([2, end], [below] * 2, color=SECOND if past else ACCENT, lw=5)
