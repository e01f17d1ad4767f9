"""How a task file is read and checked: every mistake is told with its key, its line and a way out."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from polyclinic import config
from polyclinic.cohorts.durations import duration
from polyclinic.cohorts.predicates import SPECIAL, Derived, Plain, Predicate, check_pattern, read_expression
from polyclinic.cohorts.task import TRIGGER, Bound, Every, Last, Task, Window, inputs_of
from polyclinic.cohorts.values import TIES
from polyclinic.errors import Place, UnknownName, UsageError

_ACES = ("predicates", "patient_demographics", "trigger", "windows", "description", "metadata")
_OURS = ("kind", "values", "every", "at_risk", "labels")
_WINDOW = ("start", "end", "start_inclusive", "end_inclusive", "has", "label", "index_timestamp")
_PLAIN = (
    "code",
    "value_min",
    "value_max",
    "value_min_inclusive",
    "value_max_inclusive",
    "static",
    "other_cols",
)


def completed(document: Any, predicates: Path) -> Any:
    """The document with the predicates of a second file, which replace its own of the same name."""
    given = config.read(predicates)
    known = ("predicates", "patient_demographics", "description", "metadata")
    config.known_keys(given, known, node=given, keys=(), file=str(predicates))
    for key in known[:2]:
        if given.get(key):
            document.setdefault(key, {})
            document[key].update(given[key])
    return document


@dataclass(frozen=True, slots=True)
class Reader:
    """A document, the file it came from, and how it becomes a `Task`."""

    document: Any
    file: str

    def at(self, *keys: str) -> Place:
        return config.place(self.document, keys, self.file)

    def wrong(self, what: str, fix: str, *keys: str) -> UsageError:
        return UsageError(what, at=self.at(*keys), fix=fix)

    def known(self, given: Any, names: Sequence[str], *keys: str) -> Mapping[str, Any]:
        if not isinstance(given, Mapping):
            raise self.wrong(
                f"{'.'.join(keys) or 'a task'} must hold key: value lines",
                f"known keys: {', '.join(names)}",
                *keys,
            )
        config.known_keys(given, names, node=self.document, keys=keys, file=self.file)
        return given

    def section(self, key: str) -> Mapping[str, Any]:
        given = self.document.get(key) or {}
        return self.known(given, list(given) if isinstance(given, Mapping) else [], key)

    def task(self) -> Task:
        self.known(self.document, (*_ACES, *_OURS))
        predicates = self.predicates()
        task = Task(
            document=self.plain_document(),
            predicates=predicates,
            kind=str(self.document.get("kind") or "binary"),
            trigger=self.predicate(self.document.get("trigger"), predicates, "trigger"),
            windows={name: self.window(name, predicates) for name in self.section("windows")},
            values=self.values(),
            every=self.every(predicates),
            last=self.last(predicates),
            labels=self.labels(),
        )
        self.check_source(task)
        self.check_windows(task)
        # A static predicate is a criterion only where something names it, or where it is a demographic (as in ACES).
        used = task.asked | set(self.section("patient_demographics"))
        return replace(task, predicates={n: p for n, p in predicates.items() if n in used or not p.static})

    def plain_document(self) -> dict[str, Any]:
        """The document as it can be read again from anywhere."""
        labels = self.labels()
        return {**config.plain(self.document), **({"labels": str(labels)} if labels else {})}

    def check_source(self, task: Task) -> None:
        given = [k for k in ("trigger", "every", "labels") if self.document.get(k) is not None]
        if len(given) != 1:
            have = " and ".join(given) or "none"
            raise self.wrong(
                f"a task asks at one of trigger, every or labels, this one has {have}",
                "keep one of them",
                *given[-1:],
            )
        for name in task.statics:
            if name == task.trigger or any(
                name in (w.label, w.start.event, w.end.event, *w.has) for w in task.windows.values()
            ):
                raise self.wrong(
                    f"{name} is static: it has no time",
                    "use it in an expr or under patient_demographics",
                    "predicates",
                    name,
                )

    def predicates(self) -> dict[str, Predicate]:
        own, demographics = self.section("predicates"), self.section("patient_demographics")
        found: dict[str, Predicate] = {}
        for key, given in (("predicates", own), ("patient_demographics", demographics)):
            for name in given:
                if not re.fullmatch(r"\w+", str(name)):
                    raise self.wrong(
                        f"a predicate cannot be called {str(name)!r}", "use letters, digits and _", key, name
                    )
                found[str(name)] = self.one_predicate(key, str(name))
        self.check_derived(found)
        return found

    def one_predicate(self, key: str, name: str) -> Predicate:
        given = self.document[key][name]
        if not isinstance(given, Mapping):
            raise self.wrong(f"{name} must say `code` or `expr`", f"write {name}: {{code: …}}", key, name)
        if "expr" in given:
            self.known(given, ("expr", "static"), key, name)
            read = read_expression(str(given["expr"]), self.at(key, name, "expr"))
            return Derived(read.how, read.inputs, bool(given.get("static")))
        if "code" not in given:
            raise self.wrong(f"{name} has no code", "add code: …, or expr: …", key, name)
        return self.plain(given, key, name)

    def plain(self, given: Mapping[str, Any], key: str, name: str) -> Plain:
        self.check_code(given["code"], key, name)
        for side in ("value_min", "value_max"):
            self.number(given.get(side), key, name, side)
        for flag in ("value_min_inclusive", "value_max_inclusive", "static"):
            self.truth(given.get(flag), False, key, name, flag)
        own = config.plain(
            {k: v for k, v in given.items() if k in _PLAIN and k != "other_cols" and v is not None}
        )
        others = {k: v for k, v in given.items() if k not in _PLAIN}
        columns = config.plain({**(given.get("other_cols") or {}), **others})
        return Plain(
            **{**own, "static": bool(given.get("static")) or key == "patient_demographics"}, columns=columns
        )

    def check_code(self, code: Any, key: str, name: str) -> None:
        where = (key, name, "code")
        if isinstance(code, str):
            return
        if not isinstance(code, Mapping) or len(code) != 1:
            raise self.wrong(
                f"{name}: the code must be a text, a regex or a list",
                "write code: A, or {regex: …}, or {any: [A, B]}",
                *where,
            )
        given = self.known(code, ("regex", "any"), *where)
        if "regex" in given:
            check_pattern(given["regex"], self.at(*where, "regex"))
        elif not isinstance(given["any"], Sequence) or isinstance(given["any"], str) or not given["any"]:
            raise self.wrong(f"{name}: `any` must list codes", "write {any: [A, B]}", *where)

    def check_derived(self, found: Mapping[str, Predicate]) -> None:
        for name, predicate in found.items():
            if isinstance(predicate, Derived):
                for part in predicate.names():
                    if part not in found:
                        raise UnknownName("predicate", part, found, at=self.at("predicates", name, "expr"))
                if name in inputs_of(found, predicate.names()):
                    raise self.wrong(
                        f"{name} is derived from itself", "break the circle", "predicates", name, "expr"
                    )

    def predicate(self, name: Any, known: Mapping[str, Predicate], *keys: str) -> str | None:
        if name is not None and str(name) not in (*known, *SPECIAL):
            raise UnknownName("predicate", str(name), known, at=self.at(*keys))
        return None if name is None else str(name)

    def window(self, name: str, predicates: Mapping[str, Predicate]) -> Window:
        if not re.fullmatch(r"\w+", str(name)) or str(name) == TRIGGER:
            raise self.wrong(
                f"a window cannot be called {str(name)!r}", "use letters, digits and _", "windows", name
            )
        keys = ("windows", str(name))
        given = self.known(self.document["windows"][name], _WINDOW, *keys)
        if given.get("start") is None and given.get("end") is None:
            raise self.wrong(
                f"window {name} has no start and no end",
                "hang one of them on trigger or another window",
                *keys,
            )
        start, end = (self.bound(given.get(side), side, predicates, *keys, side) for side in ("start", "end"))
        if (start.point == "end") == (end.point == "start"):
            raise self.wrong(
                f"window {name}: one of start and end must hang on the other",
                "for example end: start + 24h",
                *keys,
            )
        if (start.backwards is False and start.point == "end") or (end.backwards and end.point == "start"):
            raise self.wrong(f"window {name} ends before it starts", "turn the sign or the arrow", *keys)
        index = given.get("index_timestamp")
        if index not in (None, "start", "end"):
            raise self.wrong(
                f"index_timestamp must be start or end, not {index!r}",
                "write start or end",
                *keys,
                "index_timestamp",
            )
        has = given.get("has") or {}
        has = {
            str(p): self.counts(has[p], *keys, "has", str(p))
            for p in self.known(has, list(has), *keys, "has")
        }
        for one in has:
            self.predicate(one, predicates, *keys, "has", one)
        return Window(
            start=start,
            end=end,
            start_inclusive=self.truth(given.get("start_inclusive"), True, *keys, "start_inclusive"),
            end_inclusive=self.truth(given.get("end_inclusive"), True, *keys, "end_inclusive"),
            has=has,
            label=self.predicate(given.get("label"), predicates, *keys, "label"),
            index_timestamp=index,
        )

    def bound(self, given: Any, side: str, predicates: Mapping[str, Predicate], *keys: str) -> Bound:
        if given is None:
            return (
                Bound("end", event="_RECORD_START", before=True)
                if side == "start"
                else Bound("start", event="_RECORD_END")
            )
        found = re.fullmatch(r"\s*(\w+(?:\.\w+)?)\s*(?:(->|<-|\+|-)\s*(.*?)\s*)?", str(given), re.DOTALL)
        if found is None:
            raise self.wrong(
                f"{str(given)!r} is no end of a window",
                "for example trigger + 24h, start -> discharge, gap.end",
                *keys,
            )
        point, sign, rest = found.groups()
        self.check_point(point, *keys)
        if sign in ("->", "<-"):
            event = self.predicate(rest, predicates, *keys)
            if (sign, event) in (("->", "_RECORD_START"), ("<-", "_RECORD_END")):
                raise self.wrong(f"{event} cannot be reached by {sign}", "turn the arrow", *keys)
            return Bound(point, event=event, before=sign == "<-")
        if rest is not None and re.search(r"[+-]", rest):
            raise self.wrong(
                f"{str(given)!r} has more than one sign",
                "write one span, for example start + 1 day 2 hours",
                *keys,
            )
        span = duration(rest, at=self.at(*keys)) if sign else timedelta(0)
        return Bound(point, offset=-span if sign == "-" else span)

    def check_point(self, point: str, *keys: str) -> None:
        window, _, side = point.partition(".")
        if point in ("start", "end"):
            if point == keys[-1]:
                raise self.wrong(
                    f"the {point} of a window cannot hang on itself",
                    "hang it on trigger or another window",
                    *keys,
                )
        elif not side:
            if point != TRIGGER:
                raise UnknownName("point", point, [TRIGGER, "start", "end"], at=self.at(*keys))
        elif window not in self.document["windows"]:
            raise UnknownName("window", window, map(str, self.document["windows"]), at=self.at(*keys))
        elif side not in ("start", "end"):
            raise UnknownName("end of a window", side, ["start", "end"], at=self.at(*keys))

    def check_windows(self, task: Task) -> None:
        for key in ("label", "index_timestamp"):
            names = [n for n, w in task.windows.items() if getattr(w, key)]
            if len(names) > 1:
                raise self.wrong(
                    f"only one window can have {key}: {', '.join(names)}",
                    "keep one",
                    "windows",
                    names[-1],
                    key,
                )
        for name in task.windows:
            self.check_circle(task, name)

    def check_circle(self, task: Task, name: str) -> None:
        seen, at = [name], name
        while True:
            w = task.windows[at]
            at = (w.start if w.root == "start" else w.end).point.partition(".")[0]
            if at == TRIGGER:
                return
            if at in seen:
                way = " → ".join([*seen, at])
                raise self.wrong(
                    f"windows hang on each other in a circle: {way}",
                    "hang one of them on trigger",
                    "windows",
                    name,
                )
            seen.append(at)

    def counts(self, given: Any, *keys: str) -> tuple[int | None, int | None]:
        parts = (
            list(given)
            if isinstance(given, Sequence) and not isinstance(given, str)
            else str(given).strip("()[] ").split(",")
        )
        try:
            low, high = (None if str(p).strip() in ("None", "null", "") else int(str(p)) for p in parts)
        except ValueError:
            raise self.wrong(
                f"{str(given)!r} is no range of counts", "write (1, None), (None, 0) or (2, 5)", *keys
            ) from None
        if (low is None and high is None) or (low is not None and high is not None and high < low):
            raise self.wrong(
                f"{str(given)!r} limits nothing, or nothing fits it",
                "write (1, None), (None, 0) or (2, 5)",
                *keys,
            )
        return low, high

    def truth(self, given: Any, default: bool, *keys: str) -> bool:
        if given is not None and not isinstance(given, bool):
            raise self.wrong(f"{keys[-1]} must be true or false, not {given!r}", "write true or false", *keys)
        return default if given is None else given

    def number(self, given: Any, *keys: str) -> float | None:
        if given is not None and (isinstance(given, bool) or not isinstance(given, (int, float))):
            raise self.wrong(f"{keys[-1]} must be a number, not {given!r}", "write a number", *keys)
        return None if given is None else float(given)

    def span(self, given: Any, *keys: str) -> timedelta:
        found = duration(str(given), at=self.at(*keys))
        if found < timedelta(0):
            raise self.wrong(f"{keys[-1]} cannot be negative", "turn the sign", *keys)
        return found

    def values(self) -> dict[str, Any]:
        given = self.section("values")
        for code in given:
            one = self.known(given[code], ("plausible", "ties"), "values", code)
            limits = one.get("plausible")
            if limits is not None and (
                not isinstance(limits, Sequence) or len(limits) != 2 or limits[0] > limits[1]
            ):
                raise self.wrong(
                    f"{code}: plausible must be [lowest, highest]",
                    "for example [20, 200]",
                    "values",
                    code,
                    "plausible",
                )
            if one.get("ties") is not None and one["ties"] not in TIES:
                raise UnknownName("rule for ties", str(one["ties"]), TIES, at=self.at("values", code, "ties"))
        return config.plain(given)  # type: ignore[no-any-return]

    def every(self, predicates: Mapping[str, Predicate]) -> Every | None:
        if self.document.get("every") is None:
            return None
        given = self.known(self.document["every"], ("step", "while", "after"), "every")
        between = given.get("while")
        if not isinstance(between, Sequence) or isinstance(between, str) or len(between) != 2:
            raise self.wrong("every needs while: [begin, end]", "name two predicates", "every", "while")
        begin, end = (str(self.predicate(p, predicates, "every", "while")) for p in between)
        for name in (begin, end):
            if not isinstance(predicates.get(name), Plain):
                raise self.wrong(
                    f"{name} is not a plain predicate", "name a predicate with a code", "every", "while"
                )
        step = self.span(given.get("step"), "every", "step")
        if not step:
            raise self.wrong(
                "the step of every must be more than nothing", "for example step: 1h", "every", "step"
            )
        return Every(
            step=step, begin=begin, end=end, after=self.span(given.get("after", "0s"), "every", "after")
        )

    def last(self, predicates: Mapping[str, Predicate]) -> dict[str, Last]:
        given = self.known(self.section("at_risk"), ("last",), "at_risk").get("last") or {}
        found = {}
        for name in given:
            keys = ("at_risk", "last", str(name))
            if not isinstance(predicates.get(str(self.predicate(name, predicates, *keys))), Plain):
                raise self.wrong(f"{name} is not a plain predicate", "name a predicate with a code", *keys)
            one = self.known(given[name], ("within", "value_min", "value_max"), *keys)
            within = None if one.get("within") is None else self.span(one["within"], *keys, "within")
            low, high = (self.number(one.get(side), *keys, side) for side in ("value_min", "value_max"))
            found[str(name)] = Last(within=within, value_min=low, value_max=high)
        return found

    def labels(self) -> Path | None:
        given = self.document.get("labels")
        if given is None:
            return None
        beside = Path(self.file).parent / str(given)
        if not beside.is_file():
            raise self.wrong(f"no such file: {given}", "name a table of labels beside the task", "labels")
        return beside.resolve()
