"""What an outcome, a model or an area hands to the report beside the scores: numbers of one kind, and their place."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class OutcomeSection:
    """A section of the report, before it is typed.

    Attributes
    ----------
    kind
        The registered name, among `sections`, of the type that holds such numbers and draws them.
    data
        Its fields; plain values, mappings, lists or dataclasses, as that type takes them.
    """

    kind: str
    data: Mapping[str, object]
