"""What a source holds, in one look: as a plain dict, as lines of a table, as HTML for a notebook."""

from collections.abc import Mapping
from typing import Any, TypeAlias

import polars as pl
from polars import selectors

from polyclinic.errors import Place, UsageError
from polyclinic.figures.html import table
from polyclinic.figures.numbers import how_many
from polyclinic.timelines.zones import SiteClock

Facts: TypeAlias = Mapping[str, Any]
"""What a source holds, as JSON has it."""
COMMONEST = 30
COUNTS = ("rows_in", "used", "quarantined", "quarantined_values", "events_out", "non_events", "noted", "repeated")
INGEST_FACTS = ("source_format", "zone", *COUNTS)


def of_events(
    events: pl.LazyFrame, summary: Mapping[str, object], codes: str, clock: SiteClock, left_out: Mapping[str, int]
) -> dict[str, object]:
    """What events hold, and the counts of their ingest (`summary`; empty where there was none).

    codes: a regular expression of the codes to list, all of them; "" lists the commonest. left_out: rows that are no
    events, by reason.
    """
    facts = _events(events, codes, clock) | _ingest_facts(summary)
    return facts | ({"left_out": dict(left_out)} if left_out else {})


def of_rows(rows: pl.LazyFrame, summary: Mapping[str, object], codes: str = "") -> dict[str, object]:
    """The same for a table of rows; codes: a regular expression of the columns to list."""
    return _rows(rows, codes) | _ingest_facts(summary)


def _ingest_facts(summary: Facts) -> dict[str, object]:
    if not summary:
        return {}
    facts = {k: summary[k] for k in INGEST_FACTS if summary.get(k) is not None}
    files = {name: counts["rows_in"] for name, counts in summary.get("files", {}).items()}
    return {"ingest": facts | {"reasons": summary.get("reasons", []), "files": files}}


def _events(events: pl.LazyFrame, codes: str, clock: SiteClock) -> dict[str, object]:
    """Subjects, events, codes, time range, missing shares, and the commonest codes."""
    columns = events.collect_schema().names()
    missing = {f"missing {c}": pl.col(c).null_count() for c in columns if c not in ("subject_id", "code")}
    whole = events.select(
        subjects=pl.col("subject_id").n_unique(),
        events=pl.len(),
        codes=pl.col("code").n_unique(),
        first=clock.wall(pl.col("time").min()),
        last=clock.wall(pl.col("time").max()),
        **missing,
    )
    row = whole.collect(engine="streaming").to_dicts()[0]
    count = row["events"] or 1
    listed, matching = _listed(events, columns, codes)
    return {
        "kind": "events",
        **{name: row[name] for name in ("subjects", "events", "codes")},
        "time": {k: None if row[k] is None else row[k].isoformat() for k in ("first", "last")},
        "zone": clock.zone,
        "missing": {c.removeprefix("missing "): round(row[c] / count, 4) for c in missing},
        "commonest": listed,
        "matching": matching,
    }


def _listed(events: pl.LazyFrame, columns: list[str], codes: str) -> tuple[list[dict[str, object]], int]:
    """The codes that are listed, the commonest first, and how many match."""
    value = pl.col("numeric_value")
    units = [pl.col("unit").drop_nulls().unique().sort().alias("units")] if "unit" in columns else []
    wanted = events.filter(_matches("code", codes)) if codes else events
    grouped = wanted.group_by("code").agg(
        pl.len().alias("events"),
        pl.col("subject_id").n_unique().alias("subjects"),
        value.count().alias("values"),
        *(value.quantile(q).alias(name) for name, q in (("low", 0.01), ("median", 0.5), ("high", 0.99))),
        *units,
    )
    counted = grouped.sort("events", "code", descending=[True, False]).collect()
    return (counted if codes else counted.head(COMMONEST)).to_dicts(), counted.height


def _matches(column: str, pattern: str) -> pl.Expr:
    """Whether a text contains a match, capitals or not; raises `UsageError` where the pattern is none."""
    test = pl.col(column).str.contains(f"(?i){pattern}")
    try:
        pl.select(pl.lit("").alias(column)).select(test)
    except pl.exceptions.PolarsError as error:
        fix = "write a regular expression, such as LAB//.*creatinine"
        raise UsageError(f"not a pattern: {pattern!r}", at=Place(key="--codes"), fix=fix) from error
    return test


def _rows(frame: pl.LazyFrame, pattern: str) -> dict[str, object]:
    """Rows, and of each column its type, how many values are missing and how many differ, and its range."""
    frame = frame.drop("row_id", strict=False)  # counted by us, no column of the source
    value, schema = selectors.numeric(), frame.collect_schema()
    rows = frame.select(pl.len()).collect(engine="streaming").item()
    if pattern:
        names = pl.DataFrame({"column": schema.names()}).filter(_matches("column", pattern))["column"]
        frame = frame.select(names.to_list())
    each = pl.all()
    facts = {"missing": each.null_count(), "different": each.n_unique(), "low": value.min(), "high": value.max()}
    counted = frame.select(*(e.name.prefix(f"{n} ") for n, e in facts.items())).collect(engine="streaming")
    row = next(iter(counted.to_dicts()), {})
    columns = [
        {"column": c, "type": str(kind), **{n: row.get(f"{n} {c}") for n in facts}}
        for c, kind in frame.collect_schema().items()
    ]
    return {"kind": "rows", "rows": rows, "columns": columns, "of_columns": len(schema)}


def head_of(facts: Facts) -> str:
    """The first line: how much there is, and from when to when."""
    if facts["kind"] == "rows":
        return f"{how_many(facts['rows'], 'row')}, {how_many(facts['of_columns'], 'column')}"
    first, last = (str(facts["time"][k] or "")[:10] for k in ("first", "last"))
    span = f", {first} to {last}" if first else ""
    return ", ".join(how_many(facts[f"{one}s"], one) for one in ("subject", "event", "code")) + span


def listed_of(facts: Facts) -> str:
    """How many of all codes, or of all columns, the table lists: `30 of 2,338 codes, the commonest`."""
    if facts["kind"] == "rows":
        count, whole = len(facts["columns"]), facts["of_columns"]
        return "" if count == whole else f"{count:,} of {how_many(whole, 'column')}"
    count, whole, matching = len(facts["commonest"]), facts["codes"], facts["matching"]
    return f"{count:,} of {how_many(whole, 'code')}" + (", the commonest" if count < matching else "")


def table_of(facts: Facts) -> tuple[list[str], list[list[object]]]:
    """Heads and rows of what stands below the first line: a column each, or one of the commonest codes."""
    if facts["kind"] == "rows":
        keys = ["column", "type", "missing", "different"]
        ranges = ["" if c["low"] is None else f"{c['low']:g} to {c['high']:g}" for c in facts["columns"]]
        return [*keys, "range"], [[*map(c.get, keys), r] for c, r in zip(facts["columns"], ranges, strict=True)]
    keys = ["code", "events", "subjects"]
    return [*keys, "1 % · median · 99 %"], [[*map(c.get, keys), _span(c)] for c in facts["commonest"]]


def _span(code: Facts) -> str:
    if code["median"] is None:
        return ""
    values = " · ".join(f"{code[k]:.4g}" for k in ("low", "median", "high"))
    return f"{values} {' | '.join(code.get('units') or [])}".rstrip()


def to_html(facts: Mapping[str, object]) -> str:
    """The same for a notebook."""
    heads, rows = table_of(facts)
    return table(rows, heads, head_of(facts))
