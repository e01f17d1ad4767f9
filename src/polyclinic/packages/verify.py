"""Whether a package is whole, unaltered and of a format that this version reads."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from polyclinic import atomic, fingerprint
from polyclinic.errors import BadData, BadPackage, Place
from polyclinic.packages import recipe
from polyclinic.packages.contents import ANEW, Contents, read_contents
from polyclinic.packages.recipe import FORMAT, Recipe

CHECKSUMS = "checksums.json"


@dataclass(frozen=True, eq=False)
class Checked:
    """A package whose files are those that its checksums list, in memory."""

    recipe: Recipe
    contents: Contents


def seal(folder: Path) -> None:
    """Write the SHA-256 of every file of a package."""
    atomic.write_text(folder / CHECKSUMS, json.dumps(fingerprint.of_files(folder), indent=1, sort_keys=True))


def verify(package: Path | str) -> Recipe:
    """Check every file of a package against its SHA-256.

    A checksum finds what was damaged or altered by accident. It is no signature: who alters a package on purpose can
    write new checksums as well.

    Parameters
    ----------
    package
        A folder, the folder of its run, or a `.zip` of either.

    Returns
    -------
    Recipe
        What the package says of itself.

    Raises
    ------
    BadPackage
        For what is no package or of another format; for a file that is altered, missing or added; and for links,
        pipes, devices and sizes that no package has (`contents.read_contents`).
    """
    return check(Path(package)).recipe


def check(package: Path) -> Checked:
    """As `verify`, with the bytes that were checked: what is used later is what was checked."""
    contents = read_contents(package)
    _check_format(contents, package)
    listed = recipe.read(Mapping[str, str], contents, CHECKSUMS)  # type: ignore[type-abstract]
    digests = {name: hashlib.sha256(data).hexdigest() for name, data in contents.items() if name != CHECKSUMS}
    for name in sorted({*digests, *listed}):
        if name not in digests:
            raise _altered(package, name, "missing")
        if digests[name] != listed.get(name):
            why = "altered since the package was written" if name in listed else "not part of the package"
            raise _altered(package, name, why)
    return Checked(recipe.read(Recipe, contents, "recipe.json"), contents)


def _check_format(contents: Contents, package: Path) -> None:
    """Raise `BadPackage` where this is no package, or one of another format, with what to do."""
    try:
        document = recipe.json_of(contents, "recipe.json")
    except BadData as error:
        what = "not a model package: recipe.json is missing or unreadable"
        raise BadPackage(what, at=Place(file=str(package)), fix="give the folder `package` of a run") from error
    number = document.get("format") if isinstance(document, dict) else None
    if number == FORMAT:
        return
    old = isinstance(number, int) and number < FORMAT
    shown = number if isinstance(number, int) else "unknown"
    what = f"this package has format {shown}; this version reads format {FORMAT}"
    again = "make it again: `polyclinic run STUDY` with the study.yaml that lies beside it"
    fix = again if old else "upgrade polyclinic: pip install --upgrade polyclinic"
    raise BadPackage(what, at=Place(file=str(package / "recipe.json"), key="format"), fix=fix)


def _altered(package: Path, name: str, why: str) -> BadPackage:
    return BadPackage(f"{name} is {why}", at=Place(file=str(package / name)), fix=ANEW)
