"""From any samples to one matrix of numbers: dense inputs as they are, timed sequences as summaries a code."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from math import prod
from typing import Any, TypeAlias

import numpy as np
import polars as pl

from polyclinic.arrays import Array, Floats32
from polyclinic.cohorts import sorted_times
from polyclinic.errors import BadData, Place
from polyclinic.figures.numbers import how_many
from polyclinic.notes import note
from polyclinic.samples import Dense, Ragged, Samples
from polyclinic.samples.columns import BLOCK, Index
from polyclinic.samples.samples import names_of, of_rows

Matrix: TypeAlias = Mapping[str, Any]
"""What a matrix holds, in JSON: `dense` columns with their `offset`, `codes` of timed ones, `hours`."""
SAMPLED = 4096
JUDGED = 1 << 15
SUMMARIES = ("last", "mean", "min", "max", "count", "slope", "since")
FEWEST = 5
FINITE = "leave a value that is not known empty, or keep such values out by their plausible range"
HOUR = 3.6e9


def learn(train: Samples, *, coverage: float = 0.95, hours: Sequence[float] = (8, 2)) -> Matrix:
    """What the matrix will hold, chosen on training rows alone.

    Parameters
    ----------
    train
        Training rows.
    coverage
        A code of a timed sequence is kept where it occurs within the widest of `hours` in at least this share of the
        training rows. The few most frequent are kept in any case.
    hours
        How far back each set of summaries reaches.

    Returns
    -------
    dict
        JSON for a state: `dense` (column → names), `offset` (column → numbers, where some are needed; see `offsets`),
        `codes` (sequence → codes), `hours`.

    Raises
    ------
    BadData
        Where the samples have neither dense inputs nor timed sequences.
    """
    codes = {name: covered(column, train.time, coverage, max(hours)) for name, column in sequences(train)}
    dense = dense_names(train)
    if not codes and not dense:
        fix = "give dense columns or sequences with code, time and value, or take another model"
        raise BadData("these samples have no numbers that a table model can read", fix=fix)
    return {"dense": dense, "offset": offsets(train, dense), "codes": codes, "hours": list(hours)}


def offsets(train: Samples, dense: Mapping[str, list[str]]) -> dict[str, list[float]]:
    """What is subtracted from dense columns, in float64, before they become float32; only columns that need it.

    Models read float32, in which 20240101000000 and 20240101000015 are one number. A column whose training values would
    become equal is read as the distance from its middle. Where they remain equal even then, a note says so.
    """
    middles: dict[str, list[float]] = {}
    columns = of_rows(train, Dense)
    for column, names in dense.items():
        values = columns[column].values
        if values.dtype != np.float64 and values.dtype.kind not in "iu":
            continue
        flat = values.reshape(len(values), -1)
        middle = [_offset(flat[:, at], name) for at, name in enumerate(names)]
        if any(middle):
            middles[column] = middle
    return middles


def _offset(values: Array, name: str) -> float:
    """0, or the middle of a column of which float32 would lose more than one different value in a hundred."""
    some = values[np.linspace(0, len(values) - 1, min(len(values), SAMPLED), dtype=int)].astype(np.float64)
    different = np.unique(some[np.isfinite(some)])
    if not _merged(different):
        return 0.0
    middle = float(different[len(different) // 2])
    best = min(0.0, middle, key=lambda offset: _merged(different - offset))
    if merged := _merged(different - best):
        result = f"{name}: {100 * merged:.0f} % of its different values become one for the models"
        note("columns finer than float32", result, "Give such a column as a difference, or split it into two.")
    return best


def _merged(different: Array) -> float:
    """The share of different numbers that are equal to another in float32, where it is more than one in a hundred."""
    kept = len(np.unique(different.astype(np.float32)))
    lost = 1 - kept / len(different) if len(different) else 0.0
    return lost if lost > 0.01 else 0.0


def dense_names(rows: Samples) -> dict[str, list[str]]:
    """Dense input → the names of its numbers."""
    return {name: names_of(name, column) for name, column in of_rows(rows, Dense).items()}


def names(learned: Matrix) -> list[str]:
    """The names of the matrix's columns."""
    features = [name for column in sorted(learned["dense"]) for name in learned["dense"][column]]
    for column, codes in sorted(learned["codes"].items()):
        kinds = [f"{kind} {hours:g}h" for hours in learned["hours"] for kind in SUMMARIES]
        features += [f"{column}//{code}//{kind}" for kind in kinds for code in codes]
    return features or ["nothing"]


