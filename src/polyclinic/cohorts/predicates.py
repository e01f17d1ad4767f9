"""Predicates: what counts as an event of interest, as Polars expressions over MEDS columns.

A plain predicate looks at one event (code, value, other columns); a derived one combines counts of others at one
instant of one subject. The rules are those of ACES 0.7: bounds are exclusive unless said otherwise, and a NaN is
larger than any number.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import polars as pl

from polyclinic.errors import Place, UsageError

ANY, START, END = "_ANY_EVENT", "_RECORD_START", "_RECORD_END"
SPECIAL = (ANY, START, END)
_CALL = re.compile(r"\b(and|or)\s*\((\s*#?\w+\s*(?:,\s*#?\w+\s*)+)\)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Plain:
    """One predicate over single events.

    code: an exact code, a regular expression (`regex`), or codes of which any will do (`any`);
    columns: other columns and the value that each must have; static: must hold in an event without a time.
    """

    code: str | Mapping[str, Any]
    value_min: float | None = None
    value_max: float | None = None
    value_min_inclusive: bool = False
    value_max_inclusive: bool = False
    static: bool = False
    columns: Mapping[str, Any] = field(default_factory=dict)

    @property
    def wanted(self) -> list[str]:
        """The codes, or the pattern, as they are written."""
        codes = {"any": [self.code]} if isinstance(self.code, str) else self.code
        return list(codes.get("any") or [codes["regex"]])

    @property
    def bounded(self) -> bool:
        """Whether it holds values against a bound, so that their unit matters."""
        return self.value_min is not None or self.value_max is not None

    def codes(self) -> pl.Expr:
        """Whether an event has one of the codes."""
        if isinstance(self.code, str):
            return pl.col("code") == self.code
        return pl.col("code").is_in(self.wanted) if "any" in self.code else matches(*self.wanted)

    def holds(self) -> pl.Expr:
        """Whether an event satisfies the predicate (null where a value is missing)."""
        value, tests = pl.col("numeric_value"), [self.codes()]
        if self.value_min is not None:
            tests.append(value >= self.value_min if self.value_min_inclusive else value > self.value_min)
        if self.value_max is not None:
            tests.append(value <= self.value_max if self.value_max_inclusive else value < self.value_max)
        tests += [pl.col(name) == wanted for name, wanted in self.columns.items()]
        return tests[0] if len(tests) == 1 else pl.all_horizontal(tests)


@dataclass(frozen=True, slots=True)
class Derived:
    """`and(a, b)`, `or(a, b)`, nested at will: inputs are names of predicates or further expressions."""

    how: str
    inputs: "tuple[str | Derived, ...]"
    static: bool = False

    def names(self) -> Iterable[str]:
        """The predicates that it names."""
        for part in self.inputs:
            yield from [part] if isinstance(part, str) else part.names()

    def follows(self, statics: Iterable[str]) -> bool:
        """Whether it holds wherever the static predicates do, at instants with no other event of interest too."""
        known = set(statics)
        parts = [p in known if isinstance(p, str) else p.follows(known) for p in self.inputs]
        return all(parts) if self.how == "and" else any(parts)

    def holds(self) -> pl.Expr:
        """Whether it holds at an instant, from the counts of its inputs there."""
        parts = [pl.col(p) > 0 if isinstance(p, str) else p.holds() for p in self.inputs]
        return pl.all_horizontal(parts) if self.how == "and" else pl.any_horizontal(parts)


Predicate = Plain | Derived


def coded(predicates: Iterable[Plain]) -> pl.Expr:
    """Whether an event has a code that any of them looks for."""
    codes = [p.codes() for p in predicates]
    return pl.any_horizontal(codes) if codes else pl.lit(False)


@lru_cache(maxsize=256)
def matches(pattern: str) -> pl.Expr:
    """Whether the code contains a match; a literal or a literal beginning is searched as such, which is ten times faster."""
    code = pl.col("code")
    plain = re.fullmatch(r"(\^?)((?:[\w /%-]|\\[^\w])*)((?:\.\*)?)", pattern, re.ASCII)
    if plain is None or not plain[2]:
        return code.str.contains(pattern)
    literal = re.sub(r"\\(.)", r"\1", plain[2])
    return code.str.starts_with(literal) if plain[1] else code.str.contains(literal, literal=True)


def read_pattern(pattern: object, at: Place) -> str:
    """A regular expression as text; raises `UsageError` where it cannot be read."""
    try:
        if not pattern or not isinstance(pattern, str):
            raise ValueError("it must be a text that is not empty")
        pl.select(pl.lit("", pl.String).str.contains(pattern))
    except (ValueError, pl.exceptions.ComputeError) as error:
        why = str(error).strip().splitlines()[-1].removeprefix("error: ")
        what, fix = f"not a regular expression: {why}", "escape its special characters with \\"
        raise UsageError(what, at=at, fix=fix) from None
    return str(pattern)


def read_expression(text: str, at: Place) -> Derived:
    """`or(a, and(b, c))` → `Derived`; raises `UsageError` where it is none. Read from the innermost call outwards."""
    calls: list[Derived] = []

    def take(call: re.Match[str]) -> str:
        inputs = (part.strip() for part in call[2].split(","))
        calls.append(Derived(call[1], tuple(calls[int(p[1:])] if p[0] == "#" else p for p in inputs)))
        return f" #{len(calls) - 1} "

    rest, before = text.strip(), ""
    while rest != before and "#" not in text:
        rest, before = _CALL.sub(take, rest), rest
    if not re.fullmatch(r" #\d+ ", rest) or "#" in text:
        fix = "write and(a, b) or or(a, b) with two predicates or more"
        raise UsageError(f"{text!r} is not an expression", at=at, fix=fix)
    return calls[-1]
