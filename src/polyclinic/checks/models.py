"""What every model promises. Each check takes the model, an outcome, and a folder for what it writes."""

import json
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from polyclinic import config, fingerprint, registry
from polyclinic.arrays import Array
from polyclinic.checks.planted import (
    must,
    part,
    problem,
    read_only,
    scored,
    shuffled,
    with_other_test_rows,
    without_inputs,
)
from polyclinic.errors import CheckFailed
from polyclinic.models.model import Model, Session
from polyclinic.outcomes.outcome import Outcome
from polyclinic.packages.fitted import Fitted
from polyclinic.packages.parts import save_parts
from polyclinic.packages.state_files import save_state
from polyclinic.samples import Samples
from polyclinic.training.loop import fit

ModelCheck: TypeAlias = Callable[[Model, Outcome, Path], None]
SEED = 5
WRITTEN = {".json", ".safetensors", ".onnx"}


def model_checks() -> list[ModelCheck]:
    """Every check of a model, to be called as `check(model, outcome, tmp_path)`."""
    return [
        learns_the_planted_signal,
        does_not_learn_from_shuffled_labels,
        same_seed_same_weights,
        test_rows_change_no_byte,
        gives_what_its_head_says,
        sees_columns_alone,
        saved_then_loaded_answers_the_same,
        answers_in_a_fresh_process_without_torch,
        survives_all_missing_input,
        answers_alike_in_any_batch,
    ]


def learns_the_planted_signal(model: Model, outcome: Outcome, tmp_path: Path) -> None:
    """On held-out rows it goes at least a quarter of the way from chance to perfect.

    A model that predicts without its inputs (a baseline) declares `ignores_inputs = True` and is not checked.
    """
    if getattr(model, "ignores_inputs", False):
        return
    reached, chance, scores = beside_chance(fitted_on(model, outcome), outcome, problem(model, outcome), tmp_path)
    what = f"it did not learn a signal that is plainly there: {scores}"
    fix = "see that `encode` gives the columns, that the loss reaches every weight, and that it trains long enough"
    must(reached >= chance.mean() + 0.25 * (1 - chance.mean()), what, fix)


def does_not_learn_from_shuffled_labels(model: Model, outcome: Outcome, tmp_path: Path) -> None:
    """Where labels hold no information, its predictions for held-out rows are as good as chance."""
    rows = shuffled(problem(model, outcome), 1, tmp_path)
    reached, chance, scores = beside_chance(fit_once(model, outcome, rows), outcome, rows, tmp_path)
    what = f"from shuffled labels it still reaches {scores}"
    fix = "look where it learns the labels of held-out rows: identifiers, row order, or targets kept elsewhere"
    must(not reached > chance.mean() + max(4 * chance.std(), 0.05), what, fix)


def same_seed_same_weights(model: Model, outcome: Outcome, tmp_path: Path) -> None:
    """Two fits with one seed leave the same bytes."""
    changed = other_bytes(model, outcome, problem(model, outcome), tmp_path)
    fix = "draw every random number from `seeds.generator(session.seed, …)`, and leave sets and clocks out of it"
    must(not changed, f"the same seed gave other weights: {changed}", fix)


def test_rows_change_no_byte(model: Model, outcome: Outcome, tmp_path: Path) -> None:
    """Other test rows beside the same training rows leave the same bytes."""
    changed = other_bytes(model, outcome, with_other_test_rows(problem(model, outcome)), tmp_path)
    fix = "read ragged columns by `elements()`, `rows()` or `compact()`: their arrays also hold what other rows own"
    must(not changed, f"it learned from test rows: {changed} changed with them", fix)


test_rows_change_no_byte.__test__ = False  # type: ignore[attr-defined]


def gives_what_its_head_says(model: Model, outcome: Outcome, tmp_path: Path) -> None:  # noqa: ARG001
    """Its raw numbers have as many channels as the head asks for, are finite, and lie on the head's scale."""
    fitted, rows = fitted_on(model, outcome), part(problem(model, outcome), "test")
    head, raw = outcome.head(rows, fitted.outcome_state), fitted.raw(rows)
    values = np.asarray(raw.values, np.float64)
    width = values.shape[1] if values.ndim > 1 else 0
    what = f"it gives {width} numbers where the head asks for {head.channels}"
    must(width == head.channels, what, "let the network end in `head.channels` numbers: [row, channel]")
    must(np.isfinite(values).all(), "some of its raw numbers are not finite", "look at what divides, and at empty rows")
    fix = "give numbers before the sigmoid or the softmax: the outcome's link makes probabilities of them"
    varies = values.std(axis=0).max() > 1e-3
    shares = varies and ((values >= 0) & (values <= 1)).all()
    if head.scale == "log odds":
        must(not shares, "its raw numbers look like probabilities, where log odds are asked for", fix)
    if head.scale == "log scores":
        sums = np.abs(values.sum(axis=1) - 1).max() < 1e-3
        must(not (shares and sums), "its raw numbers look like probabilities, where log scores are asked for", fix)


