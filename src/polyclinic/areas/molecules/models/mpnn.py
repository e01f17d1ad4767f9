"""D-MPNN: messages along directed bonds (Yang et al. 2019, doi:10.1021/acs.jcim.9b00237), in plain torch.

As in chemprop, the readout takes the sum over atoms and standardised numbers of the whole molecule. Unlike there,
atoms and bonds come as named levels, and a level that training rows hardly show adds nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import numpy.typing as npt

from polyclinic.arrays import Array
from polyclinic.errors import BadData
from polyclinic.models import encoders
from polyclinic.models.training_settings import Training
from polyclinic.outcomes.raw import Head, Per
from polyclinic.samples import Column, Dense, Ragged, Role, Samples
from polyclinic.samples.samples import of_rows
from polyclinic.state import State

if TYPE_CHECKING:
    from torch import Tensor, nn

ENDS = ("source", "target")
DYNAMIC = {"atoms": (1,), "bonds": (1,), "ends": (1,), "arriving": (1, 2)}
RECIPE = Training(epochs=30, batch=50, learning_rate=2e-3, patience=8, warmup=0.05)
Numbers = npt.NDArray[np.int32]


@dataclass(frozen=True, kw_only=True)
class Mpnn:
    """A message-passing network over any column that joins the elements of another.

    width: numbers an atom and a directed bond carry; depth: rounds of messages, hence the reach in bonds;
    dropout: in the readout; typical: atoms of a usual molecule, by which sums over atoms are divided; dense: the
    column of whole-molecule numbers that the readout takes, "" for none; least: training elements that must show a
    level for it to have a vector of its own.
    """

    width: int = 128
    depth: int = 3
    dropout: float = 0.3
    typical: float = 20.0
    dense: str = "descriptors"
    least: int = 5
    training: Training = RECIPE

    answers: ClassVar[int] = 256
    serves: ClassVar[tuple[Per, ...]] = ("row",)
    planted_size: ClassVar[int] = 400
    dynamic: ClassVar[Mapping[str, tuple[int, ...]]] = DYNAMIC

    def prepare(self, train: Samples) -> State:
        """A number for each level of each field, and centre and spread of the dense numbers."""
        columns = graph_of(train)
        levels = {kind: vocabulary(of_rows(train, Ragged)[name], self.least) for kind, name in columns.items()}
        read = {self.dense: encoders.dense_names(train)[self.dense]} if self.dense else {}
        numbers = {"dense": read, "offset": encoders.offsets(train, read), "codes": {}, "hours": []}
        mean, scale = (v.astype(np.float32) for v in encoders.centre(self._numbers(train, numbers).astype(float)))
        return State({"columns": columns, "levels": levels, "numbers": numbers}, {"mean": mean, "scale": scale})

    def encode(self, rows: Samples, state: State) -> dict[str, Array]:
        """atoms int32 [row, atom, field], bonds int32 [row, bond, field], 0 where there is none; ends int32
        [row, bond, 2], the atoms that a bond joins; arriving int32 [row, atom, degree], see `arriving`; dense float32
        [row, number], standardised, 0 where missing.
        """
        names, levels = state.values["columns"], state.values["levels"]
        columns = {kind: of_rows(rows, Ragged)[name].compact() for kind, name in names.items()}
        bonds = columns["bonds"]
        batch: dict[str, Array] = {kind: numbered(columns[kind], levels[kind]) for kind in columns}
        batch["ends"] = padded(bonds, np.stack([bonds.values[end] for end in ENDS], axis=1))
        batch["arriving"] = arriving(bonds, batch["atoms"].shape[1])
        values = (self._numbers(rows, state.values["numbers"]) - state.arrays["mean"]) / state.arrays["scale"]
        batch["dense"] = np.nan_to_num(values.clip(-4, 4)).astype(np.float32)
        return batch

    def _numbers(self, rows: Samples, numbers: Mapping[str, object]) -> npt.NDArray[np.float32]:
        """Numbers of the whole molecule, NaN where there is none: float32 [row, number]."""
        if not self.dense:
            return np.zeros((len(rows), 0), np.float32)
        return encoders.matrix(rows, numbers)

    def draw(self, batch: dict[str, Array], rng: np.random.Generator | None) -> dict[str, Array]:
        """Cut the padding down to the largest molecule of the batch; nothing is random."""
        atoms, bonds = (max(2, int((batch[k][:, :, 0] > 0).sum(axis=1).max())) for k in ("atoms", "bonds"))
        cut = {"atoms": atoms, "arriving": atoms, "bonds": bonds, "ends": bonds}
        return {name: v[:, : cut[name]] if name in cut else v for name, v in batch.items()}

    def planted(self, n: int, seed: int) -> Samples:
        """Chains of 3 to 9 atoms of three elements; the answer is whether a nitrogen is bound to an oxygen."""
        rng = np.random.default_rng(seed)
        lengths = rng.integers(3, 10, n)
        element = rng.choice(3, lengths.sum(), p=(0.5, 0.25, 0.25)).astype(np.int16)
        stop, bonds = np.cumsum(lengths), np.cumsum(lengths - 1)
        atoms = Ragged(stop - lengths, stop, {"element": element}, {"element": ("C", "N", "O")})
        source = np.concatenate([np.arange(length - 1, dtype=np.int32) for length in lengths])
        ends = {"source": source, "target": source + 1, "order": np.zeros(len(source), np.int16)}
        positive = [(run[1:] * run[:-1] == 2).any() for run in atoms.rows("element")]
        columns: dict[str, Column] = {
            "atoms": atoms,
            "bonds": Ragged(bonds - lengths + 1, bonds, ends, {"order": ("SINGLE",)}, "atoms"),
            self.dense or "descriptors": Dense(rng.normal(size=(n, 2)).astype(np.float32)),
            "y": Dense(np.array(positive, np.float32)),
        }
        roles: dict[str, Role] = {name: "target" if name == "y" else "input" for name in columns}
        return Samples(np.arange(n), columns, roles, {"scaffold": np.arange(n)})

    def network(self, state: State, head: Head) -> "nn.Module":
        """The network for these levels; `head` must be one of numbers a row."""
        if head.per != "row":
            raise BadData(f"mpnn answers once a molecule, not per {head.per!r}", fix="take another model")
        sizes = {kind: 1 + sum(map(len, fields.values())) for kind, fields in state.values["levels"].items()}
        return network(self, sizes, len(state.arrays["mean"]), head.channels)


def graph_of(rows: Samples) -> dict[str, str]:
    """The names of the column of bonds and of the column of atoms that it joins."""
    joining = {name: c.of for name, c in of_rows(rows, Ragged).items() if c.of and {*ENDS} <= {*c.values}}
    if len(joining) != 1:
        fix = "use inputs that give atoms and bonds, such as `inputs: {molecules: {}}`"
        raise BadData(f"{len(joining)} columns join the elements of another; mpnn needs one", fix=fix)
    ((bonds, atoms),) = joining.items()
    return {"atoms": atoms, "bonds": bonds}


def vocabulary(column: Ragged, least: int) -> dict[str, dict[str, int]]:
    """Field → level → number, from 2 on, of the levels that occur often enough; 0 is no element, 1 is any element."""
    _, position = column.elements()
    numbers: dict[str, dict[str, int]] = {"": {"": 1}}
    number = count(2)
    for name, levels in sorted(column.levels.items()):
        counts = np.bincount(column.values[name][position], minlength=len(levels))
        numbers[name] = {str(levels[i]): next(number) for i in np.flatnonzero(counts >= least).tolist()}
    return numbers


def numbered(column: Ragged, fields: Mapping[str, Mapping[str, int]]) -> Numbers:
    """The number of each field's level: int32 [row, element, field]; 1 first, which marks an element."""
    numbers = [np.ones(len(next(iter(column.values.values()))), np.int32)]
    for name, known in fields.items():
        if name:
            lookup = np.array([known.get(str(level), 0) for level in column.levels[name]], np.int32)
            numbers.append(lookup[column.values[name]])
    return padded(column, np.stack(numbers, axis=1))


