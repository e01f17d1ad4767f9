"""Writing a report: what the study ran on, and `report.json` and `report.html`, each whole or not at all."""

import os
import platform
from importlib.metadata import distributions, version
from pathlib import Path

from polyclinic import atomic
from polyclinic.reports import page
from polyclinic.reports.cautions import cautions
from polyclinic.reports.document import ReportDocument
from polyclinic.reports.finding import finding
from polyclinic.reports.results import Environment

LIBRARIES = ("numpy", "polars", "scikit-learn", "lightgbm", "torch", "onnxruntime")


def environment() -> Environment:
    """What is needed to repeat the run with the same numbers."""
    return Environment(
        python=platform.python_version(),
        polyclinic=version("polyclinic"),
        platform=platform.platform(terse=True),
        cpu=f"{platform.machine()}, {os.cpu_count()} processors",
        versions={name: d.version for name in LIBRARIES for d in distributions(name=name)},
    )


def in_words(document: ReportDocument) -> ReportDocument:
    """The document with its finding and its cautions, which are written from its numbers."""
    return document.model_copy(update={"finding": finding(document), "cautions": cautions(document)})


def publish(document: ReportDocument, out: Path, min_cell: int = 5) -> ReportDocument:
    """Write `report.json` and `report.html`, each whole or not at all.

    Parameters
    ----------
    document
        The report without its finding.
    out
        The folder of the run.
    min_cell
        Counts below it are suppressed in both files.

    Returns
    -------
    ReportDocument
        What was written: suppressed, with its finding and its cautions.
    """
    published = in_words(document.suppressed(min_cell))
    atomic.write_text(out / "report.json", published.to_json())
    atomic.write_text(out / "report.html", page.render(published))
    return published
