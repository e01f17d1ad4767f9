"""The columns of the predictions table, named and typed once; those of meds-evaluation where it has one."""

import polars as pl

ROW_ID, SUBJECT, TIME = "row_id", "subject_id", "prediction_time"
OUTCOME, MODEL, FOLD, SPLIT = "outcome", "model", "fold", "split"
TRUTH, VALUE, PROBABILITY = "boolean_value", "predicted_boolean_value", "predicted_boolean_probability"
UNCALIBRATED, THRESHOLD = "uncalibrated_probability", "threshold"
PATH, REFERENCE, REFUSED, OUTSIDE = "path", "reference", "refused", "outside"
DICE, SURFACE_DICE, HD95, VOLUME, REFERENCE_VOLUME = (
    "dice//",
    "surface_dice//",
    "hd95//",
    "volume_ml//",
    "reference_ml//",
)
BY_STRUCTURE = (DICE, SURFACE_DICE, HD95, VOLUME, REFERENCE_VOLUME)
"""What the columns begin with that hold a number a structure; its name follows."""
LABEL_NAMES, TRUTHS, VALUES, PROBABILITIES = "labels", "boolean_values", "predicted_boolean_values", "probabilities"
UNCALIBRATED_PROBABILITIES, THRESHOLDS = "uncalibrated_probabilities", "thresholds"
CLASS, PREDICTED_CLASS = "class_value", "predicted_class_value"
CLASSES, PREDICTION_SET = "classes", "prediction_set"
EVENT_TIME, EVENT = "event_time", "event"
TIMES, SURVIVAL, INCIDENCE = "times", "survival", "incidence//"
NUMBER, BOUND, PREDICTED_NUMBER = "numeric_value", "numeric_bound", "predicted_numeric_value"
QUANTILES, QUANTILE_LEVELS, UNCALIBRATED_QUANTILES = "quantiles", "quantile_levels", "uncalibrated_quantiles"

IDENTITY: dict[str, pl.DataType] = {ROW_ID: pl.Int64(), SUBJECT: pl.Int64(), TIME: pl.Datetime("us")}
"""Which row a prediction is for."""

RUN: dict[str, pl.DataType] = {OUTCOME: pl.String(), MODEL: pl.String(), FOLD: pl.String(), SPLIT: pl.String()}
"""Which outcome is predicted, by which model, and whether the row was held out. `fold` is `package` for its answers."""

PREDICTED: dict[str, pl.DataType] = {
    PROBABILITY: pl.Float64(),
    VALUE: pl.Boolean(),
    UNCALIBRATED: pl.Float64(),
    THRESHOLD: pl.Float64(),
    PATH: pl.String(),
    LABEL_NAMES: pl.List(pl.String()),
    PROBABILITIES: pl.List(pl.Float64()),
    VALUES: pl.List(pl.Boolean()),
    UNCALIBRATED_PROBABILITIES: pl.List(pl.Float64()),
    THRESHOLDS: pl.List(pl.Float64()),
    REFUSED: pl.String(),
    PREDICTED_CLASS: pl.String(),
    CLASSES: pl.List(pl.String()),
    PREDICTION_SET: pl.List(pl.String()),
    TIMES: pl.List(pl.Float64()),
    SURVIVAL: pl.List(pl.Float64()),
    PREDICTED_NUMBER: pl.Float64(),
    QUANTILES: pl.List(pl.Float64()),
    QUANTILE_LEVELS: pl.List(pl.Float64()),
    UNCALIBRATED_QUANTILES: pl.List(pl.Float64()),
}
"""What was predicted, by kind of outcome: a probability or the path of a picture; or why nothing was."""

LABELS: dict[str, pl.DataType] = {
    TRUTH: pl.Boolean(),
    TRUTHS: pl.List(pl.Boolean()),
    REFERENCE: pl.String(),
    CLASS: pl.String(),
    EVENT_TIME: pl.Float64(),
    EVENT: pl.Int64(),
    NUMBER: pl.Float64(),
    BOUND: pl.String(),
}
"""What happened, by kind of outcome."""

PACKAGE_FOLD, EVERY_SPLIT = "package", "all"
SPLITS = ("train", "validation", "test")
