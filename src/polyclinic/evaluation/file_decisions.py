"""Decisions that stand beside predictions made elsewhere, and probabilities that are decisions themselves."""

import polars as pl

from polyclinic.figures.numbers import how_many
from polyclinic.notes import note
from polyclinic.samples.prediction_columns import MODEL, PROBABILITY, REFUSED, SPLIT, THRESHOLD, VALUE


def with_decisions(table: pl.DataFrame, labelled: pl.DataFrame) -> pl.DataFrame:
    """The predictions with the decisions of models whose probabilities are only 0 and 1: these are the decisions.

    Parameters
    ----------
    table
        The predictions table with a probability in each row; decisions, where it has some, are true, false or null.
    labelled
        Its rows with a truth.

    Notes
    -----
    Two things are noted: probabilities that are only 0 and 1, and models of which some rows have no decision.
    """
    scored = labelled.filter(pl.col(SPLIT) == "test")
    if REFUSED in scored.columns:
        scored = scored.filter(pl.col(REFUSED).is_null())
    only = [model for model, rows in _by_model(scored) if _only_0_and_1(rows[PROBABILITY])]
    _note_incomplete(scored.filter(~pl.col(MODEL).is_in(only)))
    if not only:
        return table
    why = "These are decisions, not probabilities: calibration and ranking mean little. The decisions are judged as they are."
    note("decisions in place of probabilities", f"only 0 and 1 in {', '.join(only)}", why, "serious")
    missing = [pl.lit(None, kind).alias(name) for name, kind in KINDS.items() if name not in table.columns]
    is_decision = pl.col(MODEL).is_in(only)
    return table.with_columns(missing).with_columns(
        pl.when(is_decision).then(pl.col(PROBABILITY) >= 0.5).otherwise(VALUE).alias(VALUE),
        pl.when(is_decision).then(0.5).otherwise(pl.col(THRESHOLD).cast(pl.Float64, strict=False)).alias(THRESHOLD),
    )


KINDS: dict[str, pl.DataType] = {VALUE: pl.Boolean(), THRESHOLD: pl.Float64()}


def _by_model(rows: pl.DataFrame) -> list[tuple[str, pl.DataFrame]]:
    return [(str(part[MODEL][0]), part) for part in rows.partition_by(MODEL, maintain_order=True)]


def _only_0_and_1(probability: pl.Series) -> bool:
    """Whether every probability is 0 or 1, and both occur: one answer for all rows decides nothing."""
    return set(probability.unique()) == {0.0, 1.0}


def _note_incomplete(scored: pl.DataFrame) -> None:
    """Decisions of some rows alone are not used, and a reader may expect that they are."""
    if VALUE not in scored.columns:
        return
    for model, rows in _by_model(scored):
        if 0 < (missing := rows[VALUE].null_count()) < rows.height:
            result = f"{missing:,} of {how_many(rows.height, 'row')} of {model} have none"
            why = f"A threshold is chosen in their place; fill the column {VALUE} in every row to have the decisions judged."
            note("decisions in the file", result, why)
