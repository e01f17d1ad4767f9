"""The measures of several labels a row: over labels, over all known labels of all rows, and of each label."""

from collections.abc import Sequence

from polyclinic.arrays import Array
from polyclinic.evaluation import label_scores
from polyclinic.evaluation.binary_measures import AUPRC, AUROC
from polyclinic.evaluation.measures import Measure
from polyclinic.evaluation.scores import SHARE, Score

MACRO_AUROC = Measure(
    name="macro_auroc", title="Macro AUROC", score=label_scores.macro_auroc, bounds=SHARE, chance=0.5, ranks=True
)
MICRO_AUROC = Measure(
    name="micro_auroc", title="Micro AUROC", score=label_scores.micro_auroc, bounds=SHARE, ranks=True, show="table"
)
MACRO_AUPRC = Measure(name="macro_auprc", title="Macro AUPRC", score=label_scores.macro_auprc, bounds=SHARE, ranks=True)
MICRO_AUPRC = Measure(
    name="micro_auprc", title="Micro AUPRC", score=label_scores.micro_auprc, bounds=SHARE, ranks=True, show="table"
)
MACRO_F1 = Measure(name="macro_f1", title="Macro F1", score=label_scores.macro_f1_labels, bounds=SHARE)
MICRO_F1 = Measure(name="micro_f1", title="Micro F1", score=label_scores.micro_f1_labels, bounds=SHARE, show="table")
RECALL_AT_K = Measure(
    name="recall_at_k", title="Recall at k", score=label_scores.recall_at_k, bounds=SHARE, ranks=True, show="table"
)
OF_DECISIONS = ("macro_f1", "micro_f1")


def scores(
    measures: Sequence[Measure], y_true: Array, probabilities: Array, decided: Array, labels: Sequence[str], k: int
) -> dict[str, Score]:
    """Each measure of a multilabel outcome, by its name.

    Parameters
    ----------
    measures
        Those of the outcome: of all labels, and `NAME//LABEL` of one.
    y_true, probabilities
        float64 [row, label]; NaN where a label is missing.
    decided
        Whether each label is predicted, bool [row, label].
    labels
        [label].
    k
        Of recall at k.
    """
    aurocs = label_scores.label_aurocs(y_true, probabilities, labels)
    auprcs = label_scores.label_auprcs(y_true, probabilities, labels)
    of_labels = {f"{AUROC.name}//{label}": score for label, score in aurocs.items()}
    of_labels |= {f"{AUPRC.name}//{label}": score for label, score in auprcs.items()}
    result: dict[str, Score] = {}
    for measure in measures:
        if measure.name in of_labels:
            result[measure.name] = of_labels[measure.name]
        elif measure.name == RECALL_AT_K.name:
            result[measure.name] = measure.score(y_true, probabilities, k)
        else:
            result[measure.name] = measure.score(y_true, decided if measure.name in OF_DECISIONS else probabilities)
    return result