def sees_columns_alone(model: Model, outcome: Outcome, tmp_path: Path) -> None:  # noqa: ARG001
    """What it makes of a row depends on its columns, not on identifiers, groups or strata; and it writes to none of them."""
    rows = part(problem(model, outcome), "test").without_targets()
    state, back = fitted_on(model, outcome).state, np.arange(len(rows))[::-1]
    try:
        read = {name: np.copy(value) for name, value in model.encode(read_only(rows), state).items()}
    except ValueError as error:
        if "read-only" not in str(error):
            raise
        what = "`encode` writes to the arrays that it is given"
        raise CheckFailed(what, fix="work on a copy: other models read the same arrays") from error
    strange = replace(
        rows,
        row_id=rows.row_id[back] + 10_000,
        groups={name: values[back] for name, values in rows.groups.items()},
        strata={name: values[back] for name, values in rows.strata.items()},
    )
    other = model.encode(strange, state)
    differing = [name for name, value in read.items() if not alike(value, np.asarray(other[name]))]
    what = f"`encode` reads row_id, groups or strata: {', '.join(differing)} changes with them"
    must(not differing, what, "read `rows.columns` alone; what a row is called says nothing at the bedside")


def alike(one: Array, other: Array) -> bool:
    """Whether two encoded values are the same, object arrays of one array a row included."""
    if one.dtype == object:
        return len(one) == len(other) and all(
            np.array_equal(a, b, equal_nan=True) for a, b in zip(one, other, strict=True)
        )
    return bool(np.array_equal(one, other, equal_nan=one.dtype.kind == "f"))


ANSWER = """
import json, sys
sys.modules["torch"] = None
import numpy as np
from pathlib import Path
from polyclinic.checks.models import few_rows, model_of
from polyclinic.packages.fitted import Fitted
folder = Path(sys.argv[1])
names = json.loads((folder / "names.json").read_text())
outcome = model_of("outcomes", names["outcome"], names["outcome settings"])
model = model_of("models", names["model"], names["model settings"])
rows = few_rows(model, outcome)
np.save(folder / "answer.npy", Fitted.read(folder / "state", folder / "parts").answer(rows, outcome).values)
"""


def model_of(kind: str, name: str, settings: Mapping[str, object]) -> Any:
    """A registered model or outcome with its settings, as another process builds it."""
    return config.build(registry.load(kind, name), dict(settings), file=name)


def few_rows(model: Model, outcome: Outcome) -> Samples:
    """At most five test rows of the planted problem, without their targets."""
    rows = part(problem(model, outcome), "test")
    return rows.take(np.arange(min(5, len(rows)))).without_targets()


def answers_in_a_fresh_process_without_torch(model: Model, outcome: Outcome, tmp_path: Path) -> None:
    """What was saved answers alike in a process that has seen nothing else, and that has no torch."""
    names = {"model": registered_name("models", model), "outcome": registered_name("outcomes", outcome)}
    settings = {"model settings": config.settings_of(model), "outcome settings": config.settings_of(outcome)}
    fitted = fitted_on(model, outcome).named(names["model"])
    fitted.save(tmp_path / "state", tmp_path / "parts")
    (tmp_path / "names.json").write_text(json.dumps({**names, **settings}), encoding="utf-8")
    command = [sys.executable, "-c", ANSWER, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)
    last = (done.stderr.strip().splitlines() or ["no message"])[-1]
    fix = "keep what answers in state, parts and settings; no global of the module, no torch after the fit"
    must(done.returncode == 0, f"in a process of its own it stops: {last}", fix)
    rows = few_rows(model, outcome)
    here, there = fitted.answer(rows, outcome).values, np.load(tmp_path / "answer.npy")
    gap = float("inf") if here.shape != there.shape else float(np.abs(here - there).max(initial=0.0))
    must(gap <= 1e-6, f"in a process of its own it answers otherwise (by up to {gap:.1e})", fix)


def saved_then_loaded_answers_the_same(model: Model, outcome: Outcome, tmp_path: Path) -> None:
    """What is written holds no code, and what is read back answers as before."""
    fitted = fitted_on(model, outcome).named(registered_name("models", model))
    state, parts = tmp_path / "state", tmp_path / "parts"
    fitted.save(state, parts)
    files = [p for folder in (state, parts) for p in folder.rglob("*") if p.is_file()]
    strange = "".join([p.name for p in files if p.suffix not in WRITTEN][:1])
    what = f"it writes a file that may hold code: {strange}"
    must(not strange, what, "keep JSON in the state and arrays in parts")
    rows = part(problem(model, outcome), "test")
    before, after = (f.answer(rows, outcome).rows() for f in (fitted, Fitted.read(state, parts)))
    gap = gap_of(before, after)
    fix = "put all that `encode` and the parts use into the state, the parts or the settings"
    must(gap == 0, f"loaded again, it predicts otherwise (by up to {gap:.1e})", fix)


