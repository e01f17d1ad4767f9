"""What outcomes of named classes do alike: read the target, name the classes, write predictions and sets of classes."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np
import numpy.typing as npt
import polars as pl

from polyclinic import registry
from polyclinic.arrays import Array, Floats, Floats32
from polyclinic.decisions import Decision, PredictionSets
from polyclinic.errors import BadData, Place, UsageError
from polyclinic.figures.numbers import how_many
from polyclinic.notes import note
from polyclinic.outcomes.binary import Binary
from polyclinic.outcomes.class_adjustment import Temperature
from polyclinic.outcomes.class_columns import class_texts, read_columns
from polyclinic.outcomes.outcome import Outcome, Rule
from polyclinic.outcomes.raw import Raw
from polyclinic.samples import Column, Dense, Samples
from polyclinic.samples.frames import as_lists, need_columns, of_lists
from polyclinic.samples.prediction_columns import (
    CLASS,
    CLASSES,
    PREDICTED_CLASS,
    PREDICTION_SET,
    PROBABILITIES,
    UNCALIBRATED_PROBABILITIES,
)
from polyclinic.state import State
from polyclinic.timelines.format import FileReader

if TYPE_CHECKING:
    from pathlib import Path

    from polyclinic.evaluation.evaluated import SubgroupScores
    from polyclinic.evaluation.evaluated_rows import EvaluatedRows
    from polyclinic.evaluation.outcome_section import OutcomeSection

FEW = 6
"""Classes up to which Table 1 has a column for each."""

ALIKE = 1e-9
"""Probabilities that differ by no more are equally high."""


@dataclass(frozen=True)
class ClassAnswers(Outcome):
    """One of several classes a row. The target is a Dense column of class numbers from 0, NaN where missing.

    Attributes
    ----------
    coverage
        The share of rows whose true class the set of classes (`prediction_set`) is to contain.
    """

    coverage: float = 0.9

    key: ClassVar[str] = "classes"
    """The setting that lists the classes."""

    truth_columns: ClassVar[tuple[str, ...]] = (CLASS,)
    answer_columns: ClassVar[tuple[str, ...]] = (PROBABILITIES,)

    def __post_init__(self) -> None:
        if not 0 < self.coverage < 1:
            raise ValueError("coverage must be a number between 0 and 1")
        names = self.known_names
        if self.listed is not None and (len(names) < 2 or len(set(names)) < len(names) or "" in names):
            raise ValueError(f"{self.key} must name two or more, each once")

    @property
    @abstractmethod
    def listed(self) -> tuple[str | int, ...] | None:
        """The names of the classes as the study lists them; None where nothing has named them yet."""

    @property
    def known_names(self) -> tuple[str, ...]:
        """The names of the classes, in their order; empty where nothing has named them yet."""
        return tuple(str(name).strip() for name in self.listed or ())

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the classes, in their order; raises `UsageError` where nothing has named them yet."""
        if self.listed is None:
            fix = f"name them: `target: {{column: y, kind: {self.kind}, {self.key}: [a, b, c]}}`; a study finds them itself"
            raise UsageError("the classes are not known", at=Place(key=f"target.{self.key}"), fix=fix)
        return self.known_names

    # -- the target ----------------------------------------------------------------------------------------------

    def columns(
        self, target: Mapping[str, object], rows: pl.DataFrame, files: Mapping[str, FileReader]
    ) -> dict[str, Column]:
        """The column that the target names as numbers of classes, float32, NaN where missing.

        Raises `BadData` for values that are no classes, and for classes that are not among the named ones.
        """
        name = str(target["column"])
        values = class_texts(rows[name])
        codes = values.replace_strict(self._codes, default=None, return_dtype=pl.Float32)
        if strange := codes.null_count() - values.null_count():
            what = f"the target {name!r} holds in {how_many(strange, 'row')} a class that is not named"
            fix = f"the classes are {', '.join(map(repr, self.names))}: correct the values, or name every class"
            raise BadData(what, at=Place(column=name), fix=fix)
        return {name: Dense(codes.fill_null(np.nan).to_numpy().astype(np.float32), (name,))}

    @property
    def _codes(self) -> dict[str, int]:
        return {name: code for code, name in enumerate(self.names)}

    def target(self, rows: Samples, state: State) -> Floats32:
        """The number of the class, or NaN where unlabelled: float32 [row]."""
        return self.class_numbers(rows)

    def class_numbers(self, rows: Samples) -> Floats32:
        """The number of the class, or NaN where unlabelled: float32 [row]. Raises `BadData` for any other number."""
        values = np.asarray(rows.y, np.float32).reshape(len(rows))
        known = values[~np.isnan(values)]
        if not np.isin(known, np.arange(len(self.names))).all():
            what = f"the target holds numbers that are none of the {len(self.names)} classes, counted from 0"
            name = next(iter(rows.having("target")))
            raise BadData(what, at=Place(column=name), fix=f"name every class under `{self.key}`")
        return values

    def check(self, rows: Samples, where: str) -> None:
        """Raise `BadData` unless two classes occur among the labelled rows; note the classes that do not.

        where: names the rows in the error and in the note.
        """
        counts = self._counts(rows)
        if (counts > 0).sum() < 2:
            lack = "no label" if not counts.any() else "only one class"
            what = f"{lack} in {where}: there is nothing to distinguish"
            fix = "use fewer folds, a larger cohort, or `split: {stratify: target}`, which deals the classes evenly"
            raise BadData(what, at=Place(file=where), fix=fix)
        note_absent(self.names, counts, where)

    def facts(self, rows: Samples) -> dict[str, object]:
        """How many rows are labelled, and how many are of each class."""
        counts = self._counts(rows)
        return {"labelled": int(counts.sum()), "classes": dict(zip(self.names, counts.tolist(), strict=True))}

    def answer_parts(self, rows: Samples) -> dict[str, npt.NDArray[np.bool_]]:
        """Which rows are of each class, where there are few classes."""
        target = self.class_numbers(rows)
        return {name: target == code for code, name in enumerate(self.names)} if len(self.names) <= FEW else {}

    def _counts(self, rows: Samples) -> npt.NDArray[np.int64]:
        target = self.class_numbers(rows)
        return np.bincount(target[~np.isnan(target)].astype(np.int64), minlength=len(self.names))

    # -- answers -------------------------------------------------------------------------------------------------

    def adjust(self, answer: Raw, truth: pl.DataFrame, groups: Array) -> Temperature | None:
        """The temperature that makes probabilities fit the labels; None in doubt."""
        known, y_true = self._labelled(truth)
        value = registry.load("evaluations", "temperature")(y_true, answer.values[known], groups[known])
        return None if value is None else Temperature(float(value))

    def decide(self, answer: Raw, truth: pl.DataFrame, rule: Rule) -> PredictionSets | None:
        """How probable a class must be to stand in the set of a row; None where too few rows are labelled."""
        known, y_true = self._labelled(truth)
        least = registry.load("evaluations", "prediction-sets")(y_true, answer.values[known], self.coverage)
        return None if least is None else PredictionSets(float(least), self.coverage)

    def _labelled(self, truth: pl.DataFrame) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.int64]]:
        """Which rows are labelled, and the class numbers of these."""
        known = truth[CLASS].is_not_null().to_numpy()
        codes = truth[CLASS].drop_nulls().replace_strict(self._codes, return_dtype=pl.Int64)
        return known, codes.to_numpy()

    @abstractmethod
    def predicted(self, probabilities: Floats) -> npt.NDArray[np.int64]:
        """The class that is decided for, int64 [row]; -1 where none can be, such as where two are equally probable."""

    def predictions(self, answer: Raw, rows: Samples, *, decision: Decision | None, folder: "Path") -> pl.DataFrame:
        """The class that is decided for, null where two are equally probable; classes and their probabilities.

        `prediction_set` holds the classes that are probable enough, where a decision says how probable that is.
        """
        values = answer.values.astype(np.float64) if len(answer) else np.zeros((0, len(self.names)))
        names = pl.Series([None, *self.names], dtype=pl.String)
        columns = [
            names.gather(self.predicted(values) + 1).alias(PREDICTED_CLASS),
            pl.Series(CLASSES, [list(self.names)], pl.List(pl.String)).new_from_index(0, len(values)),
            as_lists(PROBABILITIES, values),
        ]
        if isinstance(decision, PredictionSets):
            columns.append(_named(decision.members(values), self.names))
        return pl.DataFrame(columns)

    def unadjusted(self, answer: Raw, decision: Decision | None) -> pl.DataFrame:
        """`uncalibrated_probabilities`."""
        return pl.DataFrame([as_lists(UNCALIBRATED_PROBABILITIES, answer.values.astype(np.float64))])

    def truth(self, rows: Samples) -> pl.DataFrame:
        """`class_value`, null where it is not known."""
        target = self.class_numbers(rows) if rows.having("target") else np.full(len(rows), np.nan, np.float32)
        codes = np.where(np.isnan(target), -1, target).astype(np.int64)
        names = pl.Series([None, *self.known_names], dtype=pl.String)
        return pl.DataFrame([names.gather(codes + 1).alias(CLASS)])

    # -- judging -------------------------------------------------------------------------------------------------

    def codes(self, frame: pl.DataFrame) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], Floats]:
        """Of labelled rows the true class, the one decided for (-1: none), and probabilities [row, class]."""
        y_true = frame[CLASS].replace_strict(self._codes, return_dtype=pl.Int64).to_numpy()
        decided = frame[PREDICTED_CLASS].replace_strict(self._codes, default=-1, return_dtype=pl.Int64)
        probabilities = of_lists(frame[PROBABILITIES], len(self.names))
        return y_true, decided.fill_null(-1).to_numpy(), probabilities

    def support(self, frame: pl.DataFrame) -> Array:
        """The number of the class."""
        return frame[CLASS].replace_strict(self._codes, return_dtype=pl.Int64).to_numpy()

    def in_use(self, rows: "EvaluatedRows", model: str) -> "SubgroupScores":
        """How often the set of classes contains the true one, and how large it is."""
        in_use: SubgroupScores = registry.load("evaluations", "class-in-use")(rows, model)
        return in_use

    def calibration(self, rows: "EvaluatedRows") -> Mapping[str, Mapping[str, object]]:
        """Whether the class that is decided for is right as often as its probability says."""
        calibration: Mapping[str, Mapping[str, object]] = registry.load("evaluations", "class-calibration")(
            rows, self.names
        )
        return calibration

    def sections(self, rows: "EvaluatedRows") -> "Sequence[OutcomeSection]":
        """What is confused with what, calibration by class, and the sets of classes."""
        sections: Sequence[OutcomeSection] = registry.load("evaluations", "class-sections")(rows, self.names)
        return sections

    @classmethod
    def of_file(cls, frame: pl.DataFrame) -> pl.DataFrame:
        """Predictions made elsewhere, their columns checked and typed; see `polyclinic.outcomes.class_columns`."""
        return read_columns(frame, cls().predicted)

    @classmethod
    def of_table(cls, frame: pl.DataFrame) -> Self:
        """The classes that a table of predictions names."""
        lists = frame[CLASSES].drop_nulls().head(1).to_list()
        return cls().with_names(lists[0] if lists else ())

    @abstractmethod
    def with_names(self, names: Sequence[str] | Mapping[str, None]) -> Self:
        """The same with these classes, in this order."""

    # -- checking ------------------------------------------------------------------------------------------------

    def planted(self, n: int, seed: int) -> Samples:
        """The rows of `binary`, of which the same number decides among three classes: low, middle, high."""
        rows = Binary().planted(n, seed)
        signal = np.asarray(rows.X[:, 0]) + 0.2 * np.random.default_rng(seed + 1).normal(size=n)
        code = np.digitize(signal, [-0.4, 0.4]).astype(np.float32)
        return rows.with_column("y", Dense(code, ("y",)), "target")


