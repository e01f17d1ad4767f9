"""Libraries that come with an extra are imported where they are needed."""

import importlib
from typing import Any

from polyclinic import openmp
from polyclinic.errors import MissingDependency


def need(module: str, *, extra: str, to: str) -> Any:
    """Import `module`, or say which extra brings it and what it is needed for.

    >>> need("json", extra="train", to="read JSON").dumps([1])
    '[1]'
    """
    try:
        with openmp.asleep(module.split(".")[0]):
            return importlib.import_module(module)
    except ModuleNotFoundError as missing:
        if missing.name != module.split(".")[0]:
            raise
        what = f"{missing.name} is not installed; it is needed to {to}"
        raise MissingDependency(what, fix=f"pip install 'polyclinic[{extra}]'") from missing
