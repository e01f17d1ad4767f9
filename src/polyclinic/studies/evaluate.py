"""From a table of predictions to the numbers of the report, whoever made the predictions."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import polars as pl
from annotated_types import Ge

from polyclinic import atomic, fingerprint, registry
from polyclinic.errors import BadData, Place, UnknownName, UsageError
from polyclinic.evaluation import calibration, decision
from polyclinic.evaluation.bootstrap import Draws, bootstrap, levels
from polyclinic.evaluation.scores import LOWER_IS_BETTER, RANKING, Array, at_threshold, of_all
from polyclinic.studies import given

HELD_OUT = ("validation", "test")


@dataclass(frozen=True, kw_only=True)
class Resampling:
    """over: the group that is drawn (None: the first there is); resamples: how often."""

    over: str | None = None
    resamples: Annotated[int, Ge(10)] = 1000


@dataclass(frozen=True, kw_only=True)
class DecisionCurve:
    """thresholds: lowest and highest probability at which somebody might act."""

    thresholds: tuple[float, float] = (0.05, 0.50)

    def __post_init__(self) -> None:
        low, high = self.thresholds
        if not 0 < low < high < 1:
            raise ValueError("two rising numbers between 0 and 1 are wanted, for example [0.05, 0.5]")


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """How predictions are evaluated.

    operating_point: one of {specificity: x}, {sensitivity: x}, {threshold: x}; empty: none.
    subgroups: strata that results are broken down by; min_subjects: groups below which one is named too small.
    """

    bootstrap: Resampling = field(default_factory=Resampling)
    operating_point: dict[str, float] = field(default_factory=lambda: {"specificity": 0.90})
    subgroups: tuple[str, ...] = ()
    decision: DecisionCurve = field(default_factory=DecisionCurve)
    min_subjects: int = 20

    def __post_init__(self) -> None:
        point = self.operating_point
        if (
            len(point) > 1
            or not set(point) <= set(decision.RULES)
            or not all(0 <= v <= 1 for v in point.values())
        ):
            raise ValueError(
                f"operating_point is one of {', '.join(decision.RULES)} with a number from 0 to 1"
            )


@dataclass(frozen=True, eq=False)
class Part:
    """The scored rows of one split: the same rows in the same order for every model.

    frames: model → labelled rows of the predictions table; place: where each row stands among the samples;
    groups: what is drawn. A row that several folds held out stands there once for each.
    tied: the models that give every row of a fold the same answer.
    """

    frames: Mapping[str, pl.DataFrame]
    place: Array
    groups: Array
    tied: frozenset[str]

    @classmethod
    def of(
        cls,
        predictions: pl.DataFrame,
        split: str,
        models: Sequence[str],
        outcome: Any,
        row_id: Array,
        groups: Array,
    ) -> Part:
        """Labelled, answered, held-out rows of these models. Raises `BadData` where models answer different rows."""
        rows = predictions.filter(pl.col("split") == split, pl.col("fold") != "package")
        rows = rows.drop_nulls(list(getattr(outcome, "truth_columns", ())))
        if "refused" in rows.columns:
            rows = rows.filter(pl.col("refused").is_null())
        present = set(rows["model"].unique())
        names = [model for model in models if model in present]
        frames = {name: rows.filter(pl.col("model") == name).sort("row_id", "fold") for name in names}
        keys = [frame.select("row_id", "fold") for frame in frames.values()]
        for name, key in zip(names, keys, strict=True):
            if not key.equals(keys[0]):
                raise BadData(
                    f"models {names[0]!r} and {name!r} answer different rows of {split}",
                    at=Place(column="model"),
                    fix="give every model the same rows, or evaluate them one by one",
                )
        order = np.argsort(row_id, kind="stable")
        ids = keys[0]["row_id"].to_numpy() if keys else row_id[:0]
        place = order[np.searchsorted(row_id, ids, sorter=order)]
        tied = frozenset(name for name, frame in frames.items() if _one_answer(frame, groups[place]))
        return cls(frames, place, groups[place], tied)

    def take(self, rows: Array) -> Part:
        """Some of the rows."""
        frames = {name: frame[rows] for name, frame in self.frames.items()}
        return Part(frames, self.place[rows], self.groups[rows], self.tied)

    def ranked(self, model: str) -> pl.DataFrame:
        """A model's rows as rank scores see them; those of a model in `tied` are one tie.

        Such a model ranks nothing, so that its AUROC is 0.5 and its AUPRC the prevalence. Pooled as they are, its
        answers would rank the folds, and against their test rows: a fold that holds back positives learns fewer.
        """
        frame = self.frames[model]
        return frame.with_columns(pl.col(given.PROBABILITY).mean()) if model in self.tied else frame


def _one_answer(frame: pl.DataFrame, groups: Array) -> bool:
    """Whether every row of a fold has the same probability.

    Folds of one group each cannot show it: there a model that reads only what a group shares answers so, too.
    """
    if given.PROBABILITY not in frame.columns or frame.is_empty():
        return False
    answer = pl.col(given.PROBABILITY)
    folds = frame.with_columns(drawn=pl.Series(groups)).group_by("fold")
    found = folds.agg(spread=answer.max() - answer.min(), top=answer.max(), groups=pl.col("drawn").n_unique())
    return bool((found["spread"] <= 1e-6 * found["top"]).all() and found["groups"].sum() >= 2 * len(found))


@dataclass(frozen=True, eq=False)
class Evaluator:
    """One outcome of a study under evaluation."""

    outcome: Any
    settings: Evaluation
    roles: Mapping[str, str]
    chosen: str
    seed: int

    def drawn(self, part: Part, models: Sequence[str] | None = None) -> Draws[tuple[str, str]]:
        """Every score of these models, on shared resamples."""
        measures = {
            (model, name): score
            for model in (part.frames if models is None else models)
            for name, score in self.measures(part, model).items()
        }
        return self.resampled(measures, part)

    def measures(self, part: Part, model: str) -> dict[str, Any]:
        """Weighted scores of a model's rows; those that see only the order, of its `ranked` rows."""
        found = dict(self.outcome.measures(part.frames[model]))
        if model in part.tied:
            tied = self.outcome.measures(part.ranked(model))
            found |= {name: score for name, score in tied.items() if name in RANKING}
        return found

    def resampled(self, measures: Mapping[Any, Any], part: Part) -> Draws[Any]:
        """Measures of a part's rows with their resamples."""
        return bootstrap(measures, part.groups, resamples=self.settings.bootstrap.resamples, seed=self.seed)

    def folds(self, part: Part) -> dict[str, list[dict[str, Any]]]:
        """Model → scores of each fold by itself, without intervals."""
        found: dict[str, list[dict[str, Any]]] = {}
        for model, frame in part.frames.items():
            pieces = frame.partition_by("fold", maintain_order=False, as_dict=True)
            found[model] = [self._alone(pieces[key]) for key in sorted(pieces)] if len(pieces) > 1 else []
        return found

    def _alone(self, frame: pl.DataFrame) -> dict[str, Any]:
        values = {k: of_all(score, frame.height) for k, score in self.outcome.measures(frame).items()}
        return {
            k: {"value": _number(v), "low": None, "high": None, "n": frame.height} for k, v in values.items()
        }

    def comparisons(self, draws: Draws[tuple[str, str]], split: str) -> list[dict[str, Any]]:
        """Every model, and the chosen one, less every baseline, on the same resamples."""
        names = list(dict.fromkeys(model for model, _ in draws.points))
        ours = [m for m in names if m == self.chosen or self.roles.get(m) != "baseline"]
        pairs: list[tuple[str, str]] = []
        for a, b in ((a, b) for a in sorted(ours, key=lambda m: m != self.chosen) for b in names if a != b):
            if (b, a) not in pairs and (a == self.chosen or self.roles.get(b) == "baseline"):
                pairs.append((a, b))
        found = []
        for a, b in pairs:
            for score in [score for model, score in draws.points if model == a]:
                named = {"a": a, "b": b, "outcome": self.outcome.kind, "score": score, "split": split}
                found.append({**named, "difference": draws.difference((a, score), (b, score))})
        return found

    def subgroups(self, test: Part, strata: Mapping[str, Array]) -> list[dict[str, Any]]:
        """The chosen model's scores in each level of each stratum."""
        found = []
        for column in self.settings.subgroups:
            if column not in strata:
                raise UnknownName("subgroup", column, strata, at=Place(key="evaluation.subgroups"))
            for level, rows in levels(np.asarray(strata[column])[test.place]):
                found.append({"column": column, "level": level, **self._subgroup(test.take(rows))})
        return found

    def _subgroup(self, part: Part) -> dict[str, Any]:
        draws = self.drawn(part, [self.chosen])
        scores = {name: draws.interval((model, name)) for model, name in draws.points}
        small = draws.groups < self.settings.min_subjects or any(s["low"] is None for s in scores.values())
        size = {"n": draws.rows, "groups": draws.groups, "too_small": small}
        named = {"outcome": self.outcome.kind, "model": self.chosen, "scores": scores}
        if small or not hasattr(self.outcome, "probabilities"):
            return {**size, **named}
        fit = calibration.line(*self.outcome.probabilities(part.frames[self.chosen]))
        return {**size, **named, "calibration": {"slope": self.resampled(fit, part).interval("slope")}}


