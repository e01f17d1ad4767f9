"""Sequences → letters, and for sequences of one length which nucleotide stands at which position."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import numpy.typing as npt
import polars as pl

from polyclinic import fingerprint
from polyclinic.areas.genomics.formats.sequences import LETTERS, plain, refusals, sequence_column
from polyclinic.errors import Place, UsageError
from polyclinic.samples import Column, Dense, Ragged, Samples
from polyclinic.samples.frames import labels, need_columns
from polyclinic.samples.inputs import InputColumns, Inputs

NUCLEOTIDES = "ACGT"
NAMES = ("name", "id", "record", "accession", "locus")
"""How tables call the column that names a sequence; the first that there is, whatever its capitals."""
LONGEST = 120
MOST_POSITIONS = 2_000
"""Positions up to which sequences of one length get numbers for table models."""
NONE = tuple(LETTERS).index("N")
WEIGHTS = np.array([[(n in LETTERS[letter]) / len(LETTERS[letter]) for n in NUCLEOTIDES] for letter in LETTERS])
"""float64 [letter, nucleotide]: N is a quarter of each."""


@dataclass(frozen=True, kw_only=True)
class GenomicsInputs(Inputs):
    """What a sequence is to a model.

    Parameters
    ----------
    column
        Where the sequences stand; "" looks for the column.
    length
        How long every sequence is, where all have one length: table models then read which nucleotide stands at which
        position. Found out by the study; 0 where lengths differ.
    centre
        The position that counts as 0 in names, such as the site in the middle of a window; from 0.
    groups, strata
        Columns of the table that name groups and strata.
    """

    column: str = ""
    length: int | None = None
    centre: int = 0
    groups: tuple[str, ...] = ()
    strata: tuple[str, ...] = ()

    def resolved(self, rows: pl.DataFrame, leave_out: Sequence[str]) -> Self:
        """The same with the length written out that all sequences of the study have."""
        groups = tuple(name for name in self.groups if name in rows.columns)
        need_columns(rows, self.strata)
        lengths = self.sequences(rows).str.len_chars().drop_nulls().unique().to_list()
        one = lengths[0] if len(lengths) == 1 and lengths[0] <= MOST_POSITIONS else 0
        return replace(self, length=one if self.length is None else self.length, groups=groups)

    def columns(self, source: object, rows: pl.DataFrame, task: object) -> InputColumns:
        """`letters`; `positions` where there is one length; the group `sequence`: equal sequences are one."""
        if self.length is None:
            raise UsageError("the length of the sequences is not known", at=Place(key="inputs.genomics.length"))
        texts = self.sequences(rows).to_list()
        letters = letters_of(texts)
        columns: dict[str, Column] = {"letters": letters}
        if self.length:
            columns["positions"] = Dense(one_hot(letters, self.length), self.position_names)
        short = [t if len(t) <= LONGEST else f"{t[:100]}…{fingerprint.of_value(t)[:16]}" for t in texts]
        groups = {"sequence": np.array(short, np.str_), **{name: labels(rows[name]) for name in self.groups}}
        strata = {name: labels(rows[name]) for name in self.strata if name in rows.columns}
        return InputColumns(columns, groups, strata, unit="sequence")

    @property
    def position_names(self) -> tuple[str, ...]:
        """`-1 A`, `+2 T`: a position counted from the centre, and the nucleotide there."""
        places = (position_name(at - self.centre) for at in range(self.length or 0))
        return tuple(f"{place} {nucleotide}" for place in places for nucleotide in NUCLEOTIDES)

    def unreadable(self, rows: pl.DataFrame) -> dict[int, str]:
        """Position → why, for rows without a sequence, or with one of another length than the study's."""
        texts = self.sequences(rows)
        reasons = {at: why for at, why in enumerate(refusals(texts)) if why is not None}
        if self.length:
            other = (texts.str.len_chars() != self.length).fill_null(False)
            what = f"the sequence does not have {self.length} letters, as those of the study have"
            reasons = dict.fromkeys(other.arg_true().to_list(), what) | reasons
        return reasons

    def identity(self, rows: pl.DataFrame) -> dict[str, pl.Series]:
        """`record`: what the table calls a sequence; nothing where it has no such column."""
        named = [c for name in NAMES for c in rows.columns if c.lower() == name]
        return {"record": rows[named[0]].cast(pl.String)} if named else {}

    def sequences(self, rows: pl.DataFrame) -> pl.Series:
        """The sequence of each row in capital letters, T for U."""
        return plain(rows[sequence_column(rows.columns, self.column)])

    def blanked(self, rows: Samples) -> Iterator[tuple[str, Samples]]:
        """The same rows with one position after the other not known: its name, and the rows. See `Blankable`."""
        letters, positions = rows.columns["letters"], rows.columns.get("positions")
        assert isinstance(letters, Ragged)
        for at in range(self.length or 0):
            values = letters.values["letter"].copy()
            values[letters.start + at] = NONE
            changed = rows.with_column("letters", replace(letters, values={"letter": values}), "input")
            if isinstance(positions, Dense):
                numbers = positions.values.copy()
                numbers[:, 4 * at : 4 * at + 4] = WEIGHTS[NONE]
                changed = changed.with_column("positions", replace(positions, values=numbers), "input")
            yield position_name(at - self.centre), changed


def position_name(offset: int) -> str:
    """A position beside the centre, with its sign; 0 is the centre itself."""
    return f"{offset:+d}" if offset else "0"


def letters_of(texts: Sequence[str | None]) -> Ragged:
    """One run of letters a row, each the number of its letter in `LETTERS`; N for a character that is no letter."""
    runs = ["" if text is None else text for text in texts]
    table = np.full(256, NONE, np.int8)
    table[[ord(letter) for letter in LETTERS]] = np.arange(len(LETTERS))
    data = np.frombuffer("".join(runs).encode("latin-1", "replace"), np.uint8)
    stop = np.cumsum([len(run) for run in runs], dtype=np.int64)
    return Ragged(np.append(0, stop)[:-1], stop, {"letter": table[data]}, {"letter": tuple(LETTERS)})


def one_hot(letters: Ragged, length: int) -> npt.NDArray[np.float32]:
    """Which nucleotide stands at which position, float32 [row, 4 × position]; NaN for a row of another length."""
    values = np.full((len(letters), length, 4), np.nan, np.float32)
    fits = letters.lengths == length
    _, position = letters.take(np.flatnonzero(fits)).elements()
    values[fits] = WEIGHTS[letters.values["letter"][position]].reshape(-1, length, 4)
    return values.reshape(len(letters), 4 * length)
