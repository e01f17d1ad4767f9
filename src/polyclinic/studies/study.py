"""A study: data, question, split, models, evaluation and gates, in one YAML that a person can read aloud."""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

from annotated_types import Ge, Le

from polyclinic import config, registry
from polyclinic.errors import Place, UsageError
from polyclinic.packages.question import Question
from polyclinic.samples.splits import Split
from polyclinic.studies.evaluate import Evaluation
from polyclinic.studies.gates import Gates


@dataclass(frozen=True, kw_only=True)
class Source:
    """Where the data are: a registered set (`data`), a folder in a known format, an ingested timeline, or a table."""

    data: str | None = None
    format: str | None = None
    path: str | None = None
    timeline: str | None = None
    frame: str | None = None
    max_quarantined: Annotated[float, Ge(0), Le(1)] = 0.01


@dataclass(frozen=True, kw_only=True)
class TrainingPlan:
    """How often and where models are fitted."""

    seeds: Literal[1] = 1
    pretrain: Literal["none"] = "none"
    device: str = "auto"
    threads: Annotated[int, Ge(1)] = 2

    def __post_init__(self) -> None:
        if not re.fullmatch(r"auto|cpu|mps|cuda(:\d+)?", self.device):
            raise ValueError("a device is one of auto, cpu, mps, cuda or cuda:NUMBER")


@dataclass(frozen=True, kw_only=True)
class Choose:
    """What the winner is chosen by, on validation rows; None: the outcome's first score."""

    by: str | None = None
    blend: Literal[False] = False


@dataclass(frozen=True, kw_only=True)
class ReportSettings:
    """min_cell: smaller counts are written as "<5"; show_cases: whether single cases may be shown."""

    min_cell: Annotated[int, Ge(1)] = 5
    show_cases: bool = False


