"""What a task file may hold: its keys and the shape of their values, read by `config.build`; `task_parser` reads their meaning.

A key without a value is left to its default. The keys of a predicate that ACES does not know are filters of columns, so
that a predicate has no unknown key.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BeforeValidator, Strict


def _as_text(value: object) -> object:
    """YAML reads some names as numbers; they are names all the same."""
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


Flag: TypeAlias = Annotated[bool, Strict()]
Limit: TypeAlias = Annotated[float, Strict()]
Word: TypeAlias = Annotated[str, BeforeValidator(_as_text)]
"""A name, or what is written like one: a span of time, an end of a window."""
Side: TypeAlias = Literal["start", "end"]


@dataclass(frozen=True, kw_only=True)
class CodeDocument:
    """`code: {regex: …}` or `code: {any: [A, B]}`."""

    regex: str | None = None
    any: tuple[str, ...] | None = None


@dataclass(frozen=True, kw_only=True)
class PredicateDocument:
    """A predicate over single events. other_cols: column → the value that it must have."""

    code: str | CodeDocument
    value_min: Limit | None = None
    value_max: Limit | None = None
    value_min_inclusive: Flag | None = None
    value_max_inclusive: Flag | None = None
    static: Flag | None = None
    other_cols: Mapping[str, object] | None = None


@dataclass(frozen=True, kw_only=True)
class DerivedDocument:
    """A predicate that combines others."""

    expr: Word
    static: Flag | None = None


@dataclass(frozen=True, kw_only=True)
class WindowDocument:
    """A window. has: predicate → the counts that it may have there, such as `(1, None)`."""

    start: Word | None = None
    end: Word | None = None
    start_inclusive: Flag | None = None
    end_inclusive: Flag | None = None
    has: Mapping[str, object] | None = None
    label: Word | None = None
    index_timestamp: Side | None = None


@dataclass(frozen=True, kw_only=True)
class ValueDocument:
    """How the values of one code are read."""

    plausible: tuple[Limit, Limit] | None = None
    ties: Literal["min", "max", "mean"] | None = None

    def __post_init__(self) -> None:
        if self.plausible and self.plausible[0] > self.plausible[1]:
            raise ValueError("plausible must be [lowest, highest], such as [20, 200]")


@dataclass(frozen=True, kw_only=True)
class GridDocument:
    """`every`: index times on a grid while between two events."""

    step: Word | None = None
    between: tuple[Word, Word] | None = field(default=None, metadata={"key": "while"})
    after: Word | None = None


@dataclass(frozen=True, kw_only=True)
class LastDocument:
    """What the newest value known at the index must be."""

    within: Word | None = None
    value_min: Limit | None = None
    value_max: Limit | None = None


@dataclass(frozen=True, kw_only=True)
class AtRiskDocument:
    """`at_risk`: which index times count."""

    last: Mapping[str, LastDocument] | None = None


@dataclass(frozen=True, kw_only=True)
class TaskDocument:
    """The whole file. A predicate is built when it is read, since whatever else it holds is a column."""

    description: Any = None
    metadata: Any = None
    predicates: Mapping[str, object] | None = None
    patient_demographics: Mapping[str, object] | None = None
    kind: Word | None = None
    trigger: Word | None = None
    windows: Mapping[str, WindowDocument] | None = None
    values: Mapping[str, ValueDocument] | None = None
    every: GridDocument | None = None
    at_risk: AtRiskDocument | None = None
    labels: Word | None = None


PARTS = {
    "task": TaskDocument,
    "predicate": PredicateDocument,
    "derived predicate": DerivedDocument,
    "code": CodeDocument,
    "window": WindowDocument,
    "values": ValueDocument,
    "every": GridDocument,
    "at_risk": AtRiskDocument,
    "last": LastDocument,
}
"""The parts of a task file, by the name that the documentation gives them."""
