"""polyclinic: from clinical data as it lies to a validated, portable model, on one path for every kind of data.

The public names are loaded at their first use; importing the package loads nothing else.

The folders stand in the order of the path. A module imports only from the small modules beside this one and from
folders with a smaller number; what lies later is reached by its registered name alone. `tests/test_floors.py` reads
this list:

     1. figures       one way to draw: SVG, light and dark, with text alternatives
     2. timelines     events of subjects: formats, ingest, quarantine, time and availability
     3. datasets      the registry of open data sets, and mirrors
     4. cohorts       the task language, its plan, its execution, attrition
     5. samples       rows for models: assembly, columns, splits, data frames
     6. evaluation    pure numbers from a predictions table
     7. outcomes      kinds of answer, one file each
     8. packages      what leaves a study: parts, recipe, verification, prediction
     9. models        models that every area wants
    10. training      the loop, export, settings
    11. inspection    what needs a fitted model: explanation, robustness
    12. reports       the report document, the page, the model card, publishing
    13. areas         records, imaging, molecules, …: formats, inputs, models, studies
    14. studies       a study read, checked, run and resumed
    15. checks        contracts that guests run in their own tests
    16. surveillance  watching a model in use
    17. service       answering over a network
    18. console       pages for people
    19. typing        names for guests
    20. cli           one file a command
"""

from importlib import import_module
from importlib.metadata import version
from typing import Any

_NAMES = {
    "cohorts.cohort": ("Cohort",),
    "cohorts.extract": ("extract",),
    "cohorts.task": ("Task",),
    "cohorts.task_parser": ("load_task", "parse_task"),
    "errors": ("BadData", "BadPackage", "CheckFailed", "PolyclinicError", "UsageError"),
    "models.model": ("Session",),
    "outcomes.outcome": ("Head", "Raw"),
    "packages.fitted": ("Fitted",),
    "packages.parts": ("NamedPart", "OnnxPart"),
    "packages.predict": ("predict",),
    "state": ("State",),
    "packages.verify": ("verify",),
    "registry": ("Area",),
    "reports.external": ("evaluate",),
    "reports.report": ("Report",),
    "samples": ("Dense", "Entity", "File", "Ragged", "Samples"),
    "samples.inputs": ("InputColumns",),
    "studies.run_plan": ("Plan",),
    "studies.run": ("plan", "run"),
    "studies.study": ("Study",),
    "studies.study_parser": ("load_study",),
    "timelines.ingest": ("ingest", "open_source"),
    "timelines.rows": ("RowTable",),
    "timelines.timeline": ("Timeline",),
    "models.training_settings": ("Training",),
}
PUBLIC = {name: f"polyclinic.{module}" for module, names in _NAMES.items() for name in names}
__all__ = sorted(PUBLIC)


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return version("polyclinic")
    if name not in PUBLIC:
        from polyclinic.errors import nearest

        near = nearest(name, PUBLIC)
        hint = f"; did you mean {near!r}?" if near else ""
        raise AttributeError(f"polyclinic has no {name!r}{hint}")
    value = getattr(import_module(PUBLIC[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
