"""SHA-256 of files, folders, arrays and values: the keys of steps and packages."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from polyclinic.arrays import Array


def of_file(path: Path) -> str:
    """SHA-256 of a file's bytes, read in blocks."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def of_value(value: object) -> str:
    """SHA-256 of a JSON value, whatever the order of its keys."""
    text = json.dumps(value, sort_keys=True, default=str, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def of_files(root: Path) -> dict[str, str]:
    """Relative path → SHA-256 for each file under `root`, sorted."""
    if root.is_file():
        return {root.name: of_file(root)}
    files = sorted(p for p in root.rglob("*") if p.is_file())
    return {p.relative_to(root).as_posix(): of_file(p) for p in files}


def of_folder(root: Path) -> str:
    """One SHA-256 for a file or for everything under a folder."""
    return of_value(of_files(root))


def of_arrays(*arrays: Array) -> str:
    """One SHA-256 of arrays: their types, shapes and values."""
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(f"{array.dtype.str}{array.shape}".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()