@dataclass(frozen=True, eq=False)
class Candidate:
    """One model of a study: its name on the page, its name in the registry, its settings."""

    name: str
    registered: str
    model: Any
    role: Literal["model", "baseline"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Study:
    """A checked study. Every key has a default but `name`, `source` and one of `task`, `target`, `labels`."""

    name: str
    source: Source
    question: Question
    title: str = ""
    intended_use: str = ""
    split: Split = field(default_factory=Split)
    candidates: Sequence[Candidate] = ()
    training: TrainingPlan = field(default_factory=TrainingPlan)
    choose: Choose = field(default_factory=Choose)
    evaluation: Evaluation = field(default_factory=Evaluation)
    gates: Gates = field(default_factory=Gates)
    report: ReportSettings = field(default_factory=ReportSettings)
    seed: int = 0

    @classmethod
    def load(cls, study: str | Path | Mapping[str, Any] | Study, settings: Sequence[str] = ()) -> Study:
        """A study by its registered name, from a file, or from a mapping; `settings` are `key=value` strings.

        Raises `UsageError` with key and line for what is unknown or does not fit.
        """
        if isinstance(study, Study):
            return study
        document, file = _document(study)
        document = copy.deepcopy(document)
        for assignment in settings:
            config.set_key(document, assignment)
        return Reading(document, file).study()

    def document(self) -> dict[str, Any]:
        """Every setting, defaults written out: what `study.yaml` of a run holds."""
        blocks = ("source", "split", "training", "choose", "evaluation", "gates", "report")
        listed = {role: [{c.name: _settings(c)} for c in self.candidates if c.role == role] for role in ROLES}
        target = {"target": dict(self.question.target)} if self.question.target else {}
        task = {"task": config.plain(self.question.task)} if self.question.task else {}
        labels = {"labels": self.question.labels} if self.question.labels else {}
        return {
            "name": self.name,
            "title": self.title,
            "intended_use": self.intended_use,
            **task,
            **target,
            **labels,
            "inputs": config.plain(self.question.inputs),
            "models": listed["model"],
            "baselines": listed["baseline"],
            **{name: config.settings_of(getattr(self, name)) for name in blocks},
            "seed": self.seed,
        }


ROLES: tuple[Literal["model", "baseline"], ...] = ("model", "baseline")
KEYS = (
    *(
        "name",
        "title",
        "intended_use",
        "source",
        "task",
        "target",
        "labels",
        "inputs",
        "split",
        "models",
        "baselines",
    ),
    *("training", "choose", "evaluation", "gates", "report", "seed"),
)


def _settings(candidate: Candidate) -> dict[str, Any]:
    named = {} if candidate.registered == candidate.name else {"model": candidate.registered}
    return {**named, **config.settings_of(candidate.model)}


def _document(study: str | Path | Mapping[str, Any]) -> tuple[Any, str]:
    if isinstance(study, Mapping):
        return study, "<study>"
    path = Path(study)
    if path.is_dir():
        path = path / "study.yaml"
    if not path.suffix and not path.exists():
        path = registry.entry("studies", str(study)).path()
    document = config.read(path)
    if not isinstance(document, Mapping):
        raise UsageError(
            "not a study: there are no keys", at=Place(file=str(path)), fix="see `polyclinic list studies`"
        )
    return document, str(path)


@dataclass(frozen=True, eq=False)
class Reading:
    """A study's document on its way to a `Study`; every error names key and line."""

    given: Any
    file: str

    def study(self) -> Study:
        """Check every block."""
        config.known_keys(self.given, KEYS, node=self.given, keys=(), file=self.file)
        for key in ("name", "source"):
            if self.given.get(key) in (None, ""):
                raise UsageError(
                    f"the study has no {key!r}", at=Place(file=self.file), fix=f"add a line `{key}: …`"
                )
        blocks = {"split": Split, "training": TrainingPlan, "choose": Choose, "evaluation": Evaluation}
        made = {
            key: self._block(cls, key)
            for key, cls in {**blocks, "gates": Gates, "report": ReportSettings}.items()
        }
        return Study(
            name=str(self.given["name"]),
            title=str(self.given.get("title") or self.given["name"]),
            intended_use=" ".join(str(self.given.get("intended_use") or "").split()),
            source=self._source(),
            question=self._question(),
            candidates=self._candidates(),
            seed=self._seed(),
            **made,
        )

    def _block(self, cls: type, key: str) -> Any:
        return config.build(cls, self.given.get(key), node=self.given, keys=(key,), file=self.file)

    def _seed(self) -> int:
        seed = self.given.get("seed", 0)
        if not isinstance(seed, int) or isinstance(seed, bool) or seed < 0:
            at = config.place(self.given, ("seed",), self.file)
            raise UsageError(f"seed is {seed!r}", at=at, fix="write a whole number from 0")
        return int(seed)

    def _source(self) -> Source:
        source: Source = self._block(Source, "source")
        if sum(v is not None for v in (source.data, source.path, source.timeline, source.frame)) != 1:
            raise UsageError(
                "a source is one of data, path (with format), timeline, frame",
                at=config.place(self.given, ("source",), self.file),
                fix="for example  source: {data: clif-demo}  or  source: {format: clif, path: DIR}",
            )
        if source.data is not None:
            registry.entry(
                "datasets", source.data, at=config.place(self.given, ("source", "data"), self.file)
            )
        if source.format is not None:
            registry.entry(
                "formats", source.format, at=config.place(self.given, ("source", "format"), self.file)
            )
        return source

    def _question(self) -> Question:
        task, target = self.given.get("task"), config.plain(self.given.get("target") or {})
        if task is None and not target and not self.given.get("labels"):
            raise UsageError(
                "the study asks nothing: it has neither task nor target nor labels",
                at=Place(file=self.file),
                fix="add `task: FILE`, or `target: {column: y, kind: binary}` where there are no times",
            )
        question = Question(
            inputs=self._inputs(),
            task=None if task is None else self._task(task),
            target=target,
            labels=None if not self.given.get("labels") else str(self._beside(str(self.given["labels"]))),
        )
        _ = question.outcome, question.readers  # their settings are checked as they are made
        return question

    def _inputs(self) -> dict[str, Any]:
        given = config.plain(self.given.get("inputs") or {})
        for name in given:
            registry.entry("inputs", name, at=config.place(self.given, ("inputs", name), self.file))
            config.build(
                registry.load("inputs", name),
                given[name],
                node=self.given,
                keys=("inputs", name),
                file=self.file,
            )
        return given or {self._default_inputs(): {}}

    def _default_inputs(self) -> str:
        """The area that owns the data set or the format; a plain table otherwise."""
        source = self.given["source"]
        for kind, key in (("datasets", "data"), ("formats", "format")):
            if source.get(key) is not None:
                area = registry.entry(kind, source[key]).area
                return area if area in registry.entries("inputs") else "table"
        return "records" if "timeline" in source and "records" in registry.entries("inputs") else "table"

    def _task(self, task: Any) -> Mapping[str, Any]:
        from polyclinic.cohorts.task import Task

        if isinstance(task, Mapping):
            return config.plain(task)  # type: ignore[no-any-return]
        beside = self._beside(str(task))
        return Task.load(beside if beside.is_file() else str(task)).document

    def _beside(self, name: str) -> Path:
        """A file named in the study lies beside it, or at the path given."""
        beside = Path(self.file).parent / name
        return beside if beside.is_file() else Path(name)

    def _candidates(self) -> list[Candidate]:
        found: list[Candidate] = []
        for key, role in (("models", ROLES[0]), ("baselines", ROLES[1])):
            listed = self.given.get(key) or []
            for number, item in enumerate([listed] if isinstance(listed, (str, Mapping)) else listed):
                found.append(self._candidate(item, role, (key, number)))
        names = [c.name for c in found]
        twice = sorted({n for n in names if names.count(n) > 1})
        if not found or twice:
            what = f"two models are called {twice[0]!r}" if twice else "the study names no models"
            fix = "write  another-name: {model: …}" if twice else "add `models: [gbm]`"
            raise UsageError(what, at=config.place(self.given, ("models",), self.file), fix=fix)
        return found

    def _candidate(self, item: Any, role: Any, keys: tuple[str, int]) -> Candidate:
        if hasattr(item, "get_params") and not isinstance(item, type):
            model = registry.load("models", "sklearn").of(item)
            return Candidate(type(item).__name__, "sklearn", model, role)
        if hasattr(item, "prepare"):
            name = next(
                n
                for n, e in registry.entries("models").items()
                if e.target.endswith(f":{type(item).__name__}")
            )
            return Candidate(name, name, item, role)
        if isinstance(item, type):
            raise UsageError(
                f"{item.__name__} is a class, not a model", fix=f"write {item.__name__}() with its settings"
            )
        (name, given) = next(iter(item.items())) if isinstance(item, Mapping) else (str(item), {})
        given = dict(config.plain(given or {}))
        registered = str(given.pop("model", name))
        at = config.place(self.given, keys, self.file)
        cls = registry.load("models", registered, at=at)
        model = config.build(cls, given, node=self.given, keys=(*keys, name), file=self.file)
        return Candidate(str(name), registered, model, role)
