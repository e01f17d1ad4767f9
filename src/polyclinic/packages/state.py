"""What a model learned before its network: JSON and arrays, never code."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from polyclinic.arrays import Array
from polyclinic.errors import BadPackage, Place
from polyclinic.packages import recipe
from polyclinic.packages.contents import ANEW, Contents


@dataclass(frozen=True, eq=False)
class State:
    """values: JSON values (vocabulary, chosen columns); arrays: name → array (scaling, quantiles)."""

    values: Mapping[str, Any] = field(default_factory=dict)
    arrays: Mapping[str, Array] = field(default_factory=dict)

    def equals(self, other: Self) -> bool:
        """Whether values and arrays are the same, NaN like NaN."""
        mine, theirs = ({n: v.tobytes() for n, v in s.arrays.items()} for s in (self, other))
        return self.values == other.values and mine == theirs

    def save(self, folder: Path) -> None:
        """Write `state.json` and `state.safetensors`."""
        folder.mkdir(parents=True, exist_ok=True)
        text = json.dumps(dict(self.values), sort_keys=True, ensure_ascii=False)
        (folder / "state.json").write_text(text, encoding="utf-8")
        write_arrays(folder / "state.safetensors", self.arrays)

    @classmethod
    def load(cls, contents: Contents, folder: str) -> Self:
        """Read what `save` wrote to a folder of a package; raises `BadPackage` where it is malformed."""
        values = recipe.read(dict[str, Any], contents, f"{folder}/state.json")
        return cls(values, read_arrays(contents, f"{folder}/state.safetensors"))


def write_arrays(path: Path, arrays: Mapping[str, Array]) -> None:
    """Arrays by name in a safetensors file, in the order of their names."""
    import numpy as np
    from safetensors.numpy import save

    path.write_bytes(save({k: np.ascontiguousarray(arrays[k]) for k in sorted(arrays)}))


def read_arrays(contents: Contents, name: str) -> dict[str, Array]:
    """Arrays by name from a safetensors file of a package; raises `BadPackage` where it is malformed."""
    from safetensors import SafetensorError
    from safetensors.numpy import load

    data = recipe.bytes_of(contents, name)
    try:
        return dict(load(data))
    except (SafetensorError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadPackage(f"{name} holds no readable arrays", at=Place(file=name), fix=ANEW) from error
