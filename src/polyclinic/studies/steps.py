"""Steps that are made once: keyed by what goes in, by their settings and by the code and libraries that make them.

A finished step is a folder `NAME-KEY` with a record, `step.json`: how long it took, what was noted, and the SHA-256 of
its files. It appears whole or not at all, which is also how a run resumes. Before a step is reused, its files are
compared with the record; a damaged one is made again, and the run says so.
"""

import json
import shutil
import sys
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from polyclinic import atomic, fingerprint, notes, progress
from polyclinic.code_closure import closure_of
from polyclinic.notes import Note

RECORD = "step.json"


@dataclass(frozen=True, slots=True)
class StepCode:
    """The code that makes a step.

    Attributes
    ----------
    work
        The function that makes it: its own body counts, not the whole module in which it stands.
    targets
        What else decides it: registered targets and modules that it reaches by name (formats, inputs, the model, the
        outcome), and functions that prepare what it is handed.
    follow
        Kinds of registered names that count although they judge what a fit gave; see `closure_of`.
    """

    work: Callable[..., None]
    targets: tuple[str | Callable[..., Any], ...] = ()
    follow: frozenset[str] = frozenset()

    @property
    def digest(self) -> str:
        """SHA-256 of all the code that can be reached, and of the versions of libraries."""
        return closure_of(self.work, *self.targets, follow=self.follow).digest


@dataclass(frozen=True, slots=True)
class FinishedStep:
    """One step of a run.

    Attributes
    ----------
    seconds
        How long it took when it was made.
    reused
        Whether it was there already.
    notes
        What was noted while it was made.
    """

    name: str
    folder: Path
    key: str
    seconds: float
    reused: bool
    notes: tuple[Note, ...] = ()

    @property
    def exists(self) -> bool:
        """Whether it is there: in a plan, a step that is not there is only named."""
        return self.folder.is_dir()


@dataclass
class Steps:
    """The steps of one run folder.

    Attributes
    ----------
    root
        The folder that holds them.
    planned
        Whether the steps are only listed: nothing is made.
    finished
        Name → step, in the order in which they were taken.
    """

    root: Path
    planned: bool = False
    finished: dict[str, FinishedStep] = field(default_factory=dict)

    def step(
        self, name: str, inputs: Mapping[str, object], code: StepCode, make: Callable[[Path], None] | None = None
    ) -> FinishedStep:
        """Make a step unless it is there already.

        Parameters
        ----------
        inputs
            JSON values that decide its content, the keys of earlier steps among them.
        code
            The code that makes it.
        make
            Writes its files to the folder that it is called with: `code.work` with its arguments.
        """
        key = key_of(name, inputs, code)
        step = self._reused(name, key) or self._compute(name, key, make)
        self.finished[name] = step
        return step

    def has(self, name: str, inputs: Mapping[str, object], code: StepCode) -> bool:
        """Whether a step is there already; its files are not checked."""
        return (self.root / f"{name}-{key_of(name, inputs, code)}").is_dir()

    def seconds_of(self, name: str) -> float | None:
        """How long a step whose name begins so took when it was last made in this folder; None where it never was."""
        records = sorted(self.root.glob(f"{name}-*/{RECORD}"), key=lambda path: path.stat().st_mtime)
        return next((record.seconds for path in reversed(records) if (record := _record(path.parent))), None)

    def notes(self) -> Iterator[Note]:
        """What was noted in the steps of this run, in their order."""
        for step in self.finished.values():
            yield from step.notes

    def _reused(self, name: str, key: str) -> FinishedStep | None:
        """The step as it was finished before; None where it is not there, or no longer as it was written."""
        folder = self.root / f"{name}-{key}"
        if not folder.is_dir():
            return None
        record = _record(folder)
        damaged = None if record is None else record.damaged(folder)
        if record is None or damaged:
            files = "its record cannot be read" if damaged is None else f"not as they were written: {_names(damaged)}"
            why = "A file was changed, or the disk has lost something: it is made again from what came before it."
            notes.note(f"damaged step {name}", files, why, "detail")
            return None
        progress.say(f"{name}: nothing it depends on has changed; reused")
        for note in record.notes:
            progress.say(f"{note.check}: {note.result}")
        return FinishedStep(name, folder, key, record.seconds, True, record.notes)

    def _compute(self, name: str, key: str, make: Callable[[Path], None] | None) -> FinishedStep:
        folder = self.root / f"{name}-{key}"
        if self.planned or make is None:
            return FinishedStep(name, folder, key, 0.0, False)
        progress.say(f"{name} …")
        began = time.perf_counter()
        with atomic.folder(folder) as part, notes.collection() as collected:
            make(part)
            seconds = round(time.perf_counter() - began, 2)
            own = tuple(replace(entry, step=name) for entry in collected)
            StepManifest(seconds, own, fingerprint.of_files(part)).write(part)
        return FinishedStep(name, folder, key, seconds, False, own)


@dataclass(frozen=True, slots=True)
class StepManifest:
    """What `step.json` holds: seconds that it took, notes, and relative path → SHA-256 of its files."""

    seconds: float
    notes: tuple[Note, ...]
    files: Mapping[str, str]

    def write(self, folder: Path) -> None:
        """Write it beside the files."""
        (folder / RECORD).write_text(json.dumps(asdict(self), indent=1, ensure_ascii=False), encoding="utf-8")

    def damaged(self, folder: Path) -> list[str]:
        """The files that are missing, added or not as they were written."""
        files = fingerprint.of_files(folder)
        files.pop(RECORD, None)
        return sorted(name for name in {*files, *self.files} if files.get(name) != self.files.get(name))


def key_of(name: str, inputs: Mapping[str, object], code: StepCode) -> str:
    """What decides a step's content, in twenty letters."""
    return fingerprint.of_value({"name": name, "inputs": inputs, "code": code.digest})[:20]


@contextmanager
def only_run(root: Path) -> Iterator[None]:
    """Mark a folder of steps as in use within the block, and clear it of what killed runs left half written.

    While another process has the folder in use nothing is cleared: what looks left over may be that one's work.
    """
    if sys.platform == "win32":  # no advisory locks there: leftovers stay, and do no harm
        yield
        return
    import fcntl

    root.mkdir(parents=True, exist_ok=True)
    with (root / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            pass
        else:
            _clear(root)
        fcntl.flock(lock, fcntl.LOCK_SH)
        yield


def _clear(root: Path) -> None:
    """Remove the hidden folders in which steps are made and what a run leaves is gathered: nobody works in one now."""
    staged = [path for name in ("report.json", "source.parquet") for path in root.parent.glob(f".{name}.*")]
    left = [path for path in (*root.glob(".*"), *staged) if path.is_dir()]
    for path in left:
        shutil.rmtree(path, ignore_errors=True)
    if left:
        progress.say(f"removed what {len(left)} stopped steps had left half written")
    if old := [path for path in root.glob("*-*") if path.is_dir() and not (path / RECORD).is_file()]:
        what = f"{len(old)} steps in {root} have no record, as those of version 0.1, and are not used again"
        progress.say(f"{what}; they may be removed")


def _record(folder: Path) -> StepManifest | None:
    """The record of a step; None where there is none that can be read."""
    try:
        document = json.loads((folder / RECORD).read_text(encoding="utf-8"))
        own = tuple(Note(**note) for note in document["notes"])
        return StepManifest(float(document["seconds"]), own, dict(document["files"]))
    except (OSError, ValueError, TypeError, KeyError):
        return None


def _names(files: Collection[str]) -> str:
    names = sorted(files)
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(names[:3]) + more
