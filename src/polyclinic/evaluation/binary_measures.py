"""The measures of yes-or-no answers: of probabilities, and of the decisions that follow from them."""

from polyclinic.evaluation import calibration, scores
from polyclinic.evaluation.measures import Measure
from polyclinic.evaluation.scores import NOT_NEGATIVE, SHARE

AUROC = Measure(name="auroc", title="AUROC", score=scores.auroc, bounds=SHARE, chance=0.5, ranks=True)
AUPRC = Measure(name="auprc", title="AUPRC", score=scores.auprc, bounds=SHARE, ranks=True)
BRIER = Measure(name="brier", title="Brier score", score=scores.brier, better="low", bounds=SHARE)
LOG_LOSS = Measure(name="log_loss", title="Log loss", score=scores.log_loss, better="low", bounds=NOT_NEGATIVE)

OBSERVED_EXPECTED = Measure(
    name="observed_expected",
    title="Observed : expected",
    score=scores.observed_expected,
    better="near:1",
    bounds=NOT_NEGATIVE,
    show="table",
)
CALIBRATION_SLOPE = Measure(
    name="calibration_slope",
    title="Calibration slope",
    score=lambda y_true, probability: calibration.line(y_true, probability)["slope"],
    better="near:1",
    show="table",
)


def _at_alerts(name: str, title: str) -> Measure:
    """One of the shares that decisions reach, of truth and decisions."""
    return Measure(
        name=name,
        title=title,
        score=lambda y_true, alert: scores.at_alerts(y_true, alert)[name],
        bounds=SHARE,
        show="table",
    )


SENSITIVITY = _at_alerts("sensitivity", "Sensitivity")
SPECIFICITY = _at_alerts("specificity", "Specificity")
PPV = _at_alerts("ppv", "PPV")
NPV = _at_alerts("npv", "NPV")
