"""Curves with their names at their ends: ROC and precision-recall, decision, calibration, training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from polyclinic.figures.numbers import finite, number
from polyclinic.figures.svg import ACCENT, FOURTH, INK, MUTED, PAPER, SECOND, THIRD, draw, spread

MOST_POINTS = 500
HUES = (SECOND, THIRD, FOURTH, INK)
DASHES: tuple[Any, ...] = ((0, (5, 2)), (0, (1.5, 1.8)), (0, (6, 2, 1.5, 2)), "-")


@dataclass(frozen=True)
class Curve:
    """A named curve. strong: the one chosen; faint: behind the others and without a name."""

    label: str
    x: Sequence[float]
    y: Sequence[float]
    strong: bool = False
    faint: bool = False
    colour: str = ""
    mark: float | None = None

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
    limits: tuple[tuple[float, float] | None, tuple[float, float] | None] = (None, None),
    diagonal: bool = False,
    inside: Literal["", "lower right", "upper right", "lower left"] = "",
    height: float = 270,
) -> str:
    """Curves in one frame, each named where it ends (or, `inside`, in that corner)."""
    named = [curve for curve in drawn if not curve.faint and len(curve.points()[0])]
    styles = _styles(named)

    def paint(axes: Any) -> None:
        axes.grid()
        axes.set_xlabel(axes_names[0])
        axes.set_ylabel(axes_names[1])
        _limit(axes, limits)
        if diagonal:
            axes.plot([0, 1], [0, 1], color=MUTED, lw=1, ls=(0, (2, 3)))
        for curve in sorted(drawn, key=lambda c: (not c.faint, c.strong)):
            colour, dash = styles.get(curve.label, (curve.colour or MUTED, "-"))
            x, y = curve.points()
            width = 0.8 if curve.faint else 2.4 if curve.strong else 1.6
            axes.plot(
                x,
                y,
                color=colour,
                ls="-" if curve.faint else dash,
                lw=width,
                alpha=0.55 if curve.faint else 1,
            )
            if curve.mark is not None and curve.mark in x:
                at = y[x.index(curve.mark)]
                axes.plot(
                    [curve.mark], [at], "o", color=colour, ms=4 if curve.faint else 6, mec=PAPER, mew=0.8
                )
        _limit(axes, limits)
        _name(axes, named, styles, inside=inside)

    right = 14 if inside else 12 + 6.2 * max((len(c.label) for c in named), default=4)
    margins = (46, min(right, 130), 12, 40)
    return draw(paint, title=title, description=description, height=height, margins=margins)


def _styles(named: Sequence[Curve]) -> dict[str, tuple[str, Any]]:
    others = [c for c in named if not c.strong and not c.colour]
    styles = {c.label: (HUES[i % len(HUES)], DASHES[i % len(DASHES)]) for i, c in enumerate(others)}
    return {c.label: (c.colour or ACCENT, "-") for c in named} | styles


def _limit(axes: Any, limits: tuple[tuple[float, float] | None, tuple[float, float] | None]) -> None:
    axes.locator_params(nbins=5)
    if axes.get_xlabel() == "epoch":
        axes.locator_params(axis="x", integer=True)
    if limits[0]:
        axes.set_xlim(*limits[0])
    if limits[1]:
        axes.set_ylim(*limits[1])


def _name(axes: Any, named: Sequence[Curve], styles: Mapping[str, tuple[str, Any]], *, inside: str) -> None:
    if inside:
        _in_a_corner(axes, named, styles, inside)
        return
    low, high = axes.get_ylim()
    ends = [min(max(c.points()[1][-1], low), high) for c in named]
    gap = 14 / axes.bbox.height * (high - low)
    for curve, at in zip(named, spread(ends, gap, low, high), strict=True):
        weight = "bold" if curve.strong else "normal"
        across = axes.get_yaxis_transform()
        style = {"color": styles[curve.label][0], "fontweight": weight, "va": "center", "transform": across}
        axes.text(1.02, at, curve.label, **style)


def _in_a_corner(
    axes: Any, named: Sequence[Curve], styles: Mapping[str, tuple[str, Any]], corner: str
) -> None:
    upper, side = corner.split()
    for i, curve in enumerate(named if upper == "upper" else named[::-1]):
        at = 0.94 - 0.068 * i if upper == "upper" else 0.06 + 0.068 * i
        style = {"transform": axes.transAxes, "ha": side, "va": "center", "color": styles[curve.label][0]}
        weight = "bold" if curve.strong else "normal"
        axes.text(0.975 if side == "right" else 0.03, at, curve.label, fontweight=weight, **style)


def calibration(
    before: Sequence[Mapping[str, Any]], after: Sequence[Mapping[str, Any]], *, title: str, unit: str
) -> str:
    """Predicted against observed share, with the interval of each bin; before and after recalibration.

    before, after: bins with `predicted`, `observed`, `low`, `high`, all from 0 to 1; either may be empty.
    """
    bins = [b for b in (*before, *after) if finite(b.get("predicted")) and finite(b.get("observed"))]
    most = max(
        (v for b in bins for v in (b["predicted"], b["observed"], b.get("high")) if finite(v)), default=1.0
    )
    top = min(1.0, most * 1.06)

    def paint(axes: Any) -> None:
        axes.grid()
        axes.plot([0, top], [0, top], color=MUTED, lw=1, ls=(0, (2, 3)))
        axes.set_xlim(0, top)
        axes.set_ylim(0, top)
        axes.locator_params(nbins=5)
        axes.set_xlabel("predicted")
        axes.set_ylabel("observed")
        for drawn, colour, mark, width in ((before, SECOND, "s", 1.0), (after, ACCENT, "o", 2.0)):
            _bins(axes, drawn, colour, mark, width)
        words = [("after calibration", ACCENT, "bold")] * bool(after) + [("before", SECOND, "normal")] * bool(
            before
        )
        for i, (word, colour, weight) in enumerate(
            [*words, ("dotted: predicted = observed", MUTED, "normal")]
        ):
            style = {"color": colour, "fontweight": weight, "transform": axes.transAxes}
            axes.text(0.03, 0.95 - 0.07 * i, word, va="center", **style)

    spoken = "; ".join(
        f"predicted {number(b['predicted'])}, observed {number(b['observed'])} "
        f"({number(b.get('low'))} to {number(b.get('high'))})"
        for b in (after or before)
    )
    description = (
        f"Observed share of {unit} by predicted share{' after calibration' if after else ''}: {spoken}."
    )
    return draw(paint, title=title, description=description, height=300)


def _bins(axes: Any, bins: Sequence[Mapping[str, Any]], colour: str, mark: str, width: float) -> None:
    good = [b for b in bins if finite(b.get("predicted")) and finite(b.get("observed"))]
    x, y = [b["predicted"] for b in good], [b["observed"] for b in good]
    for b in good:
        if finite(b.get("low")) and finite(b.get("high")):
            axes.plot([b["predicted"]] * 2, [b["low"], b["high"]], color=colour, lw=width, alpha=0.6)
    axes.plot(x, y, color=colour, lw=width * 0.8)
    axes.plot(x, y, mark, color=colour, ms=5, mec=PAPER, mew=0.8, ls="none", clip_on=False)
