"""Records: what a hospital writes down about its patients over time."""

from polyclinic.registry import Area

AREA = Area(
    name="records",
    title="Health records",
    inputs="polyclinic.areas.records.inputs:RecordsInputs",
    formats={"clif": "polyclinic.areas.records:formats/clif.yaml"},
    tasks={"hypotension": "polyclinic.areas.records:studies/hypotension.task.yaml"},
    models={"transformer": "polyclinic.areas.records.models.transformer:Transformer"},
    studies={"hypotension": "polyclinic.areas.records:studies/hypotension.yaml"},
    datasets={"clif-demo": "polyclinic.areas.records:datasets/clif-demo.yaml"},
)
