"""Parts: what answers, in a study and at the bedside alike. An ONNX graph, or a function named with its version."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, Self, TypeAlias

import numpy as np

from polyclinic import registry
from polyclinic.arrays import Array
from polyclinic.errors import BadPackage, Place, UsageError
from polyclinic.packages import recipe
from polyclinic.packages.contents import ANEW, Contents
from polyclinic.packages.onnx_graph import check_graph
from polyclinic.packages.recipe import NamedDocument, OnnxDocument, PartDocument
from polyclinic.packages.state_files import read_arrays, write_arrays

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

Values: TypeAlias = dict[str, Array]
"""Named arrays that go from part to part: what a model encodes, and in the end `raw` (and `shape`)."""
Arrays: TypeAlias = Mapping[str, Array]
PartSettings: TypeAlias = Mapping[str, Any]
"""JSON values that a part was saved with."""
_DISTRIBUTION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9.!+_-]{0,63}")


class Part(Protocol):
    """Takes named values, gives more of them. The last part of a model gives `raw` (and `shape`, int64 [row, dim])."""

    def __call__(self, values: Values) -> Values: ...

    def save(self, folder: Path, stem: str) -> PartDocument:
        """Write the part's files and describe it."""

    def needs(self) -> dict[str, str]:
        """`distribution` and `version` that must be installed for the part to answer; {} where none must."""


@dataclass(frozen=True, eq=False)
class OnnxPart:
    """An ONNX graph; takes the values that its inputs are named after, whatever else there is.

    at_once: entries of the first axis run at a time, where all of them would not fit in memory; None: all.
    file: where the graph came from, for errors.
    """

    graph: bytes
    outputs: tuple[str, ...] = ("raw",)
    at_once: int | None = None
    file: str = "graph"

    @cached_property
    def session(self) -> "InferenceSession":
        """An ONNX Runtime session on the CPU, loaded once."""
        import onnxruntime

        check_graph(self.graph, self.file)
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4  # a malformed graph raises an error; ONNX Runtime need not print it too
        options.intra_op_num_threads = 2
        # Threads that spin while they wait take the cores from whoever prepares the next question.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            return onnxruntime.InferenceSession(self.graph, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # ONNX Runtime raises a class of its own for each kind of fault
            what = "ONNX Runtime cannot load this graph"
            raise BadPackage(what, at=Place(file=self.file), fix=ANEW) from error

    @cached_property
    def inputs(self) -> tuple[str, ...]:
        """The names of the values that the graph takes."""
        return tuple(one.name for one in self.session.get_inputs())

    def __call__(self, values: Values) -> Values:
        taken = {name: np.ascontiguousarray(values[name]) for name in self.inputs}
        if self.at_once is None:
            return self._run(taken)
        entries = range(0, len(next(iter(taken.values()))), self.at_once)
        runs = [self._run({n: v[i : i + self.at_once] for n, v in taken.items()}) for i in entries]
        return {name: np.concatenate([run[name] for run in runs]) for name in self.outputs}

    def _run(self, taken: Values) -> Values:
        return dict(zip(self.outputs, self.session.run(list(self.outputs), taken), strict=True))

    def save(self, folder: Path, stem: str) -> PartDocument:
        """Write the graph and describe it."""
        (folder / f"{stem}.onnx").write_bytes(self.graph)
        return OnnxDocument(kind="onnx", outputs=self.outputs, at_once=self.at_once)

    def needs(self) -> dict[str, str]:
        """Nothing: a graph answers by itself."""
        return {}

    @classmethod
    def load(cls, contents: Contents, stem: str, document: OnnxDocument) -> Self:
        """Read what `save` wrote; raises `BadPackage` where the graph is missing."""
        file = f"{stem}.onnx"
        return cls(recipe.bytes_of(contents, file), document.outputs, document.at_once, file)


PartFunction: TypeAlias = Callable[[Values, Arrays, PartSettings], Mapping[str, Array]]
"""`function(values, arrays, settings) -> values`."""


@dataclass(frozen=True, eq=False)
class NamedPart:
    """A function of an installed distribution, kept in a package by its registered name alone.

    Parameters
    ----------
    name
        Its name among the registered `parts` (entry point `polyclinic.parts`, or `Area.parts`).
    function
        What stands behind that name. A package never says which function this is: the registry does.
    arrays, settings
        What it learned: name → array, and JSON values.
    """

    name: str
    function: PartFunction
    arrays: Arrays = field(default_factory=dict)
    settings: PartSettings = field(default_factory=dict)

    def __call__(self, values: Values) -> Values:
        return dict(self.function(values, self.arrays, self.settings))

    def save(self, folder: Path, stem: str) -> PartDocument:
        """Write arrays and settings, and describe the part by its name."""
        write_arrays(folder / f"{stem}.safetensors", self.arrays)
        (folder / f"{stem}.json").write_text(json.dumps(dict(self.settings), sort_keys=True))
        return NamedDocument(kind="named", name=self.name)

    def needs(self) -> dict[str, str]:
        """The distribution that brings it; raises `UsageError` where the function is not registered under the name."""
        entry = registry.entries("parts").get(self.name)
        if entry is None or entry.load() is not self.function:
            what = f"the function {self.function.__qualname__} is not registered as the part {self.name!r}"
            target = f"{self.function.__module__}:{self.function.__qualname__}"
            fix = f'declare it under [project.entry-points."polyclinic.parts"]: {self.name} = "{target}"'
            raise UsageError(what, fix=fix)
        return entry.needs()

    @classmethod
    def load(cls, contents: Contents, stem: str, document: NamedDocument) -> Self:
        """Read what `save` wrote. Raises `UnknownName` for a part that nothing installed brings."""
        function = registry.load("parts", document.name)
        settings = recipe.read(dict[str, Any], contents, f"{stem}.json")
        return cls(document.name, function, read_arrays(contents, f"{stem}.safetensors"), settings)


def require(distribution: str, wanted: str) -> None:
    """Raise `BadPackage`, with the line that installs it, unless that version of a distribution is installed.

    Any version of polyclinic will do: its own parts follow the format number of the package.
    """
    if distribution == "polyclinic":
        return
    at = Place(file="recipe.json", key="needs")
    if not (_DISTRIBUTION.fullmatch(distribution) and _VERSION.fullmatch(wanted)):
        raise BadPackage("the package needs a distribution that cannot exist", at=at, fix=ANEW)
    try:
        installed = version(distribution)
    except PackageNotFoundError:
        installed = "none"
    if installed != wanted:
        what = f"this package needs {distribution} {wanted}; installed: {installed}"
        fix = f"if you trust who made it: pip install '{distribution}=={wanted}'"
        raise BadPackage(what, at=at, fix=fix)


def save_parts(parts: Sequence[Part], folder: Path) -> tuple[PartDocument, ...]:
    """Write parts in their order and describe them."""
    folder.mkdir(parents=True, exist_ok=True)
    return tuple(part.save(folder, f"{number}") for number, part in enumerate(parts))


def load_parts(contents: Contents, folder: str, documents: Sequence[PartDocument]) -> list[Part]:
    """Read what `save_parts` wrote to a folder of a package."""
    parts: list[Part] = []
    for number, document in enumerate(documents):
        stem = f"{folder}/{number}"
        if isinstance(document, OnnxDocument):
            parts.append(OnnxPart.load(contents, stem, document))
        else:
            parts.append(NamedPart.load(contents, stem, document))
    return parts
