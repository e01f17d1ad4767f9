"""What a model learned before its network: JSON and arrays, never code."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from polyclinic.samples.columns import Array


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
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote."""
        values = json.loads((folder / "state.json").read_text(encoding="utf-8"))
        return cls(values, read_arrays(folder / "state.safetensors"))


def write_arrays(path: Path, arrays: Mapping[str, Array]) -> None:
    """Arrays by name in a safetensors file, in the order of their names."""
    import numpy as np
    from safetensors.numpy import save

    path.write_bytes(save({k: np.ascontiguousarray(arrays[k]) for k in sorted(arrays)}))


def read_arrays(path: Path) -> dict[str, Array]:
    """Arrays by name from a safetensors file."""
    from safetensors.numpy import load

    return dict(load(path.read_bytes()))
