"""From a name, a file or a mapping to a checked `Study`: every mistake is named with its key and line."""

import copy
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Protocol, TypeAlias, runtime_checkable

from polyclinic import config, registry
from polyclinic.cohorts.task_parser import load_task
from polyclinic.documents import check_file_name
from polyclinic.errors import Place, PolyclinicError, UnknownName, UsageError
from polyclinic.evaluation.settings import ModelRole
from polyclinic.models.model import NamesAnswers, NamesCode
from polyclinic.packages.question import Question
from polyclinic.studies.source_check import check_source
from polyclinic.studies.study import BLOCKS, KEYS, ROLES, Candidate, Study, StudySource
from polyclinic.timelines.ingest import detect

StudyLike: TypeAlias = str | Path | Mapping[str, Any] | Study

SHAPES: dict[str, tuple[Any, str]] = {
    "target": (Mapping, "target: {column: y, kind: binary}"),
    "inputs": (Mapping, "inputs: {records: {lookback: 24h}}"),
    "models": ((str, list, Mapping), "models: [gbm]"),
    "baselines": ((str, list, Mapping), "baselines: [naive]"),
}
OWNERS = {"data": "datasets", "format": "formats"}
TASK_KEYS = ("predicates", "trigger", "windows", "every")
"""Keys by which a task is recognised where a study is expected."""
LOCATIONS = ("path", "timeline", "frame")


@runtime_checkable
class HasParams(Protocol):
    """An estimator of scikit-learn."""

    def get_params(self, deep: bool = True) -> Mapping[str, Any]:
        """Name → setting."""


@runtime_checkable
class Prepares(Protocol):
    """A model of polyclinic."""

    def prepare(self, train: object) -> object:
        """What is learned from training rows."""


def load_study(
    study: StudyLike, settings: Sequence[str] = (), *, allow_code: bool = False, check_sources: bool = False
) -> Study:
    """Read and check a study.

    Parameters
    ----------
    study
        A registered name, a file, the folder of a run, or a mapping.
    settings
        `key=value` strings, each of which changes one key.
    allow_code
        Whether its models may name code from outside polyclinic, scikit-learn and LightGBM.
    check_sources
        Whether the files and columns that it names are looked for (`source_check`); else a study is only read.

    Raises
    ------
    UsageError
        With key and line, for what is unknown, does not fit or is not there.
    """
    if isinstance(study, Study):
        return study
    document, file = _document(study)
    document = copy.deepcopy(document)
    for assignment in settings:
        config.set_key(document, assignment)
    parser = StudyParser(document, config.plain(document), file, allow_code)
    checked = parser.study()
    if check_sources:
        check_source(checked, parser.at)
    return checked


def _document(study: str | Path | Mapping[str, object]) -> tuple[object, str]:
    """The document of a study and the name of its file."""
    if isinstance(study, Mapping):
        return study, "<study>"
    path = Path(study)
    if path.is_dir():
        path = path / "study.yaml"
    if not path.suffix and not path.exists():
        path = registry.entry("studies", str(study)).path()
    document, at = config.read(path), Place(file=str(path))
    if not isinstance(document, Mapping):
        fix = "name the YAML file of a study, or one of `polyclinic list studies`"
        raise UsageError("not a study: there are no keys", at=at, fix=fix)
    if not document.keys().isdisjoint(TASK_KEYS) and document.keys().isdisjoint({*KEYS} - {"labels"}):
        fix = f"`polyclinic cohort SOURCE {path.name} --out labels.parquet` extracts its cohort; a study names it as `task: {path.name}`"
        raise UsageError("this is a task, not a study", at=at, fix=fix)
    return document, str(path)


