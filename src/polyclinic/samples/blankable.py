"""Inputs whose parts can be made unknown one by one, so that a report shows which of them a model needs."""

from collections.abc import Iterator
from typing import Protocol, runtime_checkable

from polyclinic.samples.samples import Samples


@runtime_checkable
class Blankable(Protocol):
    """Inputs that have parts in an order: the positions of a sequence, the leads of a recording."""

    def blanked(self, rows: Samples) -> Iterator[tuple[str, Samples]]:
        """In their order, the name of each part, and the same rows in which it is not known."""
