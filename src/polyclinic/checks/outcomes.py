"""What every outcome promises. Each check takes the outcome and a folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from polyclinic.checks.planted import problem
from polyclinic.errors import FoundWanting
from polyclinic.outcomes.outcome import Raw
from polyclinic.samples import Samples

OutcomeCheck: TypeAlias = Callable[[Any, Path], None]


def outcome_checks() -> list[OutcomeCheck]:
    """Every check of an outcome, to be called as `check(outcome, tmp_path)`."""
    return [
        planted_problem_fits_its_head,
        same_seed_same_problem,
        every_row_gets_a_prediction_and_a_truth,
        every_score_is_measured_whatever_the_order,
        loss_is_one_number_a_row,
    ]


def planted_problem_fits_its_head(outcome: Any, tmp_path: Path) -> None:  # noqa: ARG001
    """The head names a column that the planted rows have, and each row has one target of the promised shape."""
    rows = planted(outcome)
    head = outcome.head(rows)
    per, _, column = head.per.partition(":")
    if (
        per not in ("row", "element", "grid", "set")
        or head.channels < 1
        or (column and column not in rows.columns)
    ):
        raise FoundWanting(
            f"its head ({head.per!r}, {head.channels} channels) does not fit the planted problem",
            fix="use per='row', 'element:COLUMN', 'grid:COLUMN' or 'set', and plant that column",
        )
    target = outcome.target(rows)
    if len(target) != len(rows) or (per == "row" and target.ndim > 2):
        raise FoundWanting(
            f"{len(target)} targets for {len(rows)} planted rows",
            fix="let `target` give one entry a row: a number, or an array in an object array",
        )


def same_seed_same_problem(outcome: Any, tmp_path: Path) -> None:  # noqa: ARG001
    """A seed names one planted problem, and another seed another."""
    one, same, other = (outcome.target(outcome.planted(12, seed)) for seed in (1, 1, 2))
    if not alike(one, same) or alike(one, other):
        raise FoundWanting(
            "`planted` does not follow its seed",
            fix="draw from numpy.random.default_rng(seed), and from nothing else",
        )


def every_row_gets_a_prediction_and_a_truth(outcome: Any, tmp_path: Path) -> None:
    """One row out for each row in, in `predictions` and in `truth`, with a target or without."""
    rows = planted(outcome)
    answer = outcome.link(empty_raw(outcome, rows))
    for given in (rows, rows.without_targets()):
        frame = outcome.predictions(answer, given, threshold=None, folder=tmp_path / "answers")
        if frame.height != len(rows) or outcome.truth(given).height != len(rows):
            raise FoundWanting(
                f"{frame.height} predictions and {outcome.truth(given).height} truths for {len(rows)} rows",
                fix="keep the caller's rows, in their order; null where there is nothing to say",
            )


def every_score_is_measured_whatever_the_order(outcome: Any, tmp_path: Path) -> None:
    """`measures` gives each name in `scores`, the primary one among them, and the order of rows changes none."""
    import polars as pl

    rows = planted(outcome)
    answer = outcome.link(empty_raw(outcome, rows))
    frame = outcome.predictions(answer, rows, threshold=None, folder=tmp_path / "answers")
    frame = pl.concat([frame, outcome.truth(rows)], how="horizontal")
    weights = np.ones((1, len(rows)))
    forward, backward = outcome.measures(frame), outcome.measures(frame.reverse())
    if outcome.primary not in outcome.scores or set(forward) != set(outcome.scores):
        raise FoundWanting(
            "its `scores`, its `primary` and its `measures` do not name the same",
            fix="let `measures` give exactly the names in `scores`, and `primary` be one of them",
        )
    moved = [
        n for n, s in forward.items() if not np.allclose(s(weights), backward[n](weights), equal_nan=True)
    ]
    if moved:
        raise FoundWanting(
            f"{moved[0]} changes with the order of rows", fix="sort ties, or count them by half"
        )


def loss_is_one_number_a_row(outcome: Any, tmp_path: Path) -> None:  # noqa: ARG001
    """The loss of raw [row, channel, …] is finite, one a row, and has a gradient. Not asked where torch is missing."""
    from importlib.util import find_spec

    if find_spec("torch") is None:
        return
    import torch

    rows = planted(outcome)
    target = outcome.target(rows.take([0]))[0]
    shape = (1, outcome.head(rows).channels, *np.shape(target))
    raw = torch.zeros(shape, requires_grad=True)
    loss = outcome.loss(raw, {"target": torch.as_tensor(np.asarray(target))[None]})
    if tuple(loss.shape) != (1,) or not torch.isfinite(loss).all() or not loss.requires_grad:
        raise FoundWanting(
            f"its loss has shape {tuple(loss.shape)} for one row of raw {shape}",
            fix="average over elements and channels, never over rows, and leave no NaN where a target is missing",
        )


def planted(outcome: Any) -> Samples:
    """A few rows of its planted problem."""
    return problem(None, outcome).samples.take(np.arange(12))


def empty_raw(outcome: Any, rows: Samples) -> Raw:
    """Raw zeros of the shape that the head promises for these rows."""
    channels = outcome.head(rows).channels
    shapes = np.array([np.shape(t) for t in outcome.target(rows)], np.int64)
    if shapes.shape[1] == 0:
        return Raw(np.zeros((len(rows), channels), np.float32))
    return Raw(np.zeros((int(shapes.prod(axis=1).sum()), channels), np.float32), shapes)


def alike(one: Any, other: Any) -> bool:
    """Whether two targets are the same, missing entries included."""
    pairs = list(zip(one, other, strict=True))
    return all(np.shape(a) == np.shape(b) and np.array_equal(a, b, equal_nan=True) for a, b in pairs)
