"""From a table of predictions to the numbers of the report, whoever made the predictions."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Self

import numpy as np
import polars as pl
from annotated_types import Ge

from polyclinic.errors import BadData, Place, UnknownName
from polyclinic.evaluation import calibration, decision
from polyclinic.evaluation.bootstrap import Draws, bootstrap, levels
from polyclinic.evaluation.predictions import PROBABILITY, labelled
from polyclinic.evaluation.scores import LOWER_IS_BETTER, RANKING, Array, at_threshold, finite, of_all

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
        rules, point = decision.RULES, self.operating_point
        if len(point) > 1 or not all(k in rules and 0 <= v <= 1 for k, v in point.items()):
            raise ValueError(f"operating_point is one of {', '.join(rules)} with a number from 0 to 1")

    def drawn(self, groups: Mapping[str, Array], row_id: Array) -> Array:
        """What is drawn in a resample: the group that is named, else the first one, else single rows."""
        return np.asarray(groups.get(self.bootstrap.over or next(iter(groups), ""), row_id))

    def known_names(self, groups: Mapping[str, Array], strata: Mapping[str, Array]) -> None:
        """Raise `UnknownName` for a group or a stratum that is not there."""
        over = self.bootstrap.over
        if over is not None and over not in groups:
            raise UnknownName("group", over, groups, at=Place(key="evaluation.bootstrap.over"))
        for name in self.subgroups:
            if name not in strata:
                raise UnknownName("stratum", name, strata, at=Place(key="evaluation.subgroups"))


@dataclass(frozen=True, eq=False)
class ScoredRows:
    """The scored rows of one split: the same rows in the same order for every model.

    frames: model → labelled rows of the predictions table; place: where each row stands among the samples;
    groups: what is drawn. A row that several folds held out stands there once for each.
    tied: the models that give every row of a fold the same answer → their rows as rank scores see them, one tie.
    Such a model ranks nothing, so that its AUROC is 0.5 and its AUPRC the prevalence. Pooled as they are, its answers
    would rank the folds, and against their test rows: a fold that holds back positives learns fewer.
    """

    frames: Mapping[str, pl.DataFrame]
    place: Array
    groups: Array
    tied: Mapping[str, pl.DataFrame]

    @classmethod
    def of(cls, rows: pl.DataFrame, split: str, models: Iterable[str], row_id: Array, groups: Array) -> Self:
        """Rows of these models in one split. Raises `BadData` where models answer different rows."""
        every = {name: rows.filter(model=name, split=split).sort("row_id", "fold") for name in models}
        frames = {name: frame for name, frame in every.items() if frame.height}
        first, key = next(iter(frames), ""), ["row_id", "fold"]
        for name, frame in frames.items():
            if not frame.select(key).equals(frames[first].select(key)):
                what = f"models {first!r} and {name!r} answer different rows of {split}"
                fix = "give every model the same rows, or evaluate them one by one"
                raise BadData(what, at=Place(column="model"), fix=fix)
        order = np.argsort(row_id, kind="stable")
        ids = frames[first]["row_id"].to_numpy() if frames else row_id[:0]
        place = order[np.searchsorted(row_id, ids, sorter=order)]
        alike = [name for name, frame in frames.items() if _one_answer(frame, groups[place])]
        tied = {name: frames[name].with_columns(pl.col(PROBABILITY).mean()) for name in alike}
        return cls(frames, place, groups[place], tied)

    def take(self, rows: Array) -> Self:
        """Some of the rows."""
        frames, tied = ({name: f[rows] for name, f in each.items()} for each in (self.frames, self.tied))
        return type(self)(frames, self.place[rows], self.groups[rows], tied)


def _one_answer(frame: pl.DataFrame, groups: Array) -> bool:
    """Whether every row of a fold has the same probability.

    Folds of one group each cannot show it: there a model that reads only what a group shares answers so, too.
    """
    if PROBABILITY not in frame.columns:
        return False
    answer = pl.col(PROBABILITY)
    folds = frame.with_columns(drawn=pl.Series(groups)).group_by("fold")
    found = folds.agg(spread=answer.max() - answer.min(), top=answer.max(), groups=pl.col("drawn").n_unique())
    return bool((found["spread"] <= 1e-6 * found["top"]).all() and found["groups"].sum() >= 2 * len(found))


@dataclass(frozen=True, eq=False)
class Evaluator:
    """One outcome of a study under evaluation. From `calibration` on: where the answer is one probability a row."""

    outcome: Any
    settings: Evaluation
    roles: Mapping[str, str]
    chosen: str
    seed: int
    validation: ScoredRows
    test: ScoredRows

    def drawn(self, part: ScoredRows, models: Iterable[str]) -> Draws[tuple[str, str]]:
        """Every score of these models, on shared resamples."""
        scores = {(m, name): score for m in models for name, score in self.measures(part, m).items()}
        return self.resampled(scores, part)

    def measures(self, part: ScoredRows, model: str) -> dict[str, Any]:
        """Weighted scores of a model's rows; those that see only the order, of its rows as one tie if it is `tied`."""
        found = dict(self.outcome.measures(part.frames[model]))
        tied = self.outcome.measures(part.tied[model]) if model in part.tied else {}
        return found | {name: score for name, score in tied.items() if name in RANKING}

    def resampled(self, measures: Mapping[Any, Any], part: ScoredRows) -> Draws[Any]:
        """Measures of a part's rows with their resamples."""
        return bootstrap(measures, part.groups, resamples=self.settings.bootstrap.resamples, seed=self.seed)

    def models(self, draws: Mapping[str, Draws[tuple[str, str]]]) -> dict[str, Any]:
        """`models` of report.json: each split's scores with their intervals, and those of each test fold."""
        kind, parts = self.outcome.kind, (self.validation, self.test)
        found: dict[str, Any] = {model: {kind: {}} for part in parts for model in part.frames}
        for split, one in draws.items():
            for model, score in one.points:
                found[model][kind].setdefault(split, {})[score] = one.interval((model, score))
        for model, frame in self.test.frames.items():
            found[model][kind]["folds"] = self.folds(frame)
        return found

    def folds(self, frame: pl.DataFrame) -> list[dict[str, Any]]:
        """The scores of each fold by itself, without intervals; none where there is one."""
        pieces = frame.sort("fold", maintain_order=True).partition_by("fold", maintain_order=True)
        return [self._alone(piece) for piece in pieces] if len(pieces) > 1 else []

    def _alone(self, frame: pl.DataFrame) -> dict[str, Any]:
        told = {"low": None, "high": None, "n": frame.height}
        scores = self.outcome.measures(frame).items()
        return {name: {"value": finite(of_all(score, frame.height)), **told} for name, score in scores}

    def comparisons(self, draws: Draws[tuple[str, str]]) -> list[dict[str, Any]]:
        """The chosen model less every other, and every model less every baseline, on the same resamples."""
        others, roles = [m for m in self.test.frames if m != self.chosen], self.roles
        pairs = [(self.chosen, b) for b in others if self.chosen in self.test.frames]
        pairs += [(a, b) for a in others for b in others if (roles[a], roles[b]) == ("model", "baseline")]
        named = {"outcome": self.outcome.kind, "split": "test"}
        return [
            {"a": a, "b": b, **named, "score": s, "difference": draws.difference((a, s), (b, s))}
            for a, b in pairs
            for model, s in draws.points
            if model == a
        ]

    def subgroups(self, strata: Mapping[str, Array]) -> list[dict[str, Any]]:
        """The chosen model's scores in each level of each stratum."""
        return [
            {"column": column, "level": level, **self._subgroup(self.test.take(rows))}
            for column in self.settings.subgroups
            for level, rows in levels(np.asarray(strata[column])[self.test.place])
        ]

    def _subgroup(self, part: ScoredRows) -> dict[str, Any]:
        draws = self.drawn(part, [self.chosen])
        scores = {name: draws.interval((model, name)) for model, name in draws.points}
        small = draws.groups < self.settings.min_subjects or any(s["low"] is None for s in scores.values())
        size = {"n": draws.rows, "groups": draws.groups, "too_small": small}
        found = {**size, "outcome": self.outcome.kind, "model": self.chosen, "scores": scores}
        if small or not hasattr(self.outcome, "probabilities"):
            return found
        fit = calibration.line(*self.known(part, self.chosen))
        return {**found, "calibration": {"slope": self.resampled(fit, part).interval("slope")}}

    def known(self, part: ScoredRows, model: str) -> tuple[Array, Array]:
        """What happened and its probability."""
        return self.outcome.probabilities(part.frames[model])  # type: ignore[no-any-return]

    def useful(self) -> dict[str, Any]:
        """`calibration, operating, decision, curves` of report.json."""
        kind, models = self.outcome.kind, list(self.test.frames)
        rules = self.settings.operating_point.items()
        return {
            "calibration": {m: {kind: self.calibration(m)} for m in models},
            "operating": [self.operating(m, *rule) for rule in rules for m in models],
            "decision": {kind: self.decision()},
            "curves": {kind: self.curves()},
        }

    def calibration(self, model: str) -> dict[str, Any]:
        """`before`: the probabilities as the model gave them; `after`: recalibrated, where they were."""
        happened, probability = self.known(self.test, model)
        frame, found = self.test.frames[model], {"before": probability}
        if "uncalibrated_probability" in frame.columns and not frame["uncalibrated_probability"].has_nulls():
            found = {"before": frame["uncalibrated_probability"].to_numpy(), "after": probability}
        how = {"resamples": self.settings.bootstrap.resamples, "seed": self.seed}
        return {when: calibration.report(happened, p, self.test.groups, **how) for when, p in found.items()}

    def operating(self, model: str, rule: str, wanted: float) -> dict[str, Any]:
        """The operating point: its threshold comes from validation rows, or from the scored ones where there are none."""
        where, part = ("validation", self.validation) if self.validation.frames else ("test", self.test)
        threshold = decision.threshold_for(*self.known(part, model), rule, wanted)
        draws = self.resampled(at_threshold(*self.known(self.test, model), threshold), self.test)
        scores = {score: draws.interval(score) for score in draws.points}
        alerts = scores.pop("alerts_per_100")
        named = {"model": model, "outcome": self.outcome.kind, "rule": {rule: wanted}}
        point = {"threshold": finite(threshold), "chosen_on": where, "scores": scores}
        return {**named, **point, "alerts_per_100": alerts["value"], "alerts_interval": alerts}

    def decision(self) -> dict[str, Any]:
        """Net benefit of each model, of an alert for all and of none, over the thresholds."""
        low, high = self.settings.decision.thresholds
        at = np.linspace(low, high, int(np.clip(round((high - low) * 100), 1, 199)) + 1)
        known = {m: self.known(self.test, m) for m in self.test.frames}
        models = {m: decision.net_benefit(*pair, at).tolist() for m, pair in known.items()}
        happened = next(iter(known.values()))[0]
        everyone = decision.net_benefit(happened, np.ones(len(happened)), at)
        return {"thresholds": at.tolist(), "none": 0, "all": everyone.tolist(), "models": models}

    def curves(self) -> dict[str, Any]:
        """ROC and precision–recall of each model."""
        ranked = {**self.test.frames, **self.test.tied}
        found = {m: decision.curves(*self.outcome.probabilities(frame)) for m, frame in ranked.items()}
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
    """What report.json holds of one outcome: `roles, chosen, seed`, `models, comparisons, calibration, operating,
    decision, curves, subgroups`.

    predictions: the predictions table with the truth in it; rows that the package answered are never scored.
    row_id, groups, strata: [row] of the samples; roles: model → model | baseline, in the
    order of the page. Raises `UnknownName` for a group or a stratum that is not there.
    """
    settings.known_names(groups, strata)
    drawn = settings.drawn(groups, row_id)
    rows = labelled(predictions.filter(pl.col("fold") != "package"), outcome)
    rows = rows.filter(pl.col("refused").is_null()) if "refused" in rows.columns else rows
    parts = {split: ScoredRows.of(rows, split, roles, row_id, drawn) for split in HELD_OUT}
    evaluator = Evaluator(outcome, settings, roles, chosen, seed, **parts)
    draws = {split: evaluator.drawn(part, part.frames) for split, part in parts.items()}
    tested = parts["test"].frames
    useful = tested and hasattr(outcome, "probabilities")
    return {
        "roles": dict(roles),
        "chosen": {outcome.kind: chosen},
        "seed": seed,
        "models": evaluator.models(draws),
        "comparisons": evaluator.comparisons(draws["test"]),
        **(evaluator.useful() if useful else {"calibration": {}, "operating": []}),
        "subgroups": evaluator.subgroups(strata) if chosen in tested else [],
    }


def best(predictions: pl.DataFrame, models: Sequence[str], outcome: Any, score: str | None = None) -> str:
    """The model with the best score on validation rows; the first one where there are no such rows.

    score: the outcome's first one where it is None.
    """
    score = score or outcome.primary
    sign = -1 if score in LOWER_IS_BETTER else 1
    rows = labelled(predictions.filter(split="validation"), outcome)
    frames = [rows.filter(model=model) for model in models]
    found = [of_all(outcome.measures(f)[score], f.height) if f.height else np.nan for f in frames]
    return models[int(np.argmax(np.nan_to_num(sign * np.array(found), nan=-np.inf)))]
