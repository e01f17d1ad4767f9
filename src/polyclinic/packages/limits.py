"""The limits of a package: what the inputs looked like where it learned, and which inputs of a row lie outside."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Literal, NamedTuple, TypeAlias

import numpy as np
from annotated_types import Ge

from polyclinic.arrays import Array, Floats, Ints
from polyclinic.packages import missing_inputs
from polyclinic.packages.missing_inputs import MISSING
from polyclinic.packages.recipe import Strict
from polyclinic.samples import Column, Dense, Ragged, Samples

Bounds: TypeAlias = tuple[float, float]
Policy: TypeAlias = Literal["warn", "refuse"]

CATEGORY = "category"
MOST_COLUMNS = 64
MEASURED_ROWS = 20_000
WIDEST = 64
"""A column of more numbers (a fingerprint, an embedding) has no bounds: one number of it means nothing by itself."""
OUTSIDE = 0.0099
"""The share of validation rows that may lie outside, over all bounds together: under 1 %."""
TAIL = 0.005
WIDER = 1.25
FIRST = 0.05


@dataclass(frozen=True, kw_only=True)
class InputLimits(Strict):
    """What one input column looked like.

    Parameters
    ----------
    kind
        `dense`, `category`, `ragged`, `file` or `entity`.
    present
        The share of rows that have a value.
    filled
        Field, or code of an event → the share of rows that have it, in two digits; 1 where every row has it.
    ranges
        Field, or code of an event → the lowest and the highest value that was usual.
    length
        The same for the number of elements of a row, where rows have several.
    """

    kind: str
    present: Annotated[float, Ge(0)]
    filled: Mapping[str, Annotated[float, Ge(0)]] = field(default_factory=dict)
    ranges: Mapping[str, Bounds] = field(default_factory=dict)
    length: Bounds | None = None


@dataclass(frozen=True, kw_only=True)
class Limits(Strict):
    """`limits.json`: what the inputs looked like, and what becomes of a row that lies outside.

    Parameters
    ----------
    rows
        How many rows were learned from.
    outside
        `warn`: a row outside is answered, and what lies outside is named; `refuse`: it is not answered.
    inputs
        Input column → its limits.
    """

    rows: Annotated[int, Ge(0)] = 0
    outside: Policy = "warn"
    inputs: Mapping[str, InputLimits] = field(default_factory=dict)

    def rows_with(self, rows: Samples) -> dict[str, dict[str, int]]:
        """Input column → field or code → how many of the rows have it."""
        known = {name: limits.filled for name, limits in self.inputs.items() if limits.filled and name in rows.columns}
        return {name: missing_inputs.rows_with(rows.columns[name], filled) for name, filled in known.items()}

    def never_there(self, counts: Mapping[str, Mapping[str, int]], rows: int) -> list[str]:
        """The fields or codes that none of so many rows has, although that is no chance.

        counts: as `rows_with` tells them, of all the rows of a source together.
        """
        names: list[str] = []
        for name, one in counts.items():
            limits = self.inputs[name]
            never = missing_inputs.never_there(limits.filled, one, rows)
            names += [label if limits.kind == "ragged" else _label(name, [*limits.filled], label) for label in never]
        return names

    def outside_of(self, rows: Samples) -> list[str | None]:
        """For each row, the names of the inputs that lie outside, with commas between; None where none does.

        An input that no row lacked where the package learned lies outside where it is missing.
        It is computed for one patient at the bedside too: a few comparisons of whole columns, no loop over rows.
        """
        names: dict[int, list[str]] = {}
        for name, limits in self.inputs.items():
            if (column := rows.columns.get(name)) is None:
                continue
            if isinstance(column, Ragged):
                column = column.within()
            for label, at in (*_outside(name, limits, column), *_missing(name, limits, column)):
                for row in at.tolist():
                    names.setdefault(row, []).append(label)
        return [", ".join(names[row]) if row in names else None for row in range(len(rows))]


def _outside(name: str, limits: InputLimits, column: Column) -> Iterator[tuple[str, Ints]]:
    """What lies outside in one column: its name, and the rows."""
    if isinstance(column, Dense) and limits.ranges and column.values.dtype.kind in "fiu":
        values, fields = _flat(column), _fields(column)
        known = [n for n, one in enumerate(fields) if one in limits.ranges]
        low, high = np.array([limits.ranges[fields[n]] for n in known]).reshape(-1, 2).T
        some = values[:, known]
        wrong = (some < low) | (some > high)  # a missing value, NaN, is neither
        for number in np.flatnonzero(wrong.any(axis=0)).tolist():
            yield _label(name, fields, fields[known[number]]), np.flatnonzero(wrong[:, number])
    if isinstance(column, Ragged) and limits.ranges and "code" in column.values:
        yield from _codes_outside(column, limits.ranges)
    if isinstance(column, Ragged) and limits.length is not None:
        least, most = limits.length
        wrong = (column.lengths < least) | (column.lengths > most)
        if wrong.any():
            yield f"number of {name}", np.flatnonzero(wrong)


def _missing(name: str, limits: InputLimits, column: Column) -> Iterator[tuple[str, Ints]]:
    """What is missing in one column although no row lacked it: its name, and the rows."""
    lacking = ~missing_inputs.filled(column, category=limits.kind == CATEGORY)
    whole = limits.present == 1.0 and bool(lacking.any())
    if whole:
        yield f"{name} {MISSING}", np.flatnonzero(lacking)
    fields = _fields(column) if isinstance(column, Dense) else []
    for label, at in missing_inputs.missing_labels(column, limits.filled):
        at = at[~lacking[at]] if whole else at
        if len(at):
            yield f"{_label(name, fields, label) if fields else label} {MISSING}", at


def _codes_outside(column: Ragged, ranges: Mapping[str, Bounds]) -> Iterator[tuple[str, Ints]]:
    levels = column.levels["code"]
    low, high = np.full(len(levels), -np.inf), np.full(len(levels), np.inf)
    for number, level in enumerate(levels):
        if level in ranges:
            low[number], high[number] = ranges[level]
    code, value = column.values["code"], column.values["value"]
    wrong = (value < low[code]) | (value > high[code])
    if not wrong.any():
        return
    before = np.append(0, np.cumsum(wrong))
    # Windows overlap: each event is looked at once, and only the windows that hold a wrong one are laid out.
    rows = np.flatnonzero(before[column.stop] > before[column.start])
    row, position = column.take(rows).elements()
    row, position = rows[row[wrong[position]]], position[wrong[position]]
    for number in np.unique(code[position]).tolist():
        yield levels[number], np.unique(row[code[position] == number])


def _flat(column: Dense) -> Array:
    """The values of each row side by side: [row, field]."""
    return column.values.reshape(len(column), int(np.prod(column.values.shape[1:])))


def _fields(column: Dense) -> list[str]:
    width = _flat(column).shape[1]
    return list(column.names) if len(column.names) == width else [str(number) for number in range(width)]


def _label(name: str, fields: list[str], one: str) -> str:
    """What a person calls the field: the column alone where it has no other."""
    return name if len(fields) == 1 else f"{name} {one}"


# -- what they are made from -----------------------------------------------------------------------------------------


class _Measured(NamedTuple):
    """The values of one field, and the position of the row that each belongs to.

    label: the field, or the code of an event; None: how many elements a row has.
    """

    column: str
    label: str | None
    values: Floats
    row: Ints


def limits_of(train: Samples, validation: Samples, *, outside: Policy = "warn") -> Limits:
    """The limits of a package, from the rows that it learned from.

    Bounds begin at the 0.5 % and 99.5 % quantiles of training and validation rows together, and are widened until
    under 1 % of the training rows, and of the validation rows, lie outside any of them: with few folds the validation
    rows are not all, and one odd value stands in the windows of many rows. They are rounded outwards, so that no single patient's
    extreme can be read from them. The 64 most used fields have bounds.

    Parameters
    ----------
    train
        The rows that models learned from.
    validation
        The rows that chose among them.
    outside
        What becomes of a row outside.
    """
    learned, watched = _some(train), _some(validation)
    measured = sorted([*_measured(learned)], key=lambda m: -len(m.values))[:MOST_COLUMNS]
    validated = {(m.column, m.label): m for m in _measured(watched)}
    share = OUTSIDE / max(len(measured), 1)
    spare = int(share * len(learned)), int(share * len(watched))
    by_column: dict[str, dict[str | None, Bounds]] = {}
    for one in measured:
        bounds = _bounds(one, validated.get((one.column, one.label)), spare)
        by_column.setdefault(one.column, {})[one.label] = bounds
    inputs = {
        name: _limits(column, watched.columns[name], by_column.get(name, {})) for name, column in learned.inputs.items()
    }
    return Limits(rows=len(train), outside=outside, inputs=inputs)


def _some(rows: Samples) -> Samples:
    """The rows, or as many as estimate quantiles well, evenly spaced: every element of their windows is laid out in memory."""
    if len(rows) <= MEASURED_ROWS:
        return rows
    return rows.take(np.linspace(0, len(rows) - 1, MEASURED_ROWS, dtype=np.int64))


def _limits(train: Column, validation: Column, bounds: Mapping[str | None, Bounds]) -> InputLimits:
    """The limits of one column of training and validation rows."""
    category = missing_inputs.is_category(train)
    both = [missing_inputs.filled(column, category=category) for column in (train, validation) if len(column)]
    present = missing_inputs.rounded_down(min((float(rows.mean()) for rows in both), default=0.0))
    ranges = {label: bound for label, bound in bounds.items() if label is not None}
    labels = [] if category else [*ranges] if isinstance(train, Dense) else _commonest(train)
    shares = [missing_inputs.shares(column, labels) for column in (train, validation) if len(column)]
    filled = {label: min(one.get(label, 0.0) for one in shares) for label in labels}
    kind = CATEGORY if category else type(train).__name__.lower()
    return InputLimits(kind=kind, present=present, filled=filled, ranges=ranges, length=bounds.get(None))


def _commonest(column: Column) -> list[str]:
    """The codes of timed events that most rows have."""
    if not isinstance(column, Ragged) or "code" not in column.values:
        return []
    rows, levels = column.rows_with("code"), column.levels["code"]
    most = np.argsort(-rows, kind="stable")[:MOST_COLUMNS]
    return [levels[number] for number in most.tolist() if rows[number]]


def _measured(rows: Samples) -> Iterator[_Measured]:
    """Every field that may have bounds, with the values that are there."""
    for name, column in rows.inputs.items():
        if isinstance(column, Dense) and column.values.dtype.kind in "fiu":
            values, fields = _flat(column), _fields(column)
            for number, one in enumerate(fields if len(fields) <= WIDEST else ()):
                known = np.flatnonzero(np.isfinite(values[:, number]))
                if len(known):
                    yield _Measured(name, one, values[known, number].astype(np.float64), known)
        elif isinstance(column, Ragged):
            yield _Measured(name, None, column.lengths.astype(np.float64), np.arange(len(column)))
            yield from _measured_codes(name, column)


def _measured_codes(name: str, column: Ragged) -> Iterator[_Measured]:
    """The values of the most used codes of timed events."""
    if not {"code", "value"} <= set(column.values):
        return
    row, position = column.elements()
    code, levels = column.values["code"], column.levels["code"]
    known = np.isfinite(column.values["value"])[position]
    row, position = row[known], position[known]
    count = np.bincount(code[position], minlength=len(levels))
    used = np.argsort(-count, kind="stable")[:MOST_COLUMNS]
    place = np.full(len(levels), len(used), np.uint8)
    place[used] = np.arange(len(used), dtype=np.uint8)
    by_code = np.argsort(place[code][position], kind="stable")  # bytes are sorted by counting them
    ends = np.cumsum(count[used])
    for number, first, last in zip(used.tolist(), ends - count[used], ends, strict=True):
        if first < last:
            mine = by_code[first:last]
            values = column.values["value"][position[mine]].astype(np.float64)
            yield _Measured(name, levels[number], values, row[mine])


def _bounds(trained: _Measured, validated: _Measured | None, spare: tuple[int, int]) -> Bounds:
    """Bounds of one field that at most so many training and validation rows lie outside of."""
    parts = [(one, most) for one, most in zip((trained, validated), spare, strict=True) if one is not None]
    every = np.concatenate([one.values for one, _ in parts])
    low, high = np.quantile(every, [TAIL, 1 - TAIL])
    if np.isin(every, (0, 1)).all():  # a flag; that it was never set where the package learned is no bound
        return 0.0, 1.0
    width = high - low or 10.0 ** np.ceil(np.log10(max(abs(low), 1.0)))
    needed = max(_widening(one, (low, high), most) for one, most in parts) / width
    more = FIRST
    while more < needed:
        more *= WIDER
    step = 10.0 ** (np.floor(np.log10(width)) - 1)
    return float(np.floor((low - more * width) / step) * step), float(np.ceil((high + more * width) / step) * step)


def _widening(measured: _Measured, bounds: Bounds, spare: int) -> float:
    """How much wider the bounds must be on either side, so that at most `spare` of the rows lie outside."""
    excess = np.maximum(bounds[0] - measured.values, measured.values - bounds[1])
    worst = np.zeros(int(measured.row.max(initial=-1)) + 1)
    np.maximum.at(worst, measured.row, excess)
    worst = np.sort(worst)[::-1]
    return float(worst[spare]) if spare < len(worst) else 0.0
