"""Spans of time as people write them: `24h`, `1 day 2 hours`, `1 day, 14:20:16`, `90 min`, `1:30` (minutes and seconds)."""

import re
from datetime import timedelta
from decimal import Decimal
from functools import lru_cache

from polyclinic.errors import Place, UsageError

_UNITS = {
    "weeks": r"w|wks?|weeks?",
    "days": r"d|dys?|days?",
    "hours": r"h|hrs?|hours?",
    "minutes": r"m|mins?|minutes?",
    "seconds": r"s|secs?|seconds?",
}
_NUMBER = r"\d+\.?\d*|\.\d+"
_PART = {n: rf"(?:(?P<{n}>{_NUMBER})\s*(?:{words})\s*(?:[,/]\s*)?)?" for n, words in _UNITS.items()}
_SECONDS = r"(?P<seconds>\d{2}(?:\.\d+)?)"
_CLOCK = rf"(?P<hours>\d+):(?P<minutes>\d{{2}}):{_SECONDS}"
_FORMS = [
    re.compile(form, re.IGNORECASE)
    for form in (
        r"\s*".join(_PART.values()),
        rf"(?P<minutes>\d{{1,2}}):{_SECONDS}",
        rf"{_PART['weeks']}\s*{_PART['days']}\s*{_CLOCK}",
        rf"(?P<days>\d+):(?P<hours>\d{{2}}):(?P<minutes>\d{{2}}):{_SECONDS}",
        rf":{_SECONDS}",
    )
]


MOST_SECONDS = 1000 * 366 * 86400
"""A thousand years: no record reaches further."""


def duration(text: str, *, at: Place | None = None) -> timedelta:
    """The span that a text names, to the second (fractions of a second only where seconds are written so).

    >>> duration("1 day 2 hours")
    datetime.timedelta(days=1, seconds=7200)

    Raises `UsageError` where the text is no span of time, or is one of more than a thousand years.
    """
    span = _span(str(text).strip())
    if span is None:
        what = f"{str(text)!r} is not a span of time"
        raise UsageError(what, at=at, fix="write a number and a unit, for example 24h or 1 day 12 hours")
    return span


@lru_cache(maxsize=256)
def _span(text: str) -> timedelta | None:
    rest = re.sub(r"^[+-]\s*", "", text)
    match = next((m for form in _FORMS if rest and (m := form.fullmatch(rest))), None)
    if match is None:
        return None
    parts, size = match.groupdict(), {"weeks": 604800, "days": 86400, "hours": 3600, "minutes": 60}
    coarse = sum((Decimal(parts.get(name) or 0) * seconds for name, seconds in size.items()), Decimal(0))
    fine = parts.get("seconds") or "0"
    if coarse + Decimal(fine) > MOST_SECONDS:
        return None
    span = timedelta(seconds=int(coarse) + int(fine) if fine.isdigit() else float(coarse + Decimal(fine)))
    return -span if text.startswith("-") else span
