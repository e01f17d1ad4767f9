"""Steps that are made once: keyed by what goes in, by their settings and by the code that makes them."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from polyclinic import atomic, fingerprint, progress


@dataclass(frozen=True, slots=True)
class Done:
    """One step of a run: its name, its folder, how long it took, and whether it was there already."""

    name: str
    folder: Path
    key: str
    seconds: float
    reused: bool


@dataclass
class Steps:
    """The steps of one run folder. A step's folder appears whole or not at all, which is also how a run resumes.

    done: name → step, in the order in which they were taken.
    """

    root: Path
    planned: bool = False
    done: dict[str, Done] = field(default_factory=dict)

    def step(self, name: str, inputs: Mapping[str, Any], code: tuple[str, ...], make: Callable[[Path], None]) -> Done:
        """Make a step unless it is there already.

        inputs: JSON values that decide its content (keys of earlier steps among them); code: the modules that make it.
        make: writes to the folder it is given.
        """
        key = key_of(name, inputs, code)
        folder = self.root / f"{name}-{key}"
        reused, began = folder.is_dir(), time.perf_counter()
        if not reused and not self.planned:
            progress.say(f"{name} …")
            with atomic.folder(folder) as part:
                make(part)
        done = Done(name, folder, key, round(time.perf_counter() - began, 2), reused)
        if reused:
            progress.say(f"{name}: nothing it depends on has changed; reused")
        self.done[name] = done
        return done


def key_of(name: str, inputs: Mapping[str, Any], code: tuple[str, ...]) -> str:
    """What decides a step's content, in twenty letters."""
    return fingerprint.of_value({"name": name, "inputs": inputs, "code": fingerprint.of_code(*code)})[:20]
