"""Every shipped class, assigned to the contract that it keeps: `mypy` reads this file, nobody runs it.

`tests/typing/test_contracts.py` sees that no registered class is missing.
"""

from polyclinic.areas.genomics.formats.sequences import Sequences
from polyclinic.areas.genomics.inputs import GenomicsInputs
from polyclinic.areas.genomics.models.sequence_cnn import SequenceCnn
from polyclinic.areas.imaging.formats.nifti import Nifti
from polyclinic.areas.imaging.inputs import ImagingInputs
from polyclinic.areas.imaging.models.atlas import Atlas
from polyclinic.areas.imaging.models.unet import UNet
from polyclinic.areas.molecules.formats.smiles import Smiles
from polyclinic.areas.molecules.inputs import MoleculesInputs
from polyclinic.areas.molecules.models.mpnn import Mpnn
from polyclinic.areas.records.formats.heart_disease import HeartDisease
from polyclinic.areas.records.inputs import RecordsInputs
from polyclinic.areas.records.models.transformer import Transformer
from polyclinic.decisions import LabelThresholds, PredictionSets, Threshold
from polyclinic.models.cox import Cox
from polyclinic.models.estimator import Estimator
from polyclinic.models.gbm import Gbm
from polyclinic.models.kaplan_meier import KaplanMeier
from polyclinic.models.linear import Linear, Logistic
from polyclinic.models.naive import LastValue, Naive
from polyclinic.models.perceptron import Perceptron
from polyclinic.outcomes.adjustment import LabelRecalibration, Recalibration
from polyclinic.outcomes.binary import Binary
from polyclinic.outcomes.class_adjustment import Temperature
from polyclinic.outcomes.multiclass import Multiclass
from polyclinic.outcomes.multilabel import Multilabel
from polyclinic.outcomes.number import Number
from polyclinic.outcomes.number_adjustment import ConformalInterval
from polyclinic.outcomes.ordinal import Ordinal
from polyclinic.outcomes.time_to_event import TimeToEvent
from polyclinic.outcomes.voxels import Voxels
from polyclinic.samples.table_inputs import TableInputs
from polyclinic.timelines.mapped_tables import MappedTables
from polyclinic.timelines.meds import Meds
from polyclinic.timelines.rows import Table
from polyclinic.typing import (
    Adjustment,
    Decision,
    Format,
    Inputs,
    Model,
    NamedPart,
    Network,
    OnnxPart,
    Outcome,
    OwnLoop,
    Part,
)

binary: Outcome = Binary()
voxels: Outcome = Voxels(("front", "back"))
multiclass: Outcome = Multiclass()
multilabel: Outcome = Multilabel()
time_to_event: Outcome = TimeToEvent()
ordinal: Outcome = Ordinal()
number: Outcome = Number()

naive: OwnLoop = Naive()
last_value: OwnLoop = LastValue()
linear: OwnLoop = Linear()
logistic: OwnLoop = Logistic()
gbm: OwnLoop = Gbm()
kaplan_meier: OwnLoop = KaplanMeier()
cox: OwnLoop = Cox()
perceptron: Network = Perceptron()
sklearn: OwnLoop = Estimator()
atlas: OwnLoop = Atlas()
transformer: Network = Transformer()
mpnn: Network = Mpnn()
unet: Network = UNet()
sequence_cnn: Network = SequenceCnn()
models: list[Model] = [
    naive,
    last_value,
    linear,
    logistic,
    gbm,
    sklearn,
    atlas,
    transformer,
    mpnn,
    unet,
    kaplan_meier,
    cox,
    perceptron,
    sequence_cnn,
]

table_inputs: Inputs = TableInputs()
records_inputs: Inputs = RecordsInputs()
imaging_inputs: Inputs = ImagingInputs()
molecules_inputs: Inputs = MoleculesInputs()
genomics_inputs: Inputs = GenomicsInputs()

meds: Format = Meds()
table: Format = Table()
mapped: Format = MappedTables()
nifti: Format = Nifti()
smiles: Format = Smiles()
sequences: Format = Sequences()
heart_disease: Format = HeartDisease()

onnx_part: type[Part] = OnnxPart
named_part: type[Part] = NamedPart

recalibration: Adjustment = Recalibration(slope=1.0, intercept=0.0)
conformal: Adjustment = ConformalInterval(amount=0.1, level=0.9)
threshold: Decision = Threshold(value=0.5, rule={})
label_recalibration: type[Adjustment] = LabelRecalibration
temperature: type[Adjustment] = Temperature
label_thresholds: type[Decision] = LabelThresholds
prediction_sets: type[Decision] = PredictionSets
