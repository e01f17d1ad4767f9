"""What every outcome promises. Each check takes the outcome and a folder."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import numpy as np

from polyclinic.checks.models import gap_of
from polyclinic.checks.planted import must, problem, scored
from polyclinic.outcomes.outcome import Outcome, Prepared
from polyclinic.outcomes.raw import Raw
from polyclinic.samples import Samples

OutcomeCheck: TypeAlias = Callable[[Outcome, Path], None]


def outcome_checks() -> list[OutcomeCheck]:
    """Every check of an outcome, to be called as `check(outcome, tmp_path)`."""
    return [
        planted_problem_fits_its_head,
        same_seed_same_problem,
        every_row_gets_a_prediction_and_a_truth,
        every_score_is_measured_whatever_the_order,
        loss_is_one_number_a_row,
    ]


def planted_problem_fits_its_head(outcome: Outcome, tmp_path: Path) -> None:  # noqa: ARG001
    """The head names a column that the planted rows have, and each row has one target of the promised shape."""
    rows, of_rows = planted(outcome), prepared(outcome)
    head = of_rows.head(rows)
    per, _, column = head.per.partition(":")
    known = per in ("row", "element", "grid", "set") and (not column or column in rows.columns)
    what = f"its head ({head.per!r}, {head.channels} channels) does not fit the planted problem"
    fix = "use per='row', 'element:COLUMN', 'grid:COLUMN' or 'set', and plant that column"
    must(known and head.channels >= 1, what, fix)
    target = of_rows.target(rows)
    fix = "let `target` give one entry a row: a number, or an array in an object array"
    fits = len(target) == len(rows) and (per != "row" or target.ndim <= 2)
    must(fits, f"{len(target)} targets for {len(rows)} planted rows", fix)


def same_seed_same_problem(outcome: Outcome, tmp_path: Path) -> None:  # noqa: ARG001
    """A seed names one planted problem, and another seed another."""
    one, same, other = (prepared(outcome).target(outcome.planted(12, seed)) for seed in (1, 1, 2))
    follows = gap_of(one, same) == 0 < gap_of(one, other)
    must(follows, "`planted` does not follow its seed", "draw from numpy.random.default_rng(seed) alone")


def every_row_gets_a_prediction_and_a_truth(outcome: Outcome, tmp_path: Path) -> None:
    """One row out for each row in, in `predictions` and in `truth`, with a target or without."""
    rows = planted(outcome)
    answer = prepared(outcome).link(empty_raw(outcome, rows))
    for table in (rows, rows.without_targets()):
        frame = outcome.predictions(answer, table, decision=None, folder=tmp_path / "predictions")
        predictions, truths = frame.height, outcome.truth(table).height
        what = f"{predictions} predictions and {truths} truths for {len(rows)} rows"
        fix = "keep the caller's rows, in their order; null where there is no value"
        must(predictions == truths == len(rows), what, fix)


def every_score_is_measured_whatever_the_order(outcome: Outcome, tmp_path: Path) -> None:
    """`scores` gives one score for each of `measures`, and the order of rows changes none."""
    rows = planted(outcome)
    frame = scored(outcome, prepared(outcome).link(empty_raw(outcome, rows)), rows, tmp_path)
    weights = np.ones((1, len(rows)))
    forward, backward = outcome.scores(frame), outcome.scores(frame.reverse())
    what = "its `measures` and its `scores` do not name the same"
    fix = "let `scores` give one score for each of `measures`, under its name"
    must(outcome.measures and list(forward) == [measure.name for measure in outcome.measures], what, fix)
    for name, score in forward.items():
        same = np.allclose(score(weights), backward[name](weights), equal_nan=True)
        must(same, f"{name} changes with the order of rows", "sort ties, or count them by half")


def loss_is_one_number_a_row(outcome: Outcome, tmp_path: Path) -> None:  # noqa: ARG001
    """The loss of raw [row, channel, …] is finite, one a row, and has a gradient. Skipped where torch is missing."""
    from importlib.util import find_spec

    if find_spec("torch") is None:
        return
    import torch

    rows, of_rows = planted(outcome), prepared(outcome)
    target = of_rows.target(rows.take([0]))[0]
    head = of_rows.head(rows)
    shape = (1, head.channels, *(() if head.per == "row" else np.shape(target)))
    raw = torch.zeros(shape, requires_grad=True)
    loss = of_rows.loss(raw, {"target": torch.as_tensor(np.asarray(target))[None]})
    what = f"its loss has shape {tuple(loss.shape)} for one row of raw {shape}"
    fix = "average over elements and channels, never over rows, and leave no NaN where a target is missing"
    must(tuple(loss.shape) == (1,) and torch.isfinite(loss).all() and loss.requires_grad, what, fix)


def planted(outcome: Outcome) -> Samples:
    """A few rows of its planted problem."""
    return problem(None, outcome).take(np.arange(12))


def prepared(outcome: Outcome) -> Prepared:
    """The outcome with what it learns from the planted problem."""
    return Prepared(outcome, outcome.prepare(problem(None, outcome)))


def empty_raw(outcome: Outcome, rows: Samples) -> Raw:
    """Raw zeros of the shape that the head promises for these rows."""
    of_rows = prepared(outcome)
    if (head := of_rows.head(rows)).per == "row":
        return Raw(np.zeros((len(rows), head.channels), np.float32))
    shapes = np.array([np.shape(t) for t in of_rows.target(rows)], np.int64)
    size = int(shapes.prod(axis=1).sum()), of_rows.head(rows).channels
    return Raw(np.zeros(size, np.float32), shapes if shapes.size else None)
