"""Tables as HTML, for notebooks and for the report page."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from html import escape, unescape
from typing import Any

from markupsafe import Markup

from polyclinic.figures.numbers import NOTHING, bounds, count, finite, number

MOST_ROWS = 200
WIDE = 4
NUMBER = re.compile(r"[+−<]?\d[\d,.]*( %|<small| \(|$)|–$")


def table(
    rows: Iterable[Mapping[str, Any] | Sequence[Any]], columns: Sequence[str], caption: str = ""
) -> str:
    """An HTML table that scrolls by itself where it is wider than the page.

    rows: one mapping (by column name) or one sequence (in the order of `columns`) a row. Numbers are written by
    `numbers`; a column of numbers alone, unless it is the first, is set right; None is a dash; what has `__html__` is taken as it is; all else
    is escaped. After 200 rows a last line says how many are not shown.
    """
    bodies = [[row.get(c) for c in columns] if isinstance(row, Mapping) else list(row) for row in rows]
    right = [i > 0 and _numeric([body[i] for body in bodies]) for i in range(len(columns))]
    heads = "".join(_cell("th", "col", name, side) for name, side in zip(columns, right, strict=True))
    lines = "".join(_row(body, right, columns) for body in bodies[:MOST_ROWS])
    left = len(bodies) - MOST_ROWS
    more = f'<tr><td colspan="{len(columns)}">… and {left:,} more rows</td></tr>' if left > 0 else ""
    name = f' role="region" tabindex="0" aria-label="{escape(caption)}"' if caption else ""
    wide = " wide" if len(columns) > WIDE else ""
    title = f"<caption>{escape(caption)}</caption>" if caption else ""
    return (
        f'<div class="scroll{wide}" style="overflow-x:auto"{name}><table>{title}<thead><tr>{heads}</tr></thead>'
        f"<tbody>{lines}{more}</tbody></table></div>"
    )


def scored(score: Mapping[str, Any] | None) -> Markup | None:
    """A score for a cell: the value, and its interval on a line of its own."""
    if not score or not finite(score.get("value")):
        return None
    return with_small(number(score["value"]), bounds(score).replace(" ", "\u00a0"))


def with_small(text: str, small: str) -> Markup:
    """A cell with small words on a line of their own."""
    under = Markup('<small style="display:block">{}</small>').format(small) if small else ""
    return Markup("{}{}").format(text, under)


def _row(body: Sequence[Any], right: Sequence[bool], columns: Sequence[str]) -> str:
    """In a wide table each cell knows its heading, so that a page may show a row as a card on a phone."""
    heads = columns if len(columns) > WIDE else [""] * len(columns)
    first, *others = (
        _cell(kind, scope, *rest)
        for kind, scope, *rest in zip(
            ["th", *["td"] * (len(body) - 1)],
            ["row", *[""] * (len(body) - 1)],
            body,
            right,
            ["", *heads[1:]],
            strict=True,
        )
    )
    return f"<tr>{first}{''.join(others)}</tr>"


def _cell(tag: str, scope: str, value: Any, right: bool, head: str = "") -> str:
    known = {
        "scope": scope,
        "data-head": escape(head),
        "class": "n" if right else "",
        "style": "text-align:right" if right else "",
    }
    attributes = "".join(f' {k}="{v}"' for k, v in known.items() if v)
    return f"<{tag}{attributes}>{_written(value)}</{tag}>"


def _numeric(values: Sequence[Any]) -> bool:
    texts = [_written(v) for v in values if v not in (None, "")]
    return bool(texts) and all(NUMBER.match(unescape(text)) for text in texts)


def _written(value: Any) -> str:
    if hasattr(value, "__html__"):
        return str(value.__html__())
    if value is None or isinstance(value, bool):
        return {None: NOTHING, True: "yes", False: "no"}[value]
    text = (
        number(value) if isinstance(value, float) else count(value) if isinstance(value, int) else str(value)
    )
    return escape(text)