def survives_all_missing_input(model: Model, outcome: Outcome, tmp_path: Path) -> None:  # noqa: ARG001
    """Rows of which nothing is known get a prediction each, and it is a number."""
    rows = without_inputs(part(problem(model, outcome), "test").take(np.arange(3)))
    try:
        answer = fitted_on(model, outcome).answer(rows, outcome)
    except Exception as error:
        what = f"rows of which nothing is known stop it: {type(error).__name__}"
        fix = "let `encode` give a number for a missing value and a masked length for an empty sequence"
        raise CheckFailed(what, fix=fix) from error
    fix = "fill missing values with what training rows had, and mask what is empty before dividing by its length"
    finite = len(answer) == len(rows) and np.isfinite(answer.values).all()
    must(finite, "rows of which nothing is known get no finite prediction", fix)


def answers_alike_in_any_batch(model: Model, outcome: Outcome, tmp_path: Path) -> None:  # noqa: ARG001
    """All rows at once, one by one, and in another order: the same predictions to 1e-6 (1e-4 on grids)."""
    rows = part(problem(model, outcome), "test")
    rows = rows.take(np.arange(min(len(rows), 40)))
    fitted = fitted_on(model, outcome)
    together, back = fitted.answer(rows, outcome).rows(), np.arange(len(rows))[::-1]
    alone = [fitted.answer(rows.take([row]), outcome).rows()[0] for row in range(len(rows))]
    reverse = fitted.answer(rows.take(back), outcome).rows()[::-1]
    gap = max(gap_of(together, alone), gap_of(together, reverse))
    what = f"the prediction for a row depends on the rows beside it (by up to {gap:.1e})"
    fix = "scale by what `prepare` learned, never by the batch, and mask what was padded"
    must(gap <= (1e-4 if outcome.head(rows, fitted.outcome_state).per.startswith("grid") else 1e-6), what, fix)


_FITS: dict[tuple[object, ...], Fitted] = {}


def fitted_on(model: Model, outcome: Outcome) -> Fitted:
    """The fit of the planted problem; the checks of one model share it."""
    key = (type(model), repr(model), type(outcome), repr(outcome))
    if key not in _FITS:
        _FITS[key] = fit_once(model, outcome, problem(model, outcome))
    return _FITS[key]


def fit_once(model: Model, outcome: Outcome, rows: Samples) -> Fitted:
    """A new fit with the one seed, of the rows that are to learn from."""
    return fit(model, part(rows, "train"), part(rows, "validation"), outcome, Session(seed=SEED))


def beside_chance(fitted: Fitted, outcome: Outcome, rows: Samples, folder: Path) -> tuple[float, Array, str]:
    """The primary score of the test rows, and that of the same predictions against shuffled labels.

    Returns
    -------
    tuple
        The score; the scores by chance, float64 [8]; both in words.
    """
    rows = part(rows, "test")
    answer, primary, scores = fitted.answer(rows, outcome), outcome.measures[0].name, list[float]()
    for labelled in (rows, *(shuffled(rows, 100 + k, folder) for k in range(8))):
        measured = outcome.scores(scored(outcome, answer, labelled, folder))
        scores.append(float(measured[primary](np.ones((1, len(labelled))))[0]))
    reached, chance = scores[0], np.array(scores[1:])
    return reached, chance, f"{primary} {reached:.3f}, by chance {chance.mean():.3f}"


def other_bytes(model: Model, outcome: Outcome, rows: Samples, folder: Path) -> str:
    """The names of files that differ between the fit of the planted problem and a new one of these rows."""
    written = []
    for name, fitted in (("first", fitted_on(model, outcome)), ("second", fit_once(model, outcome, rows))):
        save_state(fitted.state, folder / name / "state")
        save_parts(fitted.parts, folder / name / "parts")
        written.append(fingerprint.of_files(folder / name))
    return different(*written)


def different(one: dict[str, str], other: dict[str, str]) -> str:
    """The names of files that differ."""
    return ", ".join(sorted(name for name in {*one, *other} if one.get(name) != other.get(name)))


def gap_of(one: Sequence[Array] | Array, other: Sequence[Array] | Array) -> float:
    """The largest difference between arrays, pair by pair; infinite where shapes or missing values differ."""
    pairs = list(zip(one, other, strict=True))
    if any(a.shape != b.shape or (np.isnan(a) != np.isnan(b)).any() for a, b in pairs):
        return float("inf")
    return max((float(np.nanmax(np.abs(a - b), initial=0.0)) for a, b in pairs), default=0.0)


def registered_name(kind: str, item: object) -> str:
    """The name under which its class is registered; a package knows it by that name alone."""
    cls = type(item)
    target = f"{cls.__module__}:{cls.__qualname__}"
    entries = registry.entries(kind).values()
    mapping = getattr(item, "mapping", None)  # of a format that is a file
    names = [e.name for e in entries if (e.path() == mapping if e.is_file else e.target == target)]
    what = f"{cls.__name__} has no name, so that no package could load it again"
    where = f'under [project.entry-points."polyclinic.{kind}"], or in your Area'
    must(names, what, f"declare it in pyproject.toml {where}")
    return names[0]
