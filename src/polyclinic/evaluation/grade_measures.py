"""The measures of answers that are one of several grades in an order."""

from polyclinic.evaluation import grade_scores
from polyclinic.evaluation.measures import Measure
from polyclinic.evaluation.scores import NOT_NEGATIVE, SHARE

WEIGHTED_KAPPA = Measure(
    name="weighted_kappa",
    title="Weighted kappa (quadratic)",
    score=grade_scores.weighted_kappa,
    bounds=(-1.0, 1.0),
    chance=0.0,
)
MAE_GRADES = Measure(
    name="mae_grades",
    title="Mean absolute error",
    score=grade_scores.mae_grades,
    better="low",
    bounds=NOT_NEGATIVE,
    unit="grades",
)
RANKED_PROBABILITY_SCORE = Measure(
    name="ranked_probability_score",
    title="Ranked probability score",
    score=grade_scores.ranked_probability_score,
    better="low",
    bounds=SHARE,
)
