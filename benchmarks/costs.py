"""What a command costs: CPU seconds and wall seconds, and MiB at its peak, imports and child processes included."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from typing import NamedTuple


class Cost(NamedTuple):
    """CPU seconds and wall seconds of a command, and MiB at the peak of its largest process."""

    cpu: float
    wall: float
    peak: float

    def __str__(self) -> str:
        return f"cpu {self.cpu:7.2f} s   wall {self.wall:7.2f} s   peak {self.peak:6.0f} MiB"


def cost(command: Sequence[str]) -> Cost:
    """Run a command to its end; stop here if it fails. Bytecode is kept, as an installed program has it."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    began = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, env=environment)
    _, status, usage = os.wait4(process.pid, 0)
    if os.waitstatus_to_exitcode(status):
        sys.exit(f"failed: {' '.join(command[:3])} …")
    return Cost(usage.ru_utime + usage.ru_stime, time.perf_counter() - began, usage.ru_maxrss / 1024)
