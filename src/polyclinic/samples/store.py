"""Samples on disk: one `.npy` an array, opened as memory maps."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from polyclinic.arrays import Array
from polyclinic.documents import check_file_name, read_json
from polyclinic.errors import Place, UsageError
from polyclinic.samples.columns import Column, Dense, Entity, File, Ragged
from polyclinic.samples.samples import Samples
from polyclinic.timelines.format import file_reader

IDENTITY = "identity.parquet"
KINDS: dict[str, type[Dense | Ragged | File | Entity]] = {kind.__name__: kind for kind in (Dense, Ragged, File, Entity)}


def save(samples: Samples, folder: Path) -> None:
    """Write samples to a new folder; the same samples give the same bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    arrays: dict[str, Array] = {"row_id": samples.row_id}
    if samples.time is not None:
        arrays["time"] = samples.time
    arrays |= {f"groups/{n}": v for n, v in samples.groups.items()}
    arrays |= {f"strata/{n}": v for n, v in samples.strata.items()}
    if samples.file_names is not None:
        arrays["file_names"] = samples.file_names
    if samples.identity.width:
        samples.identity.write_parquet(folder / IDENTITY)
    columns = {n: _column(f"columns/{n}", c, arrays, folder) for n, c in samples.columns.items()}
    names = list(arrays)
    for number, name in enumerate(names):
        np.save(folder / f"{number}.npy", np.asarray(arrays[name]), allow_pickle=False)
    index = {"arrays": names, "columns": columns, "roles": dict(samples.roles)}
    (folder / "samples.json").write_text(json.dumps(index, indent=1, default=dict))


def _column(name: str, column: Column, arrays: dict[str, Array], folder: Path) -> dict[str, Any]:
    """Its kind, which of its fields are arrays, and the others, which are JSON."""
    fields = dict(vars(column))
    if isinstance(column, Entity):
        fields["table"], table = f"table-{len(arrays)}", fields["table"]  # a column's own name may be no file name
        save(table, folder / fields["table"])
    if isinstance(column, Ragged):
        fields |= {f"values/{field}": v for field, v in fields.pop("values").items()}
    if isinstance(column, File):
        fields["reader"] = _registered(name, column)
    own = [field for field, v in fields.items() if isinstance(v, np.ndarray)]
    arrays |= {f"{name}/{field}": fields.pop(field) for field in own}
    return {"kind": type(column).__name__, "arrays": own, "fields": fields}


def _registered(name: str, column: File) -> str:
    """The name by which the registry gives the column's reader again."""
    if not column.reader.name:
        what = "the reader of these files belongs to no registered format, so that it could not be found again"
        fix = "take it from a format: polyclinic.timelines.format.file_reader('FORMAT/COLUMN')"
        raise UsageError(what, at=Place(column=name.removeprefix("columns/")), fix=fix)
    return column.reader.name


def load(folder: Path) -> Samples:
    """Open what `save` wrote; arrays stay on disk until they are read."""
    index = read_json(folder / "samples.json")
    arrays = {name: _open(folder / f"{i}.npy") for i, name in enumerate(index["arrays"])}
    columns = {n: _opened(f"columns/{n}", d, arrays, folder) for n, d in index["columns"].items()}
    groups, strata = (_under(part, arrays) for part in ("groups/", "strata/"))
    kept = folder / IDENTITY
    identity = pl.read_parquet(kept) if kept.is_file() else pl.DataFrame()
    names = arrays.get("file_names")
    return Samples(arrays["row_id"], columns, index["roles"], groups, arrays.get("time"), strata, identity, names)


def _open(path: Path) -> Array:
    small = path.stat().st_size <= 4096  # an array without elements cannot be mapped
    return np.asarray(np.load(path, mmap_mode=None if small else "r", allow_pickle=False))


def _under(prefix: str, arrays: Mapping[str, Array]) -> dict[str, Array]:
    return {n.removeprefix(prefix): v for n, v in arrays.items() if n.startswith(prefix)}


def _opened(name: str, document: Mapping[str, Any], arrays: Mapping[str, Array], folder: Path) -> Column:
    fields = {**document["fields"], **{field: arrays[f"{name}/{field}"] for field in document["arrays"]}}
    if document["kind"] == "Dense":
        fields["names"] = tuple(fields["names"])
    if document["kind"] == "File":
        fields["reader"] = file_reader(fields["reader"])
    if document["kind"] == "Entity":
        fields["table"] = load(folder / check_file_name(fields["table"], "a table"))
    if document["kind"] == "Ragged":
        fields["values"] = _under("values/", {field: fields.pop(field) for field in [*fields] if "/" in field})
    return KINDS[document["kind"]](**fields)
