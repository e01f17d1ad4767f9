"""A study: data, question, split, models, evaluation and gates, in one YAML that a person can read aloud."""

import copy
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

from annotated_types import Ge, Le

from polyclinic import config, registry
from polyclinic.cohorts.task_parser import load_task
from polyclinic.errors import Place, UnknownName, UsageError
from polyclinic.evaluation.settings import Evaluation
from polyclinic.models.model import NamesCode
from polyclinic.packages.limits import Policy
from polyclinic.packages.question import Question
from polyclinic.samples.splits import Split
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


@dataclass(frozen=True, kw_only=True)
class LimitSettings:
    """outside: `warn` answers a row that lies outside the limits of the package and names what does; `refuse` does not."""

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
    limits: LimitSettings = field(default_factory=LimitSettings)
    report: ReportSettings = field(default_factory=ReportSettings)
    seed: int = 0
    allow_code: bool = False

    @classmethod
    def load(
        cls, study: "str | Path | Mapping[str, Any] | Study", settings: Sequence[str] = (), *, allow_code: bool = False
    ) -> "Study":
        """A study by its registered name, from a file, or from a mapping; `settings` are `key=value` strings.

        allow_code: whether its models may name code from outside polyclinic, scikit-learn and LightGBM.
        Raises `UsageError` with key and line for what is unknown or does not fit.
        """
        if isinstance(study, Study):
            return study
        document, file = copy.deepcopy(_document(study))
        for assignment in settings:
            config.set_key(document, assignment)
        return Reading(document, config.plain(document), file, allow_code).study()

    def document(self) -> dict[str, Any]:
        """Every setting, defaults written out: what `study.yaml` of a run holds."""
        asked = {key: getattr(self.question, key) for key in ("target", "labels", "inputs")}
        asked = {"task": self.question.task_document, **asked}
        models = {
            key: [{c.name: _settings(c)} for c in self.candidates if c.role == role] for key, role in ROLES.items()
        }
        return {
            **{key: getattr(self, key) for key in ("name", "title", "intended_use")},
            **{key: config.plain(value) for key, value in asked.items() if value},
            **models,
            **{name: config.settings_of(getattr(self, name)) for name in BLOCKS},
            "seed": self.seed,
        }


ROLES: dict[str, Literal["model", "baseline"]] = {"models": "model", "baselines": "baseline"}
BLOCKS = {"source": Source, "split": Split, "training": TrainingPlan, "choose": Choose}
BLOCKS |= {"evaluation": Evaluation, "gates": Gates, "limits": LimitSettings, "report": ReportSettings}
KEYS = ("name", "title", "intended_use", "task", "target", "labels", "inputs", *ROLES, *BLOCKS, "seed")
SHAPES: dict[str, tuple[Any, str]] = {
    "target": (Mapping, "target: {column: y, kind: binary}"),
    "inputs": (Mapping, "inputs: {records: {lookback: 24h}}"),
    "models": ((str, list, Mapping), "models: [gbm]"),
    "baselines": ((str, list, Mapping), "baselines: [naive]"),
}
OWNERS = {"data": "datasets", "format": "formats"}


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
        at, fix = Place(file=str(path)), "see `polyclinic list studies`"
        raise UsageError("not a study: there are no keys", at=at, fix=fix)
    return document, str(path)


