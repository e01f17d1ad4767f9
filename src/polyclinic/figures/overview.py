"""The one figure beside the finding: every model with its interval, and of 100 alerts how many are right."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from polyclinic.figures.intervals import LEFT, RIGHT, Line, line_height, paint_lines, spoken
from polyclinic.figures.svg import ACCENT, INK, SECOND, WIDTH, ArtistStyle, draw

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLUMNS, ROWS = 20, 5
STEP = 15.0
"""Pixels from one alert to the next."""
BELOW = 40.0
"""Pixels for the axis of the interval plot."""


def overview(lines: Sequence[Line], *, title: str, axis: str, right_of_100: int | None = None) -> str:
    """The figure as SVG.

    Parameters
    ----------
    lines
        One a model.
    title
        What a screen reader says first.
    axis
        The score that the models are compared by.
    right_of_100
        Of 100 alerts of the chosen model, how many are right; None where it gives no alerts.
    """
    upper = sum(map(line_height, lines)) + BELOW
    lower = 0.0 if right_of_100 is None else ROWS * STEP + 58
    height = upper + lower + 6

    def paint(axes: "Axes") -> None:
        paint_lines(axes, lines, axis=axis)
        if right_of_100 is not None:
            # Both panels share one picture, so that it can stand in a README as it is.
            below = axes.figure.add_axes((0, 0, 1, lower / height))
            _paint_alerts(below, right_of_100, lower)

    words = f"{axis}. {spoken(lines)}."
    if right_of_100 is not None:
        words += f" Of 100 alerts, {right_of_100} are right and {100 - right_of_100} are false."
    margins = (LEFT, RIGHT, 6, BELOW + lower)
    return draw(paint, title=title, description=words, height=height, margins=margins)


def _paint_alerts(axes: "Axes", right: int, height: float) -> None:
    axes.set(xlim=(0, WIDTH), ylim=(height, 0))
    axes.axis("off")
    axes.text(2, 20, "Of 100 alerts", va="center", color=INK, fontsize=11, fontweight="bold")
    places = [(8 + STEP * (i % COLUMNS), 40 + STEP * (i // COLUMNS)) for i in range(COLUMNS * ROWS)]
    filled: ArtistStyle = {"color": ACCENT, "ms": 9.5, "mew": 0}
    hollow: ArtistStyle = {"mfc": "none", "mec": SECOND, "ms": 8.5, "mew": 1.3}
    for some, style in ((places[:right], filled), (places[right:], hollow)):
        axes.plot([x for x, _ in some], [y for _, y in some], "s", ls="none", **style)
    under = 40 + ROWS * STEP + 4
    axes.text(2, under, f"{right} are right", va="center", color=ACCENT, fontsize=11, fontweight="bold")
    axes.text(8 + STEP * (COLUMNS - 1) + 5, under, f"{100 - right} are false", va="center", ha="right", color=SECOND)
