"""Who is in the data and who fell out: one bar a step."""

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
    most = max((s["rows"] for s in steps if finite(s["rows"])), default=1) or 1
    past, lost = ([bool(step.get(key)) for step in steps] for key in ("past_index", "excluded"))
    lines = [len(_words(step)) + looks for step, looks in zip(steps, past, strict=True)]
    heights = [LINE * n + (6 if out else 22) for n, out in zip(lines, lost, strict=True)]

    def paint(axes: Any) -> None:
        axes.set(xlim=(0, WIDTH), ylim=(max(sum(heights), 1), 0))
        axes.axis("off")
        for i, step in enumerate(steps):
            _step(axes, step, sum(heights[:i]), most)

    before, after = ("", "fell out, "), ("", " (looks past the index)")
    told = (
        f"{before[out]}{s['step']}{after[looks]}: {count(s['rows'])}"
        for s, out, looks in zip(steps, lost, past, strict=True)
    )
    description = f"{unit} left after each step. {'; '.join(told)}."
    return draw(paint, title=title, description=description, height=sum(heights) + 4, margins=(1, 1, 2, 2))


def _words(step: Mapping[str, Any]) -> list[str]:
    return textwrap.wrap(str(step["step"]), 40) or [""]


def _step(axes: Any, step: Mapping[str, Any], top: float, most: float) -> None:
    past, lost, rows, below = step.get("past_index"), step.get("excluded"), step["rows"], top + 9
    indent, style = (14, {"va": "center", "color": MUTED}) if lost else (0, {"va": "center", "color": INK})
    told, weight = (f"− {count(rows)}", "normal") if lost else (count(rows), "bold")
    axes.text(WIDTH - 2, below, told, ha="right", fontweight=weight, **style)
    for word in _words(step):
        axes.text(indent, below, word, **style)
        below += LINE
    if past:
        words = "looks past the index time: labels only"
        axes.text(indent, below, words, va="center", color=SECOND, fontsize=10)
        below += LINE
    if not lost:
        axes.plot([2, WIDTH - 4], [below] * 2, color=GRID, lw=5)
        if finite(rows) and rows > 0:
            end = max(3, (WIDTH - 4) * rows / most)
            axes.plot([2, end], [below] * 2, color=SECOND if past else ACCENT, lw=5)
