"""What a source holds, in one look: as a plain dict, as lines of a table, as HTML for a notebook."""

from collections.abc import Mapping
from typing import Any

import polars as pl
from polars import selectors

from polyclinic.figures.html import table

COMMONEST = 30
COUNTS = ("rows_in", "used", "quarantined", "quarantined_values", "events_out", "non_events", "noted", "repeated")
ACCOUNT = ("source_format", "zone", *COUNTS)


def of_events(events: pl.LazyFrame, summary: Mapping[str, Any]) -> dict[str, Any]:
    """What events hold, and the account of their ingest (`summary`; empty where there was none)."""
    return _events(events) | _account(summary)


def of_rows(rows: pl.LazyFrame, summary: Mapping[str, Any]) -> dict[str, Any]:
    """The same for a table of rows."""
    return _rows(rows) | _account(summary)


def _account(summary: Mapping[str, Any]) -> dict[str, Any]:
    if not summary:
        return {}
    account = {k: summary[k] for k in ACCOUNT if summary.get(k) is not None}
    files = {name: counts["rows_in"] for name, counts in summary.get("files", {}).items()}
    return {"ingest": account | {"reasons": summary.get("reasons", []), "files": files}}


def _events(events: pl.LazyFrame) -> dict[str, Any]:
    """Subjects, events, codes, time range, missing shares, and the commonest codes."""
    columns = events.collect_schema().names()
    missing = {f"missing {c}": pl.col(c).null_count() for c in columns if c not in ("subject_id", "code")}
    whole = events.select(
        subjects=pl.col("subject_id").n_unique(),
        events=pl.len(),
        codes=pl.col("code").n_unique(),
        first=pl.col("time").min(),
        last=pl.col("time").max(),
        **missing,
    )
    row = whole.collect(engine="streaming").to_dicts()[0]
    count = row["events"] or 1
    return {
        "kind": "events",
        **{name: row[name] for name in ("subjects", "events", "codes")},
        "time": {k: None if row[k] is None else row[k].isoformat() for k in ("first", "last")},
        "missing": {c.removeprefix("missing "): round(row[c] / count, 4) for c in missing},
        "commonest": _commonest(events, columns),
    }


def _commonest(events: pl.LazyFrame, columns: list[str]) -> list[dict[str, Any]]:
    value = pl.col("numeric_value")
    units = [pl.col("unit").drop_nulls().unique().sort().alias("units")] if "unit" in columns else []
    grouped = events.group_by("code").agg(
        pl.len().alias("events"),
        pl.col("subject_id").n_unique().alias("subjects"),
        value.count().alias("values"),
        *(value.quantile(q).alias(name) for name, q in (("low", 0.01), ("median", 0.5), ("high", 0.99))),
        *units,
    )
    return grouped.sort("events", "code", descending=[True, False]).head(COMMONEST).collect().to_dicts()


def _rows(frame: pl.LazyFrame) -> dict[str, Any]:
    """Rows, and of each column its type, how many values are missing and how many differ, and its range."""
    each, value = pl.all(), selectors.numeric()
    told = {"missing": each.null_count(), "different": each.n_unique(), "low": value.min(), "high": value.max()}
    counted = frame.select(pl.len().alias("rows"), *(e.name.prefix(f"{n} ") for n, e in told.items()))
    found = counted.collect(engine="streaming").to_dicts()[0]
    columns = [
        {"column": c, "type": str(kind), **{n: found.get(f"{n} {c}") for n in told}}
        for c, kind in frame.collect_schema().items()
    ]
    return {"kind": "rows", "rows": found["rows"], "columns": columns}


def head_of(facts: Mapping[str, Any]) -> str:
    """The first line: how much there is, and from when to when."""
    if facts["kind"] == "rows":
        return f"{facts['rows']:,} rows, {len(facts['columns'])} columns"
    first, last = (str(facts["time"][k] or "")[:10] for k in ("first", "last"))
    span = f", {first} to {last}" if first else ""
    return f"{facts['subjects']:,} subjects, {facts['events']:,} events, {facts['codes']:,} codes{span}"


def table_of(facts: Mapping[str, Any]) -> tuple[list[str], list[list[Any]]]:
    """Heads and rows of what stands below the first line: a column each, or one of the commonest codes."""
    if facts["kind"] == "rows":
        told = ["column", "type", "missing", "different"]
        ranges = ["" if c["low"] is None else f"{c['low']:g} to {c['high']:g}" for c in facts["columns"]]
        return [*told, "range"], [[*map(c.get, told), r] for c, r in zip(facts["columns"], ranges, strict=True)]
    told = ["code", "events", "subjects"]
    return [*told, "1 % · median · 99 %"], [[*map(c.get, told), _span(c)] for c in facts["commonest"]]


def _span(code: Mapping[str, Any]) -> str:
    if code["median"] is None:
        return ""
    values = " · ".join(f"{code[k]:.4g}" for k in ("low", "median", "high"))
    return f"{values} {' | '.join(code.get('units') or [])}".rstrip()


def to_html(facts: Mapping[str, Any]) -> str:
    """What `describe` found, for a notebook."""
    heads, rows = table_of(facts)
    return table(rows, heads, head_of(facts))
