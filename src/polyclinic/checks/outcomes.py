"""What every outcome promises. Each check takes the outcome and a folder."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import numpy as np

from polyclinic.checks.models import gap_of
from polyclinic.checks.planted import must, problem, scored, shuffled
from polyclinic.evaluation.scores import of_all
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
        a_weight_of_two_is_the_row_twice,
        predictions_do_not_read_the_truth,
        loss_is_one_number_a_row,
        learning_by_its_loss_makes_its_first_score_better,
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


def a_weight_of_two_is_the_row_twice(outcome: Outcome, tmp_path: Path) -> None:
    """To every score a row with the weight 2 is that row twice, and one with 0 is none."""
    rows = planted(outcome)
    frame = scored(outcome, prepared(outcome).link(some_raw(outcome, rows)), rows, tmp_path)
    weights = np.random.default_rng(0).integers(0, 3, len(rows))
    repeated = frame[np.repeat(np.arange(len(rows)), weights)]
    ones = np.ones((1, repeated.height))
    weighted, twice = outcome.scores(frame), outcome.scores(repeated)
    for name, score in weighted.items():
        same = np.allclose(score(weights[None].astype(np.float64)), twice[name](ones), equal_nan=True, atol=1e-9)
        fix = "sum over rows with their weights; `polyclinic.evaluation.scores.row_mean` and `ratio` do"
        must(same, f"{name} is not the same for a row with the weight 2 and for that row twice", fix)


def predictions_do_not_read_the_truth(outcome: Outcome, tmp_path: Path) -> None:
    """What is predicted is the same with the targets, with other targets and without."""
    rows = planted(outcome)
    answer = prepared(outcome).link(some_raw(outcome, rows))
    blind = outcome.predictions(answer, rows.without_targets(), decision=None, folder=tmp_path / "blind")
    for name, other in (("", rows), ("shuffled", shuffled(rows, 3, tmp_path))):
        frame = outcome.predictions(answer, other, decision=None, folder=tmp_path / f"seen{name}")
        numbers = [c for c in outcome.answer_columns if c in blind.columns]
        same = all(frame[c].to_list() == blind[c].to_list() for c in numbers) and set(blind.columns) <= set(
            frame.columns
        )
        fix = "make predictions out of the answer alone; the truth stands in the columns of `truth`"
        must(same, "its predictions change with the targets of the rows", fix)


def learning_by_its_loss_makes_its_first_score_better(outcome: Outcome, tmp_path: Path) -> None:
    """Raw numbers that follow the loss downwards score better than those that they began with. Skipped without torch."""
    from importlib.util import find_spec

    if find_spec("torch") is None:
        return
    rows, measure = planted(outcome), outcome.measures[0]
    before, after = (
        of_all(
            outcome.scores(scored(outcome, prepared(outcome).link(raw), rows, tmp_path / name))[measure.name], len(rows)
        )
        for name, raw in (("before", some_raw(outcome, rows)), ("after", descended(outcome, rows)))
    )
    what = f"after learning by its loss its {measure.title} goes from {before:.3f} to {after:.3f}, which is no better"
    fix = "let the loss be lowest at the truth (mind its sign), and let `better` of the measure say which way is better"
    must(measure.loss(after) < measure.loss(before), what, fix)


def descended(outcome: Outcome, rows: Samples) -> Raw:
    """Raw numbers of these rows, each row's own, after they followed the loss downwards from random ones."""
    import torch

    of_rows, start = prepared(outcome), some_raw(outcome, rows)
    target, whole = of_rows.target(rows), start.rows()
    ends = []
    for row, values in enumerate(whole):
        raw = torch.tensor(np.moveaxis(np.asarray(values, np.float32), -1, 0)[None], requires_grad=True)
        batch = {"target": torch.as_tensor(np.asarray(target[row]))[None]}
        optimiser = torch.optim.Adam([raw], lr=0.3)
        for _ in range(40):
            optimiser.zero_grad()
            of_rows.loss(raw, batch).sum().backward()
            optimiser.step()
        ends.append(np.moveaxis(raw.detach().numpy()[0], 0, -1).reshape(-1, values.shape[-1] if values.ndim else 1))
    return Raw(np.concatenate(ends), start.shape)


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


def some_raw(outcome: Outcome, rows: Samples) -> Raw:
    """Raw numbers of the shape that the head promises, drawn at random, the same at every call."""
    empty = empty_raw(outcome, rows)
    return Raw(np.random.default_rng(1).normal(size=empty.values.shape).astype(np.float32), empty.shape)


def empty_raw(outcome: Outcome, rows: Samples) -> Raw:
    """Raw zeros of the shape that the head promises for these rows."""
    of_rows = prepared(outcome)
    if (head := of_rows.head(rows)).per == "row":
        return Raw(np.zeros((len(rows), head.channels), np.float32))
    shapes = np.array([np.shape(t) for t in of_rows.target(rows)], np.int64)
    size = int(shapes.prod(axis=1).sum()), of_rows.head(rows).channels
    return Raw(np.zeros(size, np.float32), shapes if shapes.size else None)
