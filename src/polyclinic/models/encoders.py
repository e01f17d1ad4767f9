"""From any samples to one matrix of numbers: dense inputs as they are, timed sequences as summaries a code."""

from collections.abc import Iterator, Mapping, Sequence
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from polyclinic.errors import BadData, Place
from polyclinic.samples import Dense, Ragged, Samples
from polyclinic.samples.columns import Array, Index
from polyclinic.samples.samples import names_of, of_rows

Floats = npt.NDArray[np.float32]
SUMMARIES = ("last", "mean", "min", "max", "count", "slope", "since")
FEWEST = 5
FINITE = "leave a value that is not known empty, or keep such values out by their plausible range"
HOUR = 3.6e9


def learn(train: Samples, *, coverage: float = 0.95, hours: Sequence[float] = (8, 2)) -> dict[str, Any]:
    """What the matrix will hold, chosen on training rows alone: JSON for a state.

    hours: how far back each set of summaries reaches; coverage: a code of a timed sequence is kept where it is
    seen within the widest in at least this share of the training rows. The few most seen are kept in any case.
    Raises `BadData` where the samples have neither dense inputs nor timed sequences.
    """
    codes = {name: covered(column, train.time, coverage, max(hours)) for name, column in timed(train)}
    dense = dense_names(train)
    if not codes and not dense:
        fix = "give dense columns or sequences with code, time and value, or take another model"
        raise BadData("these samples have no numbers that a table model can read", fix=fix)
    return {"dense": dense, "codes": codes, "hours": list(hours)}


def dense_names(rows: Samples) -> dict[str, list[str]]:
    """Dense input → the names of its numbers."""
    return {name: names_of(name, column) for name, column in of_rows(rows, Dense).items()}


def names(learned: Mapping[str, Any]) -> list[str]:
    """The names of the matrix's columns."""
    found = [name for column in sorted(learned["dense"]) for name in learned["dense"][column]]
    for column, codes in sorted(learned["codes"].items()):
        kinds = [f"{kind} {hours:g}h" for hours in learned["hours"] for kind in SUMMARIES]
        found += [f"{column}//{code}//{kind}" for kind in kinds for code in codes]
    return found or ["nothing"]


def matrix(rows: Samples, learned: Mapping[str, Any]) -> Floats:
    """The rows as numbers, NaN where there is none: float32 [row, feature]. Raises `BadData` for infinite ones."""
    given = of_rows(rows, Dense)
    dense = (given[name].values for name in sorted(learned["dense"]))
    parts = [np.zeros((len(rows), 0), np.float32), *(v.reshape(len(v), prod(v.shape[1:])) for v in dense)]
    sequences = dict(timed(rows))
    with np.errstate(invalid="ignore"):  # of infinite values, which are named below
        for name, codes in sorted(learned["codes"].items()):
            parts.append(summarise(sequences[name], codes, rows.time, learned["hours"]))
    found = np.concatenate(parts, axis=1, dtype=np.float32, casting="same_kind")
    infinite = np.isinf(found)
    if infinite.any():
        row, feature = np.argwhere(infinite)[0].tolist()
        name, count = names(learned)[feature], infinite[:, feature].sum()
        what = f"{name!r} is infinite in {count} of {len(rows)} rows"
        raise BadData(what, at=Place(row=row, column=name), fix=FINITE)
    return found if found.shape[1] else np.zeros((len(rows), 1), np.float32)


def summaries(samples: Samples, *, coverage: float = 0.0, hours: Sequence[float] = (24,)) -> pl.DataFrame:
    """The matrix of these samples as a data frame, its columns by name."""
    learned = learn(samples, coverage=coverage, hours=hours)
    return pl.DataFrame(matrix(samples, learned), schema=names(learned))


def timed(rows: Samples) -> Iterator[tuple[str, Ragged]]:
    """The sequences of events: ragged inputs with a code, a time and a value."""
    for name, column in sorted(of_rows(rows, Ragged).items()):
        if {"code", "time", "value"} <= set(column.values) and "code" in column.levels:
            yield name, column


