"""Genomics: sequences of nucleotides, letter by letter."""

from polyclinic.registry import Area

AREA = Area(
    name="genomics",
    title="Genomics",
    inputs="polyclinic.areas.genomics.inputs:GenomicsInputs",
    formats={"sequences": "polyclinic.areas.genomics.formats.sequences:Sequences"},
    models={"sequence-cnn": "polyclinic.areas.genomics.models.sequence_cnn:SequenceCnn"},
    studies={"splice-junction": "polyclinic.areas.genomics:studies/splice-junction.yaml"},
    datasets={"splice-junction": "polyclinic.areas.genomics:datasets/splice-junction.yaml"},
)
