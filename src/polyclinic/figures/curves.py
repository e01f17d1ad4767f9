"""Curves with their names at their ends: ROC and precision-recall, decision, calibration, training."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from polyclinic.figures.numbers import bounds, finite, number
from polyclinic.figures.svg import ACCENT, FOURTH, INK, MUTED, PAPER, SECOND, THIRD, ArtistStyle, draw, spread

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_POINTS, MOST_CURVES = 500, 100
HUES = (SECOND, THIRD, FOURTH, INK)
Dash: TypeAlias = str | tuple[float, tuple[float, ...]]
"""A line style of Matplotlib: its sign, or where it begins and the lengths of strokes and gaps in points."""
DASHES: tuple[Dash, ...] = ((0, (5, 2)), (0, (1.5, 1.8)), (0, (6, 2, 1.5, 2)), "-")
Limits = tuple[tuple[float, float] | None, tuple[float, float] | None]


@dataclass(frozen=True)
class Curve:
    """A named curve. strong: the one chosen; faint: behind the others and without a name.

    marks: places on x with a dot; whiskers: (x, low, high) of upright intervals.
    """

    label: str
    x: Sequence[float]
    y: Sequence[float]
    strong: bool = False
    faint: bool = False
    colour: str = ""
    marks: Sequence[float] = ()
    whiskers: Sequence[tuple[float, float, float]] = ()

    def points(self) -> tuple[list[float], list[float]]:
        """At most 500 points, first and last kept, what cannot be drawn left out."""
        pairs = [(a, b) for a, b in zip(self.x, self.y, strict=True) if finite(a) and finite(b)]
        if len(pairs) > MOST_POINTS:
            step = (len(pairs) - 1) / (MOST_POINTS - 1)
            pairs = [pairs[round(i * step)] for i in range(MOST_POINTS)]
        return [a for a, _ in pairs], [b for _, b in pairs]


def curves(
    drawn: Sequence[Curve],
    *,
    title: str,
    axes_names: tuple[str, str],
    description: str,
    limits: Limits = (None, None),
    diagonal: bool = False,
    inside: Literal["", "lower right", "upper right", "lower left", "upper left"] = "",
    height: float = 270,
) -> str:
    """Curves in one frame, each named where it ends (or, `inside`, in that corner)."""
    drawn = drawn[:MOST_CURVES]
    named = [curve for curve in drawn if not curve.faint and curve.points()[0]]
    styles = _styles(named)

    def paint(axes: "Axes") -> None:
        axes.grid()
        axes.set(xlabel=axes_names[0], ylabel=axes_names[1])
        if diagonal:
            axes.plot([0, 1], [0, 1], color=MUTED, lw=1, ls=(0, (2, 3)))
        for curve in sorted(drawn, key=lambda c: (not c.faint, c.strong)):
            _draw(axes, curve, *styles.get(curve.label, (curve.colour or MUTED, "-")))
        axes.locator_params(nbins=5)
        axes.locator_params(axis="x", integer=axes_names[0] == "epoch")
        axes.set(**{k: v for k, v in zip(("xlim", "ylim"), limits, strict=True) if v})
        (_in_a_corner if inside else _at_the_ends)(axes, named, styles, inside)

    right = 14 if inside else 12 + 6.2 * max((len(c.label) for c in named), default=4)
    margins = (46, min(right, 130), 12, 40)
    return draw(paint, title=title, description=description, height=height, margins=margins)


def _styles(named: Sequence[Curve]) -> dict[str, tuple[str, Dash]]:
    others = [c for c in named if not c.strong and not c.colour]
    styles = {c.label: (HUES[i % len(HUES)], DASHES[i % len(DASHES)]) for i, c in enumerate(others)}
    return {c.label: (c.colour or ACCENT, "-") for c in named} | styles


def _draw(axes: "Axes", curve: Curve, colour: str, dash: Dash) -> None:
    x, y = curve.points()
    style = {"lw": 2.4 if curve.strong else 1.6, "ls": dash}
    axes.plot(x, y, color=colour, **({"lw": 0.8, "ls": "-", "alpha": 0.55} if curve.faint else style))
    for at, low, high in curve.whiskers:
        axes.plot([at, at], [low, high], color=colour, lw=1.4, alpha=0.6)
    for at in curve.marks:
        if at in x:
            size = 4 if curve.faint else 6
            axes.plot([at], [y[x.index(at)]], "o", color=colour, ms=size, mec=PAPER, mew=0.8, clip_on=False)


def _at_the_ends(axes: "Axes", named: Sequence[Curve], styles: Mapping[str, tuple[str, Dash]], _: str) -> None:
    low, high = axes.get_ylim()
    ends = [min(max(c.points()[1][-1], low), high) for c in named]
    gap = 14 / axes.bbox.height * (high - low)
    for curve, at in zip(named, spread(ends, gap, low, high), strict=True):
        _name(axes, curve, styles, 1.02, at, {"transform": axes.get_yaxis_transform()})


def _in_a_corner(axes: "Axes", named: Sequence[Curve], styles: Mapping[str, tuple[str, Dash]], corner: str) -> None:
    upper, side = corner.split()
    for i, curve in enumerate(named if upper == "upper" else named[::-1]):
        at = 0.94 - 0.068 * i if upper == "upper" else 0.06 + 0.068 * i
        look: ArtistStyle = {"transform": axes.transAxes, "ha": side}
        _name(axes, curve, styles, 0.975 if side == "right" else 0.03, at, look)


def _name(
    axes: "Axes", curve: Curve, styles: Mapping[str, tuple[str, Dash]], x: float, y: float, look: ArtistStyle
) -> None:
    weight = "bold" if curve.strong else "normal"
    axes.text(x, y, curve.label, color=styles[curve.label][0], fontweight=weight, va="center", **look)


@dataclass(frozen=True)
class CalibrationBin:
    """One bin: the mean prediction, and the observed share with its interval, all from 0 to 1."""

    predicted: float | None
    observed: float | None
    low: float | None = None
    high: float | None = None


def calibration(bins: Mapping[str, Sequence[CalibrationBin]], *, title: str, unit: str) -> str:
    """Predicted against observed share, with the interval of each bin; the first of several is drawn strongly.

    Parameters
    ----------
    bins
        In words, which probabilities → their bins.
    title
        What a screen reader says first.
    unit
        What the shares are of ("rows").
    """
    drawn = [_binned(when, points, strong=n == 0) for n, (when, points) in enumerate(bins.items())]
    shares = [v for c in drawn for v in (*c.x, *c.y, *(high for *_, high in c.whiskers))]
    top = min(1.0, max(shares, default=1.0) * 1.06)
    when, first = next(iter(bins.items()), ("", []))
    spoken = "; ".join(
        f"predicted {number(b.predicted)}, observed {number(b.observed)} ({bounds(b.low, b.high)})" for b in first
    )
    return curves(
        drawn,
        title=title,
        axes_names=("predicted", "observed (dotted: as predicted)"),
        description=f"Observed share of {unit} by predicted share {when}: {spoken}.",
        limits=((0, top), (0, top)),
        diagonal=True,
        inside="upper left",
        height=300,
    )


def _binned(label: str, bins: Sequence[CalibrationBin], *, strong: bool = False) -> Curve:
    points = [(b.predicted, b.observed, b.low, b.high) for b in bins if finite(b.predicted) and finite(b.observed)]
    whiskers = [(x, low, high) for x, _, low, high in points if finite(low) and finite(high)]
    x, y = [p[0] for p in points], [p[1] for p in points]
    return Curve(label, x, y, strong=strong, marks=x, whiskers=whiskers)
