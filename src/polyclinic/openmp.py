"""Threads that wait asleep: libraries of numbers learn how their threads wait when they are loaded, once.

OpenMP's threads spin while they wait for each other unless the process says otherwise before a library that brings
OpenMP is loaded. Where other programs use the same cores, spinning costs up to twenty times the CPU. So whatever loads
such a library loads it here, from the command line, from Python and in a worker alike.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

ASLEEP = {"OMP_WAIT_POLICY": "PASSIVE", "KMP_BLOCKTIME": "0"}
"""What GNU's and LLVM's OpenMP read; the user's own setting is left as it is."""

_loaded_here: set[str] = set()


@contextmanager
def asleep(*libraries: str) -> Iterator[None]:
    """Import libraries within the block, so that their threads sleep while they wait.

    Parameters
    ----------
    libraries
        The top-level names that are imported there.
    """
    new = [name for name in libraries if name not in sys.modules]
    if new and (_loaded_here or not _is_loaded()):
        _loaded_here.update(new)
    missing = {key: value for key, value in ASLEEP.items() if key not in os.environ}
    os.environ.update(missing)
    try:
        yield
    finally:
        for key in missing:
            os.environ.pop(key, None)


def _is_loaded() -> bool:
    """Whether the process has an OpenMP already; wheels of several libraries bring the same one and then share it."""
    from threadpoolctl import threadpool_info

    return any(library["user_api"] == "openmp" for library in threadpool_info())


def threads(library: str, wanted: int) -> int:
    """How many threads a library may use.

    Parameters
    ----------
    library
        Its top-level name.
    wanted
        The number that the study sets.

    Returns
    -------
    int
        `wanted`, or 1 where somebody else loaded the library first and its threads would spin: one thread never waits.
    """
    own_policy = os.environ.get("OMP_WAIT_POLICY", "").upper() == "PASSIVE"
    return wanted if library in _loaded_here or own_policy else 1
