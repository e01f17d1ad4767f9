"""A table of true and predicted classes as a picture: the more rows of a true class a cell has, the darker it is."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from polyclinic.figures.numbers import count
from polyclinic.figures.svg import ACCENT, INK, MUTED, draw

if TYPE_CHECKING:
    from matplotlib.axes import Axes

DARKEST = 0.5
"""How much of its colour a cell of all rows has: numbers stay legible on it, on light and on dark pages."""
LONGEST = 14


def confusion(
    counts: Sequence[Sequence[int | str]], names: Sequence[str], *, title: str, truth: str, predicted: str
) -> str:
    """Draw a table of counts; each row is a true class, each column a predicted one.

    Parameters
    ----------
    counts
        [true class][predicted class]; a text stands for a count that may not be shown.
    names
        Of the classes.
    title
        What a screen reader says first.
    truth, predicted
        The words beside the rows and under the columns.
    """
    short = [name if len(name) <= LONGEST else f"{name[: LONGEST - 1]}…" for name in names]

    def paint(axes: "Axes") -> None:
        for row, cells in enumerate(counts):
            total = sum(cell for cell in cells if isinstance(cell, int)) or 1
            for column, cell in enumerate(cells):
                share = cell / total if isinstance(cell, int) else 0.0
                axes.fill_between([column, column + 1], row, row + 1, color=ACCENT, alpha=0.04 + DARKEST * share, lw=0)
                weight = "bold" if row == column else "normal"
                axes.text(column + 0.5, row + 0.5, count(cell), color=INK, ha="center", va="center", weight=weight)
        places = [place + 0.5 for place in range(len(names))]
        axes.set(xlim=(0, len(names)), ylim=(len(names), 0), xlabel=predicted, ylabel=truth)
        axes.set_xticks(places, short, rotation=0 if sum(map(len, short)) < 30 else 45, color=MUTED)
        axes.set_yticks(places, short, color=MUTED)
        axes.tick_params(length=0)
        for side in axes.spines.values():
            side.set_visible(False)

    spoken = "; ".join(
        f"of true {name}: {', '.join(f'{count(cell)} as {other}' for cell, other in zip(cells, names, strict=True))}"
        for name, cells in zip(names, counts, strict=True)
    )
    left = 30 + 6.2 * max(map(len, short))
    bottom = 40 if sum(map(len, short)) < 30 else 40 + 4.6 * max(map(len, short))
    height = 12 + bottom + len(names) * max(30, min(56, 180 / len(names)))
    return draw(paint, title=title, description=f"{spoken}.", height=height, margins=(left, 12, 12, bottom))
