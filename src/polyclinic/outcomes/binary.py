"""Yes or no: one probability a row."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import numpy.typing as npt
import polars as pl

from polyclinic import registry
from polyclinic.arrays import Array
from polyclinic.errors import BadData, Place, UnknownName
from polyclinic.figures.numbers import how_many
from polyclinic.links import expit
from polyclinic.outcomes.outcome import Head, Raw, WeightedScore
from polyclinic.samples import Column, Dense, Ragged, Role, Samples
from polyclinic.samples.frames import numbers
from polyclinic.samples.prediction_columns import PROBABILITY, TRUTH, VALUE

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Binary:
    """The chance that something happens. Raw numbers are logits; the target is a Dense column of true and false.

    A missing target is NaN. Predictions and truth have the columns of meds-evaluation.

    positive: the value that means yes in a column of two values, such as `Yes` or 2; without it, 1 and true.
    """

    positive: bool | int | str | None = None

    kind: ClassVar[str] = "binary"
    scores: ClassVar[tuple[str, ...]] = ("auroc", "auprc", "brier", "log_loss")
    primary: ClassVar[str] = "auroc"
    truth_columns: ClassVar[tuple[str, ...]] = (TRUTH,)

    def column(self, name: str, rows: pl.DataFrame) -> Dense:
        """A column of the table as target, float32: 1, 0, NaN where missing; see `positive`.

        Raises `BadData` for text that nothing says how to read, or for more than two values beside a `positive`.
        """
        series, at = rows[name], Place(column=name)
        if series.dtype.is_nested() or series.dtype in (pl.Binary, pl.Duration, pl.Time):
            fix = "name a column that is yes, no or empty"
            raise BadData(f"the target {name!r} holds {series.dtype}", at=at, fix=fix)
        if series.dtype in (pl.Categorical, pl.Enum):
            series = series.cast(pl.String)
        if self.positive is None and series.cast(pl.Float64, strict=False).null_count() == series.null_count():
            return Dense(numbers(series).astype(np.float32), (name,))
        values = series.drop_nulls().unique().sort().to_list()
        few = len(values) <= 6 and series.dtype == pl.String  # the levels of a column; numbers may be measurements
        known = ", ".join(map(repr, values)) if few else "numbers, or text that differs from row to row"
        if len(values) > 2:
            fix = "make a column that is yes, no or empty, for example by a threshold"
            raise BadData(
                f"the target {name!r} has {how_many(len(values), 'value')} ({known}), not two", at=at, fix=fix
            )
        if self.positive is None:
            fix = f"say which one means yes: `target: {{column: {name}, kind: binary, positive: {values[-1]!r}}}`"
            raise BadData(f"the target {name!r} is text ({known})", at=at, fix=fix)
        if self.positive not in values and len(values) == 2:
            raise UnknownName(f"value of {name}", str(self.positive), map(str, values), at=at)
        return Dense((series == self.positive).cast(pl.Float32).to_numpy(), (name,))

    def target(self, rows: Samples) -> npt.NDArray[np.float32]:
        """1, 0, or NaN where unlabelled: float32 [row]. Raises `BadData` for any other value."""
        values = np.asarray(rows.y, np.float32).reshape(len(rows))
        if not (np.isnan(values) | (values == 0) | (values == 1)).all():
            name = next(iter(rows.having("target")))
            what = f"the target {name!r} has values other than 0, 1, true, false and missing"
            fix = "turn it into yes or no first, for example by a threshold"
            raise BadData(what, at=Place(column=name), fix=fix)
        return values

    def check(self, target: Array, where: str) -> None:
        """Raise `BadData` unless both answers occur among the labelled rows; `where` names them in the error."""
        classes = tuple(np.unique(target[~np.isnan(target)]))
        if lack := {(): "no label", (0,): "only negative rows", (1,): "only positive rows"}.get(classes):
            what = f"{lack} in {where}: there is nothing to distinguish"
            fix = "use fewer folds, a larger cohort, or another split; or look at how the label is defined"
            raise BadData(what, at=Place(file=where), fix=fix)

    def head(self, rows: Samples) -> Head:
        """One logit a row."""
        return Head("row", 1)

    def loss(self, raw: "Tensor", batch: Mapping[str, "Tensor"]) -> "Tensor":
        """Cross-entropy of the logit: torch [row]."""
        from torch.nn.functional import binary_cross_entropy_with_logits as cross_entropy

        target = batch["target"].to(raw.dtype)
        return cross_entropy(raw.reshape(len(target)), target, reduction="none")

    def link(self, raw: Raw) -> Raw:
        """Logits → probabilities, float64."""
        return Raw(expit(raw.values.astype(np.float64)), raw.shape)

    def calibrate(self, y_score: Raw, target: Array, groups: Array) -> dict[str, float]:
        """Slope and intercept that make probabilities fit the labels, learned on validation rows; none in doubt."""
        known = ~np.isnan(target)
        learn = registry.load("adjustments", "recalibration")
        return dict(learn(target[known], y_score.values[known, 0], groups[known]))

    def calibrated(self, y_score: Raw, calibration: Mapping[str, float]) -> Raw:
        """The answers after a calibration; an empty one changes nothing."""
        if not calibration:
            return y_score
        adjust = registry.load("adjustments", "recalibrated")
        return Raw(adjust(y_score.values, calibration), y_score.shape)

    def decide(self, y_score: Raw, target: Array, rule: Mapping[str, float]) -> float:
        """The threshold at and above which the answer is yes.

        rule: one of {"specificity": 0.9}, {"sensitivity": 0.8}, {"threshold": 0.2}.
        """
        ((name, wanted),) = rule.items()
        known = ~np.isnan(target)
        threshold = registry.load("adjustments", "threshold")
        return float(threshold(target[known], y_score.values[known, 0], name, float(wanted)))

    def predictions(self, y_score: Raw, rows: Samples, *, threshold: float | None, folder: Path) -> pl.DataFrame:
        """`predicted_boolean_probability`, and `predicted_boolean_value` at the threshold (0.5 where there is none)."""
        probability = y_score.values[:, 0].astype(np.float64)
        yes = probability >= (0.5 if threshold is None else threshold)
        return pl.DataFrame([pl.Series(VALUE, yes), pl.Series(PROBABILITY, probability)])

    def truth(self, rows: Samples) -> pl.DataFrame:
        """`boolean_value`, null where it is not known."""
        target = self.target(rows) if rows.having("target") else np.full(len(rows), np.nan, np.float32)
        value = pl.Series(TRUTH, target).fill_nan(None).cast(pl.Boolean)
        return pl.DataFrame([value])

    def probabilities(self, frame: pl.DataFrame) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """`y_true` (0, 1) and the probability, for the rows of a predictions table that are labelled."""
        y_true = frame[TRUTH].cast(float).to_numpy()
        return y_true, frame[PROBABILITY].cast(float).to_numpy()

    def measures(self, frame: pl.DataFrame) -> dict[str, WeightedScore]:
        """Score name → weighted score of the labelled rows; the scores are registered under these names."""
        y_true, y_score = self.probabilities(frame)
        return {name: registry.load("measures", name)(y_true, y_score) for name in self.scores}

    def summary(self, rows: Samples) -> dict[str, Any]:
        """How many rows are labelled, and how many of these are positive."""
        target = self.target(rows)
        return {"positive": int(np.nansum(target)), "labelled": int((~np.isnan(target)).sum())}

    def planted(self, n: int, seed: int) -> Samples:
        """Rows whose first of four numbers, and whose newest event of code "level", give the answer (AUROC near 1).

        About three rows a subject; dense input `x`, timed ragged input `events` (1 to 6 events a row).
        """
        rng = np.random.default_rng(seed)
        x = rng.normal(size=(n, 4)).astype(np.float32)
        positive = x[:, 0] + 0.2 * rng.normal(size=n) > 0.3
        time = np.datetime64("2020-01-01", "us") + np.arange(n) * np.timedelta64(12, "h")
        columns: dict[str, Column] = {"x": Dense(x, ("signal", "a", "b", "c"))}
        columns |= {"events": _events(rng, x[:, 0], time), "y": Dense(positive.astype(np.float32))}
        roles: dict[str, Role] = {"x": "input", "events": "input", "y": "target"}
        row, side = np.arange(n, dtype=np.int64), np.where(rng.random(n) < 0.5, "left", "right")
        return Samples(row, columns, roles, {"subject": row // 3}, time, {"side": side})


def _events(rng: np.random.Generator, signal: Array, time: npt.NDArray[np.datetime64]) -> Ragged:
    """Older events are noise of two codes; the last one of each row is `level` with the signal, a minute old."""
    lengths = rng.integers(1, 7, len(signal))
    stop = np.cumsum(lengths)
    row, last = np.repeat(np.arange(len(signal)), lengths), stop - 1
    before = (np.repeat(stop, lengths) - np.arange(stop[-1])) * 60_000_000
    code = rng.integers(0, 2, stop[-1])
    value = rng.normal(size=stop[-1]).astype(np.float32)
    code[last], value[last] = 0, signal
    when = time.astype("datetime64[us]").astype(np.int64)[row] - before
    values = {"code": code, "time": when, "value": value}
    return Ragged(stop - lengths, stop, values, {"code": ("level", "noise")})
