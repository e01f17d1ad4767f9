"""An evaluation as the plain mappings and lists that its report holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, is_dataclass
from typing import Any

from polyclinic.evaluation.evaluated import Evaluated
from polyclinic.reports.composition import core_of


def as_document(evaluated: Evaluated) -> dict[str, Any]:
    """The keys of the document, and beside them those of its sections."""
    document = dict(core_of([evaluated]))
    for section in evaluated.sections:
        document |= section.data
    return plain(document)


def plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return plain(asdict(value))
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, (list, tuple)) else value
