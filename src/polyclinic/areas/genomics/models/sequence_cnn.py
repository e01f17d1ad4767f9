"""A convolutional network over letters: motifs wherever they stand, then where they stand, in plain torch."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from polyclinic.areas.genomics.formats.sequences import LETTERS
from polyclinic.arrays import Array
from polyclinic.errors import BadData
from polyclinic.models.training_settings import Training
from polyclinic.outcomes.raw import Head
from polyclinic.samples import Column, Dense, Ragged, Role, Samples
from polyclinic.state import State

if TYPE_CHECKING:
    from torch import nn

RECIPE = Training(epochs=40, batch=64, learning_rate=2e-3, weight_decay=1e-2, patience=8, warmup=0.05)
NUCLEOTIDES = "ACGT"


@dataclass(frozen=True, kw_only=True)
class SequenceCnn:
    """Two convolutions, then a dense layer that knows the position of each.

    Sequences are centred: a longer one than the longest of the training rows loses its ends alike, a shorter one is
    padded alike. An ambiguous letter is the mean of the nucleotides that it may stand for.

    Parameters
    ----------
    width
        Motifs, and numbers of the dense layer.
    reach
        Letters that a motif is long, an odd number.
    dropout
        Of letters' motifs and of the dense layer.
    longest
        Letters at most; longer sequences lose their ends.

    References
    ----------
    Alipanahi et al., Predicting the sequence specificities of DNA- and RNA-binding proteins by deep learning, Nature
    Biotechnology 2015.
    """

    width: int = 64
    reach: int = 9
    dropout: float = 0.4
    longest: int = 1_000
    training: Training = RECIPE

    answers: ClassVar[int] = 1024
    planted_size: ClassVar[int] = 500

    def prepare(self, train: Samples) -> State:
        """The length that every sequence is brought to, and what each letter stands for."""
        column = self._letters(train)
        length = max(1, min(self.longest, int(column.lengths.max(initial=1))))
        return State({"length": length, "letters": list(column.levels["letter"])})

    def encode(self, rows: Samples, state: State) -> dict[str, Array]:
        """x: float32 [row, nucleotide, position], 0 where there is no letter."""
        column, length = self._letters(rows), int(state.values["length"])
        names = [str(level) for level in column.levels["letter"]]
        weights = np.array(
            [[(n in LETTERS.get(name, "")) / max(len(LETTERS.get(name, "")), 1) for n in NUCLEOTIDES] for name in names]
        )
        row, position = column.elements()
        place = position - column.start[row] + (length - column.lengths[row]) // 2
        inside = (place >= 0) & (place < length)
        x = np.zeros((len(rows), length, len(NUCLEOTIDES)), np.float32)
        x[row[inside], place[inside]] = weights[column.values["letter"][position[inside]]]
        return {"x": np.ascontiguousarray(x.transpose(0, 2, 1))}

    @staticmethod
    def _letters(rows: Samples) -> Ragged:
        columns = [c for c in rows.inputs.values() if isinstance(c, Ragged) and "letter" in c.values]
        if len(columns) != 1:
            fix = "use inputs that give letters, such as `inputs: {genomics: {}}`"
            raise BadData(f"{len(columns)} columns hold letters; sequence-cnn needs one", fix=fix)
        return columns[0]

    def network(self, state: State, head: Head) -> "nn.Module":
        """The network for sequences of this length; `head` must be one of numbers a row."""
        if head.per != "row":
            raise BadData(f"sequence-cnn answers once a sequence, not per {head.per!r}", fix="take another model")
        return network(self, int(state.values["length"]), head.channels)

    def planted(self, n: int, seed: int) -> Samples:
        """Sequences of 20 random letters; the answer is whether GTAAG stands in the middle."""
        rng = np.random.default_rng(seed)
        letters, positive = rng.integers(0, 4, (n, 20)).astype(np.int8), rng.random(n) < 0.5
        letters[positive, 10:15] = [2, 3, 0, 0, 2]
        stop = 20 * np.arange(1, n + 1, dtype=np.int64)
        column = Ragged(stop - 20, stop, {"letter": letters.ravel()}, {"letter": tuple(NUCLEOTIDES)})
        columns: dict[str, Column] = {"letters": column, "y": Dense(positive.astype(np.float32))}
        roles: dict[str, Role] = {"letters": "input", "y": "target"}
        return Samples(np.arange(n), columns, roles, {"sequence": np.arange(n)})


def network(model: SequenceCnn, length: int, channels: int) -> "nn.Module":
    """The torch module; forward takes `x` and gives raw [row, channel]."""
    import torch
    from torch import Tensor, nn

    class Cnn(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            half = model.reach // 2
            self.motifs = nn.Conv1d(len(NUCLEOTIDES), model.width, model.reach, padding=half)
            self.pairs = nn.Conv1d(model.width, model.width // 2, 5, padding=2)
            self.hidden_proj = nn.Linear(length * (model.width // 2), model.width)
            self.out_proj = nn.Linear(model.width, channels)
            self.dropout = nn.Dropout(model.dropout)

        def forward(self, x: Tensor) -> Tensor:
            motifs = self.dropout(torch.relu(self.motifs(x)))
            pairs = torch.relu(self.pairs(motifs)).flatten(1)
            hidden = torch.relu(self.hidden_proj(self.dropout(pairs)))
            return self.out_proj(self.dropout(hidden))

    return Cnn()
