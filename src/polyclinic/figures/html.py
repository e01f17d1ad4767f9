"""Tables as HTML, for notebooks and for the report page."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

from polyclinic.figures.numbers import NOTHING, count, number

MOST_ROWS = 200


def table(
    rows: Iterable[Mapping[str, Any] | Sequence[Any]], columns: Sequence[str], caption: str = ""
) -> str:
    """An HTML table that scrolls by itself where it is wider than the page.

    rows: one mapping (by column name) or one sequence (in the order of `columns`) a row. Numbers are written by
    `numbers` and set right; None is a dash; what has `__html__` is taken as it is; all else is escaped.
    After 200 rows a last line says how many are not shown.
    """
    bodies = [[row.get(c) for c in columns] if isinstance(row, Mapping) else list(row) for row in rows]
    heads = _heads(bodies, columns)
    lines = "".join(f"<tr>{''.join(map(_cell, body, range(len(body))))}</tr>" for body in bodies[:MOST_ROWS])
    left = len(bodies) - MOST_ROWS
    more = f'<tr><td colspan="{len(columns)}">… and {left:,} more rows</td></tr>' if left > 0 else ""
    name = f' role="region" tabindex="0" aria-label="{escape(caption)}"' if caption else ""
    title = f"<caption>{escape(caption)}</caption>" if caption else ""
    return (
        f'<div class="scroll" style="overflow-x:auto"{name}><table>{title}<thead><tr>{heads}</tr></thead>'
        f"<tbody>{lines}{more}</tbody></table></div>"
    )


def _heads(bodies: list[list[Any]], columns: Sequence[str]) -> str:
    first = bodies[0] if bodies else [None] * len(columns)
    return "".join(
        f'<th scope="col"{_side(value)}>{escape(name)}</th>'
        for name, value in zip(columns, first, strict=True)
    )


def _cell(value: Any, place: int) -> str:
    tag, scope = ("th", ' scope="row"') if place == 0 else ("td", "")
    return f"<{tag}{scope}{_side(value)}>{_written(value)}</{tag}>"


def _side(value: Any) -> str:
    numeric = isinstance(value, int | float) and not isinstance(value, bool)
    looks = isinstance(value, str) and value[:1] in "0123456789+−<–" and value != ""
    return ' class="n" style="text-align:right"' if numeric or looks else ""


def _written(value: Any) -> str:
    if hasattr(value, "__html__"):
        return str(value.__html__())
    if value is None or isinstance(value, bool):
        return {None: NOTHING, True: "yes", False: "no"}[value]
    text = (
        number(value) if isinstance(value, float) else count(value) if isinstance(value, int) else str(value)
    )
    return escape(text)
