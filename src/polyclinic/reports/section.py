"""A section of a report: numbers of one kind, typed, that a study may have or not.

The report document holds any number of sections and knows none of them by name. A section type is registered under its
`kind` (the entry point `polyclinic.sections`, or the field `sections` of an `Area`); see `polyclinic.reports.page_section`.
"""

from collections.abc import Mapping
from typing import Protocol

from pydantic import ConfigDict

from polyclinic import registry
from polyclinic.reports.quantities import Name, Record


class Section(Record):
    """The base of every section type: a subclass sets `kind: Literal["its own"] = "its own"` and adds its fields."""

    kind: Name


class UnknownSection(Section):
    """A section whose type is not installed here: kept as it is, and named on the page as not shown."""

    model_config = ConfigDict(extra="allow")


class RegisteredSection(Protocol):
    """What stands behind a registered kind of section, as far as reading one goes."""

    @property
    def model(self) -> type[Section]: ...


def registered(kind: str) -> RegisteredSection | None:
    """What is registered under a kind; None where nothing is."""
    if kind not in registry.entries("sections"):
        return None
    section: RegisteredSection = registry.load("sections", kind)
    return section


def typed(entry: object) -> object:
    """A section read from JSON as the model that is registered for its kind; anything else as it is."""
    if not isinstance(entry, Mapping) or not isinstance(entry.get("kind"), str):
        return entry
    section = registered(entry["kind"])
    return (section.model if section else UnknownSection).model_validate(entry)
