"""polyclinic: from clinical data as it lies to a validated, portable model, on one path for every kind of data.

The public names are loaded when they are first asked for; importing the package loads nothing else.
"""

from importlib import import_module
from importlib.metadata import version
from typing import Any

_NAMES = {
    "cohorts.cohort": ("Cohort",),
    "cohorts.extract": ("extract",),
    "cohorts.task": ("Task",),
    "cohorts.task_parser": ("load_task", "parse_task"),
    "errors": ("BadData", "BadPackage", "FoundWanting", "PolyclinicError", "UsageError"),
    "models.model": ("Session",),
    "outcomes.outcome": ("Head", "Raw"),
    "packages.fitted": ("Fitted",),
    "packages.parts": ("NamedPart", "OnnxPart"),
    "packages.predict": ("predict",),
    "packages.state": ("State",),
    "packages.verify": ("verify",),
    "registry": ("Area",),
    "reports.report": ("Report",),
    "samples": ("Dense", "Entity", "File", "Ragged", "Samples"),
    "samples.inputs": ("InputColumns",),
    "studies.evaluate": ("evaluate_file",),
    "studies.run": ("run",),
    "studies.study": ("Study",),
    "timelines.ingest": ("ingest", "open_source"),
    "timelines.rows": ("RowTable",),
    "timelines.timeline": ("Timeline",),
    "training.recipe": ("Training",),
}
_PUBLIC = {name: f"polyclinic.{module}" for module, names in _NAMES.items() for name in names}
__all__ = sorted(_PUBLIC)


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return version("polyclinic")
    if name not in _PUBLIC:
        from polyclinic.errors import nearest

        near = nearest(name, _PUBLIC)
        hint = f"; did you mean {near!r}?" if near else ""
        raise AttributeError(f"polyclinic has no {name!r}{hint}")
    found = getattr(import_module(_PUBLIC[name]), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
