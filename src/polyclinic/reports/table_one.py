"""Table 1 and what is missing, counted on the samples themselves."""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from polyclinic.arrays import Array
from polyclinic.figures.numbers import number, percent
from polyclinic.packages.missing_inputs import is_category
from polyclinic.reports.cohort_facts import TableOneCell, TableOneRow
from polyclinic.samples import Dense, Samples
from polyclinic.samples.samples import names_of, of_rows

ALL = "all rows"
MOST_NUMBERS = 12
"""Numbers a row of one input up to which each of them gets a line of its own."""


def table_one(rows: Samples, group: str, answers: Mapping[str, Array]) -> list[TableOneRow]:
    """Rows, their share and the patients behind them by level of each stratum; medians and shares of dense inputs.

    Parameters
    ----------
    rows
        The rows of the study.
    group
        The group whose members are counted beside the rows (subject); empty where there is none.
    answers
        Name of an answer → which rows have it, bool [row]: each gets a column.
    """
    parts = {ALL: np.ones(len(rows), bool), **answers}
    members = rows.groups.get(group)
    everybody = {part: _cell(mask, int(mask.sum()), members) for part, mask in parts.items()}
    table = [_row("rows", "", everybody)] if len(rows) else []
    for name, values in rows.strata.items():
        for level in np.unique(values):
            of_level = values == level
            cells = {part: _cell(mask & of_level, int(mask.sum()), members) for part, mask in parts.items()}
            table.append(_row(name, str(level), cells))
    return table + _numbers(rows, parts)


def _row(variable: str, level: str, cells: Mapping[str, TableOneCell]) -> TableOneRow:
    by_answer = {name: cell for name, cell in cells.items() if name != ALL}
    return TableOneRow(variable=variable, level=level, all=cells[ALL], by_answer=by_answer)


def _cell(mask: Array, of: int, members: npt.NDArray[np.generic] | None) -> TableOneCell:
    """How many rows of a column, and how many groups have at least one of them."""
    n = int(mask.sum())
    groups = None if members is None else len(np.unique(members[mask]))
    return TableOneCell(rows=n, share=n / of if of else None, groups=groups)


def _numbers(rows: Samples, parts: Mapping[str, Array]) -> list[TableOneRow]:
    table = []
    for name, column in of_rows(rows, Dense).items():
        if not few_valued(column) or column.values.dtype.kind != "f":
            continue
        if name in rows.strata and is_category(column):  # its levels are counted above
            continue
        values = column.values.reshape(len(rows), -1)
        for number_name, v in zip(names_of(name, column), values.T, strict=True):
            is_flag = bool(np.isin(v, (0, 1)).all())
            cells = {part: TableOneCell(text=_summary(v[mask], is_flag)) for part, mask in parts.items()}
            level = "share" if is_flag else "median (quartiles)"
            table.append(_row(number_name, level, cells))
    return table


def few_valued(column: Dense) -> bool:
    """Whether a row has so few numbers that a reader can take them in."""
    return bool(np.prod(column.values.shape[1:]) <= MOST_NUMBERS)


def _summary(values: npt.NDArray[np.floating], is_flag: bool) -> str:
    known = values[np.isfinite(values)]
    if len(known) == 0:
        return "none"
    if is_flag:
        return percent(float(known.mean()))
    low, middle, high = np.quantile(known, [0.25, 0.5, 0.75]).tolist()
    return f"{number(middle)} ({number(low)} to {number(high)})"
