"""Writing a report: what runs it was made on, and `report.json` and `report.html`, each whole or not at all."""

import json
import os
import platform
from collections.abc import Mapping
from importlib.metadata import distributions, version
from pathlib import Path
from typing import Any

from polyclinic import atomic
from polyclinic.reports import page, schema
from polyclinic.reports.finding import finding

LIBRARIES = ("numpy", "polars", "scikit-learn", "lightgbm", "torch", "onnxruntime")


def environment() -> dict[str, Any]:
    """What is needed to run it again to the same figures."""
    return {
        "python": platform.python_version(),
        "polyclinic": version("polyclinic"),
        "platform": platform.platform(terse=True),
        "cpu": f"{platform.machine()}, {os.cpu_count()} processors",
        "versions": {name: d.version for name in LIBRARIES for d in distributions(name=name)},
    }


def publish(document: Mapping[str, Any], out: Path, min_cell: int = 5) -> dict[str, Any]:
    """Write `report.json` and `report.html`, each whole or not at all; gives the document with its finding.

    min_cell: smaller counts are hidden.
    """
    seen = schema.suppress(document, min_cell)
    told = {"format": 1, **seen, "finding": finding(seen)}
    schema.validate(told)
    atomic.write_text(out / "report.json", json.dumps(told, indent=1, ensure_ascii=False))
    atomic.write_text(out / "report.html", page.render(told))
    return told
