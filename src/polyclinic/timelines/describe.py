"""What a source holds, in one look: as a plain dict, as text for a terminal, as HTML for a notebook."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl
from polars import selectors

from polyclinic.figures.html import table
from polyclinic.timelines.timeline import Timeline

COMMONEST = 30
ACCOUNT = ("source_format", "zone", "rows_in", "used", "quarantined", "quarantined_values", "events_out")
COUNTED = {"non_events": "no event", "noted": "noted", "repeated": "same subject, time and code"}


def describe(source: Any) -> dict[str, Any]:
    """What a `Timeline` or a `RowTable` holds, and the account of its ingest."""
    facts = _events(source.scan()) if isinstance(source, Timeline) else _rows(source.scan())
    if summary := source.summary():
        account = {k: summary[k] for k in (*ACCOUNT, *COUNTED) if summary.get(k) is not None}
        files = {name: tally["rows_in"] for name, tally in summary.get("files", {}).items()}
        facts["ingest"] = account | {"reasons": summary.get("reasons", []), "files": files}
    return facts


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


def as_text(facts: Mapping[str, Any]) -> str:
    """What `describe` found, for a terminal."""
    lines = [head_of(facts)]
    if facts["kind"] == "rows":
        lines += ["", f"{'column':32} {'type':12} {'missing':>9} {'different':>9}  range"]
        lines += [_column_line(column) for column in facts["columns"]]
    else:
        lines += ["missing: " + ", ".join(f"{c} {share:.0%}" for c, share in facts["missing"].items())]
        lines += ["", f"{'code':44} {'events':>9} {'subjects':>8}  1 % · median · 99 %"]
        lines += [_code_line(code) for code in facts["commonest"]]
    return "\n".join(lines + _account_lines(facts.get("ingest", {})))


def _column_line(column: Mapping[str, Any]) -> str:
    span = "" if column["low"] is None else f"{column['low']:g} to {column['high']:g}"
    return f"{column['column']:32} {column['type'][:12]:12} {column['missing']:>9,} {column['different']:>9,}  {span}"


def _code_line(code: Mapping[str, Any]) -> str:
    return f"{code['code']:44} {code['events']:>9,} {code['subjects']:>8,}  {_span(code)}".rstrip()


def _span(code: Mapping[str, Any]) -> str:
    if code["median"] is None:
        return ""
    values = " · ".join(f"{code[k]:.4g}" for k in ("low", "median", "high"))
    return f"{values} {' | '.join(code.get('units') or [])}".rstrip()


def _account_lines(account: Mapping[str, Any]) -> list[str]:
    if not account:
        return []
    fine = account["used"], account["rows_in"], account["quarantined"], account["quarantined_values"]
    lines = ["", "{:,} of {:,} source rows used, {:,} quarantined (and {:,} single values)".format(*fine)]
    lines += [f"  quarantined  {r['count']:>8,}  {r['file']}, {r['column']}: {r['reason']}" for r in account["reasons"]]
    for key, title in COUNTED.items():
        lines += [f"  {title}  {count:>8,}  {what}" for what, count in account.get(key, {}).items()]
    return lines


def to_html(facts: Mapping[str, Any]) -> str:
    """What `describe` found, for a notebook."""
    if facts["kind"] == "rows":
        names = ["column", "type", "missing", "different", "low", "high"]
        return table(facts["columns"], names, head_of(facts))
    rows = [[c["code"], c["events"], c["subjects"], _span(c)] for c in facts["commonest"]]
    return table(rows, ["code", "events", "subjects", "1 % · median · 99 %"], head_of(facts))