def sorted_classes(target: Mapping[str, object], rows: pl.DataFrame) -> tuple[str, ...]:
    """The classes of the labelled rows: whole numbers in their order, else text in the order of its letters."""
    name = str(target["column"])
    need_columns(rows, [name])
    levels = class_texts(rows[name]).drop_nulls().unique()
    as_numbers = levels.cast(pl.Int64, strict=False)
    order = levels.sort() if as_numbers.has_nulls() else levels.gather(as_numbers.arg_sort())
    return tuple(order.to_list())


def note_absent(names: Sequence[str], counts: Array, where: str) -> None:
    """Note the classes without a row; counts: int [class]."""
    if absent := [name for name, count in zip(names, counts, strict=True) if not count]:
        result = f"{', '.join(absent)}: no row in {where}"
        why = "Nothing is learned or measured of it there; `split: {stratify: target}` deals the classes evenly."
        note("classes without a row", result, why)


def most_probable(probabilities: Floats) -> npt.NDArray[np.int64]:
    """The most probable class, int64 [row]; -1 where two are equally probable, and where a probability is missing."""
    if not len(probabilities):
        return np.zeros(0, np.int64)
    ordered = np.sort(probabilities, axis=1)
    clear = ordered[:, -1] - ordered[:, -2] > ALIKE  # NaN is not
    return np.where(clear, np.nan_to_num(probabilities).argmax(axis=1), -1).astype(np.int64)


def _named(members: npt.NDArray[np.bool_], names: Sequence[str]) -> pl.Series:
    """One list of names a row, of the classes that are in its set."""
    flags = pl.DataFrame(members, schema=[str(code) for code in range(len(names))])
    named = [pl.when(pl.col(str(code))).then(pl.lit(name)) for code, name in enumerate(names)]
    return flags.select(pl.concat_list(named).list.drop_nulls().alias(PREDICTION_SET))[PREDICTION_SET]
