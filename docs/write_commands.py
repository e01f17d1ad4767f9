"""Write docs/reference/commands.md from the commands' own help:  python docs/write_commands.py"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer

from polyclinic.cli import app

PAGE = Path(__file__).parent / "reference" / "commands.md"
HEAD = """# Commands

Written from the commands' own help by `docs/write_commands.py`.

| exit code | means |
|---|---|
| 0 | done |
| 1 | a gate or a check failed |
| 2 | usage: a name, key or option that does not exist or does not fit |
| 3 | bad data: it cannot be read, or cannot answer the question |
| 4 | interrupted; the same command goes on from what was finished |
| 70 | a fault in polyclinic itself |

Words are completed by the Tab key after `polyclinic --install-completion` (bash, zsh, fish, PowerShell).

`--debug` may stand anywhere on the line and shows a traceback. Without it, no message of a library is printed, since
it may quote a patient's value.
"""


def page() -> str:
    """The whole page."""
    group: Any = typer.main.get_command(app)
    parts = [text for name, command in group.commands.items() for text in about(f"polyclinic {name}", command)]
    return "\n".join([HEAD, *parts]).rstrip() + "\n"


def about(name: str, command: Any) -> Iterator[str]:
    """One command, or each command of a group."""
    if getattr(command, "commands", None):
        for verb, inner in command.commands.items():
            yield from about(f"{name} {verb}", inner)
        return
    yield f"## {name}\n\n{' '.join((command.help or '').split())}\n"
    rows = [row(p) for p in command.params if p.name != "help"]
    if rows:
        yield "\n".join(["| | |", "|---|---|", *rows]) + "\n"
    example = (command.epilog or "").partition("Example:")[2].strip()
    yield f"```console\n$ {example}\n```\n"


def row(parameter: Any) -> str:
    """One argument or option."""
    argument = parameter.param_type_name == "argument"
    name = (parameter.metavar or parameter.name.upper()) if argument else ", ".join(parameter.opts)
    return f"| `{name}` | {parameter.help or ''} |"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
