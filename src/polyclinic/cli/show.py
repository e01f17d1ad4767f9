"""`polyclinic show`: print a task or a study that ships."""

from typing import Annotated

from typer import Argument, Option

from polyclinic.cli import output

EXAMPLE = "polyclinic show hypotension > mine.yaml"


def command(
    name: Annotated[str, Argument(help="A name from `polyclinic list studies` or `polyclinic list tasks`.")],
    task: Annotated[bool, Option("--task", help="Print the task where a study has the same name.")] = False,
    as_json: output.AsJson = False,
) -> None:
    """Print a study or a task that ships, as its file stands: the one to start your own from."""
    from polyclinic import config, registry
    from polyclinic.errors import UnknownName

    kinds = ("tasks",) if task else ("studies", "tasks")
    entries = {entry_name: entry for kind in reversed(kinds) for entry_name, entry in registry.entries(kind).items()}
    if name not in entries:
        raise UnknownName("task" if task else "study or task", name, entries)
    path = entries[name].path()
    if as_json:
        output.show_json(config.plain(config.read(path)))
    else:
        print(path.read_text(encoding="utf-8"), end="")
