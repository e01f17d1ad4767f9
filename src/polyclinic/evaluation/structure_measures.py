"""The measures of label pictures: each row has a number a structure, and the score is its mean."""

from polyclinic.evaluation.measures import Measure
from polyclinic.evaluation.scores import SHARE, row_mean

DICE = Measure(name="dice", title="Dice", score=lambda values: row_mean(values, SHARE), bounds=SHARE)
