"""Parts: what answers, in a study and at the bedside alike. An ONNX graph, or a function named with its version."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Protocol, Self, TypeAlias

import numpy as np

from polyclinic import registry
from polyclinic.errors import BadPackage, Place, UsageError
from polyclinic.packages.state import read_arrays, write_arrays
from polyclinic.samples.columns import Array

Values: TypeAlias = dict[str, Any]


class Part(Protocol):
    """Takes named values, gives more of them. The last part of a model gives `raw` (and `shape`, int64 [row, dim])."""

    def __call__(self, values: Values) -> Values: ...

    def save(self, folder: Path, stem: str) -> dict[str, Any]:
        """Write the part's files and return its description."""

    def needs(self) -> dict[str, str]:
        """`distribution` and `version` that must be installed for the part to answer; {} where none must."""


@dataclass(frozen=True, eq=False)
class OnnxPart:
    """An ONNX graph; takes the values that its inputs are named after, whatever else there is.

    at_once: entries of the first axis run at a time, where all of them would not fit in memory; None: all.
    """

    graph: bytes
    outputs: tuple[str, ...] = ("raw",)
    at_once: int | None = None

    @cached_property
    def session(self) -> Any:
        """An ONNX Runtime session on the CPU, loaded once."""
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        options.intra_op_num_threads = 2
        # Threads that spin while they wait take the cores from whoever prepares the next question.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        return onnxruntime.InferenceSession(self.graph, options, providers=["CPUExecutionProvider"])

    def __call__(self, values: Values) -> Values:
        taken = {i.name: np.ascontiguousarray(values[i.name]) for i in self.session.get_inputs()}
        if self.at_once is None:
            return self._run(taken)
        entries = range(0, len(next(iter(taken.values()))), self.at_once)
        runs = [self._run({n: v[i : i + self.at_once] for n, v in taken.items()}) for i in entries]
        return {name: np.concatenate([run[name] for run in runs]) for name in self.outputs}

    def _run(self, taken: Values) -> Values:
        return dict(zip(self.outputs, self.session.run(list(self.outputs), taken), strict=True))

    def save(self, folder: Path, stem: str) -> dict[str, Any]:
        (folder / f"{stem}.onnx").write_bytes(self.graph)
        how = {"outputs": list(self.outputs), "at_once": self.at_once}
        return {"kind": "onnx", "file": f"{stem}.onnx", **how}

    def needs(self) -> dict[str, str]:
        """Nothing: a graph answers by itself."""
        return {}

    @classmethod
    def load(cls, folder: Path, described: Mapping[str, Any]) -> Self:
        """Read what `save` wrote."""
        graph = (folder / described["file"]).read_bytes()
        return cls(graph, tuple(described["outputs"]), described["at_once"])


PartFunction: TypeAlias = Callable[[Values, Mapping[str, Array], Mapping[str, Any]], Mapping[str, Any]]
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
    arrays: Mapping[str, Array] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)

    def __call__(self, values: Values) -> Values:
        return dict(self.function(values, self.arrays, self.settings))

    def save(self, folder: Path, stem: str) -> dict[str, Any]:
        """Write arrays and settings, and describe the part by its name."""
        write_arrays(folder / f"{stem}.safetensors", self.arrays)
        (folder / f"{stem}.json").write_text(json.dumps(dict(self.settings), sort_keys=True))
        return {"kind": "named", "stem": stem, "name": self.name}

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
    def load(cls, folder: Path, described: Mapping[str, Any]) -> Self:
        """Read what `save` wrote. Raises `UnknownName` for a part that nothing installed brings."""
        name, stem = described["name"], described["stem"]
        function = registry.load("parts", name)
        settings = json.loads((folder / f"{stem}.json").read_text())
        return cls(name, function, read_arrays(folder / f"{stem}.safetensors"), settings)


def require(distribution: str, wanted: str) -> None:
    """Raise `BadPackage`, with the line that installs it, unless that version is installed."""
    try:
        found = version(distribution)
    except PackageNotFoundError:
        found = "none"
    if found != wanted:
        what = f"this package needs {distribution} {wanted}; installed: {found}"
        at = Place(file="recipe.json", key=distribution)
        raise BadPackage(what, at=at, fix=f"pip install '{distribution}=={wanted}'")


def save_parts(parts: Sequence[Part], folder: Path) -> list[dict[str, Any]]:
    """Write parts in their order and describe them."""
    folder.mkdir(parents=True, exist_ok=True)
    return [part.save(folder, f"{number}") for number, part in enumerate(parts)]


def load_parts(folder: Path, described: Sequence[Mapping[str, Any]]) -> list[Part]:
    """Read what `save_parts` wrote."""
    kinds: dict[str, type[OnnxPart] | type[NamedPart]] = {"onnx": OnnxPart, "named": NamedPart}
    return [kinds[d["kind"]].load(folder, d) for d in described]
