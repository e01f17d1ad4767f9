"""Tables as HTML, for notebooks and for the report page."""

import re
from collections.abc import Iterable, Mapping, Sequence
from html import escape, unescape
from itertools import repeat, starmap
from typing import Protocol, runtime_checkable

from markupsafe import Markup

from polyclinic.figures.numbers import NOTHING, bounds, count, finite, number

MOST_ROWS = 200
WIDE = 4
NUMBER = re.compile(r"[+−<]?\d[\d,.]*( %|<small| \(|$)|–$")


@runtime_checkable
class HasHtml(Protocol):
    """What is HTML already (`markupsafe.Markup`): it is taken as it is."""

    def __html__(self) -> str: ...


def table(rows: Iterable[Mapping[str, object] | Sequence[object]], columns: Sequence[str], caption: str = "") -> str:
    """An HTML table that scrolls by itself where it is wider than the page.

    rows: one mapping (by column name) or one sequence (in the order of `columns`) a row. Numbers are written by
    `numbers`; a column of numbers alone, unless it is the first, is set right; None is a dash; what has `__html__` is
    taken as it is; all else is escaped. After 200 rows a last line says how many are not shown.
    """
    bodies = [[row.get(c) for c in columns] if isinstance(row, Mapping) else list(row) for row in rows]
    right = [i > 0 and _numeric([body[i] for body in bodies]) for i in range(len(columns))]
    wide = len(columns) > WIDE
    # Each cell of a wide table knows its heading, so that a page may show a row as a card on a phone.
    named, scopes = columns if wide else [""] * len(columns), ["row", *[""] * (len(columns) - 1)]
    heads = "".join(map(_cell, columns, right, repeat("col")))
    cells = (zip(body, right, scopes, named, strict=True) for body in bodies[:MOST_ROWS])
    lines = "".join(f"<tr>{''.join(starmap(_cell, line))}</tr>" for line in cells)
    left = len(bodies) - MOST_ROWS
    more = f'<tr><td colspan="{len(columns)}">… and {left:,} more rows</td></tr>' if left > 0 else ""
    name = f' role="region" tabindex="0" aria-label="{escape(caption)}"' if caption else ""
    title = f"<caption>{escape(caption)}</caption>" if caption else ""
    return (
        f'<div class="scroll{" wide" if wide else ""}" style="overflow-x:auto"{name}><table>{title}'
        f"<thead><tr>{heads}</tr></thead><tbody>{lines}{more}</tbody></table></div>"
    )


def scored(value: float | None, low: float | None, high: float | None) -> Markup | None:
    """A score for a cell: the value, and its interval on a line of its own; None where there is no value."""
    return with_small(number(value), bounds(low, high).replace(" ", "\u00a0")) if finite(value) else None


def with_small(text: str, small: str) -> Markup:
    """A cell with small words on a line of their own."""
    under = Markup('<small style="display:block">{}</small>').format(small) if small else ""
    return Markup("{}{}").format(text, under)


def _cell(value: object, right: bool, scope: str, head: str = "") -> str:
    side = ' class="n" style="text-align:right"' if right else ""
    if scope:
        return f'<th scope="{scope}"{side}>{_written(value)}</th>'
    known = f' data-head="{escape(head)}"' if head else ""
    return f"<td{known}{side}>{_written(value)}</td>"


def _numeric(values: Sequence[object]) -> bool:
    texts = [_written(v) for v in values if v not in (None, "")]
    return bool(texts) and all(NUMBER.match(unescape(text)) for text in texts)


def _written(value: object) -> str:
    if isinstance(value, HasHtml):
        return value.__html__()
    if value is None or isinstance(value, bool):
        return {None: NOTHING, True: "yes", False: "no"}[value]
    if isinstance(value, int | float):
        value = number(value) if isinstance(value, float) else count(value)
    return escape(str(value))
