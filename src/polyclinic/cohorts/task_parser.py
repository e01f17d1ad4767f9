"""How a task file is read and checked: every mistake is reported with its key, its line and a way out."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias, TypeGuard, TypeVar, cast

from polyclinic import config, registry
from polyclinic.cohorts.durations import duration
from polyclinic.cohorts.predicates import SPECIAL, Derived, Plain, Predicate, read_expression, read_pattern
from polyclinic.cohorts.task import TRIGGER, Bound, Every, Last, Task, Window, inputs_of
from polyclinic.cohorts.task_document import PARTS, DerivedDocument, PredicateDocument, TaskDocument
from polyclinic.errors import Place, UnknownName, UsageError

_PREDICATES = ("predicates", "patient_demographics")
_BESIDE = ("description", "metadata")
_SIDES = ("start", "end")
_SOURCES = ("trigger", "every", "labels")
_STUDY_KEYS, _TASK_KEYS = (
    ("source", "data", "inputs", "models", "baselines"),
    (*_PREDICATES, "trigger", "every", "windows"),
)
_COUNT = r"\s*(?:([+-]?\d+)|None|null|)\s*"

T = TypeVar("T")
Rule: TypeAlias = Callable[[object], object]
"""Reads the value under a key: gives what the task holds there, or raises `UsageError`."""


def load_task(task: str | Path, predicates: Path | None = None) -> Task:
    """A task file, or a registered task, read and checked.

    Parameters
    ----------
    task
        The path of a YAML file, or the name of a registered task.
    predicates
        A file of predicates that completes those of the task, or replaces the ones of the same name.

    Returns
    -------
    Task

    Raises
    ------
    UsageError
        Where the file is wrong, with key and line.
    """
    path = Path(task)
    if not path.is_file() and path.suffix not in (".yaml", ".yml"):
        path = registry.entry("tasks", str(task)).path()
    document = config.read(path)
    if predicates is not None:
        document = completed(document, predicates)
    return parse_task(document, str(path))


def parse_task(document: object, file: str = "<task>") -> Task:
    """A task from a document that was already read.

    Parameters
    ----------
    document
        The mapping of a task file.
    file
        What errors name; a file of `labels` lies beside it.

    Returns
    -------
    Task

    Raises
    ------
    UsageError
        Where the document is wrong, with its key (and its line, where it came from YAML).
    """
    return TaskParser(document, file).task()


def task_keys() -> dict[str, tuple[str, ...]]:
    """Every key that a task file may have, by the part in which it stands (`task`, `predicate`, `window`, …)."""
    return {part: tuple(map(config.key_of, fields(document))) for part, document in PARTS.items()}


def completed(document: Any, predicates: Path) -> Any:
    """The document with the predicates of a second file, which replace its own of the same name."""
    second, file = config.read(predicates), str(predicates)
    if second is None:
        raise UsageError(
            "the file of predicates is empty", at=Place(file=file), fix="write `predicates:` and some below it"
        )
    config.build(TaskDocument, second, file=file)
    config.known_keys(second, (*_PREDICATES, *_BESIDE), node=second, keys=(), file=file)
    for key in _PREDICATES:
        more = second.get(key)
        if more and isinstance(document, Mapping):
            document[key] = document.get(key) or {}  # type: ignore[index]
            document[key].update(more)
            for name in more:
                config.came_from(document, (key, name), file, config.place(second, (key, name), file).line)
    return document


@dataclass(frozen=True, slots=True)
class TaskParser:
    """A document, the file it came from, and how it becomes a `Task`.

    Keys and the shape of values are those of `task_document`; a rule reads what a value means. path: the keys that lead
    to what is being read.
    """

    document: Any
    file: str
    predicates: dict[str, Predicate] = field(default_factory=dict)
    path: list[str] = field(default_factory=list)

    def at(self, *more: str) -> Place:
        return config.place(self.document, (*self.path, *more), self.file)

    def require(self, condition: object, what: str, fix: str, *more: str) -> None:
        """Raise `UsageError` at the key that is being read unless the condition is true."""
        if not condition:
            raise UsageError(what, at=self.at(*more), fix=fix)

    def one_of(self, known: Iterable[str], kind: str, name: object, *more: str) -> str:
        if str(name) not in (names := list(known)):
            raise UnknownName(kind, str(name), names, at=self.at(*more))
        return str(name)

    def built(self, cls: type[T], value: object) -> T:
        """A part of the document in its shape; raises `UsageError` for a key or a value that does not belong there."""
        mapping = cast("Mapping[str, Any]", value)
        return config.build(cls, mapping, node=self.document, keys=tuple(self.path), file=self.file)

    def under(self, key: str, rule: Rule, value: object) -> Any:
        # Popped only where the rule succeeds: an error ends the reading, and its place is the path as it was then.
        self.path.append(key)
        result = rule(value)
        self.path.pop()
        return result

    def read(self, part: object, rules: Mapping[str, Rule]) -> dict[str, Any]:
        """The keys of a part that have a value, each read by its rule; one without a rule stays as it is."""
        keys = {config.key_of(item): getattr(part, item.name) for item in fields(cast(Any, part))}
        order = [*(key for key in rules if key in keys), *(key for key in keys if key not in rules)]
        filled = {key: keys[key] for key in order if keys[key] is not None}
        return {key: self.under(key, rules[key], one) if key in rules else one for key, one in filled.items()}

    def each(self, rule: Rule, value: object) -> dict[str, Any]:
        """A mapping whose keys are names of the user's own, all read by one rule."""
        return {
            str(name): self.under(str(name), rule, one) for name, one in cast("Mapping[object, object]", value).items()
        }

    def task(self) -> Task:
        mapping = isinstance(self.document, Mapping)
        self.require(mapping, "a task must hold key: value lines", "write a key, a colon and what it stands for")
        study = not self.document.keys().isdisjoint(_STUDY_KEYS) and self.document.keys().isdisjoint(_TASK_KEYS)
        fix = f"`polyclinic run {self.file}` runs it; a task has trigger, predicates and windows, and stands in its own file"
        self.require(not study, "this is a study, not a task", fix)
        predicates = partial(self.each, self.one_predicate)
        rules: dict[str, Rule] = {
            **dict.fromkeys(_PREDICATES, predicates),
            "trigger": self.predicate,
            "windows": partial(self.each, self.window),
            "values": partial(self.each, partial(self.read, rules={})),
            "every": self.every,
            "at_risk": partial(self.read, rules={"last": partial(self.each, self.last)}),
            "labels": self.labels,
        }
        settings = self.read(self.built(TaskDocument, self.document), rules)
        for key in _BESIDE:
            settings.pop(key, None)
        # Predicates were collected in `self.predicates` as they were read: later ones and windows name earlier ones.
        _, demographics = (settings.pop(key, {}) for key in _PREDICATES)
        document = config.plain(self.document) | {k: str(v) for k, v in settings.items() if k == "labels"}
        task = Task(document=document, predicates=self.predicates, **settings.pop("at_risk", {}), **settings)
        self.check_source(task)
        self.check_derived(task)
        self.check_windows(task)
        # A static predicate is a criterion only where something names it, or where it is a demographic (as in ACES).
        used = {*task.window_predicates, *demographics}
        return replace(task, predicates={n: p for n, p in self.predicates.items() if n in used or not p.static})

    def check_source(self, task: Task) -> None:
        sources = [k for k in _SOURCES if self.document.get(k) is not None]
        named = " and ".join(sources) or "none"
        what = f"a task has its index times from one of trigger, every or labels; this one has {named}"
        self.require(len(sources) == 1, what, "keep one of them", *sources[-1:])
        for name in task.statics:
            fix = "use it in an expr or under patient_demographics"
            self.require(
                name not in task.named_in_windows, f"{name} is static: it has no time", fix, "predicates", name
            )

    # predicates ------------------------------------------------------------------------------------------------------

    def check_derived(self, task: Task) -> None:
        for name, predicate in task.predicates.items():
            keys = ("predicates", name, "expr")
            for part in predicate.names() if isinstance(predicate, Derived) else ():
                self.one_of(self.predicates, "predicate", part, *keys)
                around = name in inputs_of(self.predicates, [part])
                self.require(not around, f"{name} is derived from itself", "break the circle", *keys)

    def name(self, kind: str, *taken: str) -> str:
        name = self.path[-1]
        free = re.fullmatch(r"\w+", name) and name not in taken
        self.require(free, f"a {kind} cannot be called {name!r}", "use letters, digits and _")
        return name

    def one_predicate(self, value: object) -> None:
        name = self.name("predicate")
        keys = {str(key): one for key, one in value.items()} if isinstance(value, Mapping) else {}
        complete = keys.get("code") or keys.get("expr")
        self.require(complete, f"{name} must say `code` or `expr`", f"write {name}: {{code: …}}")
        if keys.get("expr") is not None:
            read = self.read(self.built(DerivedDocument, keys), {"expr": self.expression})
            self.predicates[name] = replace(read["expr"], static=read.get("static", False))
            return
        known = [item.name for item in fields(PredicateDocument)]
        own = self.read(
            self.built(PredicateDocument, {k: v for k, v in keys.items() if k in known}), {"code": self.code}
        )
        more = {k: v for k, v in keys.items() if k not in known}
        columns = config.plain({**(own.pop("other_cols", None) or {}), **more})
        static = own.pop("static", False) or self.path[0] == "patient_demographics"
        self.predicates[name] = Plain(**own, static=static, columns=columns)

    def expression(self, value: object) -> Derived:
        return read_expression(str(value), self.at())

    def code(self, value: object) -> object:
        if isinstance(value, str):
            return value
        read = self.read(value, {"regex": self.pattern})
        self.require(len(read) == 1, "code must be a code, {regex: …} or {any: [A, B]}", "write one of them")
        self.require(read.get("any", True), "any must be a list of codes", "name a code", "any")
        return read

    def pattern(self, value: object) -> str:
        return read_pattern(value, self.at())

    def predicate(self, name: object) -> str:
        return str(name) if name in SPECIAL else self.one_of(self.predicates, "predicate", name)

    def plain_predicate(self, name: object) -> str:
        plain = isinstance(self.predicates.get(self.predicate(name)), Plain)
        self.require(plain, f"{name} is not a plain predicate", "name a predicate with a code")
        return str(name)

    # windows ---------------------------------------------------------------------------------------------------------

    def window(self, value: object) -> Window:
        name = self.name("window", TRIGGER)
        bounds = dict.fromkeys(_SIDES, self.bound)
        settings = self.read(value, {**bounds, "has": partial(self.each, self.counts), "label": self.predicate})
        self.require({*_SIDES} & set(settings), f"window {name} has no start and no end", "hang one on trigger")
        window = Window(**settings)
        start, end = window.start.point == "end", window.end.point == "start"
        self.require(start != end, f"window {name}: one end must hang on the other", "such as end: start + 24h")
        wrong = window.start.backwards is False if start else window.end.backwards
        self.require(not wrong, f"window {name} ends before it starts", "turn the sign or the arrow")
        return window

    def bound(self, value: object) -> Bound:
        text = str(value)
        match = re.fullmatch(r"\s*(\w+(?:\.\w+)?)\s*(?:(->|<-|\+|-)\s*(.*?)\s*)?", text, re.DOTALL)
        fix = "such as trigger + 24h, start -> discharge, gap.end"
        self.require(match, f"{text!r} is no end of a window", fix)
        point, sign, rest = match.groups() if match else ()
        self.check_point(point)
        if sign in ("->", "<-"):
            event = self.predicate(rest)
            lost = (sign, event) in (("->", "_RECORD_START"), ("<-", "_RECORD_END"))
            self.require(not lost, f"{event} cannot be reached by {sign}", "turn the arrow")
            return Bound(point, event=event, before=sign == "<-")
        one = not re.search(r"[+-]", rest or "")
        self.require(one, f"{text!r} has more than one sign", "write one span, such as start + 1 day 2 hours")
        span = duration(rest, at=self.at()) if sign else timedelta(0)
        return Bound(point, offset=-span if sign == "-" else span)

    def check_point(self, point: str) -> None:
        window, _, side = point.partition(".")
        known = [str(name) for name in self.document["windows"]] if side else [TRIGGER, *_SIDES]
        self.one_of(known, "window" if side else "point", window)
        self.one_of(_SIDES, "end of a window", side or "end")
        itself = f"the {point} of a window cannot hang on itself"
        self.require(point != self.path[-1], itself, "hang it on trigger or another window")

    def check_windows(self, task: Task) -> None:
        for key in ("label", "index_timestamp"):
            names = [n for n, w in task.windows.items() if getattr(w, key)]
            what = f"only one window can have {key}: {', '.join(names)}"
            self.require(len(names) < 2, what, "keep one", "windows", *names[-1:], key)
        for name in task.windows:
            chain = [name]
            while (on := task.windows[chain[-1]].hangs_on) != TRIGGER:
                what = f"windows hang on each other in a circle: {' → '.join([*chain, on])}"
                self.require(on not in chain, what, "hang one of them on trigger", "windows", name)
                chain.append(on)

    # values of one kind ----------------------------------------------------------------------------------------------

    def counts(self, value: object) -> tuple[int | None, int | None]:
        self.predicate(self.path[-1])
        text = ",".join(map(str, value)) if _is_list(value) else str(value)
        match = re.fullmatch(rf"[(\[\s]*{_COUNT},{_COUNT}[)\]\s]*", text)
        low, high = (None if n is None else int(n) for n in (match.groups() if match else (None, None)))
        limits = low is not None if high is None else low is None or low <= high
        what = f"{text!r} is no range of counts, limits nothing, or nothing fits it"
        self.require(limits, what, "write (1, None), (None, 0) or (2, 5), within braces in quotes")
        return low, high

    def span(self, value: object) -> timedelta:
        span = duration(str(value), at=self.at())
        self.require(span >= timedelta(0), f"{self.path[-1]} cannot be negative", "turn the sign")
        return span

    # our own keys ----------------------------------------------------------------------------------------------------

    def every(self, value: object) -> Every:
        settings = self.read(value, {"step": self.span, "while": self.between, "after": self.span})
        self.require("while" in settings, "every needs while: [begin, end]", "name two predicates", "while")
        self.require(settings.get("step"), "every needs a step of more than nothing", "such as step: 1h", "step")
        begin, end = settings.pop("while")
        return Every(begin=begin, end=end, **settings)

    def between(self, value: object) -> list[str]:
        return [self.plain_predicate(name) for name in cast("Sequence[str]", value)]

    def last(self, value: object) -> Last:
        self.plain_predicate(self.path[-1])
        return Last(**self.read(value, {"within": self.span}))

    def labels(self, value: object) -> Path:
        beside = Path(self.file).parent / str(value)
        self.require(beside.is_file(), f"no such file: {value}", "name a table of labels beside the task")
        return beside.resolve()


def _is_list(value: object) -> TypeGuard[Sequence[Any]]:
    return isinstance(value, Sequence) and not isinstance(value, str)
