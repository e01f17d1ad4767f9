"""What a run would do: its steps, which of them are there already, and how long the others took before."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

Reuse: TypeAlias = Literal["yes", "no", "depends"]


@dataclass(frozen=True, slots=True)
class PlannedStep:
    """One step of a plan.

    Attributes
    ----------
    reused
        Whether it is there already; "depends" where what comes before it decides.
    seconds
        How long such a step took when it was last made in this folder; None where it never was.
    """

    name: str
    reused: Reuse
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """The steps of a study, in their order; nothing was made.

    Attributes
    ----------
    study
        The name of the study.
    folder
        The folder of the run.
    """

    study: str
    folder: Path
    steps: tuple[PlannedStep, ...]

    @property
    def seconds(self) -> float | None:
        """How long what is still to be made took before; None where some of it was never made here."""
        times = [step.seconds for step in self.steps if step.reused != "yes"]
        known = [seconds for seconds in times if seconds is not None]
        return sum(known) if len(known) == len(times) else None

    def __str__(self) -> str:
        marks = {"yes": "reused", "no": "to be made", "depends": "depends on the steps before it"}
        return "\n".join(f"{step.name}: {marks[step.reused]}" for step in self.steps)
