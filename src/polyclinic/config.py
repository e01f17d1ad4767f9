"""YAML in, checked settings out: an unknown key is an error with its line and the nearest known key."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, Field, asdict, fields, is_dataclass
from datetime import date
from functools import cache
from io import StringIO
from pathlib import Path
from types import UnionType
from typing import TYPE_CHECKING, Any, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from polyclinic.documents import read_bytes
from polyclinic.errors import Place, UnknownName, UsageError
from polyclinic.yaml_bounds import check_bounds

if TYPE_CHECKING:
    from pydantic import ValidationError

T = TypeVar("T")
Keys = tuple[str | int, ...]
WORDS = {
    "Input should be": "must be",
    "a valid tuple": "a list",
    "a valid list": "a list",
    "a valid dictionary": "a mapping, `key: value` lines",
    "a valid integer": "a whole number",
    "a valid number": "a number",
    "a valid string": "text",
    "a valid boolean": "true or false",
    "Field required": "is missing",
}
"""What pydantic calls things → what somebody calls them who writes YAML."""


def read(path: Path) -> Any:
    """A YAML document as plain mappings that remember their lines (`place`).

    Raises `UsageError` where there is no such file, or it is no text in UTF-8; else as `parse` does.
    """
    at = Place(file=str(path))
    if not path.is_file():
        raise UsageError(f"no such file: {path}", at=at, fix="check the path")
    try:
        return parse(read_bytes(path).decode("utf-8"), str(path))
    except UnicodeDecodeError as error:
        raise UsageError("the YAML is not written in UTF-8", at=at, fix="save it as UTF-8") from error


def parse(text: str, file: str = "<text>") -> object:
    """A YAML text; raises `UsageError` with the line where it is not YAML, or out of bounds (`yaml_bounds`)."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        check_bounds(text, file)
        return YAML(typ="rt", pure=True).load(text)
    except YAMLError as error:
        mark, problem = (getattr(error, name, None) for name in ("problem_mark", "problem"))
        what, at = f"cannot be read as YAML: {problem or 'not YAML'}", mark and mark.line + 1
        fix = "check the indentation, quotes and brackets on that line"
        raise UsageError(what, at=Place(file=file, line=at), fix=fix) from error
    except (ValueError, TypeError, OverflowError, RecursionError) as error:  # a time of day or a number that cannot be
        what = "cannot be read as YAML: a value is not what it looks like"
        fix = "put what looks like a time or a number, and is none, in quotes"
        raise UsageError(what, at=Place(file=file), fix=fix) from error


def dump(value: object) -> str:
    """A plain value as YAML, keys in their order."""
    from ruamel.yaml import YAML

    yaml, out = YAML(typ="rt", pure=True), StringIO()
    yaml.default_flow_style = False
    yaml.width = 100
    yaml.dump(plain(value), out)
    return out.getvalue()


def plain(value: Any) -> Any:
    """Plain dicts, lists, strings and numbers, whatever the parser's own types were; a date is text again."""
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    kind = next((kind for kind in (str, bool, int, float) if isinstance(value, kind)), None)
    if kind is not None:
        return kind(value)
    if isinstance(value, date):
        return value.isoformat()
    return [plain(v) for v in value] if isinstance(value, Sequence) else value


def place(node: Any, keys: Keys, file: str) -> Place:
    """The `Place` of a key in a document read by `read`: its line, or that of its nearest known parent.

    What came into the document from elsewhere (`came_from`) has its place there.
    """
    key, line, origins = ".".join(map(str, keys)) or None, None, getattr(node, "origins", {})
    for depth, step in enumerate(keys, start=1):
        try:
            if keys[:depth] in origins:
                file, line = origins[keys[:depth]]
            else:
                marks = node.lc
                line = (marks.key(step) if isinstance(node, Mapping) else marks.item(step))[0] + 1
            node = node[step]
        except (KeyError, IndexError, TypeError, AttributeError):
            break
    beneath = [o for o in origins if keys and o[: len(keys)] == keys]
    file, line = origins[beneath[-1]] if beneath else (file, line)
    return Place(file=file, key=key, line=line)


def came_from(document: Any, keys: Keys, file: str, line: int | None = None) -> None:
    """Remember that what stands under these keys came into a document from another file (a plain dict has no places)."""
    if hasattr(document, "lc"):
        document.origins = {**getattr(document, "origins", {}), keys: (file, line)}


def known_keys(mapping: Mapping[str, object], known: Sequence[str], *, node: object, keys: Keys, file: str) -> None:
    """Raise `UnknownName` for the first key that is not known, with its line and the nearest one."""
    for key in mapping:
        if key not in known:
            raise UnknownName("key", str(key), known, at=place(node, (*keys, str(key)), file))


@cache
def _adapter(cls: type) -> Any:
    from pydantic import TypeAdapter

    return TypeAdapter(cls)


def build(
    cls: type[T], mapping: Mapping[str, object] | None, *, node: object = None, keys: Keys = (), file: str = "<text>"
) -> T:
    """A frozen dataclass from a mapping; checks names and types of its fields. Of a field that is settings itself,
    what is not set keeps the default of the outer settings.

    node, keys, file: the YAML document (`mapping` itself, where it is none), where in it `mapping` stands, and its
    file, for the error's place. Raises `UsageError` with key and line.
    """
    from pydantic import ValidationError

    node = mapping if node is None else node
    settings, at = fields(cast(Any, cls)), place(node, keys, file)
    names = [key_of(f) for f in settings if f.init]
    if mapping is not None and not isinstance(mapping, Mapping):
        what = f"{at.key or 'this'} must be a mapping of settings"
        raise UsageError(what, at=at, fix=f"write key: value lines; known keys: {', '.join(names)}")
    document, hints = plain(mapping or {}), get_type_hints(cls)
    known_keys(document, names, node=node, keys=keys, file=file)
    values = {item.name: document[key_of(item)] for item in settings if key_of(item) in document}
    for item in settings:
        own = values.get(item.name)
        if isinstance(own, Mapping) and is_dataclass(hints[item.name]):
            default = item.default if item.default_factory is MISSING else item.default_factory()
            own = {**({} if default is MISSING else settings_of(default)), **own}
        if item.name in values:
            values[item.name] = _nested(hints[item.name], own, node=node, keys=(*keys, key_of(item)), file=file)
    try:
        return cast(T, _adapter(cast(Any, cls)).validate_python(values))
    except ValidationError as error:
        raise _misfit(error, settings, node, keys, file) from error


