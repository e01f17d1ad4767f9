"""How a task file is read and checked: every mistake is told with its key, its line and a way out."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from polyclinic import config
from polyclinic.cohorts.durations import duration
from polyclinic.cohorts.predicates import SPECIAL, Derived, Plain, Predicate, check_pattern, read_expression
from polyclinic.cohorts.task import TRIGGER, Bound, Every, Last, Task, Window, inputs_of
from polyclinic.cohorts.values import TIES
from polyclinic.errors import Place, UnknownName, UsageError

_PREDICATES = ("predicates", "patient_demographics")
_BESIDE = ("description", "metadata")
_SOURCES = ("trigger", "every", "labels")
_TASK = (*_PREDICATES, *_BESIDE, *_SOURCES, "windows", "kind", "values", "at_risk")
_COUNTS = "write (1, None), (None, 0) or (2, 5)"


def completed(document: Any, predicates: Path) -> Any:
    """The document with the predicates of a second file, which replace its own of the same name."""
    given = Reader(config.read(predicates), str(predicates))
    given.known(given.document, (*_PREDICATES, *_BESIDE))
    for key in _PREDICATES:
        more = given.section(key)
        if more and isinstance(document, Mapping):
            document[key] = document.get(key) or {}  # type: ignore[index]
            document[key].update(more)
    return document


@dataclass(frozen=True, slots=True)
class Reader:
    """A document, the file it came from, and how it becomes a `Task`.

    A rule reads the value under a key: it is given the value and the keys that lead to it.
    """

    document: Any
    file: str
    found: dict[str, Predicate] = field(default_factory=dict)

    def at(self, *keys: str) -> Place:
        return config.place(self.document, keys, self.file)

    def must(self, holds: Any, what: str, fix: str, *keys: str) -> None:
        if not holds:
            raise UsageError(what, at=self.at(*keys), fix=fix)

    def one_of(self, known: Iterable[str], kind: str, name: Any, *keys: str) -> str:
        if str(name) not in (names := list(known)):
            raise UnknownName(kind, str(name), names, at=self.at(*keys))
        return str(name)

    def known(self, given: Any, names: Sequence[str], *keys: str) -> None:
        what = f"{'.'.join(keys) or 'a task'} must hold key: value lines"
        self.must(isinstance(given, Mapping), what, f"known keys: {', '.join(names)}", *keys)
        config.known_keys(given, names, node=self.document, keys=keys, file=self.file)

    def read(self, given: Any, rules: Mapping[str, Callable[..., Any]], *keys: str) -> dict[str, Any]:
        """What is given, each key read by its rule; a key without a value is left to its default."""
        self.known(given, list(rules), *keys)
        return {k: rule(given[k], *keys, k) for k, rule in rules.items() if given.get(k) is not None}

    def named(self, given: Any, *keys: str) -> dict[str, Any]:
        """A mapping whose keys are names of the user's own."""
        lines = isinstance(given or {}, Mapping)
        self.must(
            lines,
            f"{'.'.join(keys)} must hold key: value lines",
            "write a name, a colon and what it stands for",
            *keys,
        )
        return {str(name): value for name, value in (given or {}).items()}

    def section(self, key: str) -> dict[str, Any]:
        return self.named(self.document.get(key), key)

    def task(self) -> Task:
        self.known(self.document, _TASK)
        self.read_predicates()
        trigger, labels = self.document.get("trigger"), self.labels()
        task = Task(
            document={**config.plain(self.document), **({"labels": str(labels)} if labels else {})},
            predicates=self.found,
            kind=str(self.document.get("kind") or "binary"),
            trigger=None if trigger is None else self.predicate(trigger, "trigger"),
            windows={n: self.window(one, "windows", n) for n, one in self.section("windows").items()},
            values=self.values(),
            every=self.every(),
            last=self.last(),
            labels=labels,
        )
        self.check_source(task)
        self.check_windows(task)
        # A static predicate is a criterion only where something names it, or where it is a demographic (as in ACES).
        used = task.asked | set(self.section("patient_demographics"))
        return replace(task, predicates={n: p for n, p in self.found.items() if n in used or not p.static})

    def check_source(self, task: Task) -> None:
        given = [k for k in _SOURCES if self.document.get(k) is not None]
        what = f"a task asks at one of trigger, every or labels, this one has {' and '.join(given) or 'none'}"
        self.must(len(given) == 1, what, "keep one of them", *given[-1:])
        for name in task.statics:
            fix = "use it in an expr or under patient_demographics"
            self.must(name not in task.timed, f"{name} is static: it has no time", fix, "predicates", name)

    # predicates ------------------------------------------------------------------------------------------------------

    def read_predicates(self) -> None:
        for key in _PREDICATES:
            for name, given in self.section(key).items():
                self.name(name, "predicate", key, name)
                self.found[name] = self.one_predicate(given, key, name)
        for name, predicate in self.found.items():
            keys = ("predicates", name, "expr")
            for part in predicate.names() if isinstance(predicate, Derived) else ():
                self.one_of(self.found, "predicate", part, *keys)
                around = name in inputs_of(self.found, [part])
                self.must(not around, f"{name} is derived from itself", "break the circle", *keys)

    def name(self, name: str, kind: str, *keys: str) -> None:
        free = re.fullmatch(r"\w+", name) and (kind, name) != ("window", TRIGGER)
        self.must(free, f"a {kind} cannot be called {name!r}", "use letters, digits and _", *keys)

    def one_predicate(self, given: Any, *keys: str) -> Predicate:
        name, says = keys[-1], isinstance(given, Mapping)
        self.must(says, f"{name} must say `code` or `expr`", f"write {name}: {{code: …}}", *keys)
        if "expr" in given:
            self.known(given, ("expr", "static"), *keys)
            read = read_expression(str(given["expr"]), self.at(*keys, "expr"))
            return replace(read, static=bool(given.get("static")))
        self.must("code" in given, f"{name} has no code", "add code: …, or expr: …", *keys)
        rules = {
            **dict.fromkeys(("value_min", "value_max"), self.number),
            **dict.fromkeys(("value_min_inclusive", "value_max_inclusive", "static"), self.truth),
            "other_cols": self.named,
        }
        code = self.code(given["code"], *keys, "code")
        own = self.read({k: v for k, v in given.items() if k in rules}, rules, *keys)
        more = {k: v for k, v in given.items() if k not in (*rules, "code")}
        columns = config.plain(own.pop("other_cols", {}) | more)
        static = own.pop("static", False) or keys[0] == "patient_demographics"
        return Plain(code=code, **own, static=static, columns=columns)

    def code(self, given: Any, *keys: str) -> Any:
        if isinstance(given, Mapping) and len(given) == 1:
            rules = {"regex": lambda text, *where: check_pattern(text, self.at(*where)), "any": self.codes}
            self.read({k: v if v is not None else "" for k, v in given.items()}, rules, *keys)
        else:
            what = f"{keys[1]}: the code must be a text, a regex or a list"
            self.must(isinstance(given, str), what, "write code: A, or {regex: …}, or {any: [A, B]}", *keys)
        return config.plain(given)

    def codes(self, given: Any, *keys: str) -> None:
        several = given and isinstance(given, Sequence) and not isinstance(given, str)
        self.must(several, f"{keys[1]}: `any` must list codes", "write {any: [A, B]}", *keys[:-1])

    def predicate(self, name: Any, *keys: str) -> str:
        return str(name) if name in SPECIAL else self.one_of(self.found, "predicate", name, *keys)

    def plain_predicate(self, name: Any, *keys: str) -> str:
        plain = isinstance(self.found.get(self.predicate(name, *keys)), Plain)
        self.must(plain, f"{name} is not a plain predicate", "name a predicate with a code", *keys)
        return str(name)

    # windows ---------------------------------------------------------------------------------------------------------

    def window(self, given: Any, *keys: str) -> Window:
        name = keys[-1]
        self.name(name, "window", *keys)
        rules = {
            **dict.fromkeys(("start", "end"), self.bound),
            **dict.fromkeys(("start_inclusive", "end_inclusive"), self.truth),
            "has": self.has,
            "label": self.predicate,
            "index_timestamp": self.side,
        }
        found = self.read(given, rules, *keys)
        fix = "hang one of them on trigger or another window"
        self.must({"start", "end"} & set(found), f"window {name} has no start and no end", fix, *keys)
        window = Window(**found)
        start, end = (b.point == other for b, other in ((window.start, "end"), (window.end, "start")))
        what = f"window {name}: one of start and end must hang on the other"
        self.must(start != end, what, "for example end: start + 24h", *keys)
        wrong = window.start.backwards is False if start else window.end.backwards
        self.must(not wrong, f"window {name} ends before it starts", "turn the sign or the arrow", *keys)
        return window

    def has(self, given: Any, *keys: str) -> dict[str, Any]:
        limits = self.named(given, *keys)
        return {self.predicate(name, *keys, name): self.counts(limits[name], *keys, name) for name in limits}

    def side(self, given: Any, *keys: str) -> str:
        what = f"index_timestamp must be start or end, not {given!r}"
        self.must(given in ("start", "end"), what, "write start or end", *keys)
        return str(given)

    def bound(self, given: Any, *keys: str) -> Bound:
        text = str(given)
        found = re.fullmatch(r"\s*(\w+(?:\.\w+)?)\s*(?:(->|<-|\+|-)\s*(.*?)\s*)?", text, re.DOTALL)
        fix = "for example trigger + 24h, start -> discharge, gap.end"
        self.must(found, f"{text!r} is no end of a window", fix, *keys)
        point, sign, rest = found.groups() if found else ()
        self.check_point(point, *keys)
        if sign in ("->", "<-"):
            event = self.predicate(rest, *keys)
            lost = (sign, event) in (("->", "_RECORD_START"), ("<-", "_RECORD_END"))
            self.must(not lost, f"{event} cannot be reached by {sign}", "turn the arrow", *keys)
            return Bound(point, event=event, before=sign == "<-")
        several = re.search(r"[+-]", rest or "")
        fix = "write one span, for example start + 1 day 2 hours"
        self.must(not several, f"{text!r} has more than one sign", fix, *keys)
        span = duration(rest, at=self.at(*keys)) if sign else timedelta(0)
        return Bound(point, offset=-span if sign == "-" else span)

    def check_point(self, point: str, *keys: str) -> None:
        window, _, side = point.partition(".")
        if side:
            self.one_of(self.section("windows"), "window", window, *keys)
            self.one_of(("start", "end"), "end of a window", side, *keys)
        else:
            self.one_of((TRIGGER, "start", "end"), "point", point, *keys)
            what = f"the {point} of a window cannot hang on itself"
            self.must(point != keys[-1], what, "hang it on trigger or another window", *keys)

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

    def counts(self, given: Any, *keys: str) -> tuple[int | None, int | None]:
        several = isinstance(given, Sequence) and not isinstance(given, str)
        parts = given if several else str(given).strip("()[] ").split(",")
        try:
            low, high = (None if str(p).strip() in ("None", "null", "") else int(str(p)) for p in parts)
        except ValueError:
            raise UsageError(
                f"{str(given)!r} is no range of counts", at=self.at(*keys), fix=_COUNTS
            ) from None
        limits = low is not None if high is None else low is None or low <= high
        self.must(limits, f"{str(given)!r} limits nothing, or nothing fits it", _COUNTS, *keys)
        return low, high

    def truth(self, given: Any, *keys: str) -> bool:
        what = f"{keys[-1]} must be true or false, not {given!r}"
        self.must(isinstance(given, bool), what, "write true or false", *keys)
        return bool(given)

    def number(self, given: Any, *keys: str) -> Any:
        what = f"{keys[-1]} must be a number, not {given!r}"
        self.must(_is_number(given), what, "write a number", *keys)
        return config.plain(given)

    def span(self, given: Any, *keys: str) -> timedelta:
        found = duration(str(given), at=self.at(*keys))
        self.must(found >= timedelta(0), f"{keys[-1]} cannot be negative", "turn the sign", *keys)
        return found

    # our own keys ----------------------------------------------------------------------------------------------------

    def values(self) -> dict[str, Any]:
        rules = {"plausible": self.limits, "ties": self.ties}
        return {code: self.read(how, rules, "values", code) for code, how in self.section("values").items()}

    def limits(self, given: Any, *keys: str) -> Any:
        two = isinstance(given, Sequence) and len(given) == 2 and all(map(_is_number, given))
        what = f"{keys[1]}: plausible must be [lowest, highest]"
        self.must(two and given[0] <= given[1], what, "for example [20, 200]", *keys)
        return config.plain(given)

    def ties(self, given: Any, *keys: str) -> str:
        return self.one_of(TIES, "rule for ties", given, *keys)

    def every(self) -> Every | None:
        if self.document.get("every") is None:
            return None
        rules = {"step": self.span, "while": self.between, "after": self.span}
        found = self.read(self.document["every"], rules, "every")
        need = "every needs while: [begin, end]"
        self.must("while" in found, need, "name two predicates", "every", "while")
        more = "the step of every must be more than nothing"
        self.must(found.get("step"), more, "for example step: 1h", "every", "step")
        begin, end = found.pop("while")
        return Every(begin=begin, end=end, **found)

    def between(self, given: Any, *keys: str) -> list[str]:
        two = isinstance(given, Sequence) and not isinstance(given, str) and len(given) == 2
        self.must(two, "every needs while: [begin, end]", "name two predicates", *keys)
        return [self.plain_predicate(name, *keys) for name in given]

    def last(self) -> dict[str, Last]:
        rules = {"within": self.span, "value_min": self.number, "value_max": self.number}
        given = self.read(self.section("at_risk"), {"last": self.named}, "at_risk").get("last", {})
        found = {}
        for name, how in given.items():
            keys = ("at_risk", "last", self.plain_predicate(name, "at_risk", "last", name))
            found[name] = Last(**self.read(how, rules, *keys))
        return found

    def labels(self) -> Path | None:
        given = self.document.get("labels")
        if given is None:
            return None
        beside = Path(self.file).parent / str(given)
        fix = "name a table of labels beside the task"
        self.must(beside.is_file(), f"no such file: {given}", fix, "labels")
        return beside.resolve()


def _is_number(given: Any) -> bool:
    return isinstance(given, int | float) and not isinstance(given, bool)