def union(each: Sequence[Matrix]) -> Matrix | None:
    """What makes one matrix with the columns of several: every code that any of them has.

    None where they differ in more than their codes, or where one of them has no column.
    """
    first = each[0]
    apart = [{**one, "codes": sorted(one["codes"])} for one in each]
    if any(one != apart[0] for one in apart) or not all(one["dense"] or any(one["codes"].values()) for one in each):
        return None
    codes = {name: sorted({code for one in each for code in one["codes"][name]}) for name in first["codes"]}
    return {**first, "codes": codes}


def places(whole: Matrix, part: Matrix) -> Index:
    """Where the columns of one matrix stand in a `union` that it is part of: int64 [feature]."""
    width = sum(len(names) for names in whole["dense"].values())
    every = [np.arange(width)]
    kinds = np.arange(len(whole["hours"]) * len(SUMMARIES))
    for column, codes in sorted(whole["codes"].items()):
        number = {code: n for n, code in enumerate(codes)}
        own = np.array([number[code] for code in part["codes"][column]], np.int64)
        every.append((width + kinds[:, None] * len(codes) + own).ravel())
        width += len(kinds) * len(codes)
    return np.concatenate(every)


def matrix(rows: Samples, learned: Matrix) -> Floats32:
    """The rows as numbers: float32 [row, feature], NaN where there is none.

    Computed some rows at a time, so that what is laid out of overlapping windows stays small. Raises `BadData` for
    infinite numbers, with the column.
    """
    columns, sequence = of_rows(rows, Dense), dict(sequences(rows))
    width = sum(len(names) for names in learned["dense"].values())
    each = len(learned["hours"]) * len(SUMMARIES) if learned["codes"] else 0
    size = width + each * sum(len(codes) for codes in learned["codes"].values())
    values, at = np.zeros((len(rows), max(size, 1)), np.float32), 0
    with np.errstate(invalid="ignore", over="ignore"):  # of infinite values, which are named below
        for name, names_ in sorted(learned["dense"].items()):
            values[:, at : at + len(names_)] = centred(columns[name], learned.get("offset", {}).get(name))
            at += len(names_)
        for name, codes in sorted(learned["codes"].items()):
            part = values[:, at : at + each * len(codes)]
            summarise(sequence[name], codes, rows.time, learned["hours"], out=part)
            at += part.shape[1]
    _refuse_infinite(values, learned)
    return values


def centred(column: Dense, offset: Sequence[float] | None) -> Array:
    """The numbers of a dense column side by side, less their offset: [row, number], as they are stored."""
    values = column.values.reshape(len(column), prod(column.values.shape[1:]))
    return values if offset is None else values.astype(np.float64) - np.asarray(offset)


def _refuse_infinite(values: Floats32, learned: Mapping[str, object]) -> None:
    infinite = np.isinf(values)
    if not infinite.any():
        return
    row, feature = np.argwhere(infinite)[0].tolist()
    name, count = names(learned)[feature], infinite[:, feature].sum()
    what = f"{name!r} is infinite in {count} of {how_many(len(values), 'row')}"
    raise BadData(what, at=Place(row=row, column=name), fix=FINITE)


def summaries(samples: Samples, *, coverage: float = 0.0, hours: Sequence[float] = (24,)) -> pl.DataFrame:
    """The matrix of these samples as a data frame, its columns by name."""
    learned = learn(samples, coverage=coverage, hours=hours)
    return pl.DataFrame(matrix(samples, learned), schema=names(learned))


def sequences(rows: Samples) -> Iterator[tuple[str, Ragged]]:
    """The sequences of events: ragged inputs with a code, a time and a value."""
    for name, column in sorted(of_rows(rows, Ragged).items()):
        if {"code", "time", "value"} <= set(column.values) and "code" in column.levels:
            yield name, column


