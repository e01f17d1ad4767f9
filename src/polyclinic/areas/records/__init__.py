"""Records: what a hospital writes down about its patients over time."""

from polyclinic.registry import Area

AREA = Area(
    name="records",
    title="Health records",
    inputs="polyclinic.areas.records.inputs:RecordsInputs",
    formats={
        "clif": "polyclinic.areas.records:formats/clif.yaml",
        "heart-disease": "polyclinic.areas.records.formats.heart_disease:HeartDisease",
    },
    tasks={"hypotension": "polyclinic.areas.records:studies/hypotension.task.yaml"},
    models={"transformer": "polyclinic.areas.records.models.transformer:Transformer"},
    studies={
        "survival-metabric": "polyclinic.areas.records:studies/survival-metabric.yaml",
        "survival-support": "polyclinic.areas.records:studies/survival-support.yaml",
        "hypotension": "polyclinic.areas.records:studies/hypotension.yaml",
        "heart-disease": "polyclinic.areas.records:studies/heart-disease.yaml",
        "heart-disease-any": "polyclinic.areas.records:studies/heart-disease-any.yaml",
    },
    datasets={
        "metabric": "polyclinic.areas.records:datasets/metabric.yaml",
        "support": "polyclinic.areas.records:datasets/support.yaml",
        "clif-demo": "polyclinic.areas.records:datasets/clif-demo.yaml",
        "heart-disease": "polyclinic.areas.records:datasets/heart-disease.yaml",
    },
)
