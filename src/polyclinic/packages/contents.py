"""The files of a package as bytes: read once, checked once, used from memory.

A package comes from a stranger. What was checked must be what is used: so nothing is read a second time, and a `.zip`
is never unpacked to the disk, where a name in it could lead elsewhere.
"""

import os
import re
import stat
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TypeAlias

from polyclinic.documents import FILE_NAME, read_bytes
from polyclinic.errors import BadData, BadPackage, Place

Contents: TypeAlias = Mapping[str, bytes]
"""Path within the package, parts joined by "/" → the bytes of that file."""

MOST_FILES = 10_000
MOST_BYTES = 2 << 30
MOST_RATIO = 100
"""Bytes unpacked for one packed byte. Weights shrink by a few per cent, JSON by ten or twenty times."""
SMALL = 16 << 20
"""A `.zip` that unpacks to less may have any ratio: zeros are legitimate, and this much fits anywhere."""
DEEPEST = 4
CHUNK = 1 << 20
_PACKING = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
ANEW = "take the package anew from the run that wrote it"


def read_contents(package: Path) -> Contents:
    """Every file of a package: a folder, the folder of its run, or a `.zip` of either.

    Raises
    ------
    BadPackage
        For anything but regular files with plain names (a link, a pipe, a device, a name that leads elsewhere); for
        more than 10,000 files, 2 GiB, or a `.zip` that unpacks to 100 times its size; for a damaged `.zip`.
    """
    if package.is_file():
        contents = _of_zip(package)
        roots = sorted(n.removesuffix("recipe.json") for n in contents if n.rpartition("/")[2] == "recipe.json")
        root = min(roots, key=len, default="")
        return {name.removeprefix(root): data for name, data in contents.items() if name.startswith(root)}
    if not package.is_dir():
        what, fix = f"no such package: {package}", "give the folder `package` of a run, or a .zip of it"
        raise BadPackage(what, at=Place(file=str(package)), fix=fix)
    within = package / "package"
    return read_folder(within if (within / "recipe.json").is_file() else package)


def read_folder(folder: Path) -> Contents:
    """Every file under a folder; raises `BadPackage` as `read_contents` does. `folder` itself may be a link."""
    contents: dict[str, bytes] = {}
    left = MOST_BYTES
    for name in _names(folder, ""):
        _expect(len(contents) < MOST_FILES, folder, f"there are more than {MOST_FILES:,} files")
        try:
            contents[name] = read_bytes(folder / name, most=left, follow_links=False)
        except (BadData, OSError) as error:
            raise BadPackage(f"{name} cannot be read", at=Place(file=str(folder / name)), fix=ANEW) from error
        left -= len(contents[name])
    return contents


def _names(folder: Path, within: str) -> Iterator[str]:
    """The paths of all files under a folder, sorted; raises for what is neither a file nor a folder."""
    for entry in sorted(os.scandir(folder / within), key=lambda e: e.name):
        name = f"{within}{entry.name}"
        _check_name(name, folder)
        mode = entry.stat(follow_symlinks=False).st_mode
        if stat.S_ISDIR(mode):
            yield from _names(folder, f"{name}/")
        else:
            _expect(stat.S_ISREG(mode), folder, f"{name} is a link, a pipe or a device, not a file")
            yield name


def _of_zip(package: Path) -> Contents:
    """Every file of a `.zip`, by bounds that its directory must keep before anything is unpacked."""
    try:
        with zipfile.ZipFile(package) as archive:
            members = [m for m in archive.infolist() if not m.is_dir()]
            _check_members(members, package)
            return {m.filename: _unpacked(archive, m, package) for m in members}
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError, OSError) as error:
        raise BadPackage("this is no readable .zip", at=Place(file=str(package)), fix=ANEW) from error


def _check_members(members: list[zipfile.ZipInfo], package: Path) -> None:
    total, packed = sum(m.file_size for m in members), sum(m.compress_size for m in members)
    _expect(len(members) <= MOST_FILES, package, f"there are more than {MOST_FILES:,} files")
    _expect(total <= MOST_BYTES, package, f"it unpacks to {total:,} bytes; at most {MOST_BYTES:,} are read")
    ratio = f"it unpacks to {total:,} bytes, over {MOST_RATIO} times its size"
    _expect(total <= SMALL or total <= MOST_RATIO * packed, package, ratio)
    names = [m.filename for m in members]
    _expect(len(set(names)) == len(names), package, "a name stands in it twice")
    for member in members:
        _check_name(member.filename, package)
        mode = member.external_attr >> 16  # Unix: the upper half holds the mode; 0 where another system packed it
        plain = not stat.S_IFMT(mode) or stat.S_ISREG(mode)
        _expect(plain, package, f"{member.filename} is a link or a device, not a file")
        _expect(member.compress_type in _PACKING, package, f"{member.filename} is packed in a way that is not read")


def _unpacked(archive: zipfile.ZipFile, member: zipfile.ZipInfo, package: Path) -> bytes:
    """The bytes of one member, never more than its directory entry promises."""
    pieces: list[bytes] = []
    left = member.file_size
    with archive.open(member) as stream:
        while piece := stream.read(CHUNK):
            left -= len(piece)
            _expect(left >= 0, package, f"{member.filename} is larger than it says")
            pieces.append(piece)
    return b"".join(pieces)


def _check_name(name: str, package: Path) -> None:
    parts = name.split("/")
    plain = len(parts) <= DEEPEST + 1 and all(FILE_NAME.fullmatch(part) for part in parts)
    shown = re.sub(r"[^A-Za-z0-9._/-]", "?", name)[:60]
    _expect(plain, package, f"{shown} is not part of the package: no file of a package has such a name")


def _expect(holds: bool, package: Path, what: str) -> None:
    if not holds:
        raise BadPackage(what, at=Place(file=str(package)), fix=ANEW)
