"""A study: data, question, split, models, evaluation and gates, in one YAML that a person can read aloud."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from annotated_types import Ge, Gt, Le

from polyclinic import config
from polyclinic.evaluation.settings import Evaluation
from polyclinic.packages.limits import Policy
from polyclinic.packages.question import Question
from polyclinic.samples.splits import Split
from polyclinic.studies.gates import Gates


@dataclass(frozen=True, kw_only=True)
class StudySource:
    """Where the data are.

    Attributes
    ----------
    data
        A registered data set (`polyclinic data list`).
    format
        The name of the format of `path` (`polyclinic list formats`); looked for if left out.
    path
        A file or folder in that format.
    timeline
        A MEDS data set, or a folder that `polyclinic ingest` wrote.
    frame
        A table, CSV or Parquet, one row a prediction; in Python, a data frame.
    max_quarantined
        The share of rows that may be unreadable before the run stops.
    """

    data: str | None = None
    format: str | None = None
    path: str | None = None
    timeline: str | None = None
    frame: str | None = None
    max_quarantined: Annotated[float, Ge(0), Le(1)] = 0.01


@dataclass(frozen=True, kw_only=True)
class TrainingPlan:
    """How often and where models are fitted.

    Attributes
    ----------
    seeds
        How often each model is fitted on each fold.
    pretrain
        Whether models are pre-trained.
    device
        `auto`, `cpu`, `mps`, `cuda` or `cuda:NUMBER`.
    threads
        CPU threads of one fit.
    memory
        GiB that the encoded rows of a fit may fill; without it, a quarter of what this process may use.
    """

    seeds: Literal[1] = 1
    pretrain: Literal["none"] = "none"
    device: str = "auto"
    threads: Annotated[int, Ge(1)] = 2
    memory: Annotated[float, Gt(0)] | None = None

    def __post_init__(self) -> None:
        if not re.fullmatch(r"auto|cpu|mps|cuda(:\d+)?", self.device):
            raise ValueError("a device is one of auto, cpu, mps, cuda or cuda:NUMBER")


@dataclass(frozen=True, kw_only=True)
class Choose:
    """How the winner is chosen, on validation rows.

    Attributes
    ----------
    by
        A score of the outcome; its first one if left out.
    blend
        Whether blends of models may win.
    """

    by: str | None = None
    blend: Literal[False] = False


@dataclass(frozen=True, kw_only=True)
class ReportSettings:
    """What the page shows.

    Attributes
    ----------
    min_cell
        Smaller counts are written as "<5" (for 5).
    show_cases
        Whether single cases may be shown.
    """

    min_cell: Annotated[int, Ge(1)] = 5
    show_cases: bool = False


@dataclass(frozen=True, kw_only=True)
class LimitSettings:
    """What the package does with a row that lies outside its limits.

    Attributes
    ----------
    outside
        `warn` answers it and names what lies outside; `refuse` does not answer it.
    """

    outside: Policy = "warn"


@dataclass(frozen=True, eq=False)
class Candidate:
    """One model of a study: its name on the page, its name in the registry, its settings."""

    name: str
    registered: str
    model: Any
    role: Literal["model", "baseline"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Study:
    """A checked study; `load_study` makes one.

    Attributes
    ----------
    question
        Who, from what, and what is predicted: `task`, `target`, `labels` and `inputs`.
    candidates
        Its `models` and `baselines`.
    allow_code
        Whether models may name code from outside polyclinic, scikit-learn and LightGBM.
    """

    name: str
    source: StudySource
    question: Question
    title: str = ""
    intended_use: str = ""
    split: Split = field(default_factory=Split)
    candidates: Sequence[Candidate] = ()
    training: TrainingPlan = field(default_factory=TrainingPlan)
    choose: Choose = field(default_factory=Choose)
    evaluation: Evaluation = field(default_factory=Evaluation)
    gates: Gates = field(default_factory=Gates)
    limits: LimitSettings = field(default_factory=LimitSettings)
    report: ReportSettings = field(default_factory=ReportSettings)
    seed: int = 0
    allow_code: bool = False

    def document(self) -> dict[str, object]:
        """Every setting, defaults written out: what `study.yaml` of a run holds."""
        question = {key: getattr(self.question, key) for key in ("target", "labels", "inputs")}
        question = {"task": self.question.task_document, **question}
        models = {
            key: [{c.name: _settings(c)} for c in self.candidates if c.role == role] for key, role in ROLES.items()
        }
        return {
            **{key: getattr(self, key) for key in ("name", "title", "intended_use")},
            **{key: config.plain(value) for key, value in question.items() if value},
            **models,
            **{name: config.settings_of(getattr(self, name)) for name in BLOCKS},
            "seed": self.seed,
        }


ROLES: dict[str, Literal["model", "baseline"]] = {"models": "model", "baselines": "baseline"}
BLOCKS = {"source": StudySource, "split": Split, "training": TrainingPlan, "choose": Choose}
BLOCKS |= {"evaluation": Evaluation, "gates": Gates, "limits": LimitSettings, "report": ReportSettings}
KEYS = ("name", "title", "intended_use", "task", "target", "labels", "inputs", *ROLES, *BLOCKS, "seed")


def _settings(candidate: Candidate) -> dict[str, object]:
    named = {} if candidate.registered == candidate.name else {"model": candidate.registered}
    return {**named, **config.settings_of(candidate.model)}
