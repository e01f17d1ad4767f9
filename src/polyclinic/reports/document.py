"""The report document: everything that `report.json` holds, typed. Its JSON Schema is generated from it."""

import json
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import BeforeValidator, Field, SerializeAsAny, ValidationError

from polyclinic.errors import BadData, Place
from polyclinic.evaluation.settings import ModelRole
from polyclinic.reports import section as sections
from polyclinic.reports.cohort_facts import CohortFacts
from polyclinic.reports.quantities import MIN_CELL, Name, Record, Text
from polyclinic.reports.results import (
    Calibrations,
    Caution,
    Choosing,
    Comparison,
    Environment,
    Gate,
    MeasureRecord,
    ModelScores,
    NoteRecord,
    PackageFacts,
    SanityCheck,
    StepRecord,
    Subgroup,
)
from polyclinic.reports.section import Section

S = TypeVar("S", bound=Section)
REVISION = 2
MOST = 2_000
"""Subgroups, checks or notes of one report; a study has some tens."""

AnySection = Annotated[SerializeAsAny[Section], BeforeValidator(sections.typed)]


class ReportDocument(Record):
    """What `report.json` holds.

    Attributes
    ----------
    format, revision
        1 and 2: what `polyclinic` of this version writes and reads.
    finding, cautions
        Three sentences, and what to know before use; written when the report is published.
    command
        The command that repeats the run; empty where there is none.
    chosen
        Outcome → the model that validation chose.
    roles
        Model → whether it is studied or stands beside as a baseline.
    models
        Model → outcome → its scores.
    measures
        Outcome → score → its title, its unit, and which way is better; the first one compares the models.
    constant
        Outcome → the models that give every row of a fold the same answer.
    choosing
        Outcome → what choosing among models costs; empty without folds.
    calibration
        Model → outcome → calibration before and after recalibration; empty where there is none.
    data
        Name or path pattern → SHA-256.
    sections
        Everything else, by section types that are registered; see `polyclinic.reports.section`.
    """

    format: Literal[1] = 1
    revision: Literal[2] = 2
    study: Name
    title: Text = ""
    intended_use: Text = ""
    finding: Text = ""
    cautions: list[Caution] = Field(default_factory=list)
    command: Text = ""
    cohort: CohortFacts
    chosen: dict[Name, Name]
    roles: dict[Name, ModelRole] = Field(default_factory=dict)
    models: Annotated[dict[Name, Annotated[dict[Name, ModelScores], Field(max_length=100)]], Field(max_length=200)]
    comparisons: Annotated[list[Comparison], Field(max_length=50_000)]
    measures: dict[Name, Annotated[dict[Name, MeasureRecord], Field(max_length=MOST)]] = Field(default_factory=dict)
    constant: dict[Name, list[Name]] = Field(default_factory=dict)
    choosing: dict[Name, Choosing] = Field(default_factory=dict)
    calibration: dict[Name, dict[Name, Calibrations]]
    subgroups: Annotated[list[Subgroup], Field(max_length=MOST)]
    sanity: Annotated[list[SanityCheck], Field(max_length=MOST)]
    notes: Annotated[list[NoteRecord], Field(max_length=MOST)] = Field(default_factory=list)
    gates: Annotated[list[Gate], Field(max_length=MOST)]
    package: PackageFacts | None = None
    steps: list[StepRecord] = Field(default_factory=list)
    environment: Environment
    seed: int
    data: dict[Name, Name]
    sections: Annotated[list[AnySection], Field(max_length=200)] = Field(default_factory=list)

    @classmethod
    def of(cls, content: Mapping[str, object]) -> Self:
        """A document of what a run or an evaluation found; `content` may hold dataclasses, mappings and records.

        Raises
        ------
        BadData
            Where a key is missing or does not hold what it should; the value is never shown.
        """
        try:
            return cls.model_validate(content)
        except ValidationError as error:
            raise _not_a_report(error) from error

    @classmethod
    def read(cls, content: Any, *, file: str = "report.json") -> Self:
        """A document of the parsed JSON of a file, which may be a stranger's.

        Raises
        ------
        BadData
            Where it is of an older or a newer version, or not a report at all.
        """
        if not isinstance(content, Mapping):
            fix = "name the folder of a run, which has its report.json"
            raise BadData("this is not a report: it holds no keys", at=Place(file=file), fix=fix)
        if (content.get("format"), content.get("revision")) != (1, REVISION):
            what = "this report was written by another version of polyclinic"
            fix = "run the study again with this version (`polyclinic run`), which writes the report anew"
            raise BadData(what, at=Place(file=file, key="revision"), fix=fix)
        return cls.of(content)

    def section(self, kind: type[S]) -> S | None:
        """The section of a type; None where the report has none."""
        return next((section for section in self.sections if isinstance(section, kind)), None)

    def with_section(self, section: Section) -> Self:
        """The document with a section more."""
        return self.model_copy(update={"sections": [*self.sections, section]})

    def suppressed(self, min_cell: int) -> Self:
        """A copy in which counts from 1 to below `min_cell` are written as `"<5"` (for 5).

        A subgroup whose rows or groups are suppressed keeps no scores either. Complements are not suppressed: a total
        can still give a single suppressed count away.
        """
        return self.model_validate(self.model_dump(context={MIN_CELL: min_cell}))

    def to_json(self) -> str:
        """The text of `report.json`."""
        return json.dumps(self.model_dump(mode="json"), indent=1, ensure_ascii=False, allow_nan=False)


def _not_a_report(error: ValidationError) -> BadData:
    """The first fault with its key, without the value, which may be long or someone's."""
    faults = error.errors(include_url=False, include_context=False, include_input=False)
    first, others = faults[0], f" (and {len(faults) - 1} more faults)" if len(faults) > 1 else ""
    key = ".".join(str(part)[:80] for part in first["loc"][:12])
    what = f"this is not a report that this version can read: {first['msg'][:200]}{others}"
    fix = "write it again with `polyclinic run` or `polyclinic evaluate`"
    return BadData(what, at=Place(file="report.json", key=key or "the whole"), fix=fix)
