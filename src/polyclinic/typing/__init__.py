"""The types that guests write against, gathered in one place; no module of polyclinic itself imports this one.

from polyclinic.typing import Model, Outcome, Raw, Samples, State
"""

from polyclinic.arrays import Array, Floats, Floats32, Ints, Mask
from polyclinic.decisions import Decision, Threshold
from polyclinic.errors import BadData, BadPackage, CheckFailed, Place, PolyclinicError, UnknownName, UsageError
from polyclinic.evaluation.evaluated import SubgroupScores
from polyclinic.evaluation.evaluated_rows import EvaluatedRows
from polyclinic.evaluation.measures import Measure
from polyclinic.evaluation.outcome_section import OutcomeSection
from polyclinic.evaluation.scores import Bounded, Score
from polyclinic.models.model import Augmented, InParts, Model, NamesCode, Network, OwnLoop, Session
from polyclinic.models.table import MatrixModel, TableModel
from polyclinic.models.training_settings import Training
from polyclinic.outcomes.adjustment import Adjustment
from polyclinic.outcomes.family import Distribution, Family
from polyclinic.outcomes.outcome import Outcome, Prepared, Rule, measures_of
from polyclinic.outcomes.raw import Head, Raw, Scale
from polyclinic.packages.fitted import Encoder, Fitted, History
from polyclinic.packages.parts import Arrays, NamedPart, OnnxPart, Part, PartSettings, Values
from polyclinic.registry import Area
from polyclinic.reports.page_section import PageSection, SectionType
from polyclinic.reports.quantities import Record
from polyclinic.reports.section import Section
from polyclinic.samples import Column, Dense, Entity, File, Ragged, Role, Samples
from polyclinic.samples.inputs import InputColumns, Inputs, ReadsFiles
from polyclinic.state import State
from polyclinic.timelines.format import Chunk, FileReader, Format
from polyclinic.timelines.rows import RowTable
from polyclinic.timelines.timeline import Timeline

__all__ = [
    "Adjustment",
    "Area",
    "Array",
    "Arrays",
    "Augmented",
    "BadData",
    "BadPackage",
    "Bounded",
    "CheckFailed",
    "Chunk",
    "Column",
    "Decision",
    "Dense",
    "Distribution",
    "Encoder",
    "Entity",
    "EvaluatedRows",
    "Family",
    "File",
    "FileReader",
    "Fitted",
    "Floats",
    "Floats32",
    "Format",
    "Head",
    "History",
    "InParts",
    "InputColumns",
    "Inputs",
    "Ints",
    "Mask",
    "MatrixModel",
    "Measure",
    "Model",
    "NamedPart",
    "NamesCode",
    "Network",
    "OnnxPart",
    "Outcome",
    "OutcomeSection",
    "OwnLoop",
    "PageSection",
    "Part",
    "PartSettings",
    "Place",
    "PolyclinicError",
    "Prepared",
    "Ragged",
    "Raw",
    "ReadsFiles",
    "Record",
    "Role",
    "RowTable",
    "Rule",
    "Samples",
    "Scale",
    "Score",
    "Section",
    "SectionType",
    "Session",
    "State",
    "SubgroupScores",
    "TableModel",
    "Threshold",
    "Timeline",
    "Training",
    "UnknownName",
    "UsageError",
    "Values",
    "measures_of",
]
