"""Molecules: structures written as SMILES, their atoms, bonds, fingerprints and scaffolds."""

from polyclinic.registry import Area

AREA = Area(
    name="molecules",
    title="Molecules",
    inputs="polyclinic.areas.molecules.inputs:MoleculesInputs",
    formats={"smiles": "polyclinic.areas.molecules.formats.smiles:Smiles"},
    models={"mpnn": "polyclinic.areas.molecules.models.mpnn:Mpnn"},
    studies={
        "blood-brain-barrier": "polyclinic.areas.molecules:studies/blood-brain-barrier.yaml",
        "tox21": "polyclinic.areas.molecules:studies/tox21.yaml",
        "caco2-permeability": "polyclinic.areas.molecules:studies/caco2-permeability.yaml",
    },
    datasets={
        "bbbp": "polyclinic.areas.molecules:datasets/bbbp.yaml",
        "tox21": "polyclinic.areas.molecules:datasets/tox21.yaml",
        "caco2": "polyclinic.areas.molecules:datasets/caco2.yaml",
    },
)
