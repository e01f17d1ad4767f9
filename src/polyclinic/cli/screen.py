"""What a command prints: a table, a JSON value, or a few lines; progress goes to standard error."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Change one key of the study; may stand several times."),
]


def show_json(value: Any) -> None:
    """A value as JSON on standard output."""
    typer.echo(json.dumps(value, indent=2, default=str, ensure_ascii=False))


def table(columns: Sequence[str], rows: Iterable[Sequence[Any]], *, title: str | None = None) -> None:
    """A small table; the last column takes the room that is left."""
    from rich import box
    from rich.table import Table

    drawn = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False, title_style="bold")
    for name in columns:
        drawn.add_column(name, justify="left", overflow="fold")
    for row in rows:
        drawn.add_row(*map(cell, row))
    say(drawn)


def cell(value: Any) -> str:
    """One value in a table: thousands apart, three decimals, nothing for nothing; no markup of its own."""
    from rich.markup import escape

    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:.3f}" if isinstance(value, float) else escape(str(value))


def say(text: Any) -> None:
    """A line, or anything that rich draws, on standard output."""
    from rich.console import Console

    Console(highlight=False, soft_wrap=isinstance(text, str)).print(text)


def tree(value: Mapping[str, Any], indent: int = 0) -> None:
    """A nested mapping as indented lines; lists of mappings as tables."""
    for key, item in value.items():
        if isinstance(item, Mapping):
            say(f"{' ' * indent}[bold]{cell(key)}[/bold]")
            tree(item, indent + 2)
        elif _is_table(item):
            table(list(item[0]), [list(row.values()) for row in item], title=str(key))
        else:
            text = ", ".join(map(cell, item)) if isinstance(item, list | tuple) else cell(item)
            say(f"{' ' * indent}{cell(key)}: {text}")


def _is_table(item: Any) -> bool:
    rows = list(item) if isinstance(item, list | tuple) else []
    return bool(rows) and all(isinstance(r, Mapping) and r.keys() == rows[0].keys() for r in rows)


def read_report(folder: Path) -> dict[str, Any]:
    """`report.json` of a run; raises `UsageError` where the folder is no run."""
    from polyclinic.errors import Place, UsageError

    file = folder / "report.json"
    if not file.is_file():
        raise UsageError(
            "this folder is not a finished run: it has no report.json",
            at=Place(file=str(folder)),
            fix="name the folder that `polyclinic run STUDY --out DIR` wrote",
        )
    document: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return document