def covered(column: Ragged, asked: Array | None, coverage: float, hours: float) -> list[str]:
    """The codes that at least this share of rows has within the hours before it is asked, and the few most seen."""
    levels = column.levels["code"]
    row, position = column.elements()
    recent = hours_before(column, asked) <= hours
    seen = np.zeros((len(column), len(levels)), bool)
    seen[row[recent], column.values["code"][position[recent]]] = True
    rows = seen.sum(axis=0)
    few = np.sort(rows)[-min(FEWEST, len(rows)) :].min(initial=len(column))
    enough = max(1.0, min(coverage * len(column), few))
    return sorted(level for level, count in zip(levels, rows, strict=True) if count >= enough)


def within(column: Ragged) -> Ragged:
    """The same rows over the stretch of the shared arrays that they reach into; a view."""
    used = column.lengths > 0
    low = int(column.start[used].min(initial=len(column.values["code"])))
    high = max(low, int(column.stop[used].max(initial=0)))
    values = {name: v[low:high] for name, v in column.values.items()}
    start, stop = (np.clip(bound - low, 0, high - low) for bound in (column.start, column.stop))
    return Ragged(start, stop, values, column.levels)


def of_codes(column: Ragged, codes: list[str]) -> Ragged:
    """The same rows with only the events of these codes; `code` then counts in `codes`."""
    column = within(column)
    known = {code: number for number, code in enumerate(codes)}
    levels = np.array([known.get(level, -1) for level in column.levels["code"]], np.int64)
    number = levels[column.values["code"]]
    keep = number >= 0
    before = np.concatenate([[0], np.cumsum(keep)])
    values = {**{name: v[keep] for name, v in column.values.items()}, "code": number[keep]}
    return Ragged(before[column.start], before[column.stop], values, {"code": codes})


def summarise(column: Ragged, codes: list[str], asked: Array | None, hours: Sequence[float]) -> Floats:
    """Last, mean, lowest and highest value, count, slope an hour, and hours since the last event, of each code.

    asked: datetime64 [row], when each row is asked; None: at its newest event. hours: how far back each set reaches.
    Returns float32 [row, hours × summary × code]; NaN where there is nothing to sum up, count 0.
    """
    n, k = len(column), len(codes)
    chosen = of_codes(column, codes)
    row, position = chosen.elements()
    key, value = row * k + chosen.values["code"][position], chosen.values["value"][position].astype(float)
    ago = hours_before(chosen, asked)
    sets = [_summaries(key[ago <= h], value[ago <= h], ago[ago <= h], n * k) for h in hours]
    return np.concatenate([c.reshape(n, k) for columns in sets for c in columns], axis=1).astype(np.float32)


def _summaries(key: Index, value: Array, ago: Array, size: int) -> list[Array]:
    """The seven summaries of each key, in their order: [key] each."""
    events = np.bincount(key, minlength=size).astype(float)
    last, low, high, since = (np.full(size, fill) for fill in (np.nan, np.inf, -np.inf, np.nan))
    since[key] = ago
    held = ~np.isnan(value)
    key, value, ago = key[held], value[held], ago[held]
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


def hours_before(column: Ragged, asked: Array | None) -> Array:
    """Hours from each element, row after row, to when its row is asked; to the row's newest element for None."""
    row, position = column.elements()
    time = column.values["time"][position]
    if asked is None:
        end = np.full(len(column), np.iinfo(np.int64).min)
        np.maximum.at(end, row, time)
    else:
        end = asked.astype("datetime64[us]").astype(np.int64)
    return np.asarray((end[row] - time) / HOUR)


def centre(x: Array) -> tuple[Array, Array]:
    """Mean and deviation of each column over what is known; 0 and 1 where nothing is, or where nothing varies."""
    known = ~np.isnan(x)
    count = np.maximum(known.sum(axis=0), 1)
    mean = np.where(known, x, 0).sum(axis=0) / count
    scale = np.sqrt((np.where(known, x - mean, 0) ** 2).sum(axis=0) / count)
    return mean, np.where(scale > 1e-9, scale, 1.0)
