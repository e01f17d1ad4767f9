"""What a command prints: a table, a JSON value, or a few lines; progress goes to standard error."""

import json
import shlex
import shutil
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

from typer import Argument, Option

AsJson = Annotated[bool, Option("--json", help="Print JSON instead of text.")]
Events = Annotated[Path, Argument(help="An ingested folder, or a MEDS data set.")]
Package = Annotated[Path, Argument(help="A model package: the folder `package` of a run, or a .zip of it.")]
OneKey = Option("--set", metavar="KEY=VALUE", help="Change one key of the study, as split.folds=3; may be repeated.")
Settings = Annotated[list[str] | None, OneKey]
OneSetting = Option("--set", metavar="KEY=VALUE", help="Change one of its settings, as width=32; may be repeated.")
OwnSettings = Annotated[list[str] | None, OneSetting]


def show_json(value: object) -> None:
    """A value as JSON on standard output."""
    print(json.dumps(value, indent=2, default=str, ensure_ascii=False))


def table(columns: Sequence[str], rows: Iterable[Sequence[object]], *, title: str | None = None) -> None:
    """A small table; the last column takes the room that is left."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    heading = None if title is None else Text(title, "bold")
    drawn = Table(title=heading, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for name in columns:
        drawn.add_column(Text(name), justify="left", overflow="fold")
    for row in rows:
        drawn.add_row(*(Text(cell(value)) for value in row))
    # A pipe has no width: what reads it wants each row on a line.
    Console(highlight=False, width=None if sys.stdout.isatty() else 240).print(drawn)


def cell(value: object) -> str:
    """One value in a table: thousands apart, three decimals, nothing for nothing."""
    if value is None or isinstance(value, bool):
        return {None: "", True: "yes", False: "no"}[value]
    if isinstance(value, int | float):
        return f"{value:,}" if isinstance(value, int) else f"{value:.3f}"
    return str(value)


def say(text: str, *, bold: bool = False) -> None:
    """A line on standard output, as it stands: what looks like markup comes from names and data, and stays text."""
    from rich.console import Console
    from rich.text import Text

    Console(highlight=False, soft_wrap=True).print(Text(text, "bold" if bold else ""))


def say_paragraph(text: str) -> None:
    """A paragraph on standard output, wrapped to the width of the terminal, with space around it."""
    from rich.console import Console
    from rich.padding import Padding
    from rich.text import Text

    Console(highlight=False).print(Padding(Text(text), (1, 0)))


def tree(value: Mapping[str, Any], indent: int = 0) -> None:
    """A nested mapping as indented lines; lists of mappings as tables. What holds nothing is left out; zeros stay."""
    for key, item in value.items():
        if item is None or (isinstance(item, str | list | tuple | Mapping) and not item):
            continue
        items = item if isinstance(item, list | tuple) else [item]
        if isinstance(item, Mapping):
            say(f"{' ' * indent}{cell(key)}", bold=True)
            tree(item, indent + 2)
        elif items and all(isinstance(row, Mapping) and row.keys() == items[0].keys() for row in items):
            table(list(items[0]), [list(row.values()) for row in items], title=str(key))
        else:
            say(f"{' ' * indent}{cell(key)}: {', '.join(map(cell, items))}")


def say_command(*words: object) -> None:
    """A command that works as it stands, however this program was called."""
    print("     " + " ".join([program(), *(shlex.quote(str(word)) for word in words)]))


def program() -> str:
    """How this program is called from here: by its name where the shell finds it so, else by its path."""
    script = Path(sys.argv[0])
    if script.name != "polyclinic" or not script.is_file():
        return f"{shlex.quote(sys.executable)} -m polyclinic.cli"
    on_path = shutil.which("polyclinic")
    if on_path is not None and Path(on_path).samefile(script):
        return "polyclinic"
    here = Path.cwd()
    path = script.absolute()
    return shlex.quote(str(path.relative_to(here) if path.is_relative_to(here) else path))
