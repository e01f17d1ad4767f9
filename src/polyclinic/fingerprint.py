"""SHA-256 of files, folders, values and of the installed code: the keys of steps and packages."""

import hashlib
import json
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any


def of_file(path: Path) -> str:
    """SHA-256 of a file's bytes, read in blocks."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def of_value(value: Any) -> str:
    """SHA-256 of a JSON value, whatever the order of its keys."""
    text = json.dumps(value, sort_keys=True, default=str, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def of_files(root: Path) -> dict[str, str]:
    """Relative path → SHA-256 for each file under `root`, sorted."""
    if root.is_file():
        return {root.name: of_file(root)}
    found = sorted(p for p in root.rglob("*") if p.is_file())
    return {p.relative_to(root).as_posix(): of_file(p) for p in found}


def of_folder(root: Path) -> str:
    """One SHA-256 for a file or for everything under a folder."""
    return of_value(of_files(root))


@cache
def of_code(*modules: str) -> str:
    """SHA-256 of the sources of the named packages (`polyclinic.samples`, …)."""
    return of_value({name: of_value(_sources(name)) for name in modules})


def _sources(module: str) -> dict[str, str]:
    spec = find_spec(module)
    if spec is None or spec.origin is None:
        return {}
    origin = Path(spec.origin)
    found = of_files(origin.parent if origin.name == "__init__.py" else origin)
    return {name: digest for name, digest in found.items() if name.endswith((".py", ".yaml"))}