@dataclass(frozen=True, eq=False)
class Usefulness:
    """What can be said beyond scores where the answer is one probability a row."""

    evaluator: Evaluator
    test: Part
    validation: Part

    def known(self, part: Part, model: str) -> tuple[Array, Array]:
        """What happened and its probability."""
        return self.evaluator.outcome.probabilities(part.frames[model])  # type: ignore[no-any-return]

    def calibration(self, model: str) -> dict[str, Any]:
        """`before`: the probabilities as the model gave them; `after`: recalibrated, where they were."""
        happened, probability = self.known(self.test, model)
        frame, found = self.test.frames[model], {"before": probability}
        if "uncalibrated_probability" in frame.columns and not frame["uncalibrated_probability"].has_nulls():
            found = {"before": frame["uncalibrated_probability"].to_numpy(), "after": probability}
        how = {"resamples": self.evaluator.settings.bootstrap.resamples, "seed": self.evaluator.seed}
        return {when: calibration.report(happened, p, self.test.groups, **how) for when, p in found.items()}

    def operating(self, model: str) -> dict[str, Any]:
        """The operating point: its threshold comes from validation rows, or from the scored ones where there are none."""
        rule = self.evaluator.settings.operating_point
        where = "validation" if self.validation.frames else "test"
        name, wanted = next(iter(rule.items()))
        chosen_on = self.known(self.validation if where == "validation" else self.test, model)
        threshold = decision.threshold_for(*chosen_on, name, wanted)
        draws = self.evaluator.resampled(at_threshold(*self.known(self.test, model), threshold), self.test)
        scores = {score: draws.interval(score) for score in draws.points}
        alerts = scores.pop("alerts_per_100")
        point = {"rule": dict(rule), "threshold": _number(threshold), "chosen_on": where, "scores": scores}
        named = {"model": model, "outcome": self.evaluator.outcome.kind}
        return {**named, **point, "alerts_per_100": alerts["value"], "alerts_interval": alerts}

    def decision(self) -> dict[str, Any]:
        """Net benefit of each model, of an alert for all and of none, over the thresholds."""
        low, high = self.evaluator.settings.decision.thresholds
        at = np.linspace(low, high, int(np.clip(round((high - low) * 100), 1, 199)) + 1)
        models = {m: decision.net_benefit(*self.known(self.test, m), at).tolist() for m in self.test.frames}
        happened, _ = self.known(self.test, next(iter(models)))
        naive = {"none": 0, "all": decision.treat_all(happened, at).tolist()}
        return {"thresholds": at.tolist(), **naive, "models": models}

    def curves(self) -> dict[str, Any]:
        """ROC and precision–recall of each model."""
        known = self.evaluator.outcome.probabilities
        found = {m: decision.curves(*known(self.test.ranked(m))) for m in self.test.frames}
        return {kind: {m: curve[kind] for m, curve in found.items()} for kind in ("roc", "pr")}


