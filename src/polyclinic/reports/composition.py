"""From what the evaluation hands on to the pieces of the report document: the core keys, and its sections."""

from collections.abc import Mapping, Sequence

from polyclinic import registry
from polyclinic.evaluation.evaluated import Evaluated
from polyclinic.evaluation.outcome_section import OutcomeSection
from polyclinic.reports.section import Section


def core_of(evaluated: Sequence[Evaluated]) -> dict[str, object]:
    """The keys of the document itself that the evaluations of a study's outcomes fill."""
    models: dict[str, dict[str, object]] = {}
    calibration: dict[str, dict[str, object]] = {}
    for one in evaluated:
        for model, scores in one.models.items():
            models.setdefault(model, {})[one.name] = scores
        for model, calibrations in one.calibration.items():
            calibration.setdefault(model, {})[one.name] = calibrations
    return {
        "roles": {model: role for one in evaluated for model, role in one.roles.items()},
        "chosen": {one.name: one.chosen for one in evaluated},
        "seed": evaluated[0].seed if evaluated else 0,
        "measures": {one.name: one.measures for one in evaluated},
        "constant": {one.name: list(one.constant) for one in evaluated if one.constant},
        "models": models,
        "comparisons": [comparison for one in evaluated for comparison in one.comparisons],
        "choosing": {one.name: one.choosing for one in evaluated if one.choosing},
        "calibration": calibration,
        "subgroups": [subgroup for one in evaluated for subgroup in one.subgroups],
    }


def sections_of(evaluated: Sequence[Evaluated], further: Sequence[OutcomeSection] = ()) -> list[Section]:
    """The sections that the evaluations fill, and further ones; those of one kind become one section.

    Of two sections of a kind, lists follow each other, mappings are united, and of anything else the first stands.
    """
    by_kind: dict[str, dict[str, object]] = {}
    for section in (*(section for one in evaluated for section in one.sections), *further):
        merged = by_kind.setdefault(section.kind, {})
        for key, value in section.data.items():
            merged[key] = _united(merged.get(key), value)
    return [registry.load("sections", kind).model.model_validate(data) for kind, data in by_kind.items()]


def _united(first: object, second: object) -> object:
    if isinstance(first, Mapping) and isinstance(second, Mapping):
        return {**first, **second}
    if isinstance(first, list | tuple) and isinstance(second, list | tuple):
        return [*first, *second]
    return second if first is None else first
