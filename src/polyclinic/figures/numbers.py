"""How numbers are written: few digits, thousands apart, and never a score without its interval."""

import math
from typing import TypeGuard

NOTHING = "–"


def finite(value: object) -> TypeGuard[float]:
    """Whether `value` is a number that can be drawn."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def number(value: object, digits: int = 3) -> str:
    """A measured number with `digits` decimals below two and fewer above; a dash where there is none.

    >>> number(0.78612), number(-12.345), number(None)
    ('0.786', '−12.3', '–')
    """
    if not finite(value):
        return value if isinstance(value, str) and value else NOTHING
    size = abs(value)
    decimals = digits if size < 2 else max(digits - 1, 0) if size < 10 else 1 if size < 100 else 0
    text = f"{value:,.{decimals}f}"
    return text.lstrip("-") if float(text.replace(",", "")) == 0 else text.replace("-", "−")


def signed(value: object) -> str:
    """A difference, always with its sign.

    >>> signed(0.056), signed(-0.004)
    ('+0.056', '−0.004')
    """
    text = number(value)
    return f"+{text}" if finite(value) and value > 0 and text.strip("0.") else text


def count(value: object) -> str:
    """A count with thousands apart; a suppressed one (`"<5"`) stays as it is.

    >>> count(9890), count("<5")
    ('9,890', '<5')
    """
    return f"{value:,.0f}" if finite(value) else NOTHING if value is None else str(value)


def how_many(n: object, one: str, many: str = "") -> str:
    """A count with what is counted, in the singular or the plural; a suppressed count stands with the plural.

    >>> how_many(1, "row"), how_many(2, "row"), how_many("<5", "study"), how_many(0, "row is", "rows are")
    ('1 row', '2 rows', '<5 studies', '0 rows are')
    """
    return f"{count(n)} {one if finite(n) and n == 1 else many or plural(one)}"


def plural(noun: str) -> str:
    """The plural of a noun, as data and studies choose them for names.

    >>> [plural(noun) for noun in ("patient", "study", "day", "sex", "class", "rows")]
    ['patients', 'studies', 'days', 'sexes', 'classes', 'rows']
    """
    if noun.endswith(("ss", "x", "z", "ch", "sh")):
        return f"{noun}es"
    if noun.endswith("y") and noun[-2:-1] not in "aeiou":
        return f"{noun[:-1]}ies"
    return noun if noun.endswith("s") else f"{noun}s"


def percent(share: object, digits: int = 1) -> str:
    """A share from 0 to 1 as a percentage.

    >>> percent(0.185)
    '18.5 %'
    """
    return f"{100 * share:.{digits}f} %" if finite(share) else NOTHING


def interval(value: float | None, low: float | None, high: float | None) -> str:
    """A score with its interval, for a sentence.

    >>> interval(0.786, 0.761, 0.811)
    '0.786 (0.761 to 0.811)'
    """
    return f"{number(value)} ({bounds(low, high)})" if finite(value) else number(value)


def bounds(low: float | None, high: float | None) -> str:
    """The interval alone: `0.761 to 0.811`."""
    return f"{number(low)} to {number(high)}" if finite(low) and finite(high) else "no interval"
