"""polyclinic: from clinical data as it lies to a validated, portable model, on one path for every kind of data.

The public names are loaded when they are first asked for; importing the package loads nothing else.
"""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import version
from typing import Any

_PUBLIC = {
    "Area": "polyclinic.registry",
    "BadData": "polyclinic.errors",
    "BadPackage": "polyclinic.errors",
    "Cohort": "polyclinic.cohorts.extract",
    "Dense": "polyclinic.samples",
    "Entity": "polyclinic.samples",
    "File": "polyclinic.samples",
    "Fitted": "polyclinic.packages.fitted",
    "FoundWanting": "polyclinic.errors",
    "Head": "polyclinic.outcomes.outcome",
    "InputColumns": "polyclinic.samples.inputs",
    "NamedPart": "polyclinic.packages.parts",
    "OnnxPart": "polyclinic.packages.parts",
    "PolyclinicError": "polyclinic.errors",
    "Ragged": "polyclinic.samples",
    "Raw": "polyclinic.outcomes.outcome",
    "Report": "polyclinic.reports.report",
    "RowTable": "polyclinic.timelines.rows",
    "Samples": "polyclinic.samples",
    "Session": "polyclinic.models.model",
    "State": "polyclinic.packages.state",
    "Study": "polyclinic.studies.study",
    "Task": "polyclinic.cohorts.task",
    "Timeline": "polyclinic.timelines.timeline",
    "Training": "polyclinic.training.recipe",
    "UsageError": "polyclinic.errors",
    "evaluate_file": "polyclinic.studies.evaluate",
    "extract": "polyclinic.cohorts.extract",
    "ingest": "polyclinic.timelines.ingest",
    "open_source": "polyclinic.timelines.ingest",
    "predict": "polyclinic.packages.predict",
    "run": "polyclinic.studies.run",
    "verify": "polyclinic.packages.verify",
}
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
