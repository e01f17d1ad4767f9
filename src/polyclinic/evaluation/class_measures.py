"""The measures of answers that are one of several classes, and of the sets of classes that follow from them."""

from polyclinic.evaluation import class_scores
from polyclinic.evaluation.measures import Measure
from polyclinic.evaluation.scores import NOT_NEGATIVE, SHARE, row_mean

MACRO_F1 = Measure(name="macro_f1", title="Macro F1", score=class_scores.macro_f1, bounds=SHARE)
ACCURACY = Measure(name="accuracy", title="Accuracy", score=class_scores.accuracy, bounds=SHARE)
BALANCED_ACCURACY = Measure(
    name="balanced_accuracy", title="Balanced accuracy", score=class_scores.balanced_accuracy, bounds=SHARE
)
CLASS_AUROC = Measure(
    name="auroc",
    title="AUROC, one class against the rest",
    score=class_scores.one_against_rest_auroc,
    bounds=SHARE,
    chance=0.5,
    ranks=True,
)
CLASS_LOG_LOSS = Measure(
    name="log_loss", title="Log loss", score=class_scores.log_loss_classes, better="low", bounds=NOT_NEGATIVE
)

SET_COVERAGE = Measure(
    name="set_coverage",
    title="Sets with the true class",
    score=lambda contained: row_mean(contained, SHARE),
    bounds=SHARE,
    show="table",
)
SET_SIZE = Measure(
    name="set_size",
    title="Classes a set",
    score=lambda sizes: row_mean(sizes, NOT_NEGATIVE),
    better="low",
    bounds=NOT_NEGATIVE,
    show="table",
)
