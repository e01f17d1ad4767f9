"""From what the evaluation hands on to the pieces of the report document: the core keys, and its sections."""

from collections.abc import Mapping, Sequence
from typing import Any

from polyclinic.evaluation.evaluated import Evaluated
from polyclinic.reports.section import Section
from polyclinic.reports.sections.evidence import Evidence
from polyclinic.reports.sections.rank_curves import RankCurves
from polyclinic.reports.sections.usefulness import Usefulness

CORE = ("roles", "chosen", "seed", "models", "comparisons", "choosing", "calibration", "subgroups")


def core_of(evaluated: Evaluated) -> dict[str, object]:
    """The keys of the document itself that an evaluation fills."""
    return {key: getattr(evaluated, key) for key in CORE}


def sections_of(evaluated: Evaluated, ascertainment: Sequence[Mapping[str, object]] = ()) -> list[Section]:
    """The sections that an evaluation fills; those without content are left out."""
    sections: list[Section] = []
    if evaluated.operating or evaluated.decision:
        use = {"points": evaluated.operating, "decision": evaluated.decision}
        sections.append(Usefulness.model_validate(use))
    if evaluated.curves:
        sections.append(RankCurves.model_validate({"curves": evaluated.curves}))
    rests_on: dict[str, Any] = {"prevalence": evaluated.prevalence, "concentration": evaluated.concentration}
    sections.append(Evidence.model_validate({**rests_on, "ascertainment": ascertainment}))
    return sections
