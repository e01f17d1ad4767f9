"""How much memory a fit may fill with encoded rows: what does not fit is encoded batch by batch, or refused before it starts."""

import os
from pathlib import Path

from polyclinic.errors import Place, UsageError

SHARE = 4
GIB = 1 << 30


def budget() -> int:
    """A quarter of the memory that this process may use, in bytes: the machine's, its control group's or its own limit.

    The rest is for the data themselves, the libraries and whatever else runs there.
    """
    limits = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    group = Path("/sys/fs/cgroup/memory.max")
    if group.is_file() and (text := group.read_text().strip()).isdigit():
        limits.append(int(text))
    return min([*limits, *_own_limits()]) // SHARE


def _own_limits() -> list[int]:
    """The limits that were set for this process (`ulimit`), where the system knows such."""
    try:
        import resource
    except ModuleNotFoundError:
        return []
    limits = (resource.getrlimit(kind)[0] for kind in (resource.RLIMIT_AS, resource.RLIMIT_DATA))
    return [limit for limit in limits if limit != resource.RLIM_INFINITY]


def check(need: int, limit: int, what: str, fix: str) -> None:
    """Refuse a computation that needs more memory than its budget, before it starts.

    Parameters
    ----------
    need, limit
        Bytes.
    what
        What needs them, the subject of the sentence.
    fix
        What would need less.

    Raises
    ------
    UsageError
        Where `need` is above `limit`.
    """
    if need > limit:
        what = f"{what} would need {need / GIB:.2g} GiB of memory, and the budget is {limit / GIB:.2g} GiB"
        where = Place(key="training.memory")
        raise UsageError(what, at=where, fix=f"{fix}, or raise the budget: `training: {{memory: GIB}}` in the study")
