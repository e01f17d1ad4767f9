"""How a task file is read and checked: every mistake is reported with its key, its line and a way out."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

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

Rule = Callable[[Any], Any]


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


def parse_task(document: Any, file: str = "<task>") -> Task:
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
    given = TaskParser(config.read(predicates), str(predicates))
    given.known(given.document, (*_PREDICATES, *_BESIDE))
    for key in _PREDICATES:
        more = given.under(key, given.mapping, given.document.get(key) or {})
        if more and isinstance(document, Mapping):
            document[key] = document.get(key) or {}  # type: ignore[index]
            document[key].update(more)
            for name in more:
                own = config.place(given.document, (key, name), str(predicates))
                config.came_from(document, (key, name), str(predicates), own.line)
    return document


@dataclass(frozen=True, slots=True)
class TaskParser:
    """A document, the file it came from, and how it becomes a `Task`.

    A rule reads the value under a key; path: the keys that lead to what is being read.
    """

    document: Any
    file: str
    found: dict[str, Predicate] = field(default_factory=dict)
    path: list[str] = field(default_factory=list)

    def at(self, *more: str) -> Place:
        return config.place(self.document, (*self.path, *more), self.file)

    def must(self, holds: Any, what: str, fix: str, *more: str) -> None:
        if not holds:
            raise UsageError(what, at=self.at(*more), fix=fix)

    def be(self, holds: Any, given: Any, kind: str) -> Any:
        """What is given, where it is of the kind that its key wants."""
        self.must(holds, f"{self.path[-1]} must be {kind}, not {given!r}", f"write {kind}")
        return config.plain(given)

    def one_of(self, known: Iterable[str], kind: str, name: Any, *more: str) -> str:
        if str(name) not in (names := list(known)):
            raise UnknownName(kind, str(name), names, at=self.at(*more))
        return str(name)

    def mapping(self, given: Any) -> dict[str, Any]:
        what = f"{'.'.join(self.path) or 'a task'} must hold key: value lines"
        self.must(isinstance(given, Mapping), what, "write a key, a colon and what it stands for")
        return {str(name): value for name, value in given.items()}

    def known(self, given: Any, names: Sequence[str]) -> dict[str, Any]:
        found = self.mapping(given)
        config.known_keys(found, names, node=self.document, keys=tuple(self.path), file=self.file)
        return found

    def under(self, key: str, rule: Rule, given: Any) -> Any:
        self.path.append(key)
        found = rule(given)
        self.path.pop()
        return found

    def read(self, given: Any, rules: Mapping[str, Rule]) -> dict[str, Any]:
        """What is given, each key read by its rule; a key without a value is left to its default."""
        found = self.known(given, list(rules))
        return {k: self.under(k, rule, found[k]) for k, rule in rules.items() if found.get(k) is not None}

    def each(self, rule: Rule, given: Any) -> dict[str, Any]:
        """A mapping whose keys are names of the user's own, all read by one rule."""
        return {name: self.under(name, rule, one) for name, one in self.mapping(given).items()}

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
        given = {k: v for k, v in self.mapping(self.document).items() if k not in _BESIDE}
        found = self.read(given, self.rules()["task"])
        _, demographics = (found.pop(key, {}) for key in _PREDICATES)
        document = config.plain(self.document) | {k: str(v) for k, v in found.items() if k == "labels"}
        task = Task(document=document, predicates=self.found, **found.pop("at_risk", {}), **found)
        self.check_source(task)
        self.check_derived(task)
        self.check_windows(task)
        # A static predicate is a criterion only where something names it, or where it is a demographic (as in ACES).
        used = {*task.window_predicates, *demographics}
        return replace(task, predicates={n: p for n, p in self.found.items() if n in used or not p.static})

    def check_source(self, task: Task) -> None:
        given = [k for k in _SOURCES if self.document.get(k) is not None]
        what = f"a task has its index times from one of trigger, every or labels; this one has {' and '.join(given) or 'none'}"
        self.must(len(given) == 1, what, "keep one of them", *given[-1:])
        for name in task.statics:
            fix = "use it in an expr or under patient_demographics"
            self.must(name not in task.named_in_windows, f"{name} is static: it has no time", fix, "predicates", name)

    # predicates ------------------------------------------------------------------------------------------------------

    def check_derived(self, task: Task) -> None:
        for name, predicate in task.predicates.items():
            keys = ("predicates", name, "expr")
            for part in predicate.names() if isinstance(predicate, Derived) else ():
                self.one_of(self.found, "predicate", part, *keys)
                around = name in inputs_of(self.found, [part])
                self.must(not around, f"{name} is derived from itself", "break the circle", *keys)

    def name(self, kind: str, *taken: str) -> str:
        name = self.path[-1]
        free = re.fullmatch(r"\w+", name) and name not in taken
        self.must(free, f"a {kind} cannot be called {name!r}", "use letters, digits and _")
        return name

    def one_predicate(self, given: Any) -> None:
        name = self.name("predicate")
        says = isinstance(given, Mapping) and (given.get("code") or given.get("expr"))
        self.must(says, f"{name} must say `code` or `expr`", f"write {name}: {{code: …}}")
        if given.get("expr") is not None:
            read = self.read(given, self.rules()["derived predicate"])
            self.found[name] = replace(read["expr"], static=read.get("static", False))
            return
        rules = self.rules()["predicate"]
        own = self.read({k: v for k, v in given.items() if k in rules}, rules)
        more = {k: v for k, v in given.items() if k not in rules}
        columns = config.plain(own.pop("other_cols", {}) | more)
        static = own.pop("static", False) or self.path[0] == "patient_demographics"
        self.found[name] = Plain(**own, static=static, columns=columns)

    def expression(self, given: Any) -> Derived:
        return read_expression(str(given), self.at())

    def code(self, given: Any) -> Any:
        if not (isinstance(given, Mapping) and len(given) == 1):
            return self.be(isinstance(given, str), given, "a code, {regex: …} or {any: [A, B]}")
        written = {k: "" if v is None else v for k, v in given.items()}
        return self.read(written, self.rules()["code"])

    def pattern(self, given: Any) -> str:
        return read_pattern(given, self.at())

    def codes(self, given: Any) -> Any:
        return self.be(given and _several(given), given, "a list of codes")

    def predicate(self, name: Any) -> str:
        return str(name) if name in SPECIAL else self.one_of(self.found, "predicate", name)

    def plain_predicate(self, name: Any) -> str:
        plain = isinstance(self.found.get(self.predicate(name)), Plain)
        self.must(plain, f"{name} is not a plain predicate", "name a predicate with a code")
        return str(name)

    # windows ---------------------------------------------------------------------------------------------------------

    def window(self, given: Any) -> Window:
        name = self.name("window", TRIGGER)
        found = self.read(given, self.rules()["window"])
        self.must({*_SIDES} & set(found), f"window {name} has no start and no end", "hang one on trigger")
        window = Window(**found)
        start, end = window.start.point == "end", window.end.point == "start"
        self.must(start != end, f"window {name}: one end must hang on the other", "such as end: start + 24h")
        wrong = window.start.backwards is False if start else window.end.backwards
        self.must(not wrong, f"window {name} ends before it starts", "turn the sign or the arrow")
        return window

    def bound(self, given: Any) -> Bound:
        text = str(given)
        found = re.fullmatch(r"\s*(\w+(?:\.\w+)?)\s*(?:(->|<-|\+|-)\s*(.*?)\s*)?", text, re.DOTALL)
        fix = "such as trigger + 24h, start -> discharge, gap.end"
        self.must(found, f"{text!r} is no end of a window", fix)
        point, sign, rest = found.groups() if found else ()
        self.check_point(point)
        if sign in ("->", "<-"):
            event = self.predicate(rest)
            lost = (sign, event) in (("->", "_RECORD_START"), ("<-", "_RECORD_END"))
            self.must(not lost, f"{event} cannot be reached by {sign}", "turn the arrow")
            return Bound(point, event=event, before=sign == "<-")
        one = not re.search(r"[+-]", rest or "")
        self.must(one, f"{text!r} has more than one sign", "write one span, such as start + 1 day 2 hours")
        span = duration(rest, at=self.at()) if sign else timedelta(0)
        return Bound(point, offset=-span if sign == "-" else span)

    def check_point(self, point: str) -> None:
        window, _, side = point.partition(".")
        known = [str(name) for name in self.document["windows"]] if side else [TRIGGER, *_SIDES]
        self.one_of(known, "window" if side else "point", window)
        self.one_of(_SIDES, "end of a window", side or "end")
        itself = f"the {point} of a window cannot hang on itself"
        self.must(point != self.path[-1], itself, "hang it on trigger or another window")

    def check_windows(self, task: Task) -> None:
        for key in ("label", "index_timestamp"):
            names = [n for n, w in task.windows.items() if getattr(w, key)]
            what = f"only one window can have {key}: {', '.join(names)}"
            self.must(len(names) < 2, what, "keep one", "windows", *names[-1:], key)
        for name in task.windows:
            seen = [name]
            while (on := task.windows[seen[-1]].hangs_on) != TRIGGER:
                what = f"windows hang on each other in a circle: {' → '.join([*seen, on])}"
                self.must(on not in seen, what, "hang one of them on trigger", "windows", name)
                seen.append(on)

    # values of one kind ----------------------------------------------------------------------------------------------

    def counts(self, given: Any) -> tuple[int | None, int | None]:
        self.predicate(self.path[-1])
        text = ",".join(map(str, given)) if _several(given) else str(given)
        found = re.fullmatch(rf"[(\[\s]*{_COUNT},{_COUNT}[)\]\s]*", text)
        low, high = (None if n is None else int(n) for n in (found.groups() if found else (None, None)))
        limits = low is not None if high is None else low is None or low <= high
        what = f"{text!r} is no range of counts, limits nothing, or nothing fits it"
        self.must(limits, what, "write (1, None), (None, 0) or (2, 5), within braces in quotes")
        return low, high

    def truth(self, given: Any) -> bool:
        return bool(self.be(isinstance(given, bool), given, "true or false"))

    def number(self, given: Any) -> Any:
        return self.be(_is_number(given), given, "a number")

    def span(self, given: Any) -> timedelta:
        found = duration(str(given), at=self.at())
        self.must(found >= timedelta(0), f"{self.path[-1]} cannot be negative", "turn the sign")
        return found

    # our own keys ----------------------------------------------------------------------------------------------------

    def limits(self, given: Any) -> Any:
        two = _several(given) and len(given) == 2 and all(map(_is_number, given))
        return self.be(two and given[0] <= given[1], given, "[lowest, highest], such as [20, 200]")

    def every(self, given: Any) -> Every:
        found = self.read(given, self.rules()["every"])
        self.must("while" in found, "every needs while: [begin, end]", "name two predicates", "while")
        self.must(found.get("step"), "every needs a step of more than nothing", "such as step: 1h", "step")
        begin, end = found.pop("while")
        return Every(begin=begin, end=end, **found)

    def between(self, given: Any) -> list[str]:
        self.be(_several(given) and len(given) == 2, given, "two predicates: [begin, end]")
        return [self.plain_predicate(name) for name in given]

    def last(self, given: Any) -> Last:
        self.plain_predicate(self.path[-1])
        return Last(**self.read(given, self.rules()["last"]))

    def labels(self, given: Any) -> Path:
        beside = Path(self.file).parent / str(given)
        self.must(beside.is_file(), f"no such file: {given}", "name a table of labels beside the task")
        return beside.resolve()


def _is_number(given: Any) -> bool:
    return isinstance(given, int | float) and not isinstance(given, bool)


def _several(given: Any) -> bool:
    return isinstance(given, Sequence) and not isinstance(given, str)
