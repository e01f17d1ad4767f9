"""The one way from a drawing to an inline SVG: colours are names, text stays text, bytes repeat.

Matplotlib draws with stand-in colours; each becomes a CSS variable (`--ink`, `--accent` …) with the light value as its
fallback, so that one picture serves light and dark pages and also stands alone. Sizes are in pixels of a picture 320
wide, which is what a phone shows.
"""

import io
import re
import warnings
from collections.abc import Callable
from html import escape
from typing import TYPE_CHECKING, Any, TypeAlias

from polyclinic.fingerprint import of_value

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WIDTH = 320
INK, MUTED, GRID, ACCENT, SECOND, THIRD, FOURTH, PAPER = (f"#0{i}0{i}0{i}" for i in range(1, 9))
NAMES = {
    INK: "var(--ink,#1d2733)",
    MUTED: "var(--muted,#5b6775)",
    GRID: "var(--grid,#dde2e8)",
    ACCENT: "var(--accent,#0b62a8)",
    SECOND: "var(--second,#a34a00)",
    THIRD: "var(--third,#1c7357)",
    FOURTH: "var(--fourth,#7a3f98)",
    PAPER: "var(--paper,#ffffff)",
}
STYLE = {
    "svg.fonttype": "none",
    "svg.hashsalt": "polyclinic",
    "text.color": INK,
    "grid.color": GRID,
    "axes.axisbelow": True,
    "lines.solid_capstyle": "round",
    "path.simplify": False,
    "text.parse_math": False,  # a subgroup may be called $$
    **dict.fromkeys(("axes.edgecolor", "axes.labelcolor", "xtick.color", "ytick.color"), MUTED),
    **dict.fromkeys(("axes.spines.top", "axes.spines.right"), False),
    **dict.fromkeys(("axes.facecolor", "figure.facecolor"), "none"),
    **dict.fromkeys(("axes.linewidth", "grid.linewidth"), 0.8),
    **dict.fromkeys(("font.size", "axes.labelsize"), 11),
    **dict.fromkeys(("xtick.labelsize", "ytick.labelsize"), 10.5),
    **dict.fromkeys(("xtick.major.size", "ytick.major.size"), 3),
}

ArtistStyle: TypeAlias = dict[str, Any]
"""Keyword arguments of a Matplotlib artist: colour, width, place …"""


def draw(
    paint: Callable[["Axes"], None],
    *,
    title: str,
    description: str,
    height: float,
    margins: tuple[float, float, float, float],
) -> str:
    """Draw by `paint(axes)` and give the SVG as a string.

    height and margins (left, right, top, bottom) are in pixels of a picture 320 wide. `title` and `description` are
    what a screen reader says; the description should hold the numbers.
    """
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    left, right, top, bottom = margins
    box = (left / WIDTH, bottom / height, 1 - (left + right) / WIDTH, 1 - (top + bottom) / height)
    with rc_context(STYLE), warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of axes without width: what the words beside them say
        figure = Figure(figsize=(WIDTH / 72, height / 72), dpi=72)
        paint(figure.add_axes(box))
        target = io.StringIO()
        figure.savefig(target, format="svg", metadata={"Date": None})
    return _inline(target.getvalue(), title, description)


def _inline(svg: str, title: str, description: str) -> str:
    """Strip what belongs to a file of its own, name the colours, and give the picture its words."""
    key = "f" + of_value([title, description, svg])[:8]
    head, body = svg[svg.index("<svg") :].split(">", 1)
    body = re.sub(r"<metadata>.*?</metadata>|<style type.*?</style>|<!--.*?-->", "", body, flags=re.S)
    body = re.sub(r"font-family: [^;]+; ?| transform=\"rotate\(-0 [^\"]*\"", "", body)
    body = re.sub(r"<[^>]+>", lambda tag: re.sub(r"(\d\.\d\d)\d+", r"\1", tag[0]), body)
    used = set(re.findall(r"(?:url\(|href=\")#([^)\"]+)", body))
    body = re.sub(r' id="([^"]+)"', lambda m: f' id="{key}{m[1]}"' if m[1] in used else "", body)
    body = re.sub(r"(url\(|href=\")#", rf"\1#{key}", body)
    body = re.sub("|".join(NAMES), lambda m: NAMES[m[0]], body)
    body = re.sub(r"\n\s*", "\n", body)
    box = re.search(r'viewBox="[^"]+"', head)
    return (
        f'<svg {box[0] if box else ""} role="img" aria-labelledby="{key}t {key}d" '
        f'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink">'
        f'<title id="{key}t">{escape(title)}</title><desc id="{key}d">{escape(description)}</desc>{body.strip()}'
    )


def spread(wanted: list[float], gap: float, low: float, high: float) -> list[float]:
    """Move labels apart until none is nearer than `gap`, keeping their order and staying in [low, high].

    Too many for the room stand evenly from low to high.
    """
    order = sorted(range(len(wanted)), key=lambda i: wanted[i])
    gap = min(gap, (high - low) / max(len(wanted) - 1, 1))
    placed: list[float] = []
    for i in order:
        placed.append(max(wanted[i], low, placed[-1] + gap if placed else low))
    top = high
    for at in reversed(range(len(placed))):
        placed[at] = min(placed[at], top)
        top = placed[at] - gap
    return [at for _, at in sorted(zip(order, placed, strict=True))]
