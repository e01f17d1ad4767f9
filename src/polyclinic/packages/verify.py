"""Whether a package is whole, unaltered and of a format that this version reads."""

import json
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from polyclinic import atomic, fingerprint
from polyclinic.errors import BadPackage, Place

FORMAT = 1
CHECKSUMS = "checksums.json"


def seal(folder: Path) -> None:
    """Write the SHA-256 of every file of a package."""
    atomic.write_text(folder / CHECKSUMS, json.dumps(fingerprint.of_files(folder), indent=1, sort_keys=True))


@contextmanager
def opened(package: Path) -> Iterator[Path]:
    """The folder of a package: itself, the one in a run's folder, or a `.zip` unpacked while it is read."""
    if zipfile.is_zipfile(package):
        with TemporaryDirectory() as scratch, zipfile.ZipFile(package) as packed:
            packed.extractall(scratch)
            yield min((p.parent for p in Path(scratch).rglob("recipe.json")), default=Path(scratch))
    else:
        within = package / "package"
        yield within if (within / "recipe.json").is_file() else package


def verify(package: Path) -> dict[str, Any]:
    """Check every file of a package (a folder or a `.zip`) against its SHA-256; returns the recipe.

    Raises `BadPackage` for what is no package, a newer format, or a file altered, missing or added.
    """
    with opened(package) as folder:
        recipe = read_recipe(folder)
        try:
            noted = json.loads((folder / CHECKSUMS).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise _altered(package, CHECKSUMS, "missing or unreadable") from error
        found = fingerprint.of_files(folder)
    for name in sorted({*found, *noted} - {CHECKSUMS}):
        if name not in found:
            raise _altered(package, name, "missing")
        if found[name] != noted.get(name):
            why = "altered since the package was written" if name in noted else "not part of the package"
            raise _altered(package, name, why)
    return recipe


def read_recipe(package: Path) -> dict[str, Any]:
    """The recipe of a package; raises `BadPackage` where there is none or where it is newer than this version."""
    path = package / "recipe.json"
    try:
        recipe: Any = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        what = "not a model package: recipe.json is missing or unreadable"
        raise BadPackage(what, at=Place(file=str(package)), fix="give the folder `package` of a run") from error
    found = recipe.get("format") if isinstance(recipe, dict) else None
    if found != FORMAT:
        what = f"this package has format {found}; this version reads format {FORMAT}"
        fix = "upgrade polyclinic, or write the package again with the installed version"
        raise BadPackage(what, at=Place(file=str(path), key="format"), fix=fix)
    return recipe  # type: ignore[no-any-return]


def _altered(package: Path, name: str, why: str) -> BadPackage:
    fix = "take the package anew from the run that wrote it"
    return BadPackage(f"{name} is {why}", at=Place(file=str(package / name)), fix=fix)
