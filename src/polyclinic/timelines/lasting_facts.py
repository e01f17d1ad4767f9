"""Facts that a patient has once (birth, death, sex): sources that state two of them are named."""

from dataclasses import dataclass, field

import polars as pl

from polyclinic.timelines.format import CONTRADICTIONS

BY_TIME = ("MEDS_BIRTH", "MEDS_DEATH")
BY_CODE = ("SEX", "GENDER")
TWO_VALUES = "several values of what a patient has once"


@dataclass
class LastingFacts:
    """The births, deaths and sexes of all subjects so far: subject, which fact, and its value."""

    pieces: list[pl.DataFrame] = field(default_factory=list)

    def add(self, events: pl.DataFrame) -> None:
        """Remember those of a piece of events (`subject_id`, `time`, `code`)."""
        code = pl.col("code").cast(pl.String)
        fact = code.str.split_exact("//", 1).struct.field("field_0")
        kept = events.select("subject_id", "time", "code").filter(
            pl.col("code").is_in(_of_interest(events["code"]).implode())
        )
        if kept.height:
            value = pl.when(fact.is_in(BY_TIME)).then(pl.col("time").cast(pl.String)).otherwise(code)
            self.pieces.append(kept.select("subject_id", fact=fact, value=value).drop_nulls().unique())

    def contradictions(self) -> pl.DataFrame:
        """Subjects of whom a fact has several values, with the columns of `CONTRADICTIONS`; the fact is the column."""
        if not self.pieces:
            return pl.DataFrame(schema=CONTRADICTIONS)
        values = pl.concat(self.pieces).unique()
        several = values.group_by("subject_id", "fact").len().filter(pl.col("len") > 1).sort("fact", "subject_id")
        return several.select(
            file=pl.lit(""), column="fact", id=pl.col("subject_id").cast(pl.String), reason=pl.lit(TWO_VALUES)
        )


def _of_interest(codes: pl.Series) -> pl.Series:
    """The codes among these that name such a fact."""
    unique = codes.unique()
    text = unique.cast(pl.String)
    return unique.filter(text.str.contains(rf"^({'|'.join((*BY_TIME, *BY_CODE))})(//|$)").fill_null(False))
