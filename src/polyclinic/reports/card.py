"""The model card: what a package is for, whom it was made from, how well it did, and where it must not be used."""

from collections.abc import Mapping
from importlib.resources import files
from typing import Any

from polyclinic.figures.numbers import count, number, percent
from polyclinic.packages.package import ModelPackage
from polyclinic.reports.finding import told
from polyclinic.reports.reading import score_name


def card(package: ModelPackage, validation: Mapping[str, float]) -> str:
    """The card as Markdown, for `card.md` of a package; its words stand in `reports/card.md`.

    validation: score → value on validation rows. It holds nothing of the test rows, so that a package is the same
    whatever they say; their scores stand in the report.
    """
    from jinja2 import Environment

    environment = Environment(trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True)
    filters = {"number": number, "count": count, "told": told, "score_name": score_name, "limit": _limit}
    environment.filters.update(filters)
    words = files("polyclinic.reports").joinpath("card.md").read_text(encoding="utf-8")
    return environment.from_string(words).render(package=package, validation=validation)


def _limit(about: Mapping[str, Any]) -> str:
    """What an input looked like when it learned."""
    words: list[Any] = [about.get("kind"), "present" in about and f"{percent(about['present'], 0)} present"]
    if length := about.get("length"):
        words.append(f"length {number(length[0], 0)} to {number(length[1], 0)}")
    words += [f"{name} {number(low)} to {number(high)}" for name, (low, high) in about.get("range", {}).items()]
    return ", ".join(filter(None, words))
