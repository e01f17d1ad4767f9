"""What a score is beside its number: its name on a page, which way is better, its unit, and what chance gives.

A `Measure` is the only place that knows a score's direction: choosing, gates, comparisons, checks and the page read it
there. Measures are registered (`polyclinic.measures`), so that an area or a guest may bring one; an outcome names its
own by these names, and a fit does not depend on the code that judges it.
"""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Literal, Self, TypeAlias

from polyclinic import registry
from polyclinic.errors import UnknownName
from polyclinic.evaluation.scores import ANY, Score

Show: TypeAlias = Literal["figure", "table"]
NEAR, PART = "near:", "//"


@dataclass(frozen=True, kw_only=True)
class Measure:
    """One score of predictions.

    Attributes
    ----------
    name
        The key in `report.json`; `NAME//PART` where it is of one class, label or structure.
    title
        As people write it: `AUROC`.
    score
        Truth and answers, as the outcome hands them over, to a weighted score; see `polyclinic.evaluation.scores`.
    better
        `high`, `low`, or `near:0.9` where the best value is 0.9 and both sides are worse.
    bounds
        The least and the greatest value.
    unit
        Of the value, as it stands on an axis: `mmHg`; empty where it has none.
    chance
        The value of answers that know nothing; None where it depends on the rows, or is not known.
    ranks
        Whether it sees only the order of the answers.
    show
        Whether the page draws a figure for it, or only lists it in the table.
    """

    name: str
    title: str
    score: Callable[..., Score]
    better: str = "high"
    bounds: tuple[float, float] = ANY
    unit: str = ""
    chance: float | None = None
    ranks: bool = False
    show: Show = "figure"

    def __post_init__(self) -> None:
        if self.better not in ("high", "low"):
            _best_value(self.better)

    @property
    def best(self) -> float:
        """The best value: the upper bound, the lower bound, or the one that is to be near."""
        if self.better == "high":
            return self.bounds[1]
        return self.bounds[0] if self.better == "low" else _best_value(self.better)

    def loss(self, value: float) -> float:
        """A number that is the lower, the better the value is; infinite where the value is not known."""
        if math.isnan(value):
            return math.inf
        if self.better == "high":
            return -value
        return value if self.better == "low" else abs(value - self.best)

    def of_part(self, part: str, score: Callable[..., Score], title: str = "") -> Self:
        """The same measure of one class, label or structure: `auroc//sepsis`, "AUROC, sepsis"."""
        named = f"{self.title}, {title or part}"
        return replace(self, name=f"{self.name}{PART}{part}", title=named, score=score, show="table")


def _best_value(better: str) -> float:
    """The number of `near:NUMBER`; raises `ValueError` for anything else."""
    if better.startswith(NEAR):
        value = float(better.removeprefix(NEAR))
        if math.isfinite(value):
            return value
    raise ValueError(f"better is `high`, `low` or `near:` with a number, not {better!r}")


def registered(names: Iterable[str]) -> tuple[Measure, ...]:
    """The registered measures of these names, in this order; raises `UnknownName`."""
    return tuple(registry.load("measures", name) for name in names)


def named(measures: Iterable[Measure], name: str) -> Measure:
    """The measure of a name; raises `UnknownName` with the nearest known one."""
    known: Mapping[str, Measure] = {measure.name: measure for measure in measures}
    if name not in known:
        raise UnknownName("score", name, known)
    return known[name]
