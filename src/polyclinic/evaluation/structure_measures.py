"""The measures of label pictures: each row has a number a structure, and the score is its mean."""

from polyclinic.arrays import Array
from polyclinic.evaluation.measures import Measure
from polyclinic.evaluation.scores import NOT_NEGATIVE, SHARE, Score, row_mean


def _share(values: Array) -> Score:
    return row_mean(values, SHARE)


def _amount(values: Array) -> Score:
    return row_mean(values, NOT_NEGATIVE)


DICE = Measure(name="dice", title="Dice", score=_share, bounds=SHARE)
SURFACE_DICE = Measure(name="surface_dice", title="Surface Dice", score=_share, bounds=SHARE)
HD95 = Measure(name="hd95", title="Distance (HD95)", score=_amount, better="low", bounds=NOT_NEGATIVE, unit="mm")
VOLUME_ERROR = Measure(
    name="volume_error", title="Volume error", score=_amount, better="low", bounds=NOT_NEGATIVE, unit="ml"
)