def covered(column: Ragged, index_times: Array | None, coverage: float, hours: float) -> list[str]:
    """The codes that at least this share of rows has within the hours before its index, and the few most frequent.

    The share is judged on at most 32,768 rows, evenly spaced: that gives three digits of it.
    """
    if len(column) > JUDGED:
        rows = np.linspace(0, len(column) - 1, JUDGED, dtype=np.int64)
        column, index_times = column.take(rows), None if index_times is None else index_times[rows]
    levels = column.levels["code"]
    count = np.zeros(len(levels), np.int64)
    for some in column.blocks(BLOCK, max(1, BLOCK // max(len(levels), 1))):
        part, times = rows_of(column, index_times, some)
        part = part.within()
        end = ends(part, times)
        part = recent(part, end, hours)
        row, position = part.elements()
        near = hours_of(part, end, row, position) <= hours
        occurs = np.zeros((len(part), len(levels)), bool)
        occurs[row[near], part.values["code"][position[near]]] = True
        count += occurs.sum(axis=0)
    few = np.sort(count)[-min(FEWEST, len(count)) :].min(initial=len(column))
    enough = max(1.0, min(coverage * len(column), few))
    return sorted(level for level, rows in zip(levels, count, strict=True) if rows >= enough)


def rows_of(column: Ragged, index_times: Array | None, some: slice) -> tuple[Ragged, Array | None]:
    """A stretch of the rows of a sequence, and their index times."""
    part = replace(column, start=column.start[some], stop=column.stop[some])
    return part, None if index_times is None else index_times[some]


def of_codes(column: Ragged, codes: Sequence[str], number: Index | None = None) -> Ragged:
    """The same rows with only the events of these codes; `code` then counts in `codes`.

    number: what `numbers_of` gives, where many stretches of one column are asked for the same codes.
    """
    column = column.within()
    number = numbers_of(column, codes) if number is None else number
    code = number[column.values["code"]]
    keep = code >= 0
    before = np.concatenate([[0], np.cumsum(keep)])
    values = {**{name: v[keep] for name, v in column.values.items() if name != "code"}, "code": code[keep]}
    return Ragged(before[column.start], before[column.stop], values, {"code": codes})


def numbers_of(column: Ragged, codes: Sequence[str]) -> Index:
    """The number of each of the column's codes among `codes`, -1 where it is not one of them."""
    known = {code: number for number, code in enumerate(codes)}
    return np.array([known.get(level, -1) for level in column.levels["code"]], np.int64)


def summarise(
    column: Ragged, codes: list[str], index_times: Array | None, hours: Sequence[float], *, out: Floats32 | None = None
) -> Floats32:
    """Last, mean, lowest and highest value, count, slope an hour, and hours since the last event, of each code.

    Parameters
    ----------
    column
        A timed sequence.
    codes
        The codes to sum up.
    index_times
        Index times, datetime64 [row]; None: at its newest event.
    hours
        How far back each set of summaries reaches.
    out
        Where the numbers go.

    Returns
    -------
    float32 [row, hours × summary × code]
        NaN where there is nothing to sum up, count 0.
    """
    k, number = len(codes), numbers_of(column, codes)
    if out is None:
        out = np.empty((len(column), len(hours) * len(SUMMARIES) * k), np.float32)
    for some in column.blocks(BLOCK, max(1, BLOCK // max(8 * k, 1))):
        part, times = rows_of(column, index_times, some)
        chosen, n = of_codes(part, codes, number), len(part)
        end = ends(chosen, times)
        chosen = recent(chosen, end, max(hours))
        row, position = chosen.elements()
        ago, at = hours_of(chosen, end, row, position), 0
        key, value = row * k + chosen.values["code"][position], chosen.values["value"][position].astype(float)
        for reach in hours:
            near = ago <= reach
            for summary in _summaries(key[near], value[near], ago[near], n * k):
                out[some, at : at + k] = summary.reshape(n, k)
                at += k
    return out


def _summaries(key: Index, value: Array, ago: Array, size: int) -> list[Array]:
    """The seven summaries of each key, in their order: [key] each."""
    events = np.bincount(key, minlength=size).astype(float)
    last, low, high, since = (np.full(size, fill) for fill in (np.nan, np.inf, -np.inf, np.nan))
    since[key] = ago
    count = events
    if np.isnan(value).any():
        known = ~np.isnan(value)
        key, value, ago = key[known], value[known], ago[known]
        count = np.bincount(key, minlength=size)
    last[key] = value
    np.minimum.at(low, key, value)
    np.maximum.at(high, key, value)
    middle, when = (np.bincount(key, weights=w, minlength=size) / np.maximum(count, 1) for w in (value, ago))
    offset = when[key] - ago
    spread = np.bincount(key, weights=offset**2, minlength=size)
    rise = np.bincount(key, weights=offset * (value - middle[key]), minlength=size)
    slope = np.divide(rise, spread, out=np.zeros(size), where=spread > 1e-9)
    middle, low, high, slope = (np.where(count == 0, np.nan, v) for v in (middle, low, high, slope))
    return [last, middle, low, high, events, slope, since]


def hours_before(column: Ragged, index_times: Array | None) -> Array:
    """Hours from each element, row after row, to the index time of its row; to the row's newest element for None."""
    return hours_of(column, ends(column, index_times), *column.elements())


def hours_of(column: Ragged, end: Index, row: Index, position: Index) -> Array:
    """Hours from elements, as `Ragged.elements` gives them, to the end of their row."""
    return np.asarray((end[row] - column.values["time"][position]) / HOUR)


def ends(column: Ragged, index_times: Array | None) -> Index:
    """What each row's hours are counted back from: its index time, or its newest element where there are none."""
    if index_times is not None:
        return index_times.astype("datetime64[us]").astype(np.int64)
    row, position = column.elements()
    end = np.full(len(column), np.iinfo(np.int64).min)
    np.maximum.at(end, row, column.values["time"][position])
    return end


def recent(column: Ragged, end: Index, hours: float) -> Ragged:
    """The same rows without elements at their start that lie more than so many hours before their end.

    Elements stand in the order in which they became known. In a row whose times rise in that order, a binary search
    passes over the old ones, which are then never laid out; a row whose times fall somewhere stays whole.
    """
    time, filled = column.values["time"], np.flatnonzero(column.lengths)
    if not len(filled):
        return column
    falls = np.append(0, np.cumsum(time[1:] < time[:-1]))
    rising = filled[falls[column.start[filled]] == falls[column.stop[filled] - 1]]
    start = column.start.copy()
    oldest = end[rising] - hours * HOUR - 1  # a microsecond of room for rounding
    start[rising] = sorted_times.position(time, column.start[rising], column.stop[rising], oldest, after=False)
    return replace(column, start=start)


def spread(rows: Samples, learned: Mapping[str, object], *, at_once: int = 1 << 14) -> tuple[Array, Array]:
    """Mean and deviation of each column of the matrix, as `centre` gives them, from some rows at a time.

    References
    ----------
    Chan, Golub and LeVeque 1983, doi:10.1080/00031305.1983.10483115, for how two parts are joined.
    """
    count = mean = squares = np.zeros(len(names(learned)))
    for first in range(0, len(rows), at_once):
        x = matrix(rows.take(np.arange(first, min(first + at_once, len(rows)))), learned).astype(float)
        known = ~np.isnan(x)
        n = known.sum(axis=0)
        own = np.where(known, x, 0).sum(axis=0) / np.maximum(n, 1)
        both, gap = np.maximum(count + n, 1), own - mean
        squares = squares + (np.where(known, x - own, 0) ** 2).sum(axis=0) + gap**2 * count * n / both
        count, mean = count + n, mean + gap * n / both
    scale = np.sqrt(squares / np.maximum(count, 1))
    return mean, np.where(scale > 1e-9, scale, 1.0)


def centre(x: Array) -> tuple[Array, Array]:
    """Mean and deviation of each column over what is known; 0 and 1 where nothing is, or where nothing varies."""
    known = ~np.isnan(x)
    count = np.maximum(known.sum(axis=0), 1)
    mean = np.where(known, x, 0).sum(axis=0) / count
    scale = np.sqrt((np.where(known, x - mean, 0) ** 2).sum(axis=0) / count)
    return mean, np.where(scale > 1e-9, scale, 1.0)