def key_of(item: "Field[Any]") -> str:
    """The key under which a field stands in YAML: its name, or what its metadata say (`while` is no name in Python)."""
    return str(item.metadata.get("key", item.name))


def _nested(hint: object, value: object, *, node: object, keys: Keys, file: str) -> Any:
    """A value in which each mapping stands as the settings that its type wants: itself, in a list, or by name.

    So a key that is not known is named wherever it stands; a value that does not fit is left to the type.
    """
    if value is None:
        return value
    for kind in (hint, *get_args(hint)) if isinstance(hint, UnionType) or get_origin(hint) is Union else (hint,):
        inner = get_args(kind)
        meant = isinstance(value, Mapping) or kind is hint  # of several types, a mapping means the settings
        if meant and isinstance(kind, type) and is_dataclass(kind) and not isinstance(value, kind):
            return build(kind, cast(Any, value), node=node, keys=keys, file=file)
        if isinstance(value, Mapping) and get_origin(kind) in (dict, Mapping):
            return {key: _nested(inner[1], one, node=node, keys=(*keys, key), file=file) for key, one in value.items()}
        if isinstance(value, list) and get_origin(kind) in (tuple, list, Sequence):
            kinds = inner if len(inner) == len(value) and ... not in inner else [inner[0]] * len(value)
            pairs = enumerate(zip(kinds, value, strict=True))
            return [_nested(one, item, node=node, keys=(*keys, n), file=file) for n, (one, item) in pairs]
    return value


def _misfit(
    error: "ValidationError", settings: Sequence["Field[Any]"], node: object, keys: Keys, file: str
) -> UsageError:
    """The first value that does not fit: what is wanted, where it stands, and what stands there by default."""
    first = error.errors()[0]
    message = first["msg"].removeprefix("Value error, ").partition(", unable to parse")[0]
    for theirs, ours in WORDS.items():
        message = message.replace(theirs, ours)
    names = [item.name for item in settings]
    named = [name for name in names if not first["loc"] and message.startswith(f"{name} ")]
    written = {item.name: key_of(item) for item in settings}
    loc = (*(written.get(str(name), name) for name in first["loc"][:1]), *first["loc"][1:])
    at = place(node, (*keys, *named, *loc), file)
    between = " " if message.startswith((*WORDS.values(),)) else ": "
    what = message if named else f"{at.key or 'this'}{between}{message}"
    wrong = next((item for item in settings if item.name in (*first["loc"][:1], *named)), None)
    if first["type"] == "missing":
        fix = f"add a line `{first['loc'][-1]}: …`"
    else:
        known = wrong is not None and isinstance(wrong.default, bool | int | float | str)
        default = f" (the default is {json.dumps(wrong.default)})" if wrong and known else ""
        wanted = message.removeprefix("must be ")
        todo = f"write {wanted}" if wanted in WORDS.values() else "correct the value"
        fix = f"{todo}{default}; docs/reference describes every key"
    return UsageError(what, at=at, fix=fix)


def settings_of(item: Any) -> dict[str, object]:
    """Every field of a settings dataclass, as JSON values, defaults written out."""
    return json.loads(json.dumps(asdict(item), default=list))  # type: ignore[no-any-return]


def set_key(document: Any, assignment: str) -> None:
    """Apply one `--set key.sub=value` to a document in place; the value is read as YAML.

    In a list of names, as of models, a key is the entry of that name: `models.transformer.width=32` leaves the others.
    """
    key, sign, text = assignment.partition("=")
    if not sign or not key:
        raise UsageError(f"--set takes key=value, not {assignment!r}", fix="for example --set split.folds=3")
    *parents, last = key.split(".")
    keys: Keys
    node, keys = document, ()
    for parent in parents:
        node, keys = _beneath(node, keys, parent)
    node, keys = _entry(node, keys, last) if isinstance(node, list) else (node, keys)
    node[last] = parse(text)
    came_from(document, (*keys, last), f"--set {assignment}")


def _beneath(node: Any, keys: Keys, key: str) -> tuple[object, Keys]:
    """What stands under a key on the way to a setting, made a mapping where it is none, and the keys to it."""
    if isinstance(node, list):
        node, keys = _entry(node, keys, key)
    if not isinstance(node.get(key), (Mapping, list)):
        node[key] = {}
    return node[key], (*keys, key)


def _entry(listed: list[object], keys: Keys, name: str) -> tuple[Any, Keys]:
    """The entry of a name in a list, made a mapping where it was the bare name; raises `UnknownName`."""
    names = [next(iter(item), "") if isinstance(item, Mapping) else str(item) for item in listed]
    if name not in names:
        raise UnknownName("key", name, names, at=Place(file="--set", key=".".join(map(str, (*keys, name)))))
    number = names.index(name)
    if not isinstance(listed[number], Mapping):
        listed[number] = {name: {}}
    return listed[number], (*keys, number)
