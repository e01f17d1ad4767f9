"""Run the contract of a registered name, check by check."""

import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import polyclinic
from polyclinic import config, progress, registry
from polyclinic.checks.formats import format_checks
from polyclinic.checks.models import model_checks
from polyclinic.checks.outcomes import outcome_checks
from polyclinic.checks.planted import PlantsSource, part, problem
from polyclinic.errors import CheckFailed, Place, PolyclinicError, UnknownName, UsageError
from polyclinic.models.model import Model
from polyclinic.outcomes.outcome import Outcome
from polyclinic.timelines.ingest import opened

HOUSE = Path(polyclinic.__file__).parent
STANDARD_LIBRARY = Path(traceback.__file__).parent
CHECKS: Mapping[str, Callable[[], Sequence[Callable[..., None]]]] = {
    "models": model_checks,
    "formats": format_checks,
    "outcomes": outcome_checks,
}


@dataclass(frozen=True)
class Result:
    """The result of one check; `why` says what to repair, and is empty where it passed."""

    kind: str
    check: str
    passed: bool
    why: str = ""


def run(
    name: str, *, source: Path | None = None, outcome: str | None = None, settings: Sequence[str] = ()
) -> list[Result]:
    """Every check of the model, format and outcome of that name.

    source: what a format should read, where it plants none; outcome: what a model is checked with, where several fit.
    settings: `key=value` for the model's or outcome's own fields.
    """
    kinds = [kind for kind in CHECKS if name in registry.entries(kind)]
    if not kinds:
        known = {n for kind in CHECKS for n in registry.entries(kind)}
        raise UnknownName("model, format or outcome", name, known)
    results: list[Result] = []
    for kind in kinds:
        with TemporaryDirectory(prefix="polyclinic-check-") as folder:
            arguments = arguments_of(kind, name, Path(folder), source, outcome, settings)
            for check in progress.track(CHECKS[kind](), text=f"checks of {name}"):
                results.append(run_check(kind, check, (*arguments, Path(folder) / check.__name__)))
    return results


def arguments_of(
    kind: str, name: str, folder: Path, source: Path | None, outcome: str | None, settings: Sequence[str]
) -> tuple[object, ...]:
    """The arguments of the checks of one kind, before a folder of their own."""
    if kind == "formats":
        form: Any = opened(name)
        if source is None and not isinstance(form, PlantsSource):
            fix = "name one with --source, or give the format `planted(folder) -> Path`"
            raise UsageError("this format brings no example to read", fix=fix)
        if source is not None and not source.exists():
            what = f"no such file or folder: {source}"
            raise UsageError(what, at=Place(file=str(source), key="--source"), fix="check the path")
        return form, source or Path(form.planted(folder / "source"))
    item = build_item(kind, name, settings)
    return (item, outcome_for(item, name, outcome)) if kind == "models" else (item,)


def build_item(kind: str, name: str, settings: Sequence[str] = ()) -> Any:
    """A model or an outcome with its `example` settings, where it has some, and these."""
    cls = registry.load(kind, name)
    document = dict(getattr(cls, "example", {}))
    for assignment in settings:
        config.set_key(document, assignment)
    return config.build(cls, document, file="--set")


def outcome_for(model: Model, name: str, outcome: str | None) -> Outcome:
    """The outcome that a model is checked with: the one named, or the first whose planted rows it can read.

    Those of its own area come first, then the shared ones.
    """
    if outcome:
        return build_item("outcomes", outcome)  # type: ignore[no-any-return]
    area = registry.entry("models", name).area
    entries = registry.entries("outcomes").values()
    for entry in sorted(entries, key=lambda e: (e.area != area, e.area, e.name)):
        candidate: Outcome = build_item("outcomes", entry.name)
        with suppress(Exception):
            rows = part(problem(model, candidate), "train")
            candidate.target(rows, candidate.prepare(rows))
            model.encode(rows.take([0, 1]).without_targets(), model.prepare(rows))
            return candidate
    fix = "name one with --outcome, or give the model `planted(n, seed) -> Samples` with the columns that it reads"
    raise UsageError(f"{name} can read the planted problem of no outcome", fix=fix)


def run_check(kind: str, check: Callable[..., None], arguments: tuple[Any, ...]) -> Result:
    """Run one check; whatever it raises becomes the reason why it failed."""
    arguments[-1].mkdir(parents=True, exist_ok=True)
    why = ""
    try:
        check(*arguments)
    except CheckFailed as failure:
        why = f"{failure.what}; {failure.fix}"
    except PolyclinicError as error:
        why = str(error)
    except Exception as error:
        why = f"it stopped with {type(error).__name__}{last_line_of_theirs(error)}"
    return Result(kind, check.__name__, not why, why)


def last_line_of_theirs(error: BaseException) -> str:
    """Where in a stranger's own file it happened: neither polyclinic's nor a library's; empty where there is no such line."""
    own = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if not Path(frame.filename).is_relative_to(HOUSE)
        and "site-packages" not in Path(frame.filename).parts
        and "<" not in frame.filename
        and not Path(frame.filename).is_relative_to(STANDARD_LIBRARY)
    ]
    if not own:
        return "; run the check in a test to see where"
    last = own[-1]
    return f" at {Path(last.filename).name}, line {last.lineno}: {(last.line or '').strip()}"


def refuse(results: Sequence[Result]) -> None:
    """Raise `CheckFailed` where a check failed."""
    failed = [r.check for r in results if not r.passed]
    if failed:
        what = f"{len(failed)} of {len(results)} checks failed"
        raise CheckFailed(what, fix="repair what the table names, from the top")
