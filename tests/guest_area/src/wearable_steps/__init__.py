"""Steps: whether somebody walks, a label for each few samples of a wrist-worn accelerometer."""

from polyclinic.registry import Area

AREA = Area(
    name="steps",
    title="Steps",
    inputs="wearable_steps.inputs:StepsInputs",
    formats={"wrist": "wearable_steps.formats.wrist:Wrist"},
    models={"effort": "wearable_steps.models.effort:Effort"},
    parts={"effort": "wearable_steps.models.effort:answer"},
    outcomes={"walking": "wearable_steps.outcomes.walking:Walking"},
    measures={"balanced-accuracy-of-steps": "wearable_steps.measures:BALANCED_ACCURACY"},
    studies={"walking": "wearable_steps:studies/walking.yaml"},
)
