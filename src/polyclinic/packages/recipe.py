"""The typed documents of a package: what each of its JSON files may hold, and nothing else."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Annotated, Any, ClassVar, Literal, TypeAlias, TypeVar, cast

from annotated_types import Gt, Le

from polyclinic.documents import parse_json
from polyclinic.errors import BadData, BadPackage, Place
from polyclinic.packages.contents import ANEW, Contents

FORMAT = 2
MOST_MEMBERS = 1000
T = TypeVar("T")
Plain: TypeAlias = str | int | float | bool | None


class Strict:
    """Unknown keys and numbers that are not finite are refused."""

    __pydantic_config__: ClassVar[dict[str, object]] = {"extra": "forbid", "allow_inf_nan": False}


@dataclass(frozen=True, kw_only=True)
class QuestionDocument(Strict):
    """The settings of `Question`, without the labels, which stay at the site.

    Parameters
    ----------
    inputs
        Name of registered inputs → settings.
    task
        The document of the task, where there are times.
    target
        Column, kind and settings of the target, where there are none.
    """

    inputs: Mapping[str, Mapping[str, object]]
    task: Mapping[str, object] | None = None
    target: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Recipe(Strict):
    """`recipe.json`: names, settings and versions; never code.

    Parameters
    ----------
    format
        The number of the package format.
    about
        Study, title, intended use, format of the source, data set and licence.
    question
        The settings of `Question`: inputs, task or target.
    members
        How many fitted models answer together.
    portable
        Whether ONNX parts alone answer.
    needs
        Distribution → version that must be installed.
    """

    format: Literal[2]
    about: Mapping[str, Plain]
    question: QuestionDocument
    members: Annotated[int, Gt(0), Le(MOST_MEMBERS)]
    portable: bool
    needs: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class ValidationSetting(Strict):
    """What validation answers taught: an adjustment or a decision.

    Parameters
    ----------
    name
        Its registered name.
    settings
        Its plain settings.
    """

    name: str
    settings: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Combination(Strict):
    """`combine.json`: how the answers of the members become one.

    Parameters
    ----------
    rule
        Their mean.
    adjustment
        What is done to the mean answer; None where answers are given as they are.
    decision
        What follows from an answer; None where nothing is decided.
    """

    rule: Literal["mean"]
    adjustment: ValidationSetting | None = None
    decision: ValidationSetting | None = None


@dataclass(frozen=True, kw_only=True)
class OnnxDocument(Strict):
    """A graph: `parts/MEMBER/NUMBER.onnx`; the fields are those of `OnnxPart`."""

    kind: Literal["onnx"]
    outputs: tuple[str, ...]
    at_once: Annotated[int, Gt(0)] | None = None


@dataclass(frozen=True, kw_only=True)
class NamedDocument(Strict):
    """A registered part: `parts/MEMBER/NUMBER.json` and `.safetensors`; the fields are those of `NamedPart`."""

    kind: Literal["named"]
    name: str


PartDocument: TypeAlias = OnnxDocument | NamedDocument


@dataclass(frozen=True, kw_only=True)
class MemberDocument(Strict):
    """`state/MEMBER/model.json`: one fitted model.

    Parameters
    ----------
    model
        Its registered name.
    settings
        The fields of its settings dataclass.
    parts
        What answers, in order.
    batch
        Rows that are encoded at a time.
    history
        One record an epoch.
    needs
        Distribution → version of the model and of its parts.
    """

    model: str
    settings: Mapping[str, object]
    parts: tuple[PartDocument, ...]
    batch: Annotated[int, Gt(0), Le(1 << 24)]
    history: tuple[Mapping[str, float], ...]
    needs: Mapping[str, str]


@cache
def _adapter(kind: type) -> Any:
    from pydantic import TypeAdapter

    return TypeAdapter(kind)


def read(kind: type[T], contents: Contents, name: str) -> T:
    """One JSON file of a package as its type.

    Raises
    ------
    BadPackage
        Where the file is missing, is no JSON, or holds what the type does not.
    """
    from pydantic import ValidationError

    try:
        return cast(T, _adapter(cast(Any, kind)).validate_python(json_of(contents, name)))
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"])) or None
        raise BadPackage(f"{name} is malformed: {first['msg']}", at=Place(file=name, key=key), fix=ANEW) from error


def json_of(contents: Contents, name: str) -> Any:
    """The value of one JSON file of a package; raises `BadPackage` where it is missing or no JSON."""
    try:
        return parse_json(bytes_of(contents, name), file=name)
    except BadPackage:
        raise
    except BadData as error:
        raise BadPackage(f"{name} is malformed: {error.what}", at=error.at, fix=ANEW) from error


def bytes_of(contents: Contents, name: str) -> bytes:
    """The bytes of one file of a package; raises `BadPackage` where it is missing."""
    if name not in contents:
        raise BadPackage(f"{name} is missing", at=Place(file=name), fix=ANEW)
    return contents[name]
