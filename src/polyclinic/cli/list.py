"""`polyclinic list`: what there is, by name."""

import ast
import re
from pathlib import Path
from typing import Annotated

from typer import Argument

from polyclinic import registry
from polyclinic.cli import output
from polyclinic.errors import UnknownName

KINDS = ("areas", *registry.KINDS)
EXAMPLE = "polyclinic list models"


def command(
    kind: Annotated[str | None, Argument(help=f"One of {', '.join(KINDS)}; without it, all of them.")] = None,
    as_json: output.AsJson = False,
) -> None:
    """List areas, formats, models, outcomes, studies and data sets."""
    if kind is not None and kind not in KINDS:
        raise UnknownName("kind", kind, KINDS)
    listed = {k: rows_of(k) for k in ((kind,) if kind else KINDS)}
    if as_json:
        output.show_json(listed)
        return
    for name, rows in listed.items():
        if rows:
            output.table(["name", "area", "from", "what it is"], [[*r.values()] for r in rows], title=name)


def rows_of(kind: str) -> list[dict[str, str]]:
    """Name, area, distribution and one line about each name of a kind."""
    if kind == "areas":
        rows = [(name, name, owner, area.title) for name, (area, owner) in sorted(registry.areas().items())]
    else:
        rows = [(e.name, e.area, e.distribution, about(e)) for e in registry.entries(kind).values()]
    return [dict(zip(("name", "area", "from", "about"), row, strict=True)) for row in rows]


def about(entry: registry.Entry) -> str:
    """The title of a YAML, or what a module says of itself; the module is not imported."""
    module, _, rest = entry.target.partition(":")
    if rest.endswith((".yaml", ".yml")):
        return title_of(entry.path())
    from polyclinic.code_closure import source_of

    source = source_of(module)
    if source is None:
        return "(its module is missing)"
    tree: ast.Module = ast.parse(source.read_text(encoding="utf-8"))
    if (words := title_of_value(tree, rest)) is not None:
        return words
    shared = sum(e.target.startswith(f"{module}:") for e in registry.entries(entry.kind).values()) > 1
    named = next((n for n in tree.body if isinstance(n, ast.ClassDef | ast.FunctionDef) and n.name == rest), None)
    own = named is not None and (shared or isinstance(named, ast.FunctionDef))
    paragraph = (ast.get_docstring(named if named and own else tree) or "").partition("\n\n")[0]
    return " ".join(paragraph.split())


def title_of(path: Path) -> str:
    """The value of the top-level `title:` line of a YAML, or else the comment that it begins with."""
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    title = re.search(r"^title:(.*)", text, re.M) or re.match(r"#(.*)", text)
    return title[1].strip().strip("'\"") if title else ""


def title_of_value(tree: ast.Module, name: str) -> str | None:
    """The title and the direction of what a module assigns to a name, such as a measure; None for anything else."""
    values = [
        n.value for n in tree.body if isinstance(n, ast.Assign) for t in n.targets if getattr(t, "id", "") == name
    ]
    if not values or not isinstance(values[0], ast.Call):
        return None
    said = {k.arg: k.value.value for k in values[0].keywords if isinstance(k.value, ast.Constant)}
    title = said.get("title")
    better = {"low": "; lower is better"}.get(str(said.get("better", "")), "")
    return f"{title}{better}" if isinstance(title, str) else None
