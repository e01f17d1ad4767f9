"""What an outcome is: how an answer is learned, linked, adjusted, written, scored and shown."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Protocol, Self

import polars as pl

from polyclinic import registry
from polyclinic.arrays import Array
from polyclinic.decisions import Decision
from polyclinic.outcomes.adjustment import Adjustment
from polyclinic.outcomes.family import Family
from polyclinic.outcomes.raw import Head, Per, Raw
from polyclinic.samples import Column, Samples
from polyclinic.state import State
from polyclinic.timelines.format import FileReader

if TYPE_CHECKING:
    from torch import Tensor

    from polyclinic.evaluation.evaluated import SubgroupScores
    from polyclinic.evaluation.evaluated_rows import EvaluatedRows
    from polyclinic.evaluation.measures import Measure
    from polyclinic.evaluation.outcome_section import OutcomeSection
    from polyclinic.evaluation.scores import Score

Rule = Mapping[str, float]
"""What a decision keeps on validation rows: {"specificity": 0.9}; empty where nothing is to be decided."""


class Outcome(Protocol):
    """One kind of answer; one file each. Settings are the fields of a frozen dataclass.

    A class that names this one as its base has the methods that are written out here, and needs to write only those
    that say something else. What judges answers (measures, adjustments, evaluations) is named by its registered name,
    so that a fit does not depend on it: a changed figure trains nothing again.
    """

    @property
    def kind(self) -> str:
        """Its registered name."""

    @property
    def per(self) -> Per:
        """What gets an answer; `head` says of which column. A model that cannot give it is refused before any fit."""
        return "row"

    # -- the target ----------------------------------------------------------------------------------------------

    target_keys: ClassVar[tuple[str, ...]] = ("column",)
    """Keys of a study's block `target` that say where the answer stands; the others but `kind` are its settings."""

    @classmethod
    def settings_in(cls, target: Mapping[str, object]) -> dict[str, object]:
        """The settings of the outcome in a study's block `target`: field → value."""
        return {key: value for key, value in target.items() if key not in ("kind", *cls.target_keys)}

    def reads(self, target: Mapping[str, object]) -> tuple[str, ...]:
        """All columns of a table that tell the answer (time *and* event; each class): they are never inputs.

        target: the study's block `target`.
        """
        return (str(target["column"]),) if "column" in target else ()

    def columns(
        self, target: Mapping[str, object], rows: pl.DataFrame, files: Mapping[str, FileReader]
    ) -> Mapping[str, Column]:
        """The target columns out of a table of rows; raises `BadData` for values that cannot be read.

        files: column → what reads the files that it names.
        """

    def resolved(self, target: Mapping[str, object], rows: pl.DataFrame) -> Self:
        """The same with what all labelled rows of a study decide written out (the names of the classes).

        target: the study's block `target`; rows: the selected rows of its table, with the columns that it names.
        """
        return self

    def check(self, rows: Samples, where: str) -> None:
        """Raise `BadData` where these rows leave nothing to learn; `where` names them in the error."""
        return

    def facts(self, rows: Samples) -> Mapping[str, object]:
        """What the targets are, for the report: {"labelled": 9890, "positive": 1831}."""

    def answer_parts(self, rows: Samples) -> Mapping[str, Array]:
        """Name of an answer → which rows have it, bool [row]: Table 1 and the flow count rows by these; few or none."""
        return {}

    # -- learning ------------------------------------------------------------------------------------------------

    def prepare(self, train: Samples) -> State:
        """Centre, scale, classes, time edges: learned from training rows alone, kept in the package."""
        return State()

    def target(self, rows: Samples, state: State) -> Array:
        """What is to be learned: floating [row] or [row, channel], NaN where it is missing; or an object array of one
        array a row.
        """

    def head(self, rows: Samples, state: State) -> Head:
        """What a network for these rows must end in."""

    def family(self, state: State) -> Family | None:
        """The shape of the target for models of a matrix; None where they cannot serve it."""
        return None

    def own_models(self) -> Mapping[str, str]:
        """Shared model → the registered model that stands in its place: {"linear": "cox"}."""
        return {}

    def loss(self, raw: "Tensor", batch: Mapping[str, "Tensor"], state: State) -> "Tensor":
        """One number a row: torch [row], from raw [row, channel, …] and batch["target"]."""

    def link(self, raw: Raw, state: State) -> Raw:
        """Raw numbers → answers (probabilities, numbers with their unit)."""

    # -- answers -------------------------------------------------------------------------------------------------

    def adjust(self, answer: Raw, truth: pl.DataFrame, groups: Array) -> Adjustment | None:
        """What to do to answers before they are handed out, learned on validation rows; None: nothing.

        truth: what `truth` gives for the rows; groups: [row], what is judged together.
        """
        return None

    def decide(self, answer: Raw, truth: pl.DataFrame, rule: Rule) -> Decision | None:
        """What follows from an answer, learned on validation rows; None: nothing."""
        return None

    def predictions(self, answer: Raw, rows: Samples, *, decision: Decision | None, folder: Path) -> pl.DataFrame:
        """The columns of the predictions table for these rows; files, where the outcome needs some, go to `folder`."""

    def unadjusted(self, answer: Raw, decision: Decision | None) -> pl.DataFrame:
        """What a study's table has beside `predictions`: the answers before their adjustment, and what decided."""
        return pl.DataFrame()

    def truth(self, rows: Samples) -> pl.DataFrame:
        """The columns that hold what really happened, null where it is not known."""

    # -- judging -------------------------------------------------------------------------------------------------

    @property
    def truth_columns(self) -> tuple[str, ...]:
        """What is null where a row is unlabelled."""

    @property
    def answer_columns(self) -> tuple[str, ...]:
        """The columns of `predictions` that hold the answer in numbers: alike, where a model answers all rows alike."""

    @property
    def measures(self) -> "Sequence[Measure]":
        """Its scores; the first one compares models where nobody names another."""

    def scores(self, frame: pl.DataFrame) -> "Mapping[str, Score]":
        """Name of a measure → weighted score of labelled rows of the predictions table."""

    def without_a_model(self, frame: pl.DataFrame) -> Mapping[str, float]:
        """Name of a measure → its value without any model, where these rows decide it (AUPRC: the prevalence)."""
        return {}

    def support(self, frame: pl.DataFrame) -> Array | None:
        """The class of each labelled row, integers [row]: an interval from few groups of one class is worth little."""
        return None

    def in_use(self, rows: "EvaluatedRows", model: str) -> "SubgroupScores | None":
        """What subgroups are looked at for beside the scores: level, decisions."""
        return None

    def calibration(self, rows: "EvaluatedRows") -> Mapping[str, Mapping[str, object]]:
        """Model → how far its answers mean what they say, before and after the adjustment."""
        return {}

    def sections(self, rows: "EvaluatedRows") -> "Sequence[OutcomeSection]":
        """What the page shows of this kind of answer alone."""
        return ()

    @classmethod
    def of_file(cls, frame: pl.DataFrame) -> pl.DataFrame:
        """Predictions made elsewhere, joined with their truth, with the columns of this outcome checked and typed.

        frame: its columns have the names of the predictions table; lists are lists. Raises `BadData` for values that
        cannot be read.
        """
        return frame

    @classmethod
    def of_table(cls, frame: pl.DataFrame) -> Self:  # noqa: ARG003
        """The settings that follow from predictions made elsewhere, joined with their truth."""
        return cls()

    # -- checking ------------------------------------------------------------------------------------------------

    def planted(self, n: int, seed: int) -> Samples:
        """A problem with a known answer, for the contract checks."""


def measures_of(names: Iterable[str]) -> "tuple[Measure, ...]":
    """The registered measures of these names, in this order; raises `UnknownName`."""
    return tuple(registry.load("measures", name) for name in names)


@dataclass(frozen=True, eq=False)
class Prepared:
    """An outcome with what it learned from training rows: what a model's fit sees of it."""

    outcome: Outcome
    state: State

    @property
    def kind(self) -> str:
        """The registered name of the outcome."""
        return self.outcome.kind

    @property
    def family(self) -> Family | None:
        """The shape of the target for models of a matrix; None where they cannot serve it."""
        return self.outcome.family(self.state)

    def target(self, rows: Samples) -> Array:
        """What is to be learned; see `Outcome.target`."""
        return self.outcome.target(rows, self.state)

    def head(self, rows: Samples) -> Head:
        """What a network for these rows must end in."""
        return self.outcome.head(rows, self.state)

    def loss(self, raw: "Tensor", batch: Mapping[str, "Tensor"]) -> "Tensor":
        """One number a row: torch [row]."""
        return self.outcome.loss(raw, batch, self.state)

    def link(self, raw: Raw) -> Raw:
        """Raw numbers → answers."""
        return self.outcome.link(raw, self.state)
