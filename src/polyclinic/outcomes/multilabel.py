"""Several labels a row, each yes or no by itself and each missing by itself."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Self

import numpy as np
import polars as pl
from annotated_types import Ge

from polyclinic import registry
from polyclinic.arrays import Array, Floats, Floats32
from polyclinic.decisions import Decision, LabelThresholds
from polyclinic.errors import BadData, Place, UsageError
from polyclinic.figures.numbers import how_many
from polyclinic.links import expit
from polyclinic.notes import note
from polyclinic.outcomes.adjustment import LabelRecalibration
from polyclinic.outcomes.binary import Binary
from polyclinic.outcomes.family import Family
from polyclinic.outcomes.outcome import Outcome, Rule, measures_of
from polyclinic.outcomes.raw import Head, Raw
from polyclinic.samples import Column, Dense, Role, Samples
from polyclinic.samples.frames import as_lists, of_lists
from polyclinic.samples.prediction_columns import (
    LABEL_NAMES,
    PROBABILITIES,
    THRESHOLDS,
    TRUTHS,
    UNCALIBRATED_PROBABILITIES,
    VALUES,
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

COLUMN = "labels"
"""What the column of the targets is called where several columns of a table make it."""


@dataclass(frozen=True)
class Multilabel(Outcome):
    """Which of several labels a row has. Raw numbers are log odds, one a label; a missing label is NaN.

    A row counts as labelled where at least one of its labels is known. A missing label counts neither in the loss nor
    in any score.

    Parameters
    ----------
    labels
        The names of the labels; those of the columns where `target` names `columns`, and those that occur where it
        names one `column`.
    positive
        The value that means yes in columns of two values; see `Binary`.
    separator
        What stands between the labels of a row where one `column` holds them as text.
    k
        Of recall at k: how many of the most likely labels of a row are looked at.
    """

    labels: tuple[str, ...] = ()
    positive: bool | int | str | None = None
    separator: str = ";"
    k: Annotated[int, Ge(1)] = 3

    kind: ClassVar[str] = "multilabel"
    target_keys: ClassVar[tuple[str, ...]] = ("column", "columns")
    example: ClassVar[dict[str, Any]] = {"labels": ["first", "second", "third"]}
    truth_columns: ClassVar[tuple[str, ...]] = (TRUTHS,)
    answer_columns: ClassVar[tuple[str, ...]] = (PROBABILITIES,)

    @classmethod
    def settings_in(cls, target: Mapping[str, object]) -> dict[str, object]:
        """The settings; the names of `columns` are the names of the labels."""
        named = {"labels": target["columns"]} if "columns" in target else {}
        return {**named, **super().settings_in(target)}

    # -- the target ----------------------------------------------------------------------------------------------

    def reads(self, target: Mapping[str, object]) -> tuple[str, ...]:
        """The columns of the labels, or the one that lists them."""
        columns = target.get("columns")
        return tuple(map(str, columns)) if isinstance(columns, list | tuple) else super().reads(target)

    def columns(
        self, target: Mapping[str, object], rows: pl.DataFrame, files: Mapping[str, FileReader]
    ) -> dict[str, Column]:
        """One Dense column with a number a label, float32 [row, label]: 1, 0, NaN where it is missing.

        Raises `BadData` for values that are neither yes, no nor missing, and for a column that holds no lists.
        """
        if "columns" not in target:
            name = str(target["column"])
            return {name: self._listed(name, rows[name])}
        named, binary = self.reads(target), Binary(self.positive)
        if len(self.labels) != len(named):
            what = f"{how_many(len(self.labels), 'label')} for {how_many(len(named), 'column')}"
            raise UsageError(
                what, at=Place(key="target.labels"), fix="give each column one name, or leave `labels` out"
            )
        parts = [
            binary.target(_only(rows, name, binary.columns({"column": name}, rows, files)), State()) for name in named
        ]
        return {COLUMN: Dense(np.stack(parts, axis=1), self.labels)}

    def _listed(self, name: str, series: pl.Series) -> Dense:
        """Labels of a column of lists, or of text with a separator; an empty list has none of them, null is unknown."""
        if series.dtype == pl.String:
            split = series.str.split(self.separator)
            series = split.list.eval(pl.element().str.strip_chars()).list.eval(pl.element().filter(pl.element() != ""))
        if not isinstance(series.dtype, pl.List):
            fix = f"give it the labels of each row, as a list or as text with {self.separator!r} between them"
            raise BadData(f"the target {name!r} holds {series.dtype}", at=Place(column=name), fix=fix)
        lists = series.cast(pl.List(pl.String))
        occurring = sorted(lists.explode().drop_nulls().unique().to_list())
        labels = self.labels or tuple(occurring)
        if others := set(occurring) - set(labels):
            why = "They are not predicted; name them in `labels` of the target if they should be."
            note("labels that are not named", how_many(len(others), "label"), why)
        has = [lists.list.contains(label).cast(pl.Float32).to_numpy() for label in labels]
        return Dense(np.stack(has, axis=1) if has else np.empty((len(lists), 0), np.float32), labels)

    def resolved(self, target: Mapping[str, object], rows: pl.DataFrame) -> Self:
        """The same with the names of the labels that occur, where none are named."""
        column = next(iter(self.columns(target, rows, {}).values()))
        return self if self.labels or not isinstance(column, Dense) else replace(self, labels=column.names)

    def check(self, rows: Samples, where: str) -> None:
        """Raise `BadData` where no label occurs both ways among these rows; note those that do not."""
        target = self.target(rows, State())
        lacking = [name for name, both in zip(self.labels, self._both_ways(target), strict=True) if not both]
        if len(lacking) == len(self.labels):
            what = f"no label is both present and absent in {where}: there is nothing to distinguish"
            fix = "use fewer folds, a larger cohort, or another split; or look at how the labels are defined"
            raise BadData(what, at=Place(file=where), fix=fix)
        if lacking:
            why = "They cannot be learned or scored there, and do not count in means over labels."
            note("labels that occur only one way", f"{', '.join(lacking)} in {where}", why)

    @staticmethod
    def _both_ways(target: Floats32) -> list[bool]:
        return [bool((label == 1).any() and (label == 0).any()) for label in target.T]

    def facts(self, rows: Samples) -> dict[str, object]:
        """How many rows have a label, how many labels there are, and how many of these are known over all rows."""
        known = ~np.isnan(self.target(rows, State()))
        shares = {"labels": len(self.labels), "labels known": int(known.sum()), "labels missing": int((~known).sum())}
        return {"labelled": int(known.any(axis=1).sum()), **shares}

    # -- learning ------------------------------------------------------------------------------------------------

    def target(self, rows: Samples, state: State) -> Floats32:
        """1, 0, or NaN where the label is missing: float32 [row, label]. Raises `BadData` for any other value."""
        values = np.asarray(rows.y, np.float32)
        if values.shape != (len(rows), len(self.labels)):
            what = f"targets of shape {values.shape} for {how_many(len(rows), 'row')} and {how_many(len(self.labels), 'label')}"
            raise BadData(what, fix="give each row one number a label, and name the labels in `labels`")
        if not (np.isnan(values) | (values == 0) | (values == 1)).all():
            what = "the labels have values other than 0, 1 and missing"
            raise BadData(what, fix="turn them into yes or no first, for example by a threshold")
        return values

    def family(self, state: State) -> Family:
        """One log odds a label."""
        return Family("bernoulli", len(self.labels))

    def head(self, rows: Samples, state: State) -> Head:
        """One log odds a label."""
        return Head("row", len(self.labels), "log odds")

    def loss(self, raw: "Tensor", batch: Mapping[str, "Tensor"], state: State) -> "Tensor":
        """The sum of the cross-entropy of the known labels over the number of all labels: torch [row].

        So each known label counts alike, whatever else is known of its row.
        """
        from torch import isnan, nan_to_num
        from torch.nn.functional import binary_cross_entropy_with_logits as cross_entropy

        target = batch["target"].to(raw.dtype)
        losses = cross_entropy(raw.reshape(target.shape), nan_to_num(target), reduction="none")
        return losses.masked_fill(isnan(target), 0.0).sum(1) / target.shape[1]

    def link(self, raw: Raw, state: State) -> Raw:
        """Log odds → probabilities, float64."""
        return Raw(expit(raw.values.astype(np.float64)), raw.shape)

    # -- answers -------------------------------------------------------------------------------------------------

    def adjust(self, answer: Raw, truth: pl.DataFrame, groups: Array) -> LabelRecalibration | None:
        """Slope and intercept of each label whose probabilities they clearly improve; None where there is none."""
        learn, lines = registry.load("evaluations", "recalibration"), dict[str, dict[str, float]]()
        for label, y_true, y_score, known in self._by_label(answer, truth):
            if 0 < y_true.sum() < len(y_true):
                lines[label] = learn(y_true, y_score, groups[known])
        moved = {label: (line["slope"], line["intercept"]) for label, line in lines.items() if line}
        return LabelRecalibration(self.labels, moved) if moved else None

    def decide(self, answer: Raw, truth: pl.DataFrame, rule: Rule) -> LabelThresholds | None:
        """A threshold a label, at and above which the label is predicted.

        rule: as for `Binary`, kept for each label by itself; empty: the threshold of the greatest F1.
        """
        learn = registry.load("evaluations", "label-threshold")
        values = {label: learn(y_true, y_score, rule) for label, y_true, y_score, _ in self._by_label(answer, truth)}
        known = {label: float(value) for label, value in values.items() if np.isfinite(value)}
        return LabelThresholds(known, dict(rule)) if known else None

    def _by_label(self, answer: Raw, truth: pl.DataFrame) -> list[tuple[str, Floats, Floats, Array]]:
        """Name, truth, probability and positions of the rows where each label is known."""
        y_true = of_lists(truth[TRUTHS], len(self.labels))
        known = [np.flatnonzero(~np.isnan(label)) for label in y_true.T]
        return [
            (n, y_true[at, j], answer.values[at, j], at)
            for j, (n, at) in enumerate(zip(self.labels, known, strict=True))
        ]

    def predictions(self, answer: Raw, rows: Samples, *, decision: Decision | None, folder: Path) -> pl.DataFrame:
        """Lists with one entry a label: `labels` (names), `probabilities`, and `predicted_boolean_values` at the
        thresholds (0.5 where there is none).
        """
        probabilities = answer.values.astype(np.float64)
        names = pl.Series(LABEL_NAMES, [[*self.labels]], pl.List(pl.String)).new_from_index(0, len(probabilities))
        decided = as_lists(VALUES, probabilities >= np.nan_to_num(self._thresholds(decision), nan=0.5))
        return pl.DataFrame([names, as_lists(PROBABILITIES, probabilities), decided])

    def _thresholds(self, decision: Decision | None) -> Floats:
        """[label], NaN where there is none."""
        values = decision.values if isinstance(decision, LabelThresholds) else {}
        return np.array([values.get(label, np.nan) for label in self.labels])

    def unadjusted(self, answer: Raw, decision: Decision | None) -> pl.DataFrame:
        """Lists with one entry a label: `uncalibrated_probabilities`, and the `thresholds` that decided, null where
        there is none.
        """
        probabilities = answer.values.astype(np.float64)
        thresholds = np.broadcast_to(self._thresholds(decision), probabilities.shape)
        return pl.DataFrame([as_lists(UNCALIBRATED_PROBABILITIES, probabilities), as_lists(THRESHOLDS, thresholds)])

    def truth(self, rows: Samples) -> pl.DataFrame:
        """`boolean_values`, a list with one entry a label: null where it is missing; null where all of them are."""
        if not rows.having("target"):
            return pl.DataFrame(pl.Series(TRUTHS, [None] * len(rows), pl.List(pl.Boolean)))
        target = self.target(rows, State())
        lists = as_lists(TRUTHS, target).cast(pl.List(pl.Boolean))
        known = pl.Series(~np.isnan(target).all(axis=1))
        return pl.DataFrame([lists]).select(pl.when(known).then(pl.col(TRUTHS)).alias(TRUTHS))

    # -- judging -------------------------------------------------------------------------------------------------

    @property
    def measures(self) -> "tuple[Measure, ...]":
        """Macro AUROC first; then, for the table, AUROC and average precision of each label."""
        whole = measures_of(
            ("macro_auroc", "micro_auroc", "macro_auprc", "micro_auprc", "label_macro_f1", "label_micro_f1")
        )
        (recall,) = measures_of(("recall_at_k",))
        parts = [m.of_part(label, m.score) for m in measures_of(("auroc", "auprc")) for label in self.labels]
        return *whole, replace(recall, title=f"Recall at {self.k}"), *parts

    def scores(self, frame: pl.DataFrame) -> "dict[str, Score]":
        """Of `boolean_values`, `probabilities` and `predicted_boolean_values` (those at 0.5 where there are none)."""
        y_true, probabilities = (of_lists(frame[name], len(self.labels)) for name in (TRUTHS, PROBABILITIES))
        decided = of_lists(frame[VALUES], len(self.labels)) > 0 if VALUES in frame.columns else probabilities >= 0.5
        scores: dict[str, Score] = registry.load("evaluations", "label-scores")(
            self.measures, y_true, probabilities, decided, self.labels, self.k
        )
        return scores

    def without_a_model(self, frame: pl.DataFrame) -> dict[str, float]:
        """Average precision of chance is the share of positive rows: of each label, and their mean; of all, together."""
        y_true = of_lists(frame[TRUTHS], len(self.labels))
        known = ~np.isnan(y_true)
        shares = np.nansum(y_true, axis=0) / np.maximum(known.sum(axis=0), 1)
        scored = shares[shares > 0]
        whole = {
            "macro_auprc": float(scored.mean()) if len(scored) else 0.0,
            "micro_auprc": float(y_true[known].mean()),
        }
        return whole | {f"auprc//{label}": float(share) for label, share in zip(self.labels, shares, strict=True)}

    def in_use(self, rows: "EvaluatedRows", model: str) -> "SubgroupScores":
        """Level of the probabilities, and what the thresholds do, over all known labels of all rows."""
        in_use: SubgroupScores = registry.load("evaluations", "multilabel-in-use")(rows, model, len(self.labels))
        return in_use

    def calibration(self, rows: "EvaluatedRows") -> Mapping[str, Mapping[str, object]]:
        """Level, slope, mean error and the curve over all known labels of all rows, before and after recalibration."""
        learn = registry.load("evaluations", "multilabel-calibration")
        calibration: Mapping[str, Mapping[str, object]] = learn(rows, len(self.labels))
        return calibration

    def sections(self, rows: "EvaluatedRows") -> "Sequence[OutcomeSection]":
        """Each label by itself: how often it is known and positive, its scores and its threshold."""
        sections: Sequence[OutcomeSection] = registry.load("evaluations", "multilabel-sections")(rows, self.labels)
        return sections

    @classmethod
    def of_table(cls, frame: pl.DataFrame) -> Self:
        """The names of the labels stand beside the predictions, in `labels`."""
        names = frame[LABEL_NAMES].drop_nulls().unique().to_list() if LABEL_NAMES in frame.columns else []
        if len(names) != 1:
            fix = f"give each row the same list of names in a column {LABEL_NAMES!r}"
            raise BadData("the predictions do not say which labels they are of", at=Place(column=LABEL_NAMES), fix=fix)
        answered = frame.drop_nulls(PROBABILITIES) if PROBABILITIES in frame.columns else frame
        for column in (name for name in (TRUTHS, PROBABILITIES) if name in frame.columns):
            values = of_lists(answered[column], len(names[0]))
            wrong = ~((values >= 0) & (values <= 1)) & ~(np.isnan(values) & (column == TRUTHS))
            if wrong.any():
                what = f"{int(wrong.sum()):,} entries of {column!r} are no number from 0 to 1"
                fix = "give each row probabilities (after the sigmoid), and in the truth true, false or null"
                raise BadData(what, at=Place(column=column), fix=fix)
        return cls(tuple(names[0]))

    # -- checking ------------------------------------------------------------------------------------------------

    def planted(self, n: int, seed: int) -> Samples:
        """Rows in which each label follows a number of its own (AUROC near 1); a seventh of the labels is missing."""
        rng, names = np.random.default_rng(seed), self.labels or tuple(self.example["labels"])
        x = rng.normal(size=(n, len(names) + 1)).astype(np.float32)
        y = (x[:, :-1] + 0.2 * rng.normal(size=(n, len(names))) > 0.3).astype(np.float32)
        y[rng.random(y.shape) < 1 / 7] = np.nan
        columns = {"x": Dense(x, (*(f"x{j}" for j in range(len(names))), "noise")), COLUMN: Dense(y, names)}
        roles: dict[str, Role] = {"x": "input", COLUMN: "target"}
        rows, side = np.arange(n, dtype=np.int64), np.where(rng.random(n) < 0.5, "left", "right")
        return Samples(rows, columns, roles, {"subject": rows // 3}, strata={"side": side})


def _only(rows: pl.DataFrame, name: str, columns: Mapping[str, Column]) -> Samples:
    """Samples of one target alone, so that its values are checked and named as those of a yes-or-no outcome are."""
    return Samples(np.arange(rows.height), columns, {name: "target"})
