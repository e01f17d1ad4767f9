"""Run the contract of a registered name, check by check."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from polyclinic import config, progress, registry
from polyclinic.checks.formats import format_checks
from polyclinic.checks.models import model_checks
from polyclinic.checks.outcomes import outcome_checks
from polyclinic.checks.planted import problem
from polyclinic.errors import FoundWanting, PolyclinicError, UnknownName, UsageError

Job = tuple[Any, tuple[Any, ...]]


@dataclass(frozen=True)
class Result:
    """What one check said; `why` says what to mend, or is empty."""

    kind: str
    check: str
    held: bool
    why: str = ""


def run(
    name: str, *, source: Path | None = None, outcome: str | None = None, settings: Sequence[str] = ()
) -> list[Result]:
    """Every check of the model, format and outcome of that name.

    source: what a format should read, where it plants none; outcome: what a model is asked, where several fit.
    settings: `key=value` for the model's or outcome's own fields.
    """
    kinds = [kind for kind in ("models", "formats", "outcomes") if name in registry.entries(kind)]
    if not kinds:
        known = {n for kind in ("models", "formats", "outcomes") for n in registry.entries(kind)}
        raise UnknownName("model, format or outcome", name, known)
    results: list[Result] = []
    for kind in kinds:
        with TemporaryDirectory(prefix="polyclinic-check-") as folder:
            jobs = list(jobs_of(kind, name, Path(folder), source, outcome, settings))
            results += [
                held(kind, check, given) for check, given in progress.track(jobs, text=f"checks of {name}")
            ]
    return results


def jobs_of(
    kind: str, name: str, folder: Path, source: Path | None, outcome: str | None, settings: Sequence[str]
) -> Iterator[Job]:
    """The checks of one kind and what each is called with, each with a folder of its own."""
    if kind == "formats":
        form = registry.load("formats", name)()
        given: tuple[Any, ...] = (form, source or source_of(form, folder))
    else:
        item = made(kind, name, settings)
        given = (item, outcome_for(item, name, outcome)) if kind == "models" else (item,)
    checks: dict[str, list[Callable[..., None]]] = {
        "models": model_checks(), "formats": format_checks(), "outcomes": outcome_checks()
    }  # fmt: skip
    for check in checks[kind]:
        yield check, (*given, folder / check.__name__)


def made(kind: str, name: str, settings: Sequence[str] = ()) -> Any:
    """A model or an outcome with its `example` settings, where it has some, and these."""
    cls = registry.load(kind, name)
    document = dict(getattr(cls, "example", {}))
    for assignment in settings:
        config.set_key(document, assignment)
    return config.build(cls, document, file="--set")


def source_of(form: Any, folder: Path) -> Path:
    """The example source that a format writes for its checks."""
    if not hasattr(form, "planted"):
        raise UsageError(
            "this format brings no example to read",
            fix="name one with --source, or give the format `planted(folder) -> Path`",
        )
    return Path(form.planted(folder / "source"))


def outcome_for(model: Any, name: str, wanted: str | None) -> Any:
    """The outcome that a model is checked with: the one asked for, or the first whose planted rows it can read.

    Those of its own area come first, then the shared ones.
    """
    if wanted:
        return made("outcomes", wanted)
    area = registry.entry("models", name).area
    for entry in sorted(
        registry.entries("outcomes").values(), key=lambda e: (e.area != area, e.area, e.name)
    ):
        found = made("outcomes", entry.name)
        if reads(model, found):
            return found
    raise UsageError(
        f"{name} can read the planted problem of no outcome",
        fix="name one with --outcome, or give the model `planted(n, seed) -> Samples` with the columns that it reads",
    )


def reads(model: Any, outcome: Any) -> bool:
    """Whether a model can prepare and encode the rows of the outcome's planted problem."""
    try:
        rows = problem(model, outcome).part("train")
        outcome.target(rows)
        model.encode(rows.take([0, 1]).without_targets(), model.prepare(rows))
    except Exception:
        return False
    return True


def held(kind: str, check: Callable[..., None], given: tuple[Any, ...]) -> Result:
    """Run one check and keep what it says."""
    name = getattr(check, "__name__", "check")
    given[-1].mkdir(parents=True, exist_ok=True)
    try:
        check(*given)
    except FoundWanting as wanting:
        return Result(kind, name, False, f"{wanting.what}; {wanting.fix}")
    except PolyclinicError as error:
        return Result(kind, name, False, str(error))
    except Exception as error:
        return Result(
            kind, name, False, f"it stopped with {type(error).__name__}; run the check in a test to see where"
        )
    return Result(kind, name, True)


def refuse(results: Sequence[Result]) -> None:
    """Raise `FoundWanting` where a check did not hold."""
    failed = [r.check for r in results if not r.held]
    if failed:
        raise FoundWanting(
            f"{len(failed)} of {len(results)} checks did not hold",
            fix="mend what the table names, first things first",
        )
