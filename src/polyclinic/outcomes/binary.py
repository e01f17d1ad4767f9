"""Yes or no: one probability a row."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import numpy.typing as npt
import polars as pl

from polyclinic import registry
from polyclinic.arrays import Array, Floats32
from polyclinic.decisions import Decision, Threshold
from polyclinic.errors import BadData, Place, UnknownName
from polyclinic.figures.numbers import how_many
from polyclinic.links import expit
from polyclinic.outcomes.adjustment import Recalibration
from polyclinic.outcomes.family import Family
from polyclinic.outcomes.outcome import Outcome, Rule, measures_of
from polyclinic.outcomes.raw import Head, Raw
from polyclinic.samples import Column, Dense, Ragged, Role, Samples
from polyclinic.samples.frames import numbers
from polyclinic.samples.prediction_columns import PROBABILITY, THRESHOLD, TRUTH, UNCALIBRATED, VALUE
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
class Binary(Outcome):
    """The chance that something happens. Raw numbers are logits; the target is a Dense column of true and false.

    A missing target is NaN. Predictions and truth have the columns of meds-evaluation.

    positive: the value that means yes in a column of two values, such as `Yes` or 2; without it, 1 and true.
    """

    positive: bool | int | str | None = None

    kind: ClassVar[str] = "binary"
    truth_columns: ClassVar[tuple[str, ...]] = (TRUTH,)
    answer_columns: ClassVar[tuple[str, ...]] = (PROBABILITY,)

    def columns(
        self, target: Mapping[str, object], rows: pl.DataFrame, files: Mapping[str, FileReader]
    ) -> dict[str, Column]:
        """The column that the target names, float32: 1, 0, NaN where missing; see `positive`.

        Raises `BadData` for text that nothing says how to read, or for more than two values beside a `positive`.
        """
        name = str(target["column"])
        return {name: self._column(name, rows[name])}

    def _column(self, name: str, series: pl.Series) -> Dense:
        at = Place(column=name)
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

    def target(self, rows: Samples, state: State) -> Floats32:
        """1, 0, or NaN where unlabelled: float32 [row]. Raises `BadData` for any other value."""
        values = np.asarray(rows.y, np.float32).reshape(len(rows))
        if not (np.isnan(values) | (values == 0) | (values == 1)).all():
            name = next(iter(rows.having("target")))
            what = f"the target {name!r} has values other than 0, 1, true, false and missing"
            fix = "turn it into yes or no first, for example by a threshold"
            raise BadData(what, at=Place(column=name), fix=fix)
        return values

    def check(self, rows: Samples, where: str) -> None:
        """Raise `BadData` unless both answers occur among the labelled rows; `where` names them in the error."""
        target = self.target(rows, State())
        classes = tuple(np.unique(target[~np.isnan(target)]))
        if lack := {(): "no label", (0,): "only negative rows", (1,): "only positive rows"}.get(classes):
            what = f"{lack} in {where}: there is nothing to distinguish"
            fix = "use fewer folds, a larger cohort, or another split; or look at how the label is defined"
            raise BadData(what, at=Place(file=where), fix=fix)

    def facts(self, rows: Samples) -> dict[str, object]:
        """How many rows are labelled, and how many of these are positive."""
        target = self.target(rows, State())
        return {"positive": int(np.nansum(target)), "labelled": int((~np.isnan(target)).sum())}

    def answer_parts(self, rows: Samples) -> dict[str, Array]:
        """Negative and positive rows."""
        target = self.target(rows, State())
        return {"negative": target == 0, "positive": target == 1}

    def family(self, state: State) -> Family:
        """One log odds a row."""
        return Family("bernoulli")

    def head(self, rows: Samples, state: State) -> Head:
        """One log odds a row."""
        return Head("row", 1, "log odds")

    def loss(self, raw: "Tensor", batch: Mapping[str, "Tensor"], state: State) -> "Tensor":
        """Cross-entropy of the logit: torch [row]."""
        from torch.nn.functional import binary_cross_entropy_with_logits as cross_entropy

        target = batch["target"].to(raw.dtype)
        return cross_entropy(raw.reshape(len(target)), target, reduction="none")

    def link(self, raw: Raw, state: State) -> Raw:
        """Logits → probabilities, float64."""
        return Raw(expit(raw.values.astype(np.float64)), raw.shape)

    def adjust(self, answer: Raw, truth: pl.DataFrame, groups: Array) -> Recalibration | None:
        """Slope and intercept that make probabilities fit the labels; None in doubt."""
        known = truth[TRUTH].is_not_null().to_numpy()
        y_true = truth[TRUTH].filter(known).cast(pl.Float64).to_numpy()
        line = registry.load("evaluations", "recalibration")(y_true, answer.values[known, 0], groups[known])
        return Recalibration(**line) if line else None

    def decide(self, answer: Raw, truth: pl.DataFrame, rule: Rule) -> Threshold | None:
        """The threshold at and above which the answer is yes.

        rule: one of {"specificity": 0.9}, {"sensitivity": 0.8}, {"threshold": 0.2}; empty: no threshold.
        """
        if not rule:
            return None
        ((name, wanted),) = rule.items()
        known = truth[TRUTH].is_not_null().to_numpy()
        y_true = truth[TRUTH].filter(known).cast(pl.Float64).to_numpy()
        value = float(registry.load("evaluations", "threshold")(y_true, answer.values[known, 0], name, float(wanted)))
        return Threshold(value, dict(rule)) if np.isfinite(value) else None

    def predictions(self, answer: Raw, rows: Samples, *, decision: Decision | None, folder: Path) -> pl.DataFrame:
        """`predicted_boolean_probability`, and `predicted_boolean_value` at the threshold (0.5 where there is none)."""
        probability = answer.values[:, 0].astype(np.float64)
        threshold = decision.value if isinstance(decision, Threshold) else 0.5
        return pl.DataFrame([pl.Series(VALUE, probability >= threshold), pl.Series(PROBABILITY, probability)])

    def unadjusted(self, answer: Raw, decision: Decision | None) -> pl.DataFrame:
        """`uncalibrated_probability`, and the `threshold` that decided; null where there is none."""
        value = decision.value if isinstance(decision, Threshold) else None
        probability = pl.Series(UNCALIBRATED, answer.values[:, 0].astype(np.float64))
        return pl.DataFrame([probability]).with_columns(pl.lit(value, pl.Float64).alias(THRESHOLD))

    def truth(self, rows: Samples) -> pl.DataFrame:
        """`boolean_value`, null where it is not known."""
        target = self.target(rows, State()) if rows.having("target") else np.full(len(rows), np.nan, np.float32)
        value = pl.Series(TRUTH, target).fill_nan(None).cast(pl.Boolean)
        return pl.DataFrame([value])

    @property
    def measures(self) -> "tuple[Measure, ...]":
        """AUROC first."""
        return measures_of(("auroc", "auprc", "brier", "log_loss"))

    def scores(self, frame: pl.DataFrame) -> "dict[str, Score]":
        """Of `boolean_value` and `predicted_boolean_probability`."""
        y_true, y_score = (frame[name].cast(pl.Float64).to_numpy() for name in (TRUTH, PROBABILITY))
        return {measure.name: measure.score(y_true, y_score) for measure in self.measures}

    def without_a_model(self, frame: pl.DataFrame) -> dict[str, float]:
        """AUPRC of chance is the share of positive rows, and the Brier score of always answering that share follows."""
        share = float(frame[TRUTH].cast(pl.Float64).mean() or 0.0)  # type: ignore[arg-type]
        return {"auprc": share, "brier": share * (1 - share)}

    def support(self, frame: pl.DataFrame) -> Array:
        """1 or 0."""
        return frame[TRUTH].cast(pl.Int64).to_numpy()

    def in_use(self, rows: "EvaluatedRows", model: str) -> "SubgroupScores":
        """Level, slope, and what the one threshold does."""
        in_use: SubgroupScores = registry.load("evaluations", "binary-in-use")(rows, model)
        return in_use

    def calibration(self, rows: "EvaluatedRows") -> Mapping[str, Mapping[str, object]]:
        """Level, slope, mean error and the curve, before and after recalibration."""
        calibration: Mapping[str, Mapping[str, object]] = registry.load("evaluations", "binary-calibration")(rows)
        return calibration

    def sections(self, rows: "EvaluatedRows") -> "Sequence[OutcomeSection]":
        """Use at a threshold, rank curves, prevalence."""
        sections: Sequence[OutcomeSection] = registry.load("evaluations", "binary-sections")(rows)
        return sections

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
