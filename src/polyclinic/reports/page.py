"""The page: one HTML file, drawn from `report.json` alone, that needs nothing else to be read."""

from functools import cache
from importlib.resources import files
from typing import Any

from polyclinic.figures.numbers import count, interval
from polyclinic.reports import reading
from polyclinic.reports.finding import finding, told
from polyclinic.reports.reading import Report
from polyclinic.reports.sections import sections


def render(report: Report) -> str:
    """The report as one self-contained HTML page: no network, no script, light and dark.

    report: the content of `report.json` (see `reports.schema`). Sections without content are left out.
    """
    words: dict[str, Any] = {"finding": report.get("finding") or finding(report), "facts": _facts(report), "told": told}
    words |= {"warnings": [*filter(reading.warns, report["sanity"])], "style": _file("page.css")}
    return str(_template().render(report=report, sections=sections(report), **words))


def _facts(report: Report) -> list[tuple[str, str, str]]:
    """The few figures beside the finding: (what, value, small words)."""
    group, rows = reading.main_group(report), report["cohort"].get("rows")
    facts = [] if group and group[1] == rows else [("rows", count(rows), "")]
    facts += [(reading.group_word(*group), count(group[1]), "")] if group else []
    for o in reading.outcomes(report):
        if found := o.score(o.chosen):
            value, _, between = interval(found).partition(" (")
            facts.append((f"{reading.score_name(o.primary)} of {o.chosen}", value, between.rstrip(")")))
    if states := [gate["state"] for gate in report["gates"]]:
        told = [f"{states.count(s)} {s}" for s in ("failed", "not tested") if s in states]
        facts.append(("gates held", f"{states.count('held')} of {len(states)}", ", ".join(told)))
    return facts


@cache
def _template() -> Any:
    from jinja2 import Environment

    environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    return environment.from_string(_file("page.html"))


@cache
def _file(name: str) -> str:
    return files("polyclinic.reports").joinpath(name).read_text(encoding="utf-8")
