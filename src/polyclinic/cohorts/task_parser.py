"""How a task file is read and checked: every mistake is reported with its key, its line and a way out."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias, TypeGuard, TypeVar, cast

from polyclinic import config, registry
from polyclinic.cohorts.durations import duration
from polyclinic.cohorts.predicates import SPECIAL, Derived, Plain, Predicate, read_expression, read_pattern
from polyclinic.cohorts.task import TRIGGER, Bound, Every, Last, Task, Window, inputs_of
from polyclinic.cohorts.values import TIES
from polyclinic.errors import Place, UnknownName, UsageError

_PREDICATES = ("predicates", "patient_demographics")
_BESIDE = ("description", "metadata")
_SIDES = ("start", "end")
_SOURCES = ("trigger", "every", "labels")
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
    keys = {part: tuple(rules) for part, rules in TaskParser({}, "<task>").rules().items()}
    return {**keys, "task": (*keys["task"], *_BESIDE)}


def completed(document: Any, predicates: Path) -> Any:
    """The document with the predicates of a second file, which replace its own of the same name."""
    parser = TaskParser(config.read(predicates), str(predicates))
    parser.known(parser.document, (*_PREDICATES, *_BESIDE))
    for key in _PREDICATES:
        more = parser.under(key, parser.mapping, parser.document.get(key) or {})
        if more and isinstance(document, Mapping):
            document[key] = document.get(key) or {}  # type: ignore[index]
            document[key].update(more)
            for name in more:
                own = config.place(parser.document, (key, name), str(predicates))
                config.came_from(document, (key, name), str(predicates), own.line)
    return document


@dataclass(frozen=True, slots=True)
class TaskParser:
    """A document, the file it came from, and how it becomes a `Task`.

    A rule reads the value under a key; path: the keys that lead to what is being read.
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

    def of_kind(self, fits: object, value: T, kind: str) -> T:
        """The value, where it is of the kind that its key wants."""
        self.require(fits, f"{self.path[-1]} must be {kind}, not {value!r}", f"write {kind}")
        return cast("T", config.plain(value))

    def one_of(self, known: Iterable[str], kind: str, name: object, *more: str) -> str:
        if str(name) not in (names := list(known)):
            raise UnknownName(kind, str(name), names, at=self.at(*more))
        return str(name)

    def mapping(self, value: object) -> dict[str, object]:
        what = f"{'.'.join(self.path) or 'a task'} must hold key: value lines"
        self.require(isinstance(value, Mapping), what, "write a key, a colon and what it stands for")
        return {str(name): one for name, one in cast("Mapping[object, object]", value).items()}

    def known(self, value: object, names: Sequence[str]) -> dict[str, object]:
        settings = self.mapping(value)
        config.known_keys(settings, names, node=self.document, keys=tuple(self.path), file=self.file)
        return settings

    def under(self, key: str, rule: Rule, value: object) -> Any:
        # Popped only where the rule succeeds: an error ends the reading, and its place is the path as it was then.
        self.path.append(key)
        result = rule(value)
        self.path.pop()
        return result

    def read(self, value: object, rules: Mapping[str, Rule]) -> dict[str, Any]:
        """The keys of a mapping, each read by its rule; a key without a value is left to its default."""
        settings = self.known(value, list(rules))
        return {k: self.under(k, rule, settings[k]) for k, rule in rules.items() if settings.get(k) is not None}

    def each(self, rule: Rule, value: object) -> dict[str, Any]:
        """A mapping whose keys are names of the user's own, all read by one rule."""
        return {name: self.under(name, rule, one) for name, one in self.mapping(value).items()}

    def rules(self) -> dict[str, dict[str, Rule]]:
        """Every key that a task may have, and what reads its value, by the part of the task in which it stands."""
        limits = dict.fromkeys(("value_min", "value_max"), self.number)
        truths = dict.fromkeys(("value_min_inclusive", "value_max_inclusive", "static"), self.truth)
        value: dict[str, Rule] = {"plausible": self.limits, "ties": partial(self.one_of, TIES, "rule for ties")}
        at_risk: dict[str, Rule] = {"last": partial(self.each, self.last)}
        return {
            "task": {
                **dict.fromkeys(_PREDICATES, partial(self.each, self.one_predicate)),
                "kind": str,
                "trigger": self.predicate,
                "windows": partial(self.each, self.window),
                "values": partial(self.each, partial(self.read, rules=value)),
                "every": self.every,
                "at_risk": partial(self.read, rules=at_risk),
                "labels": self.labels,
            },
            "predicate": {"code": self.code, **limits, **truths, "other_cols": self.mapping},
            "derived predicate": {"expr": self.expression, "static": self.truth},
            "code": {"regex": self.pattern, "any": self.codes},
            "window": {
                **dict.fromkeys(_SIDES, self.bound),
                **dict.fromkeys(("start_inclusive", "end_inclusive"), self.truth),
                "has": partial(self.each, self.counts),
                "label": self.predicate,
                "index_timestamp": partial(self.one_of, _SIDES, "end of a window"),
            },
            "values": value,
            "every": {"step": self.span, "while": self.between, "after": self.span},
            "at_risk": at_risk,
            "last": {"within": self.span, **limits},
        }

    def task(self) -> Task:
        keys = {k: v for k, v in self.mapping(self.document).items() if k not in _BESIDE}
        settings = self.read(keys, self.rules()["task"])
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
        keys = self.mapping(value) if isinstance(value, Mapping) else {}
        complete = keys.get("code") or keys.get("expr")
        self.require(complete, f"{name} must say `code` or `expr`", f"write {name}: {{code: …}}")
        if keys.get("expr") is not None:
            read = self.read(keys, self.rules()["derived predicate"])
            self.predicates[name] = replace(read["expr"], static=read.get("static", False))
            return
        rules = self.rules()["predicate"]
        own = self.read({k: v for k, v in keys.items() if k in rules}, rules)
        more = {k: v for k, v in keys.items() if k not in rules}
        columns = config.plain(own.pop("other_cols", {}) | more)
        static = own.pop("static", False) or self.path[0] == "patient_demographics"
        self.predicates[name] = Plain(**own, static=static, columns=columns)

    def expression(self, value: object) -> Derived:
        return read_expression(str(value), self.at())

    def code(self, value: object) -> object:
        if not (isinstance(value, Mapping) and len(value) == 1):
            return self.of_kind(isinstance(value, str), value, "a code, {regex: …} or {any: [A, B]}")
        filled = {k: "" if v is None else v for k, v in value.items()}
        return self.read(filled, self.rules()["code"])

    def pattern(self, value: object) -> str:
        return read_pattern(value, self.at())

    def codes(self, value: object) -> object:
        return self.of_kind(value and _is_list(value), value, "a list of codes")

    def predicate(self, name: object) -> str:
        return str(name) if name in SPECIAL else self.one_of(self.predicates, "predicate", name)

    def plain_predicate(self, name: object) -> str:
        plain = isinstance(self.predicates.get(self.predicate(name)), Plain)
        self.require(plain, f"{name} is not a plain predicate", "name a predicate with a code")
        return str(name)

    # windows ---------------------------------------------------------------------------------------------------------

    def window(self, value: object) -> Window:
        name = self.name("window", TRIGGER)
        settings = self.read(value, self.rules()["window"])
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

    def truth(self, value: object) -> bool:
        return bool(self.of_kind(isinstance(value, bool), value, "true or false"))

    def number(self, value: object) -> object:
        return self.of_kind(_is_number(value), value, "a number")

    def span(self, value: object) -> timedelta:
        span = duration(str(value), at=self.at())
        self.require(span >= timedelta(0), f"{self.path[-1]} cannot be negative", "turn the sign")
        return span

    # our own keys ----------------------------------------------------------------------------------------------------

    def limits(self, value: object) -> object:
        rising = _is_list(value) and len(value) == 2 and all(map(_is_number, value)) and value[0] <= value[1]
        return self.of_kind(rising, value, "[lowest, highest], such as [20, 200]")

    def every(self, value: object) -> Every:
        settings = self.read(value, self.rules()["every"])
        self.require("while" in settings, "every needs while: [begin, end]", "name two predicates", "while")
        self.require(settings.get("step"), "every needs a step of more than nothing", "such as step: 1h", "step")
        begin, end = settings.pop("while")
        return Every(begin=begin, end=end, **settings)

    def between(self, value: object) -> list[str]:
        pair = value if _is_list(value) and len(value) == 2 else None
        self.of_kind(pair is not None, value, "two predicates: [begin, end]")
        return [self.plain_predicate(name) for name in pair or ()]

    def last(self, value: object) -> Last:
        self.plain_predicate(self.path[-1])
        return Last(**self.read(value, self.rules()["last"]))

    def labels(self, value: object) -> Path:
        beside = Path(self.file).parent / str(value)
        self.require(beside.is_file(), f"no such file: {value}", "name a table of labels beside the task")
        return beside.resolve()


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_list(value: object) -> TypeGuard[Sequence[Any]]:
    return isinstance(value, Sequence) and not isinstance(value, str)