def evaluate(
    predictions: pl.DataFrame,
    outcome: Any,
    settings: Evaluation,
    *,
    row_id: Array,
    groups: Mapping[str, Array],
    strata: Mapping[str, Array],
    roles: Mapping[str, str],
    chosen: str,
    seed: int = 0,
) -> dict[str, Any]:
    """`models, comparisons, calibration, operating, decision, curves, subgroups` of report.json for one outcome.

    predictions: the predictions table with the truth in it; rows that the package answered are never scored.
    row_id, groups, strata: [row] of the samples; roles: model → model | baseline, in the
    order of the page. Raises `UnknownName` for a group or a stratum that is not there.
    """
    drawn = _drawn_groups(settings.bootstrap.over, groups, row_id)
    parts = {split: Part.of(predictions, split, list(roles), outcome, row_id, drawn) for split in HELD_OUT}
    test, kind = parts["test"], outcome.kind
    evaluator = Evaluator(outcome, settings, roles, chosen, seed)
    draws = {split: evaluator.drawn(part) for split, part in parts.items() if part.frames}
    models: dict[str, Any] = {m: {kind: {}} for part in parts.values() for m in part.frames}
    for split, one in draws.items():
        for model, score in one.points:
            models[model][kind].setdefault(split, {})[score] = one.interval((model, score))
    for model, folds in evaluator.folds(test).items():
        models[model][kind]["folds"] = folds
    found: dict[str, Any] = {"models": models, "comparisons": [], "calibration": {}, "operating": []}
    if test.frames:
        found["comparisons"] = evaluator.comparisons(draws["test"], "test")
    if test.frames and hasattr(outcome, "probabilities"):
        found |= _usefulness(Usefulness(evaluator, test, parts["validation"]))
    return {**found, "subgroups": evaluator.subgroups(test, strata) if chosen in test.frames else []}


