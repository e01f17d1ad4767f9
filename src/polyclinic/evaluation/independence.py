"""Rows that count as independent because no group was named."""

import re
from collections.abc import Iterable

import polars as pl

from polyclinic.figures.numbers import how_many

PATIENTS = ("subject", "patient", "person", "participant", "mrn", "pid")
GROUPS = (*PATIENTS, "case", "stay", "hadm", "encounter", "visit")
"""What columns are called whose rows belong together, the widest group first; `id` or `number` may follow."""
SUFFIX = re.compile(r"[ _-]*(id|ids|nr|no|number)?$")


def without_group(rows: pl.DataFrame) -> list[dict[str, object]]:
    """That every row counts as independent: an entry of `sanity`; none where each row is known to be another patient.

    rows: those that are scored, of one model.
    """
    values = {name: rows[name].drop_nulls() for name in _named(rows, GROUPS)}
    repeated = [name for name, column in values.items() if column.n_unique() < len(column)]
    if not repeated and any(len(values[name]) == rows.height for name in _named(rows, PATIENTS)):
        return []
    result = f"each of {how_many(rows.height, 'row')} counts as independent"
    why = "Where several rows are of one patient, the intervals are too narrow: name the column of the patient with --group."
    if repeated:
        name = repeated[0]
        result += f", but {name} has only {how_many(values[name].n_unique(), 'value')}: was --group {name} meant?"
        why = "Rows of one patient are alike, so that intervals over single rows are too narrow."
    return [{"check": "no group is named", "applies": True, "result": result, "why": why}]


def _named(rows: pl.DataFrame, words: Iterable[str]) -> list[str]:
    """The columns that are called by one of these words, in the order of the words."""
    plain = [name for name, kind in rows.schema.items() if not kind.is_nested()]
    return [n for word in words for n in plain if word in (n.lower(), SUFFIX.sub("", n.lower()))]