@dataclass(frozen=True, eq=False)
class Reading:
    """A study's document on its way to a `Study`; every error names key and line.

    marked: the document that remembers its lines; given: the same as plain values.
    """

    marked: Any
    given: Mapping[str, Any]
    file: str
    allow_code: bool = False

    def study(self) -> Study:
        """Check every block."""
        given, seed = self.given, self.given.get("seed", 0)
        config.known_keys(given, KEYS, node=self.marked, keys=(), file=self.file)
        for key in ("name", "source"):
            if given.get(key) in (None, ""):
                raise UsageError(f"the study has no {key!r}", at=self._at(), fix=f"add a line `{key}: …`")
        if type(seed) is not int or seed < 0:
            raise UsageError(f"seed is {seed!r}", at=self._at("seed"), fix="write a whole number from 0")
        for key, (fitting, example) in SHAPES.items():
            if not isinstance(given.get(key) or {}, fitting):
                raise UsageError(f"{key} is {given[key]!r}", at=self._at(key), fix=f"for example  {example}")
        made: dict[str, Any] = {key: self._built(cls, given.get(key), key) for key, cls in BLOCKS.items()}
        study = Study(
            name=str(given["name"]),
            title=str(given.get("title") or given["name"]),
            intended_use=" ".join(str(given.get("intended_use") or "").split()),
            question=self._question(self._area(made["source"])),
            candidates=self._candidates(),
            seed=seed,
            allow_code=self.allow_code,
            **made,
        )
        self._name_what_there_is(study)
        return study

    def _name_what_there_is(self, study: Study) -> None:
        """The models and scores that the choice and the gates name: after the fits is late to hear of a typing error."""
        scores, gates, models = study.question.outcome.scores, study.gates, [c.name for c in study.candidates]
        named: list[tuple[str, str | None, Sequence[str], Sequence[str]]]
        named = [("score", study.choose.by, scores, ("choose", "by"))]
        named += [("model", gates.better_than, models, ("gates", "better_than"))]
        named += [("score", name, scores, ("gates", "min", name)) for name in gates.min]
        worst = (*scores, "min_subjects")
        named += [("score", name, worst, ("gates", "worst_subgroup", name)) for name in gates.worst_subgroup]
        for kind, name, known, keys in named:
            if name is not None and name not in known:
                raise UnknownName(kind, name, known, at=self._at(*keys))

    def _at(self, *keys: str | int) -> Place:
        return config.place(self.marked, keys, self.file)

    def _built(self, cls: type, given: Any, *keys: str | int) -> Any:
        return config.build(cls, given, node=self.marked, keys=keys, file=self.file)

    def _area(self, source: Source) -> str:
        """The area that owns the data set, the format or timelines; `table` where none does."""
        if sum(v is not None for v in (source.data, source.path, source.timeline, source.frame)) != 1:
            what = "a source is one of data, path (with format), timeline, frame"
            fix = "for example  source: {data: clif-demo}  or  source: {format: clif, path: DIR}"
            raise UsageError(what, at=self._at("source"), fix=fix)
        named = {key: getattr(source, key) for key in OWNERS if getattr(source, key) is not None}
        found = [registry.entry(OWNERS[k], name, at=self._at("source", k)).area for k, name in named.items()]
        return next(iter(found), "table" if source.timeline is None else "records")

    def _question(self, area: str) -> Question:
        """area: whose inputs are meant where none are named; those of a plain table where it has none."""
        task, target, labels = (self.given.get(key) for key in ("task", "target", "labels"))
        if not (task or target or labels):
            what = "the study asks nothing: it has neither task nor target nor labels"
            fix = "add `task: FILE`, or `target: {column: y, kind: binary}` where there are no times"
            raise UsageError(what, at=self._at(), fix=fix)
        if task and not isinstance(task, Mapping):
            task = load_task(self._beside(str(task))).document
        inputs = self.given.get("inputs") or {}
        for name, settings in inputs.items():
            cls = registry.load("inputs", name, at=self._at("inputs", name))
            self._built(cls, settings, "inputs", name)
        question = Question(
            inputs=inputs or {area if area in registry.entries("inputs") else "table": {}},
            task_document=task,
            target=target or {},
            labels=str(self._beside(str(labels))) if labels else None,
        )
        _ = question.outcome, question.readers  # their settings are checked as they are made
        return question

    def _beside(self, name: str) -> Path:
        """A file named in the study lies beside it, or at the path given."""
        beside = Path(self.file).parent / name
        return beside if beside.is_file() else Path(name)

    def _candidates(self) -> list[Candidate]:
        found = []
        for key, role in ROLES.items():
            for item, keys in self._listed(key):
                found.append(self._candidate(item, role, *keys))
                self._check_code(found[-1].model, *keys)
        names, at = [c.name for c in found], self._at("models")
        if twice := sorted({n for n in names if names.count(n) > 1}):
            fix = "write  another-name: {model: …}"
            raise UsageError(f"two models are called {twice[0]!r}", at=at, fix=fix)
        if not found:
            raise UsageError("the study names no models", at=at, fix="add `models: [gbm]`")
        return found

    def _check_code(self, model: Any, *keys: str | int) -> None:
        """Refuse a model that names code which may not be run, where the study names it."""
        if isinstance(model, NamesCode):
            try:
                model.check_code(allow_code=self.allow_code)
            except UsageError as error:
                raise UsageError(error.what, at=self._at(*keys), fix=error.fix) from None

    def _listed(self, key: str) -> Iterator[tuple[Any, config.Keys]]:
        """What stands under `models` or `baselines`, one model each, and where: a name, a list, a mapping by name."""
        listed: Any = self.given.get(key) or []
        one: list[tuple[Any, config.Keys]] = [(listed, (key,))]
        several = [(item, (key, number)) for number, item in enumerate(listed)]
        for item, at in several if isinstance(listed, list) else one:
            yield from (({k: v}, at) for k, v in item.items()) if isinstance(item, Mapping) else [(item, at)]

    def _candidate(self, item: Any, role: Literal["model", "baseline"], *keys: str | int) -> Candidate:
        kind = type(item).__name__
        if isinstance(item, type):
            fix = f"write {item.__name__}() with its settings"
            raise UsageError(f"{item.__name__} is a class, not a model", fix=fix)
        if hasattr(item, "get_params"):
            return Candidate(kind, "sklearn", registry.load("models", "sklearn").of(item), role)
        if hasattr(item, "prepare"):
            name = next(n for n, e in registry.entries("models").items() if e.target.endswith(f":{kind}"))
            return Candidate(name, name, item, role)
        (name, settings) = next(iter(item.items())) if isinstance(item, Mapping) else (str(item), {})
        settings = dict(settings) if isinstance(settings, Mapping) else settings
        registered = str(settings.pop("model", name)) if isinstance(settings, dict) else name
        cls = registry.load("models", registered, at=self._at(*keys, *(item if isinstance(item, Mapping) else ())))
        return Candidate(name, registered, self._built(cls, settings, *keys, name), role)
