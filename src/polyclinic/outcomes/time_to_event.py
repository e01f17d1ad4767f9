"""When something happens: times to an event of one cause or of several, where some rows are censored before."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Self

import numpy as np
import numpy.typing as npt
import polars as pl
from annotated_types import Ge, Le

from polyclinic import registry
from polyclinic.arrays import Array, Floats, Floats32
from polyclinic.decisions import Decision
from polyclinic.errors import BadData, Place, UnknownName, UsageError
from polyclinic.figures.numbers import how_many
from polyclinic.notes import note
from polyclinic.outcomes.event_columns import event_codes, event_times, time_grid
from polyclinic.outcomes.family import Family
from polyclinic.outcomes.outcome import Outcome, measures_of
from polyclinic.outcomes.raw import Head, Raw
from polyclinic.samples import Column, Dense, Role, Samples
from polyclinic.samples.frames import as_lists, of_lists
from polyclinic.samples.prediction_columns import EVENT, EVENT_TIME, INCIDENCE, SURVIVAL, TIMES
from polyclinic.state import State
from polyclinic.timelines.format import FileReader

if TYPE_CHECKING:
    from torch import Tensor

    from polyclinic.evaluation.evaluated import SubgroupScores
    from polyclinic.evaluation.evaluated_rows import EvaluatedRows
    from polyclinic.evaluation.measures import Measure
    from polyclinic.evaluation.outcome_section import OutcomeSection
    from polyclinic.evaluation.scores import Score

COLUMN = "time to event"
"""What the column of the target is called: time and event beside one another."""
TINY = 1e-300
"""In place of 0 below a fraction bar whose upper part is 0 as well."""


@dataclass(frozen=True)
class TimeToEvent(Outcome):
    """The chance to have had an event by each of some times. Raw numbers are log odds of discrete hazards.

    Time is cut into bins at quantiles of the event times of the training rows. A channel, `bin · causes + cause`, holds
    the log odds of an event of that cause in that bin against none, of a row that is free of any event when the bin
    begins. The link gives the cumulative incidence of each cause at `times`, which all members of a package share:
    within a member's bin the hazard is constant.

    Parameters
    ----------
    unit
        Of the time, in words.
    causes
        The names of the causes that compete: of the codes 1, 2, … of the event, or as they stand in it as text.
    censored
        What a column of text says where the row is censored.
    times
        When answers are given, rising, in the unit; scores are over the time from 0 to the last of them. Without them:
        quantiles of the event times of all labelled rows, up to the time when one row in ten is still followed.
    horizons
        Of `times`, those at which scores and calibration are shown; without them the quartiles of the event times.
    bins
        How many bins there are at most.
    """

    unit: str = "days"
    causes: tuple[str, ...] = ()
    censored: str = "censored"
    times: tuple[float, ...] = ()
    horizons: tuple[float, ...] = ()
    bins: Annotated[int, Ge(2), Le(200)] = 20

    kind: ClassVar[str] = "time_to_event"
    target_keys: ClassVar[tuple[str, ...]] = ("time", "event")
    example: ClassVar[dict[str, Any]] = {"times": [0.2, 0.5, 1.0, 2.0, 3.0], "horizons": [0.5, 1.0, 2.0]}
    truth_columns: ClassVar[tuple[str, ...]] = (EVENT_TIME, EVENT)

    def __post_init__(self) -> None:
        for name in ("times", "horizons"):
            values = getattr(self, name)
            if any(value <= 0 for value in values) or any(np.diff(values) <= 0):
                raise ValueError(f"{name} are rising numbers above 0")
        if self.times and (len(self.times) < 2 or set(self.horizons) - set(self.times)):
            raise ValueError("times are two or more numbers, and horizons are some of them")

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the causes; one without a name is called `event`."""
        return self.causes or ("event",)

    @property
    def grid(self) -> Floats:
        """The times of the answers, float64 [time]; raises `UsageError` where the study does not say them."""
        if not self.times:
            fix = "write `times: [30, 90, 365]` in the target, in the unit of the time"
            raise UsageError("it is not known at which times answers are wanted", at=Place(key="target.times"), fix=fix)
        return np.array(self.times, np.float64)

    @property
    def shown(self) -> tuple[float, ...]:
        """The horizons; the middle one of the times where none are named, none before the times are known."""
        middle = len(self.times) // 2
        return self.horizons or self.times[middle : middle + 1]

    # -- the target ----------------------------------------------------------------------------------------------

    def reads(self, target: Mapping[str, object]) -> tuple[str, ...]:
        """Time and event: neither is an input of the other."""
        return tuple(str(target[key]) for key in self.target_keys if key in target)

    def columns(
        self, target: Mapping[str, object], rows: pl.DataFrame, files: Mapping[str, FileReader]
    ) -> dict[str, Column]:
        """One Dense column, float64 [row, 2]: the time, and the code of the event, 0 where the row is censored.

        Both are NaN where one of them is missing. Raises `BadData` for times below 0, and for events that are neither
        codes nor names of causes.
        """
        for key in self.target_keys:
            if key not in target:
                fix = "for example  target: {kind: time_to_event, time: duration, event: died}"
                raise UsageError(f"the target names no {key!r}", at=Place(key=f"target.{key}"), fix=fix)
            if str(target[key]) not in rows.columns:
                raise UnknownName("column", str(target[key]), rows.columns, at=Place(key=f"target.{key}"))
        time = event_times(rows[str(target["time"])])
        event = event_codes(rows[str(target["event"])], self.causes, self.censored)
        both = np.stack([time, event], axis=1)
        both[np.isnan(both).any(axis=1)] = np.nan
        return {COLUMN: Dense(both, (EVENT_TIME, EVENT))}

    def resolved(self, target: Mapping[str, object], rows: pl.DataFrame) -> Self:
        """The same with the times of the answers and the horizons written out."""
        column = self.columns(target, rows, {})[COLUMN]
        if self.times or not isinstance(column, Dense):
            return self
        time, event = column.values[column.present].T
        times, horizons = time_grid(time, event, self.horizons)
        return replace(self, times=times, horizons=horizons) if len(times) > 1 else self

    def check(self, rows: Samples, where: str) -> None:
        """Raise `BadData` where no event occurs among these rows; note the causes of which none does."""
        _, event = self.times_and_events(rows)
        lacking = [name for code, name in enumerate(self.names, start=1) if not (event == code).any()]
        if len(lacking) == len(self.names):
            fix = "use fewer folds, a larger cohort, or another split; or look at what the event column holds"
            raise BadData(f"no event in {where}: there is nothing to learn", at=Place(file=where), fix=fix)
        if lacking:
            note("causes without an event", f"{', '.join(lacking)} in {where}", "They cannot be learned there.")

    def facts(self, rows: Samples) -> dict[str, object]:
        """How many rows are labelled, how many of these are censored, and the events of each cause."""
        _, event = self.times_and_events(rows)
        counts = {name: int((event == code).sum()) for code, name in enumerate(self.names, start=1)}
        return {"labelled": int((~np.isnan(event)).sum()), "censored": int((event == 0).sum()), **counts}

    def times_and_events(self, rows: Samples) -> tuple[Floats, Floats]:
        """Time and code of the event of each row, float64 [row], both NaN where unlabelled.

        Raises `BadData` for times below 0 and for codes of no cause.
        """
        values = np.asarray(rows.y, np.float64)
        if values.shape != (len(rows), 2):
            what = f"targets of shape {values.shape} for {how_many(len(rows), 'row')}"
            raise BadData(what, fix="give each row its time and the code of its event")
        time, event = values.T
        known = ~np.isnan(time) & ~np.isnan(event)
        if (time[known] < 0).any() or not np.isin(event[known], np.arange(len(self.names) + 1)).all():
            what = f"times below 0, or events that are not 0 to {len(self.names)}"
            raise BadData(what, fix="count the time from the start of each row, and name the causes in `causes`")
        return np.where(known, time, np.nan), np.where(known, event, np.nan)

    # -- learning ------------------------------------------------------------------------------------------------

    def prepare(self, train: Samples) -> State:
        """The edges of the bins: 0, quantiles of the event times, and the last time at which an answer is given.

        Each row counts as often as it weighs.
        """
        time, event = self.times_and_events(train)
        end = float(self.grid[-1])
        at = (event > 0) & (time <= end)
        inner = weighted_levels(time[at], train.weights[at], np.arange(1, self.bins) / self.bins)
        return State(arrays={"edges": np.unique([0.0, *inner[inner > 0], end])})

    def target(self, rows: Samples, state: State) -> Floats32:
        """Of each bin and cause 1 where the event happened, 0 where the row lived through the bin, else NaN.

        NaN is what says nothing: bins after the end of the row, the other causes where one happened, and a bin in
        whose first half the row was censored. float32 [row, bin · cause].
        """
        time, event = self.times_and_events(rows)
        edges, width = state.arrays["edges"], len(self.names)
        start, stop = edges[:-1], edges[1:]
        lived = (time[:, None] > stop) | ((event == 0)[:, None] & (time[:, None] >= (start + stop) / 2))
        target = np.where(np.repeat(lived, width, axis=1), np.float32(0), np.float32(np.nan))
        here = np.searchsorted(stop, time, side="left")
        at = np.flatnonzero((event > 0) & (here < len(stop)))
        target[at, here[at] * width + event[at].astype(np.int64) - 1] = 1
        return target

    def family(self, state: State) -> Family:
        """One log odds a bin and cause, of rows at risk."""
        return Family("hazards", self._channels(state))

    def own_models(self) -> dict[str, str]:
        """Kaplan-Meier for all rows alike, and Cox's regression."""
        return {"naive": "kaplan-meier", "linear": "cox", "logistic": "cox"}

    def head(self, rows: Samples, state: State) -> Head:
        """One log odds a bin and cause."""
        return Head("row", self._channels(state), "log odds")

    def _channels(self, state: State) -> int:
        return (len(state.arrays["edges"]) - 1) * len(self.names)

    def loss(self, raw: "Tensor", batch: Mapping[str, "Tensor"], state: State) -> "Tensor":
        """Negative log likelihood of the discrete hazards, censored rows included: torch [row].

        In each bin in which a row is at risk it is the cross-entropy over the causes and none.
        """
        from torch import cat, isnan, nan_to_num, zeros_like

        shape = (len(raw), -1, len(self.names))
        scores, target = raw.reshape(shape), batch["target"].to(raw.dtype).reshape(shape)
        at_risk = (~isnan(target)).any(dim=2)
        with_none = cat([scores, zeros_like(scores[:, :, :1])], dim=2)
        surprise = with_none.logsumexp(dim=2) - (scores * nan_to_num(target)).sum(dim=2)
        return surprise.masked_fill(~at_risk, 0.0).sum(dim=1)

    def link(self, raw: Raw, state: State) -> Raw:
        """Log odds of hazards → cumulative incidence, float64 [row, cause · time], the times of a cause side by side."""
        edges, width = state.arrays["edges"], len(self.names)
        scores = raw.values.astype(np.float64).reshape(len(raw.values), -1, width)
        highest = np.maximum(scores.max(axis=2, keepdims=True), 0.0)
        odds = np.exp(scores - highest)
        hazard = odds / (odds.sum(axis=2, keepdims=True) + np.exp(-highest))
        ended = np.minimum(hazard.sum(axis=2), 1.0)
        free = np.concatenate([np.ones((len(ended), 1)), np.cumprod(1 - ended, axis=1)], axis=1)[:, :-1]
        until = np.cumsum(free[:, :, None] * hazard, axis=1) - free[:, :, None] * hazard
        here = np.clip(np.searchsorted(edges, self.grid, side="left") - 1, 0, len(edges) - 2)
        part = np.clip((self.grid - edges[here]) / np.diff(edges)[here], 0.0, 1.0)
        within = 1 - (1 - ended[:, here]) ** part
        share = hazard / np.maximum(ended, TINY)[:, :, None]
        incidence = until[:, here] + (free[:, here] * within)[:, :, None] * share[:, here]
        answer = incidence.transpose(0, 2, 1).reshape(len(scores), -1)
        return Raw(np.clip(answer, 0.0, 1.0))

    # -- answers -------------------------------------------------------------------------------------------------

    def predictions(self, answer: Raw, rows: Samples, *, decision: Decision | None, folder: Path) -> pl.DataFrame:
        """Lists with one entry a time: `times`, `survival` (free of any event), and with several causes
        `incidence//CAUSE`.
        """
        incidence = self.by_cause(answer.values.astype(np.float64))
        times = pl.Series(TIMES, [[*map(float, self.grid)]], pl.List(pl.Float64)).new_from_index(0, len(incidence))
        free = as_lists(SURVIVAL, np.clip(1 - incidence.sum(axis=1), 0.0, 1.0))
        several = [as_lists(name, incidence[:, k]) for k, name in enumerate(self._incidences)]
        return pl.DataFrame([times, free, *several])

    def by_cause(self, answers: Floats) -> Floats:
        """Answers as [row, cause, time]."""
        return answers.reshape(len(answers), len(self.names), len(self.grid))

    def truth(self, rows: Samples) -> pl.DataFrame:
        """`event_time`, and `event`: 0 where the row is censored, else the code of the cause; null where unknown."""
        if not rows.having("target"):
            empty = pl.Series(EVENT_TIME, [None] * len(rows), pl.Float64)
            return pl.DataFrame([empty, empty.cast(pl.Int64).alias(EVENT)])
        time, event = self.times_and_events(rows)
        return pl.DataFrame(
            [pl.Series(EVENT_TIME, time).fill_nan(None), pl.Series(EVENT, event).fill_nan(None).cast(pl.Int64)]
        )

    # -- judging -------------------------------------------------------------------------------------------------

    @property
    def answer_columns(self) -> tuple[str, ...]:
        """The survival, and the incidence of each of several causes."""
        return (SURVIVAL, *self._incidences)

    @property
    def _incidences(self) -> tuple[str, ...]:
        """The columns of the incidences, where there are several causes."""
        return tuple(f"{INCIDENCE}{name}" for name in self.names) if len(self.names) > 1 else ()

    @property
    def measures(self) -> "tuple[Measure, ...]":
        """Uno's C first; AUROC and Brier score at each horizon; with several causes, each of these for each cause."""
        wholes = measures_of(("uno_c", "integrated_brier", "auroc_at", "brier_at"))
        measures: tuple[Measure, ...] = registry.load("evaluations", "survival-measures")(wholes, self)
        return measures

    def scores(self, frame: pl.DataFrame) -> "dict[str, Score]":
        """Of `event_time`, `event` and the incidences."""
        learn = registry.load("evaluations", "survival-scores")
        scores: dict[str, Score] = learn(self, *self.of_frame(frame))
        return scores

    def of_frame(self, frame: pl.DataFrame) -> tuple[Floats, npt.NDArray[np.int64], Floats]:
        """Time, event and incidences [row, cause, time] of labelled rows of the predictions table."""
        width = len(self.grid)
        incidence = [of_lists(frame[name], width) for name in self._incidences] or [
            1 - of_lists(frame[SURVIVAL], width)
        ]
        time, event = frame[EVENT_TIME].cast(pl.Float64).to_numpy(), frame[EVENT].cast(pl.Int64).to_numpy()
        if len(event) and (event.min() < 0 or event.max() > len(self.names) or time.min() < 0):
            what = f"times below 0, or events that are not 0 to {len(self.names)}"
            raise BadData(what, at=Place(column=EVENT), fix="write 0 for a censored row, else the number of the cause")
        return time, event, np.stack(incidence, axis=1)

    def without_a_model(self, frame: pl.DataFrame) -> dict[str, float]:
        """The Brier scores of one curve for all of these rows, Kaplan-Meier's or Aalen-Johansen's."""
        chance: dict[str, float] = registry.load("evaluations", "survival-chance")(self, *self.of_frame(frame))
        return chance

    def support(self, frame: pl.DataFrame) -> Array:
        """1 with an event, 0 where censored."""
        return (frame[EVENT] > 0).cast(pl.Int64).to_numpy()

    def in_use(self, rows: "EvaluatedRows", model: str) -> "SubgroupScores":
        """Observed events by the middle horizon for each expected one."""
        in_use: SubgroupScores = registry.load("evaluations", "survival-in-use")(rows, model, self)
        return in_use

    def sections(self, rows: "EvaluatedRows") -> "Sequence[OutcomeSection]":
        """Risk groups, calibration at the horizons, cumulative incidence where causes compete."""
        sections: Sequence[OutcomeSection] = registry.load("evaluations", "survival-sections")(rows, self)
        return sections

    @classmethod
    def of_table(cls, frame: pl.DataFrame) -> Self:
        """Times and names of causes stand beside the predictions; horizons are near the quartiles of the event times."""
        named = frame[TIMES].drop_nulls().unique().to_list() if TIMES in frame.columns else []
        if len(named) != 1 or len(named[0]) < 2:
            fix = f"give each row the same list of two or more rising times in a column {TIMES!r}"
            raise BadData("the predictions do not say for which times they are", at=Place(column=TIMES), fix=fix)
        times = tuple(float(time) for time in named[0])
        if None in named[0] or times[0] <= 0 or min(np.diff(times)) <= 0:
            raise BadData("the times of the predictions do not rise", at=Place(column=TIMES), fix="sort them")
        causes = tuple(name.removeprefix(INCIDENCE) for name in frame.columns if name.startswith(INCIDENCE))
        happened = frame.filter(pl.col(EVENT) > 0)[EVENT_TIME].drop_nulls().cast(pl.Float64).to_numpy()
        early = happened[happened <= times[-1]]
        wanted = np.quantile(early, [0.25, 0.5, 0.75]) if len(early) else np.array([times[len(times) // 2]])
        nearest = {times[int(np.argmin(np.abs(np.array(times) - at)))] for at in wanted}
        return cls(causes=causes, times=times, horizons=tuple(sorted(nearest)))

    # -- checking ------------------------------------------------------------------------------------------------

    def planted(self, n: int, seed: int) -> Samples:
        """Rows in which the first number of the input sets the hazard of the first cause, the second of the second …

        A fifth of the rows is censored. Time is in units in which the last of `times` is 3.
        """
        rng, width = np.random.default_rng(seed), len(self.names)
        x = rng.normal(size=(n, width + 2)).astype(np.float32)
        latent = rng.exponential(size=(n, width)) * np.exp(-2.5 * x[:, :width])
        censored = rng.exponential(4.0, size=n)
        first, cause = latent.min(axis=1), latent.argmin(axis=1) + 1
        event = np.where(first <= censored, cause, 0)
        scale = self.times[-1] / 3 if self.times else 1.0
        both = np.stack([np.minimum(first, censored) * scale, event], axis=1)
        columns = {"x": Dense(x, (*self.names, "noise", "more noise")), COLUMN: Dense(both, (EVENT_TIME, EVENT))}
        roles: dict[str, Role] = {"x": "input", COLUMN: "target"}
        rows, side = np.arange(n, dtype=np.int64), np.where(rng.random(n) < 0.5, "left", "right")
        return Samples(rows, columns, roles, {"subject": rows // 3}, strata={"side": side})


def weighted_levels(values: Floats, weights: Floats, levels: Floats) -> Floats:
    """Quantiles that are values themselves: the least value with that share of the weight at or below it."""
    order = np.argsort(values, kind="stable")
    share = np.cumsum(weights[order])
    if not len(share) or share[-1] <= 0:
        return np.zeros(0)
    place = np.searchsorted(share, levels * share[-1] * (1 - 1e-12), side="left")
    return np.asarray(values[order][np.minimum(place, len(values) - 1)], np.float64)
