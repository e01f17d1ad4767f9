"""Which members of a package encode rows together: folds often choose the same columns, or nearly the same."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple, Protocol, TypeAlias, runtime_checkable

from polyclinic.arrays import Array
from polyclinic.packages.fitted import Fitted
from polyclinic.samples import Samples
from polyclinic.state import State

Encode: TypeAlias = Callable[[Samples], Iterable[Mapping[str, Array]]]
"""From rows to what each of several members reads, in the order of the members."""


@runtime_checkable
class EncodesJointly(Protocol):
    """A model that encodes rows for several states in less time than for one after the other."""

    def jointly(self, states: Sequence[State]) -> Encode | None:
        """What gives, for each of the states, the same as `encode`; None where these states have too little in common."""


class Encoding(NamedTuple):
    """Members that encode rows together: their numbers in the package, and what encodes rows for them."""

    members: Sequence[int]
    encode: Encode


def encodings(members: Sequence[Fitted]) -> list[Encoding]:
    """Every member in one encoding; made once for a package, which is asked over and over for one patient live."""
    every: list[Encoding] = []
    for numbers in _grouped(range(len(members)), lambda n, k: members[n].same_model(members[k])):
        model, states = members[numbers[0]].model, [members[n].state for n in numbers]
        joint = model.jointly(states) if isinstance(model, EncodesJointly) else None
        if joint is not None:
            every.append(Encoding(numbers, joint))
            continue
        alike = _grouped(numbers, lambda n, k: members[n].state.equals(members[k].state))
        every += [Encoding(same, _once(members[same[0]], len(same))) for same in alike]
    return every


def _once(member: Fitted, times: int) -> Encode:
    """Members of one state read the same."""

    def encode(rows: Samples) -> Iterator[Mapping[str, Array]]:
        values = member.model.encode(rows, member.state)
        return iter([values] * times)

    return encode


def _grouped(numbers: Sequence[int], alike: Callable[[int, int], bool]) -> list[list[int]]:
    """The numbers in groups of which each is like the first, in the order of these."""
    groups: list[list[int]] = []
    for number in numbers:
        group = next((group for group in groups if alike(group[0], number)), None)
        if group is None:
            groups.append([number])
        else:
            group.append(number)
    return groups
