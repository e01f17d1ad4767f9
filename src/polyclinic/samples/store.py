"""Samples on disk: one `.npy` an array, opened as memory maps."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from polyclinic.samples.columns import Array, Column, Dense, Entity, File, Ragged
from polyclinic.samples.samples import Samples


def save(samples: Samples, folder: Path) -> None:
    """Write samples to a new folder; the same samples give the same bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    arrays: dict[str, Array] = {"row_id": samples.row_id}
    if samples.time is not None:
        arrays["time"] = samples.time
    arrays |= {f"groups/{n}": v for n, v in samples.groups.items()}
    arrays |= {f"strata/{n}": v for n, v in samples.strata.items()}
    columns = {n: _column(f"columns/{n}", c, arrays, folder) for n, c in samples.columns.items()}
    names = list(arrays)
    for number, name in enumerate(names):
        np.save(folder / f"{number}.npy", np.asarray(arrays[name]), allow_pickle=False)
    index = {"arrays": names, "columns": columns, "roles": dict(samples.roles)}
    (folder / "samples.json").write_text(json.dumps(index, indent=1))


def _column(name: str, column: Column, arrays: dict[str, Array], folder: Path) -> dict[str, Any]:
    if isinstance(column, Dense):
        arrays[name] = column.values
        return {"kind": "dense", "names": list(column.names)}
    if isinstance(column, File):
        arrays[name] = column.references
        return {"kind": "file", "reader": column.reader, "spec": dict(column.spec)}
    if isinstance(column, Entity):
        arrays[name] = column.index
        save(column.table, folder / name)
        return {"kind": "entity"}
    arrays[f"{name}/start"], arrays[f"{name}/stop"] = column.start, column.stop
    arrays.update({f"{name}/values/{field}": v for field, v in column.values.items()})
    kept = {"of": column.of, "stride": column.stride, "spec": dict(column.spec)}
    levels = {field: list(names) for field, names in column.levels.items()}
    return {"kind": "ragged", "fields": list(column.values), "levels": levels, **kept}


def load(folder: Path) -> Samples:
    """Open what `save` wrote; arrays stay on disk until they are read."""
    index = json.loads((folder / "samples.json").read_text())
    arrays = {name: _open(folder / f"{i}.npy") for i, name in enumerate(index["arrays"])}
    columns = {n: _opened(f"columns/{n}", d, arrays, folder) for n, d in index["columns"].items()}
    groups, strata = (_under(part, arrays) for part in ("groups/", "strata/"))
    return Samples(arrays["row_id"], columns, index["roles"], groups, arrays.get("time"), strata)


def _open(path: Path) -> Array:
    small = path.stat().st_size <= 4096  # an array without elements cannot be mapped
    return np.asarray(np.load(path, mmap_mode=None if small else "r", allow_pickle=False))


def _under(prefix: str, arrays: Mapping[str, Array]) -> dict[str, Array]:
    return {n.removeprefix(prefix): v for n, v in arrays.items() if n.startswith(prefix)}


def _opened(name: str, d: Mapping[str, Any], arrays: Mapping[str, Array], folder: Path) -> Column:
    if d["kind"] == "dense":
        return Dense(arrays[name], tuple(d["names"]))
    if d["kind"] == "file":
        return File(np.asarray(arrays[name]), d["reader"], d["spec"])
    if d["kind"] == "entity":
        return Entity(arrays[name], load(folder / name))
    values = {field: arrays[f"{name}/values/{field}"] for field in d["fields"]}
    start, stop = arrays[f"{name}/start"], arrays[f"{name}/stop"]
    return Ragged(start, stop, values, d["levels"], d["of"], d["stride"], d["spec"])
