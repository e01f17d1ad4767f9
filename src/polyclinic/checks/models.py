"""What every model promises. Each check takes the model, an outcome, and a folder for what it writes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from polyclinic import fingerprint, registry
from polyclinic.checks.planted import Problem, problem, shuffled, with_other_test_rows, without_inputs
from polyclinic.errors import FoundWanting
from polyclinic.models.model import Session
from polyclinic.outcomes.outcome import Raw
from polyclinic.packages.fitted import Fitted
from polyclinic.samples import Samples
from polyclinic.training.loop import fit

ModelCheck: TypeAlias = Callable[[Any, Any, Path], None]
SEED = 5
WRITTEN = {".json", ".safetensors", ".onnx"}


def model_checks() -> list[ModelCheck]:
    """Every check of a model, to be called as `check(model, outcome, tmp_path)`."""
    return [
        learns_the_planted_signal,
        does_not_learn_from_shuffled_labels,
        same_seed_same_weights,
        test_rows_change_no_byte,
        saved_then_loaded_answers_the_same,
        survives_all_missing_input,
        answers_alike_in_any_batch,
    ]


def learns_the_planted_signal(model: Any, outcome: Any, tmp_path: Path) -> None:
    """On held-out rows it goes at least a quarter of the way from chance to perfect.

    A model that answers without looking (a baseline) says so with `ignores_inputs = True` and is not asked.
    """
    if getattr(model, "ignores_inputs", False):
        return
    what = problem(model, outcome)
    rows = what.part("test")
    fitted = fitted_on(model, outcome, what)
    found, chance = score(fitted, outcome, rows, tmp_path), by_chance(fitted, outcome, rows, tmp_path)
    if not found >= chance.mean() + 0.25 * (1 - chance.mean()):
        raise FoundWanting(
            f"it did not learn a signal that is plainly there: {outcome.primary} {found:.3f}, by chance {chance.mean():.3f}",
            fix="see that `encode` gives the columns, that the loss reaches every weight, and that it trains long enough",
        )


def does_not_learn_from_shuffled_labels(model: Any, outcome: Any, tmp_path: Path) -> None:
    """Where labels tell nothing, its answers on held-out rows are as good as chance."""
    what = problem(model, outcome)
    what = what.over(shuffled(what.samples, 1, tmp_path))
    rows = what.part("test")
    fitted = fit_once(model, outcome, what)
    found, chance = score(fitted, outcome, rows, tmp_path), by_chance(fitted, outcome, rows, tmp_path)
    if found > chance.mean() + max(4 * chance.std(), 0.05):
        raise FoundWanting(
            f"from shuffled labels it still reaches {outcome.primary} {found:.3f}, by chance {chance.mean():.3f}",
            fix="find where it learns the answer of held-out rows: identifiers, row order, or targets kept elsewhere",
        )


def same_seed_same_weights(model: Any, outcome: Any, tmp_path: Path) -> None:
    """Two fits with one seed leave the same bytes."""
    what = problem(model, outcome)
    first = bytes_of(fitted_on(model, outcome, what), tmp_path / "first")
    second = bytes_of(fit_once(model, outcome, what), tmp_path / "second")
    if first != second:
        raise FoundWanting(
            f"the same seed gave other weights: {different(first, second)}",
            fix="draw every random number from `seeds.generator(session.seed, …)`, and leave sets and clocks out of it",
        )


def test_rows_change_no_byte(model: Any, outcome: Any, tmp_path: Path) -> None:
    """Other test rows beside the same training rows leave the same bytes."""
    what = problem(model, outcome)
    before = bytes_of(fitted_on(model, outcome, what), tmp_path / "before")
    after = bytes_of(fit_once(model, outcome, what.over(with_other_test_rows(what))), tmp_path / "after")
    if before != after:
        raise FoundWanting(
            f"it learned from test rows: {different(before, after)} changed with them",
            fix="read a ragged column through `elements()`, `rows()` or `compact()`: "
            "its shared arrays also hold what other rows own",
        )


test_rows_change_no_byte.__test__ = False  # type: ignore[attr-defined]


def saved_then_loaded_answers_the_same(model: Any, outcome: Any, tmp_path: Path) -> None:
    """What is written holds no code, and what is read back answers as before."""
    what = problem(model, outcome)
    fitted = fitted_on(model, outcome, what).named(registered_name("models", model))
    state, parts = tmp_path / "state", tmp_path / "parts"
    fitted.save(state, parts)
    strange = [
        p.name
        for folder in (state, parts)
        for p in folder.rglob("*")
        if p.is_file() and p.suffix not in WRITTEN
    ]
    if strange:
        raise FoundWanting(
            f"it writes a file that may hold code: {strange[0]}",
            fix="keep JSON in the state and arrays in parts",
        )
    rows = what.part("test")
    gap = largest_gap(fitted.answer(rows, outcome), Fitted.load(state, parts).answer(rows, outcome))
    if gap > 0:
        raise FoundWanting(
            f"loaded again, it answers otherwise (by up to {gap:.1e})",
            fix="put all that `encode` and the parts use into the state, the parts or the settings",
        )


def survives_all_missing_input(model: Any, outcome: Any, tmp_path: Path) -> None:  # noqa: ARG001
    """Rows of which nothing is known get an answer each, and it is a number."""
    what = problem(model, outcome)
    rows = without_inputs(what.part("test").take(np.arange(3)))
    try:
        answer = fitted_on(model, outcome, what).answer(rows, outcome)
    except Exception as error:
        raise FoundWanting(
            f"rows of which nothing is known stop it: {type(error).__name__}",
            fix="let `encode` give a number for a missing value and a masked length for an empty sequence",
        ) from error
    if len(answer) != len(rows) or not np.isfinite(answer.values).all():
        raise FoundWanting(
            "rows of which nothing is known get no finite answer",
            fix="fill missing values with what training rows had, and mask what is empty before dividing by its length",
        )


def answers_alike_in_any_batch(model: Any, outcome: Any, tmp_path: Path) -> None:  # noqa: ARG001
    """All rows at once, one by one, and in another order: the same answers to 1e-6 (1e-4 on grids)."""
    what = problem(model, outcome)
    rows = what.part("test")
    rows = rows.take(np.arange(min(len(rows), 40)))
    fitted = fitted_on(model, outcome, what)
    together, back = fitted.answer(rows, outcome), np.arange(len(rows))[::-1]
    alone = [fitted.answer(rows.take([row]), outcome).rows()[0] for row in range(len(rows))]
    turned = [fitted.answer(rows.take(back), outcome).rows()[row] for row in back]
    gap = max(gap_of(together.rows(), alone), gap_of(together.rows(), turned))
    if not gap <= (1e-4 if outcome.head(what.samples).per.startswith("grid") else 1e-6):
        raise FoundWanting(
            f"the answer for a row depends on the rows beside it (by up to {gap:.1e})",
            fix="scale by what `prepare` learned, never by the batch, and mask what was padded",
        )


_MADE: dict[tuple[object, ...], Fitted] = {}


def fitted_on(model: Any, outcome: Any, what: Problem) -> Fitted:
    """The fit of the planted problem; the checks of one model share it."""
    key = (type(model), repr(model), type(outcome), repr(outcome))
    if key not in _MADE:
        _MADE[key] = fit_once(model, outcome, what)
    return _MADE[key]


def fit_once(model: Any, outcome: Any, what: Problem) -> Fitted:
    """A new fit with the one seed."""
    return fit(model, what.part("train"), what.part("validation"), outcome, Session(seed=SEED))


def score(fitted: Fitted, outcome: Any, rows: Samples, folder: Path) -> float:
    """The outcome's primary score of these rows."""
    import polars as pl

    frame = outcome.predictions(fitted.answer(rows, outcome), rows, threshold=None, folder=folder / "answers")
    scored = pl.concat([frame, outcome.truth(rows)], how="horizontal")
    return float(outcome.measures(scored)[outcome.primary](np.ones((1, len(rows))))[0])


