"""States on disk: JSON and safetensors, never code."""

import json
from collections.abc import Mapping
from pathlib import Path

from polyclinic.arrays import Array
from polyclinic.errors import BadPackage, Place
from polyclinic.packages import recipe
from polyclinic.packages.contents import ANEW, Contents
from polyclinic.state import State


def save_state(state: State, folder: Path, name: str = "state") -> None:
    """Write `NAME.json` and `NAME.safetensors` to a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(dict(state.values), sort_keys=True, ensure_ascii=False)
    (folder / f"{name}.json").write_text(text, encoding="utf-8")
    write_arrays(folder / f"{name}.safetensors", state.arrays)


def load_state(contents: Contents, folder: str, name: str = "state") -> State:
    """Read what `save_state` wrote to a folder of a package; raises `BadPackage` where it is malformed."""
    values = recipe.read(dict[str, object], contents, f"{folder}/{name}.json")
    return State(values, read_arrays(contents, f"{folder}/{name}.safetensors"))


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
