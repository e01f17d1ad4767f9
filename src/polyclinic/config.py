"""YAML in, checked settings out: an unknown key is an error with its line and the nearest known key."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import MISSING, asdict, fields, is_dataclass
from functools import cache
from pathlib import Path
from typing import Any, TypeVar, cast, get_type_hints

from polyclinic.errors import BadData, Place, UsageError, nearest

T = TypeVar("T")
Keys = tuple[str | int, ...]


def read(path: Path) -> Any:
    """A YAML document as plain mappings that remember their lines (`line_of`)."""
    if not path.is_file():
        raise UsageError(f"no such file: {path}", at=Place(file=str(path)), fix="check the path")
    return parse(path.read_text(encoding="utf-8"), str(path))


def parse(text: str, file: str = "<text>") -> Any:
    """A YAML text; raises `BadData` with the line where it is not YAML."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        return YAML(typ="rt", pure=True).load(text)
    except YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 1 if mark else None
        problem = getattr(error, "problem", None) or "not YAML"
        raise UsageError(
            f"cannot be read as YAML: {problem}",
            at=Place(file=file, line=line),
            fix="check the indentation, quotes and brackets on that line",
        ) from error


def dump(value: Any) -> str:
    """A plain value as YAML, keys in their order."""
    from io import StringIO

    from ruamel.yaml import YAML

    yaml, out = YAML(typ="rt", pure=True), StringIO()
    yaml.default_flow_style = False
    yaml.width = 100
    yaml.dump(plain(value), out)
    return out.getvalue()


def plain(value: Any) -> Any:
    """Plain dicts, lists, strings and numbers, whatever the parser's own types were."""
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, str):
        return str(value)
    if isinstance(value, Sequence):
        return [plain(v) for v in value]
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, int):
        return int(value)
    return float(value) if isinstance(value, float) else value


def line_of(node: Any, keys: Keys) -> int | None:
    """The line (from 1) of a key in a document read by `read`, or of its nearest known parent."""
    line: int | None = None
    for key in keys:
        marks = getattr(node, "lc", None)
        if marks is None:
            break
        try:
            line = (marks.key(key) if isinstance(node, Mapping) else marks.item(key))[0] + 1
            node = node[key]
        except (KeyError, IndexError, TypeError, AttributeError):
            break
    return line


def place(node: Any, keys: Keys, file: str) -> Place:
    """The `Place` of a key in a YAML."""
    return Place(file=file, key=".".join(map(str, keys)) or None, line=line_of(node, keys))


def known_keys(given: Mapping[str, Any], known: Sequence[str], *, node: Any, keys: Keys, file: str) -> None:
    """Raise `UsageError` for the first key that is not known, with its line and the nearest one."""
    for key in given:
        if key not in known:
            near = nearest(str(key), known)
            raise UsageError(
                f"unknown key {str(key)!r}",
                at=place(node, (*keys, str(key)), file),
                fix=f"did you mean {near!r}?" if near else f"known: {', '.join(sorted(known))}",
            )


def _nested(cls: Any, values: dict[str, Any]) -> dict[str, type]:
    """Fields that are settings themselves; what is not given keeps the default of the outer settings."""
    found: dict[str, type] = {}
    hints = get_type_hints(cls)
    for item in fields(cls):
        given = values.get(item.name)
        if isinstance(given, Mapping) and is_dataclass(hints[item.name]):
            found[item.name] = cast(type, hints[item.name])
            if item.default_factory is not MISSING:
                values[item.name] = {**settings_of(item.default_factory()), **given}
    return found


@cache
def _adapter(cls: type) -> Any:
    from pydantic import TypeAdapter

    return TypeAdapter(cls)


def build(
    cls: type[T],
    given: Mapping[str, Any] | None,
    *,
    node: Any = None,
    keys: Keys = (),
    file: str = "<settings>",
) -> T:
    """A frozen dataclass from a mapping; checks names and types of its fields.

    node, keys, file: the YAML document, where in it `given` stands, and its file, for the error's place.
    Raises `UsageError` with key and line.
    """
    from pydantic import ValidationError

    names = [f.name for f in fields(cast(Any, cls)) if f.init]
    if given is not None and not isinstance(given, Mapping):
        raise UsageError(
            f"{'.'.join(map(str, keys)) or 'this'} must be a mapping of settings",
            at=place(node, keys, file),
            fix=f"write key: value lines; known keys: {', '.join(names)}",
        )
    values = plain(given or {})
    known_keys(values, names, node=node, keys=keys, file=file)
    for name, inner in _nested(cls, values).items():
        before = values[name]
        values[name] = build(inner, before, node=node, keys=(*keys, name), file=file)
    try:
        return cast(T, _adapter(cast(Any, cls)).validate_python(values))
    except ValidationError as error:
        first = error.errors()[0]
        where = (*keys, *(k for k in first["loc"] if isinstance(k, (str, int))))
        raise UsageError(
            f"{'.'.join(map(str, where))}: {first['msg'].lower()}",
            at=place(node, where, file),
            fix=f"see the settings of {cls.__name__}",
        ) from error


def settings_of(item: Any) -> dict[str, Any]:
    """Every field of a settings dataclass, as JSON values, defaults written out."""
    import json

    return json.loads(json.dumps(asdict(item), default=list))  # type: ignore[no-any-return]


def set_key(document: Any, assignment: str) -> None:
    """Apply one `--set key.sub=value` to a document in place; the value is read as YAML."""
    key, sign, text = assignment.partition("=")
    if not sign or not key:
        raise UsageError(f"--set takes key=value, not {assignment!r}", fix="for example --set split.folds=3")
    *parents, last = key.split(".")
    node = document
    for parent in parents:
        if not isinstance(node.get(parent), Mapping):
            node[parent] = {}
        node = node[parent]
    node[last] = parse(text)


def require_rows(count: int, what: str, fix: str, *, at: Place | None = None) -> None:
    """Raise `BadData` where nothing is left."""
    if count == 0:
        raise BadData(what, at=at, fix=fix)