def padded(column: Ragged, values: Array) -> Numbers:
    """The values [element, …] of each row side by side, then 0: int32 [row, element, …], at least two wide."""
    row, position = column.elements()
    width = max(2, int(column.lengths.max(initial=0)))
    table = np.zeros((len(column), width, *values.shape[1:]), np.int32)
    table[row, position - column.start[row]] = values[position]
    return table


def arriving(bonds: Ragged, atoms: int) -> Numbers:
    """The directed bonds that end in each atom: int32 [row, atom, most bonds of an atom], 0 where there are no more.

    Bond b of a molecule, from 0, is 2b + 1 from its source to its target and 2b + 2 back.
    """
    row, position = bonds.elements()
    number = 2 * (position - bonds.start[row]) + 1
    end = np.concatenate([bonds.values[end][position] + row * atoms for end in reversed(ENDS)])
    number = np.concatenate([number, number + 1])[np.argsort(end, kind="stable")]
    stop = np.cumsum(np.bincount(end, minlength=len(bonds) * atoms))
    table = padded(Ragged(np.append(0, stop)[:-1], stop, {}), number)
    return table.reshape(len(bonds), atoms, table.shape[1])


def network(model: Mpnn, sizes: Mapping[str, int], dense: int, channels: int) -> "nn.Module":
    """The torch module; forward takes what `encode` gives and returns raw [row, channel]."""
    import torch
    from torch import Tensor, nn

    width, out = model.width, model.dropout

    class Dmpnn(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.atom_embedding = nn.Embedding(sizes["atoms"], width, padding_idx=0)
            self.bond_embedding = nn.Embedding(sizes["bonds"], width, padding_idx=0)
            self.message_proj = nn.Linear(width, width, bias=False)
            self.own_embedding = nn.Embedding(sizes["atoms"], width, padding_idx=0)
            self.neighbour_proj = nn.Linear(width, width)
            first, last = nn.Linear(width + dense, width), nn.Linear(width, channels)
            self.readout = nn.Sequential(nn.Dropout(out), first, nn.ReLU(), nn.Dropout(out), last)
            for table in (self.atom_embedding, self.bond_embedding, self.own_embedding):
                nn.init.normal_(table.weight, std=0.3)
                nn.init.zeros_(table.weight[0])

        def forward(self, atoms: Tensor, bonds: Tensor, ends: Tensor, arriving: Tensor, dense: Tensor) -> Tensor:
            kinds, links, source, into, within = joined(atoms, bonds, ends, arriving)
            start = self.atom_embedding(kinds).sum(1).index_select(0, source).unflatten(0, (-1, 2))
            start = start + self.bond_embedding(links).sum(1)[:, None]
            hidden = torch.relu(start)
            for _ in range(model.depth - 1):
                messages = summed(hidden.flatten(0, 1), into).index_select(0, source).unflatten(0, (-1, 2))
                hidden = torch.relu(start + self.message_proj(messages - hidden.flip(1)))
            state = torch.relu(
                self.own_embedding(kinds).sum(1) + self.neighbour_proj(summed(hidden.flatten(0, 1), into))
            )
            return self.readout(torch.cat([summed(state, within) / model.typical, dense], 1))

    return Dmpnn()


def joined(atoms: "Tensor", bonds: "Tensor", ends: "Tensor", arriving: "Tensor") -> tuple["Tensor", ...]:
    """The batch as one graph of real atoms and bonds, numbered row after row.

    Fields of each atom and of each bond; the atoms that directed bonds leave, two a bond; the directed bonds that
    arrive at each atom, and the atoms of each row, both numbered from 1, 0 where there are no more.
    """
    import torch

    real, first_atom, atom_row = present(atoms)
    linked, first_bond, bond_row = present(bonds)
    source = (ends.flatten(0, 1)[linked] + first_atom[bond_row, None]).flatten()
    into = arriving.flatten(0, 1)[real]
    into = torch.where(into > 0, into + 2 * first_bond[atom_row, None], 0)
    within = torch.arange(1, atoms.shape[1] + 1, device=atoms.device) + first_atom[:, None]
    within = torch.where(atoms[:, :, 0] > 0, within, 0)
    return atoms.flatten(0, 1)[real], bonds.flatten(0, 1)[linked], source, into, within


def present(padded: "Tensor") -> tuple["Tensor", "Tensor", "Tensor"]:
    """Positions of the real elements, number of each row's first one among them, and the row of each."""
    there = padded[:, :, 0] > 0
    (position,) = there.flatten().nonzero(as_tuple=True)
    count = there.sum(1)
    return position, count.cumsum(0) - count, position // padded.shape[1]


def summed(values: "Tensor", numbers: "Tensor") -> "Tensor":
    """Sums of the values [element, width] with these numbers, from 1; 0 is none: [row, width].

    A gather, since ONNX Runtime's adding scatter loses terms when it runs on several threads.
    """
    import torch

    from_one = torch.cat([values.new_zeros(1, values.shape[1]), values])
    return from_one.index_select(0, numbers.flatten()).unflatten(0, numbers.shape).sum(1)