def _usefulness(use: Usefulness) -> dict[str, Any]:
    kind, names = use.evaluator.outcome.kind, list(use.test.frames)
    return {
        "calibration": {m: {kind: use.calibration(m)} for m in names},
        "operating": [use.operating(m) for m in names] if use.evaluator.settings.operating_point else [],
        "decision": {kind: use.decision()},
        "curves": {kind: use.curves()},
    }


def _drawn_groups(over: str | None, groups: Mapping[str, Array], row_id: Array) -> Array:
    if over is None:
        return np.asarray(next(iter(groups.values()), row_id))
    if over not in groups:
        raise UnknownName("group", over, groups, at=Place(key="evaluation.bootstrap.over"))
    return np.asarray(groups[over])


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def best(predictions: pl.DataFrame, models: Sequence[str], outcome: Any) -> str:
    """The model with the best first score on validation rows; the first one where there are no such rows."""
    rows = predictions.filter(pl.col("split") == "validation").drop_nulls(list(outcome.truth_columns))
    sign = -1 if outcome.primary in LOWER_IS_BETTER else 1
    frames = [rows.filter(pl.col("model") == model) for model in models]
    found = [of_all(outcome.measures(f)[outcome.primary], f.height) if f.height else np.nan for f in frames]
    return models[int(np.argmax(np.nan_to_num(sign * np.array(found), nan=-np.inf)))]


def evaluate_file(
    predictions: Path | str,
    *,
    labels: Path | str | None = None,
    group: str | None = None,
    out: Path | str,
    outcome: Any = "binary",
    settings: Evaluation | None = None,
) -> dict[str, Any]:
    """The same report for predictions made by anything: writes `report.json` and `report.html` to `out`.

    predictions, labels: CSV or Parquet, joined by the columns that they share; labels None: the truth stands beside the
    predictions. group: the column whose rows belong together; None: each row stands alone. A column `model` tells
    several models apart; the best on validation rows, or the first where there are none, is compared with each of the
    others. outcome: a name, or an outcome itself.
    Raises `BadData` for rows that cannot be joined or probabilities that are none, `UnknownName` for a column.
    """
    predictions, out = Path(predictions), Path(out)
    if (out / "package").exists():
        raise UsageError(
            "this is the folder of a run, whose own report would be lost",
            at=Place(file=str(out)),
            fix="name another folder with --out",
        )
    from polyclinic.reports import page, schema
    from polyclinic.reports.finding import finding

    asked = registry.load("outcomes", outcome) if isinstance(outcome, str) else outcome
    settings, files = settings or Evaluation(), [predictions, *([Path(labels)] if labels is not None else [])]
    table = given.read(
        predictions, files[-1] if labels is not None else None, group, asked, settings.subgroups
    )
    document = _scored(table, settings) | {
        "study": predictions.stem,
        "title": f"Evaluation of {predictions.name}",
        "data": {path.name: fingerprint.of_file(path) for path in files},
    }
    document["finding"] = finding(document)
    schema.validate(document)
    atomic.write_text(out / "report.json", json.dumps(document, indent=1, ensure_ascii=False))
    atomic.write_text(out / "report.html", page.render(document))
    return document


def _scored(table: given.Given, settings: Evaluation) -> dict[str, Any]:
    """The report of predictions of which nothing is known but themselves."""
    from polyclinic.studies.assemble import environment

    names, kind = table.predictions["model"].unique(maintain_order=True).to_list(), table.outcome.kind
    chosen = best(table.predictions, names, table.outcome)
    roles = {name: "model" if name == chosen else "baseline" for name in names}
    rows: Any = {"row_id": table.row_id, "groups": table.groups, "strata": table.strata}
    return {
        "format": 1,
        "intended_use": "",
        "roles": roles,
        "chosen": {kind: chosen},
        "seed": 0,
        "environment": environment(),
        "cohort": table.cohort(),
        "sanity": table.warnings(),
        "gates": [],
        **evaluate(table.predictions, table.outcome, settings, **rows, roles=roles, chosen=chosen),
    }