def by_chance(fitted: Fitted, outcome: Any, rows: Samples, folder: Path, times: int = 8) -> Any:
    """The same answers scored against labels that tell nothing: float64 [times]."""
    return np.array([score(fitted, outcome, shuffled(rows, 100 + k, folder), folder) for k in range(times)])


def bytes_of(fitted: Fitted, folder: Path) -> dict[str, str]:
    """File → SHA-256 of all that a fit would write."""
    from polyclinic.packages.parts import save_parts

    fitted.state.save(folder / "state")
    save_parts(fitted.parts, folder / "parts")
    return fingerprint.of_files(folder)


def different(one: dict[str, str], other: dict[str, str]) -> str:
    """The names of files that differ."""
    return ", ".join(sorted(name for name in {*one, *other} if one.get(name) != other.get(name)))


def largest_gap(one: Raw, other: Raw) -> float:
    """The largest difference between two answers for the same rows."""
    return gap_of(one.rows(), other.rows())


def gap_of(one: list[Any], other: list[Any]) -> float:
    """The largest difference between arrays, pair by pair; infinite where shapes or missing values differ."""
    if any(a.shape != b.shape or (np.isnan(a) != np.isnan(b)).any() for a, b in zip(one, other, strict=True)):
        return float("inf")
    return max(
        (float(np.nanmax(np.abs(a - b), initial=0.0)) for a, b in zip(one, other, strict=True)), default=0.0
    )


def registered_name(kind: str, item: Any) -> str:
    """Under which name its class is registered; a package finds it by that name alone."""
    cls = item if isinstance(item, type) else type(item)
    target = f"{cls.__module__}:{cls.__qualname__}"
    found = [entry.name for entry in registry.entries(kind).values() if entry.target == target]
    if not found:
        raise FoundWanting(
            f"{cls.__name__} has no name, so that no package could find it again",
            fix=f'declare it in pyproject.toml under [project.entry-points."polyclinic.{kind}"], or in your Area',
        )
    return found[0]
