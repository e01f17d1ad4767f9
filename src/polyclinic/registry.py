"""Names of formats, models, outcomes, …: who owns them, and how they are loaded.

Everything is declared by entry points, the built-in areas too: a distribution declares an `Area` under
`polyclinic.areas`, or a single name under `polyclinic.<kind>`. Listing names loads no heavy library.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import EntryPoint, EntryPoints, entry_points, version
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from pkgutil import resolve_name
from typing import Any, cast

from polyclinic.errors import Place, UnknownName, UsageError

KINDS = (
    "formats", "inputs", "tasks", "models", "parts", "outcomes", "measures", "adjustments", "decisions",
    "evaluations", "studies", "datasets", "sections",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Area:
    """What one area of medicine brings: names → dotted targets (`module:attribute`) or files (`package:path.yaml`).

    parts: the functions that a `NamedPart` may name, and no others.
    measures: `Measure`s; adjustments and decisions: what a package may hold of what validation answers taught;
    evaluations: code that judges one kind of answer. An outcome names them, so that a fit does not depend on the code
    that judges it.
    """

    name: str
    title: str
    inputs: str = ""
    formats: Mapping[str, str] = field(default_factory=dict)
    tasks: Mapping[str, str] = field(default_factory=dict)
    models: Mapping[str, str] = field(default_factory=dict)
    parts: Mapping[str, str] = field(default_factory=dict)
    outcomes: Mapping[str, str] = field(default_factory=dict)
    measures: Mapping[str, str] = field(default_factory=dict)
    adjustments: Mapping[str, str] = field(default_factory=dict)
    decisions: Mapping[str, str] = field(default_factory=dict)
    evaluations: Mapping[str, str] = field(default_factory=dict)
    studies: Mapping[str, str] = field(default_factory=dict)
    datasets: Mapping[str, str] = field(default_factory=dict)
    sections: Mapping[str, str] = field(default_factory=dict)

    def declared(self, kind: str) -> Mapping[str, str]:
        """The names that this area declares of one kind."""
        if kind == "inputs":
            return {self.name: self.inputs} if self.inputs else {}
        return getattr(self, kind)  # type: ignore[no-any-return]


@dataclass(frozen=True, slots=True)
class Entry:
    """One declared name and where it comes from."""

    kind: str
    name: str
    target: str
    distribution: str
    area: str = ""

    @property
    def is_file(self) -> bool:
        """Whether the target is a file, as `package:path.yaml` is, and not code."""
        return self.target.endswith((".yaml", ".yml"))

    def load(self) -> Any:
        """Import the target (`module:attribute`)."""
        return resolve_name(self.target)

    def path(self) -> Path:
        """The file behind a target of the form `package:path`."""
        package, _, relative = self.target.partition(":")
        return Path(str(files(package).joinpath(relative)))

    def needs(self) -> dict[str, str]:
        """The distribution that a package needs in order to load this name, with its version."""
        return {"distribution": self.distribution, "version": version(self.distribution)}


def _distribution(point: EntryPoint) -> str:
    return point.dist.name if point.dist else "polyclinic"


@cache
def _declared() -> EntryPoints:
    """Every entry point that is installed: looking through all distributions takes 20 ms, and once is enough."""
    return cast(EntryPoints, entry_points())  # of Python 3.11, what it gives is another class that selects alike


@cache
def areas() -> dict[str, tuple[Area, str]]:
    """Area name → (Area, distribution); an area whose folder was taken away is left out."""
    owners: dict[str, tuple[Area, str]] = {}
    for point in _declared().select(group="polyclinic.areas"):
        if _there(point.module):
            area = point.load()
            _claim(owners, "areas", area.name, (area, _distribution(point)))
    return owners


def _there(module: str) -> bool:
    """Whether a module has a source: a folder that was taken away may leave an empty shell behind."""
    try:
        spec = find_spec(module)
    except ModuleNotFoundError:
        return False
    return spec is not None and spec.origin is not None


def _claim(known: dict[str, Any], kind: str, name: str, entry: Any) -> None:
    if name in known:
        owners = [e.distribution if isinstance(e, Entry) else e[1] for e in (known[name], entry)]
        what = f"two owners of {kind} {name!r}: {owners[0]} and {owners[1]}"
        raise UsageError(what, fix=f"uninstall one of them, or ask its author to rename {name!r}")
    known[name] = entry


@cache
def entries(kind: str) -> dict[str, Entry]:
    """Every declared name of one kind, sorted; raises `UsageError` where two own one name."""
    known: dict[str, Entry] = {}
    for point in _declared().select(group=f"polyclinic.{kind}"):
        _claim(known, kind, point.name, Entry(kind, point.name, point.value, _distribution(point)))
    for area, distribution in areas().values():
        for name, target in area.declared(kind).items():
            _claim(known, kind, name, Entry(kind, name, target, distribution, area.name))
    return dict(sorted(known.items()))


def entry(kind: str, name: str, *, at: Place | None = None) -> Entry:
    """The entry of that name; raises `UnknownName` with the nearest known one."""
    known = entries(kind)
    if name not in known:
        raise UnknownName(kind.removesuffix("s") if kind != "studies" else "study", name, known, at=at)
    return known[name]


def load(kind: str, name: str, *, at: Place | None = None) -> Any:
    """Import what stands behind a name."""
    return entry(kind, name, at=at).load()
