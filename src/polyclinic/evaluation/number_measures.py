"""The measures of predicted numbers and their intervals. An outcome adds the unit and the wanted coverage."""

from polyclinic.evaluation import number_scores
from polyclinic.evaluation.measures import Measure
from polyclinic.evaluation.scores import NOT_NEGATIVE, SHARE

MAE = Measure(name="mae", title="Mean absolute error", score=number_scores.mae, better="low", bounds=NOT_NEGATIVE)
RMSE = Measure(
    name="rmse", title="Root mean squared error", score=number_scores.rmse, better="low", bounds=NOT_NEGATIVE
)
R2 = Measure(name="r2", title="R²", score=number_scores.r2, bounds=(float("-inf"), 1.0), chance=0.0)
SPEARMAN = Measure(
    name="spearman",
    title="Spearman's rank correlation",
    score=number_scores.spearman,
    bounds=(-1.0, 1.0),
    chance=0.0,
    ranks=True,
)
PINBALL = Measure(
    name="pinball",
    title="Pinball loss of the interval's ends",
    score=number_scores.pinball,
    better="low",
    bounds=NOT_NEGATIVE,
    show="table",
)
INTERVAL_SCORE = Measure(
    name="interval_score",
    title="Interval score",
    score=number_scores.interval_score,
    better="low",
    bounds=NOT_NEGATIVE,
    show="table",
)
COVERAGE = Measure(
    name="coverage", title="Intervals with the truth", score=number_scores.coverage, better="near:0.9", bounds=SHARE
)
WIDTH = Measure(
    name="interval_width",
    title="Width of the intervals",
    score=number_scores.mean_width,
    better="low",
    bounds=NOT_NEGATIVE,
    show="table",
)
