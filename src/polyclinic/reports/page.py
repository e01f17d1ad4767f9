"""The page: one HTML file, drawn from the report document alone, that needs nothing else to be read."""

from collections.abc import Callable
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

from polyclinic import registry
from polyclinic.figures.overview import overview
from polyclinic.reports.document import ReportDocument
from polyclinic.reports.outcome_results import outcomes
from polyclinic.reports.page_section import PageSection, SectionType, section_types
from polyclinic.reports.section import Section, UnknownSection
from polyclinic.reports.sections import (
    calibration_check,
    characteristics,
    checks_and_gates,
    cohort_flow,
    model_comparison,
    model_scores,
    provenance,
    subgroup_scores,
)

if TYPE_CHECKING:
    from jinja2 import Template

Show = Callable[[ReportDocument, PageSection], None]

# (place on the page, key, heading, what draws it); registered sections stand between these by their own place.
PLACES: tuple[tuple[int, str, str, Show], ...] = (
    (10, "cohort", "Who is in the data", cohort_flow.show),
    (20, "table1", "What the data contain", characteristics.show),
    (30, "scores", "Scores", model_scores.show),
    (40, "comparison", "Comparison of the models", model_comparison.show),
    (50, "calibration", "Calibration", calibration_check.show),
    (70, "subgroups", "Results by subgroup", subgroup_scores.show),
    (80, "gates", "Gates", checks_and_gates.show_gates),
    (90, "sanity", "Checks and notes", checks_and_gates.show_checks),
    (110, "package", "The package", provenance.show_package),
    (120, "provenance", "How to repeat this run", provenance.show_provenance),
)


def render(report: ReportDocument) -> str:
    """The report as one self-contained HTML page: no network, no script, light and dark.

    Parts of the page without content are left out. Everything that a report holds is escaped.
    """
    return _template().render(
        report=report, overview=first_figure(report), sections=page_sections(report), style=_file("page.css")
    )


def first_figure(report: ReportDocument) -> str:
    """The figure beside the finding, of the first outcome; empty where no model was scored."""
    first = next(iter(outcomes(report)), None)
    if first is None or not first.models or not first.primary:
        return ""
    lines = [model_scores.score_line(first, model, first.primary) for model in first.models]
    name = first.title(first.primary)
    known = (kind.out_of_100(section, first) for section, kind in section_types(report))
    return overview(
        lines,
        title=f"{name} of each model",
        axis=f"{name}, with its 95 % interval",
        right_of_100=next((n for n in known if n is not None), None),
    )


def page_sections(report: ReportDocument) -> list[PageSection]:
    """The sections that have something to show, in the order of the page."""
    placed: list[tuple[int, PageSection]] = []
    for place, key, title, show in PLACES:
        page = PageSection(key, title)
        show(report, page)
        placed.append((place, page))
    for n, section in enumerate(report.sections):
        if not isinstance(section, UnknownSection):
            is_first = section.kind not in (other.kind for other in report.sections[:n])
            placed.append(_drawn(section, report, section.kind if is_first else f"{section.kind}-{n}"))
    return [page for _, page in sorted(placed, key=lambda entry: entry[0]) if page.parts]


def _drawn(section: Section, report: ReportDocument, key: str) -> tuple[int, PageSection]:
    kind: SectionType[Section] = registry.load("sections", section.kind)
    page = PageSection(key, kind.title)
    kind.show(section, report, page)
    return kind.place, page


@cache
def _template() -> "Template":
    from jinja2 import Environment

    environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    return environment.from_string(_file("page.html"))


@cache
def _file(name: str) -> str:
    return files("polyclinic.reports").joinpath(name).read_text(encoding="utf-8")
