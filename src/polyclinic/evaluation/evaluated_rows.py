"""The rows of a study under evaluation, as an outcome's own evaluation sees them."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from polyclinic.decisions import Decision
from polyclinic.evaluation.scored_rows import ScoredRows
from polyclinic.evaluation.settings import Evaluation
from polyclinic.samples import Samples


@dataclass(frozen=True, eq=False)
class Cases:
    """Rows of which single ones may be shown: the data are public, or the study says so (`report.show_cases`).

    Attributes
    ----------
    samples
        All rows; `ScoredRows.place` says where among them each scored one stands.
    folder
        The folder of the run, which the paths of predictions are relative to.
    """

    samples: Samples
    folder: Path


@dataclass(frozen=True, eq=False)
class EvaluatedRows:
    """The scored rows of all models of one outcome, and how they are to be evaluated.

    Attributes
    ----------
    outcome
        The name of the outcome in the report.
    settings
        The block `evaluation` of the study.
    roles
        Model → model or baseline.
    chosen
        The model that validation chose.
    seed
        Of whatever is random.
    group
        The name of the groups that intervals are over.
    validation, test
        The rows of the two splits.
    shipped
        Model → the decision that ships, where the rows hold what decides for each of them (a column `threshold`),
        learned from validation rows of other groups; None where that is still to be learned.
    decisions_in_file
        Whether a model whose test rows all hold a decision is judged by these decisions.
    cases
        The rows themselves, where single ones may be shown; None where they may not.
    """

    outcome: str
    settings: Evaluation
    roles: Mapping[str, str]
    chosen: str
    seed: int
    group: str
    validation: ScoredRows
    test: ScoredRows
    shipped: Mapping[str, Decision | None] | None = None
    decisions_in_file: bool = False
    cases: Cases | None = None