@dataclass(frozen=True, eq=False)
class StudyParser:
    """A study's document on its way to a `Study`.

    Attributes
    ----------
    marked
        The document that remembers its lines.
    document
        The same as plain values.
    """

    marked: Any
    document: Mapping[str, Any]
    file: str
    allow_code: bool = False

    def study(self) -> Study:
        """Check every block."""
        document, seed = self.document, self.document.get("seed", 0)
        config.known_keys(document, KEYS, node=self.marked, keys=(), file=self.file)
        for key in ("name", "source"):
            if document.get(key) in (None, ""):
                raise UsageError(f"the study has no {key!r}", at=self.at(), fix=f"add a line `{key}: …`")
        if type(seed) is not int or seed < 0:
            raise UsageError(f"seed is {seed!r}", at=self.at("seed"), fix="write a whole number from 0")
        for key, (shape, example) in SHAPES.items():
            if not isinstance(document.get(key) or {}, shape):
                raise UsageError(f"{key} is {document[key]!r}", at=self.at(key), fix=f"for example  {example}")
        blocks: dict[str, Any] = {key: self._built(cls, document.get(key), key) for key, cls in BLOCKS.items()}
        blocks["source"] = self._located(blocks["source"])
        split, set_elsewhere = blocks["split"], getattr(self.marked, "origins", {})
        if split.file is not None and ("split", "file") not in set_elsewhere:
            blocks["split"] = replace(split, file=str(self._beside(split.file)))
        question = self._question(self._area(blocks["source"]))
        study = Study(
            name=str(document["name"]),
            title=str(document.get("title") or document["name"]),
            intended_use=" ".join(str(document.get("intended_use") or "").split()),
            question=question,
            candidates=self._candidates(question.outcome.own_models()),
            seed=seed,
            allow_code=self.allow_code,
            **blocks,
        )
        self._check_names(study)
        self._check_heads(study)
        return study

    def _check_heads(self, study: Study) -> None:
        """Whether each model can give the answer that the outcome asks for: after the other fits is late to hear it."""
        outcome = study.question.outcome
        for candidate in study.candidates:
            if not isinstance(candidate.model, NamesAnswers) or outcome.per in candidate.model.serves:
                continue
            key = next(key for key, role in ROLES.items() if role == candidate.role)
            answers = " or ".join(f"one answer for each {each} of" for each in candidate.model.serves)
            what = f"{candidate.name} gives {answers} its input; {outcome.kind!r} asks for one for each {outcome.per}"
            fix = "take a model that is made for this outcome (`polyclinic list models`)"
            raise UsageError(what, at=self.at(key), fix=fix)

    def _check_names(self, study: Study) -> None:
        """The models and scores that the choice and the gates name: after the fits is late to hear of a typing error."""
        measures, gates, models = study.question.outcome.measures, study.gates, [c.name for c in study.candidates]
        scores = [measure.name for measure in measures]
        named: list[tuple[str, str | None, Sequence[str], Sequence[str]]]
        named = [("score", study.choose.by, scores, ("choose", "by"))]
        named += [("model", gates.better_than, models, ("gates", "better_than"))]
        for block in ("min", "within"):
            named += [("score", name, scores, ("gates", block, name)) for name in getattr(gates, block)]
        worst = (*scores, "min_subjects")
        named += [("score", name, worst, ("gates", "worst_subgroup", name)) for name in gates.worst_subgroup]
        for kind, name, known, keys in named:
            if name is not None and name not in known:
                raise UnknownName(kind, name, known, at=self.at(*keys))
        try:
            gates.check(measures)
        except ValueError as error:
            raise UsageError(str(error), at=self.at("gates"), fix="correct the bound, or take the gate out") from None

    def at(self, *keys: str | int) -> Place:
        """The place of a key: its file and line."""
        return config.place(self.marked, keys, self.file)

    def _built(self, cls: type, settings: Any, *keys: str | int) -> Any:
        return config.build(cls, settings, node=self.marked, keys=keys, file=self.file)

    def _area(self, source: StudySource) -> str:
        """The area that owns the data set, the format or timelines; `table` where none does."""
        if sum(v is not None for v in (source.data, source.path, source.timeline, source.frame)) != 1:
            what = "a source is one of data, path (with format), timeline, frame"
            fix = "for example  source: {data: clif-demo}  or  source: {format: clif, path: DIR}"
            raise UsageError(what, at=self.at("source"), fix=fix)
        if source.path is not None and source.format is None and Path(source.path).exists():
            with suppress(PolyclinicError):  # `check_source` says what is wrong with it
                return registry.entry("formats", detect(source.path)).area
        named = {key: getattr(source, key) for key in OWNERS if getattr(source, key) is not None}
        areas = [registry.entry(OWNERS[k], name, at=self.at("source", k)).area for k, name in named.items()]
        return next(iter(areas), "table" if source.timeline is None else "records")

    def _located(self, source: StudySource) -> StudySource:
        """The source with its path as it is found: beside the study, else from the working directory, as `--set` means it."""
        folder, set_elsewhere = Path(self.file).parent, getattr(self.marked, "origins", {})
        paths = {key: getattr(source, key) for key in LOCATIONS if ("source", key) not in set_elsewhere}
        beside = {key: folder / path for key, path in paths.items() if path is not None}
        located: dict[str, Any] = {key: str(path) for key, path in beside.items() if path.exists()}
        return replace(source, **located)

    def _question(self, area: str) -> Question:
        """The question.

        area: whose inputs are meant where none are named; those of a plain table where it has none.
        """
        task, target, labels = (self.document.get(key) for key in ("task", "target", "labels"))
        if not (task or target or labels):
            what = "the study has no question: it has neither task nor target nor labels"
            fix = "add `task: FILE`, or `target: {column: y, kind: binary}` where there are no times"
            raise UsageError(what, at=self.at(), fix=fix)
        if task and not isinstance(task, Mapping):
            task = load_task(self._beside(str(task))).document
        inputs = self.document.get("inputs") or {}
        for name, settings in inputs.items():
            cls = registry.load("inputs", name, at=self.at("inputs", name))
            self._built(cls, settings, "inputs", name)
        question = Question(
            inputs=inputs or {area if area in registry.entries("inputs") else "table": {}},
            task_document=task,
            target=target or {},
            labels=str(self._beside(str(labels))) if labels else None,
        )
        _ = question.readers  # their settings are checked as they are made
        self._check_target(question)
        return question

    def _check_target(self, question: Question) -> None:
        """The keys of the target: its columns, its kind, and the settings of such an outcome."""
        outcome = registry.load("outcomes", question.kind, at=self.at("target", "kind"))
        known = (*outcome.target_keys, "kind", *(item.name for item in fields(outcome)))
        config.known_keys(question.target, known, node=self.marked, keys=("target",), file=self.file)
        self._built(outcome, outcome.settings_in(question.target), "target")

    def _beside(self, name: str) -> Path:
        """A file named in the study lies beside it, or at the path as written."""
        beside = Path(self.file).parent / name
        return beside if beside.is_file() else Path(name)

    def _candidates(self, own: Mapping[str, str]) -> list[Candidate]:
        """The models of the study; own: shared model → the one of the outcome that stands in its place."""
        candidates: list[Candidate] = []
        for key, role in ROLES.items():
            for item, keys in self._listed(key):
                candidate = self._candidate(item, role, own, *keys)
                self._check_candidate(candidate, *keys)
                candidates.append(candidate)
        names, at = [c.name for c in candidates], self.at("models")
        if repeated := sorted({n for n in names if names.count(n) > 1}):
            fix = "write  another-name: {model: …}"
            raise UsageError(f"two models are called {repeated[0]!r}", at=at, fix=fix)
        if not candidates:
            raise UsageError("the study names no models", at=at, fix="add `models: [gbm]`")
        return candidates

    def _check_candidate(self, candidate: Candidate, *keys: str | int) -> None:
        """Refuse a name that is none for a folder, and code that may not be run, where the study names it."""
        check_file_name(candidate.name, "a model", at=self.at(*keys))
        if isinstance(candidate.model, NamesCode):
            try:
                candidate.model.check_code(allow_code=self.allow_code)
            except UsageError as error:
                raise UsageError(error.what, at=self.at(*keys), fix=error.fix) from None

    def _listed(self, key: str) -> Iterator[tuple[object, config.Keys]]:
        """What stands under `models` or `baselines`, one model each, and where: a name, a list, a mapping by name."""
        listed: Any = self.document.get(key) or []
        single: list[tuple[object, config.Keys]] = [(listed, (key,))]
        several = [(item, (key, number)) for number, item in enumerate(listed)]
        for item, at in several if isinstance(listed, list) else single:
            yield from (({k: v}, at) for k, v in item.items()) if isinstance(item, Mapping) else [(item, at)]

    def _candidate(self, item: object, role: ModelRole, own: Mapping[str, str], *keys: str | int) -> Candidate:
        """One model: an object, a name, or a name with its settings."""
        kind = type(item).__name__
        if isinstance(item, type):
            fix = f"write {item.__name__}() with its settings"
            raise UsageError(f"{item.__name__} is a class, not a model", fix=fix)
        if isinstance(item, HasParams):
            return Candidate(kind, "sklearn", registry.load("models", "sklearn").of(item), role)
        if isinstance(item, Prepares):
            name = next(n for n, e in registry.entries("models").items() if e.target.endswith(f":{kind}"))
            return Candidate(name, name, item, role)
        (name, settings) = next(iter(item.items())) if isinstance(item, Mapping) else (str(item), {})
        settings = dict(settings) if isinstance(settings, Mapping) else settings
        registered = str(settings.pop("model", name)) if isinstance(settings, dict) else name
        registered = own.get(registered, registered)
        cls = registry.load("models", registered, at=self.at(*keys, *(item if isinstance(item, Mapping) else ())))
        return Candidate(name, registered, self._built(cls, settings, *keys, name), role)
