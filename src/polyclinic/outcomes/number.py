"""A number a row, with the interval that contains the true one as often as was wanted."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal, Self

import numpy as np
import polars as pl

from polyclinic import registry
from polyclinic.arrays import Array, Floats, Floats32
from polyclinic.decisions import Decision
from polyclinic.errors import BadData, Place
from polyclinic.figures.numbers import how_many
from polyclinic.notes import note
from polyclinic.outcomes.family import Family
from polyclinic.outcomes.number_adjustment import ConformalInterval
from polyclinic.outcomes.outcome import Outcome, measures_of
from polyclinic.outcomes.raw import Head, Raw
from polyclinic.samples import Column, Dense, Samples
from polyclinic.samples.frames import as_lists, need_columns
from polyclinic.samples.number_columns import bounds, exact_or_bound, intervals, read_columns, side_of
from polyclinic.samples.prediction_columns import (
    NUMBER,
    PREDICTED_NUMBER,
    QUANTILE_LEVELS,
    QUANTILES,
    UNCALIBRATED_QUANTILES,
)
from polyclinic.state import State
from polyclinic.timelines.format import FileReader

if TYPE_CHECKING:
    from torch import Tensor

    from polyclinic.evaluation.evaluated import SubgroupScores
    from polyclinic.evaluation.evaluated_rows import EvaluatedRows
    from polyclinic.evaluation.measures import Measure
    from polyclinic.evaluation.outcome_section import OutcomeSection
    from polyclinic.evaluation.scores import Score


@dataclass(frozen=True)
class Number(Outcome):
    """A number, and a lower and an upper quantile of it. Raw numbers are standardised by the training rows.

    The target is a Dense column of numbers, NaN where missing; of two columns where some are only bounds (`<5`,
    `>200` in text): the number, and -1 where the truth lies below it, 1 where it lies above, else 0. A bound is learned
    as if it were the number, and is charged the least error that it can have in the scores.

    Parameters
    ----------
    unit
        Of the number, as it stands on every axis: `mmHg`, `log cm/s`.
    interval
        The share of truths that the interval is to contain; None: the number alone.
    centre
        What the number is of all values that a row could have: their `mean`, which serves the squared error, or their
        `median`, which serves the absolute error.
    """

    unit: str = ""
    interval: float | None = 0.9
    centre: Literal["mean", "median"] = "mean"

    kind: ClassVar[str] = "number"
    example: ClassVar[Mapping[str, object]] = {"unit": "mmHg"}
    truth_columns: ClassVar[tuple[str, ...]] = (NUMBER,)
    answer_columns: ClassVar[tuple[str, ...]] = (PREDICTED_NUMBER,)

    def __post_init__(self) -> None:
        if self.interval is not None and not 0 < self.interval < 1:
            raise ValueError("interval must be a number between 0 and 1, or null for none")
        if self.centre not in ("mean", "median"):
            raise ValueError("centre must be mean or median")

    @property
    def levels(self) -> tuple[float | None, ...]:
        """The level of each channel, from 0 to 1; None is the mean."""
        middle = None if self.centre == "mean" else 0.5
        return (middle, *self.ends)

    @property
    def ends(self) -> tuple[float, ...]:
        """The levels of both ends of the interval; empty without one."""
        if self.interval is None:
            return ()
        return round((1 - self.interval) / 2, 12), round((1 + self.interval) / 2, 12)

    # -- the target ----------------------------------------------------------------------------------------------

    def columns(
        self, target: Mapping[str, object], rows: pl.DataFrame, files: Mapping[str, FileReader]
    ) -> dict[str, Column]:
        """The numbers, float64 [row], or [row, 2] where some are bounds.

        Raises `BadData` for text that is neither a number nor a bound such as `<5`.
        """
        name = str(target["column"])
        need_columns(rows, [name])
        values, side = exact_or_bound(rows[name])
        if not side.any():
            return {name: Dense(values, (name,))}
        below, above = int((side < 0).sum()), int((side > 0).sum())
        why = "A bound is learned as if it were the number, and charged the least error that it can have."
        note("bounds of the target", f"{below:,} below and {above:,} above a limit, of {len(side):,} rows", why)
        side = np.where(np.isnan(values), np.nan, side)  # a row without a number has nothing
        return {name: Dense(np.stack([values, side], axis=1), (name, f"{name} is a bound"))}

    def numbers(self, rows: Samples) -> tuple[Floats, Floats]:
        """Numbers, NaN where missing, and which side of them the truth lies (-1, 0, 1), float64 [row] each.

        Raises `BadData` for a target of another shape and for numbers that are not finite.
        """
        if not rows.having("target"):
            return np.full(len(rows), np.nan), np.zeros(len(rows))
        values = np.asarray(rows.y, np.float64)
        values = values.reshape(len(rows), -1) if len(rows) else values.reshape(0, 1)
        name = next(iter(rows.having("target")))
        if values.shape[1] > 2:
            what = f"the target {name!r} has {values.shape[1]} numbers a row"
            raise BadData(what, at=Place(column=name), fix="give one number a row, or take a study for each")
        if np.isinf(values).any():
            what = f"the target {name!r} is infinite in {how_many(int(np.isinf(values).any(axis=1).sum()), 'row')}"
            raise BadData(what, at=Place(column=name), fix="leave these rows empty, or write the limit as `>200`")
        side = values[:, 1] if values.shape[1] == 2 else np.zeros(len(rows))
        return values[:, 0], np.nan_to_num(side)

    def check(self, rows: Samples, where: str) -> None:
        """Raise `BadData` unless there are two different numbers; `where` names the rows in the error."""
        values, _ = self.numbers(rows)
        known = values[~np.isnan(values)]
        if len(np.unique(known)) < 2:
            what = f"{'all targets are equal' if len(known) else 'no label'} in {where}: there is nothing to predict"
            fix = "use fewer folds, a larger cohort, or another split; or look at how the target is defined"
            raise BadData(what, at=Place(file=where), fix=fix)

    def facts(self, rows: Samples) -> dict[str, object]:
        """How many rows have a number, and how many of these are bounds, where there are some."""
        values, side = self.numbers(rows)
        known = ~np.isnan(values)
        facts: dict[str, object] = {"labelled": int(known.sum())}
        if (count := int((side[known] != 0).sum())) > 0:
            facts["bounds"] = count
        return facts

    # -- learning ------------------------------------------------------------------------------------------------

    def prepare(self, train: Samples) -> State:
        """Mean and standard deviation of the training rows, by their weights; bounds count as numbers."""
        values, _ = self.numbers(train)
        known = ~np.isnan(values)
        weight = train.weights[known]
        if not known.any() or weight.sum() <= 0:
            return State({"centre": 0.0, "scale": 1.0})
        centre = float(np.average(values[known], weights=weight))
        spread = float(np.sqrt(np.average((values[known] - centre) ** 2, weights=weight)))
        return State({"centre": centre, "scale": spread if spread > 1e-12 * max(1.0, abs(centre)) else 1.0})

    def target(self, rows: Samples, state: State) -> Floats32:
        """Standardised numbers, float32 [row], NaN where missing."""
        values, _ = self.numbers(rows)
        return np.asarray((values - state.values["centre"]) / state.values["scale"], np.float32)

    def family(self, state: State) -> Family:
        """The number and the ends of its interval: quantiles of one number."""
        return Family("quantiles", len(self.levels), self.levels)

    def head(self, rows: Samples, state: State) -> Head:
        """The number, the lower and the upper end."""
        return Head("row", len(self.levels), "standardised")

    def loss(self, raw: "Tensor", batch: Mapping[str, "Tensor"], state: State) -> "Tensor":
        """Squared error of a mean, or absolute error of a median, and pinball loss of the ends: torch [row]."""
        from torch import maximum

        target = batch["target"].to(raw.dtype)
        above = target[:, None] - raw.reshape(len(target), -1)
        total = above[:, 0] ** 2 if self.centre == "mean" else above[:, 0].abs()
        for channel, level in enumerate(self.ends, start=1):
            total = total + maximum(level * above[:, channel], (level - 1) * above[:, channel])
        return total

    def link(self, raw: Raw, state: State) -> Raw:
        """Numbers in their unit, float64; the number lies within its interval."""
        values = np.asarray(raw.values, np.float64) * state.values["scale"] + state.values["centre"]
        if self.interval is not None and len(values):
            values[:, 1] = np.minimum(values[:, 1:].min(axis=1), values[:, 0])
            raised = np.asarray(raw.values, np.float64)[:, 1:].max(axis=1)
            values[:, 2] = np.maximum(raised * state.values["scale"] + state.values["centre"], values[:, 0])
        return Raw(values, raw.shape)

    # -- answers -------------------------------------------------------------------------------------------------

    def adjust(self, answer: Raw, truth: pl.DataFrame, groups: Array) -> ConformalInterval | None:
        """How far the ends of the intervals are moved so that they contain the wanted share; None where there is no
        interval, or too few groups.
        """
        if self.interval is None:
            return None
        known = truth[NUMBER].is_not_null().to_numpy()
        _, low, high = np.asarray(answer.values, np.float64)[known].T
        amount = registry.load("evaluations", "conformal-interval")(
            bounds(truth.filter(known)), low, high, groups[known], self.interval
        )
        return None if amount is None else ConformalInterval(float(amount), self.interval, self.unit)

    def predictions(self, answer: Raw, rows: Samples, *, decision: Decision | None, folder: Path) -> pl.DataFrame:
        """`predicted_numeric_value`; `quantiles`, the ends of the interval, and their `quantile_levels`."""
        values = np.asarray(answer.values, np.float64).reshape(len(answer), len(self.levels))
        number = pl.Series(PREDICTED_NUMBER, values[:, 0])
        if self.interval is None:
            return pl.DataFrame([number])
        levels = pl.Series(QUANTILE_LEVELS, [[*self.ends]], pl.List(pl.Float64)).new_from_index(0, len(values))
        return pl.DataFrame([number, as_lists(QUANTILES, values[:, 1:]), levels])

    def unadjusted(self, answer: Raw, decision: Decision | None) -> pl.DataFrame:
        """`uncalibrated_quantiles`: the interval before it was moved."""
        if self.interval is None:
            return pl.DataFrame()
        return pl.DataFrame([as_lists(UNCALIBRATED_QUANTILES, np.asarray(answer.values, np.float64)[:, 1:])])

    def truth(self, rows: Samples) -> pl.DataFrame:
        """`numeric_value`, null where it is not known; `numeric_bound`: `<` or `>` where the truth lies below or above."""
        values, side = self.numbers(rows)
        return pl.DataFrame([pl.Series(NUMBER, values).fill_nan(None), side_of(side)])

    # -- judging -------------------------------------------------------------------------------------------------

    @property
    def measures(self) -> "tuple[Measure, ...]":
        """Mean absolute error first; what is measured of intervals only where there are some."""
        mae, rmse, *plain = measures_of(("mae", "rmse", "r2", "spearman"))
        own = [replace(measure, unit=self.unit) for measure in (mae, rmse)]
        if self.interval is None:
            return *own, *plain
        pinball, score, coverage = measures_of(("pinball", "interval_score", "coverage"))
        of_ends = [replace(measure, unit=self.unit) for measure in (pinball, score)]
        title = f"{100 * self.interval:g} % intervals with the truth"
        return *own, *plain, *of_ends, replace(coverage, better=f"near:{self.interval:g}", title=title)

    def scores(self, frame: pl.DataFrame) -> "dict[str, Score]":
        """Of `numeric_value` (with `numeric_bound`), `predicted_numeric_value` and `quantiles`."""
        scores: dict[str, Score] = registry.load("evaluations", "number-scores")(
            self.measures, bounds(frame), frame[PREDICTED_NUMBER].to_numpy(), intervals(frame), self.ends
        )
        return scores

    def without_a_model(self, frame: pl.DataFrame) -> dict[str, float]:
        """The mean absolute error of the median of these rows, and the root mean squared error of their mean."""
        values = frame[NUMBER].drop_nulls().to_numpy()
        if not len(values):
            return {}
        return {"mae": float(np.abs(values - np.median(values)).mean()), "rmse": float(values.std())}

    def in_use(self, rows: "EvaluatedRows", model: str) -> "SubgroupScores | None":
        """How often the interval contains the truth, and how wide it is."""
        in_use: SubgroupScores | None = registry.load("evaluations", "number-in-use")(rows, model, self.unit)
        return in_use

    def sections(self, rows: "EvaluatedRows") -> "Sequence[OutcomeSection]":
        """Predicted against observed, errors by band of prediction, coverage before and after the adjustment."""
        sections: Sequence[OutcomeSection] = registry.load("evaluations", "number-sections")(
            rows, self.unit, self.interval
        )
        return sections

    @classmethod
    def of_table(cls, frame: pl.DataFrame) -> Self:
        """Whether there are intervals, and what share they are to contain: `quantile_levels`, else 0.9."""
        if QUANTILES not in frame.columns:
            return cls(interval=None)
        levels = frame[QUANTILE_LEVELS].drop_nulls().unique().to_list() if QUANTILE_LEVELS in frame.columns else []
        if len(levels) > 1 or any(len(pair) != 2 for pair in levels):
            fix = "give every row the same two levels, such as [0.05, 0.95], or leave the column out"
            raise BadData("the intervals are not all of the same two levels", at=Place(column=QUANTILE_LEVELS), fix=fix)
        return cls(interval=round(levels[0][1] - levels[0][0], 12)) if levels else cls()

    @classmethod
    def of_file(cls, frame: pl.DataFrame) -> pl.DataFrame:
        """The same with numbers and intervals checked and typed; see `polyclinic.samples.number_columns`."""
        return read_columns(frame)

    # -- checking ------------------------------------------------------------------------------------------------

    def planted(self, n: int, seed: int) -> Samples:
        """A number that follows one input (R² near 1), with a little noise."""
        rng = np.random.default_rng(seed)
        x = rng.normal(size=(n, 3)).astype(np.float32)
        y = 50 + 10 * x[:, 0].astype(np.float64) + rng.normal(size=n)
        rows, side = np.arange(n, dtype=np.int64), np.where(rng.random(n) < 0.5, "left", "right")
        columns: dict[str, Column] = {"x": Dense(x, ("signal", "other", "noise")), "y": Dense(y, ("y",))}
        return Samples(rows, columns, {"x": "input", "y": "target"}, {"subject": rows // 3}, strata={"side": side})
