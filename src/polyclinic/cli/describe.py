"""`polyclinic describe`: what is in a timeline, a table or a source."""

from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from polyclinic.cli import output

EXAMPLE = "polyclinic describe timeline/ --codes creatinine"


def command(
    source: Annotated[
        Path,
        Argument(help="An ingested folder, a MEDS data set, a table file, or data in a format that polyclinic reads."),
    ],
    codes: Annotated[
        str,
        Option(
            metavar="PATTERN",
            help="List all codes (of a table: columns) that match this regular expression, in upper or lower case.",
        ),
    ] = "",
    format_name: Annotated[
        str | None, Option("--format", help="The format of SOURCE, where it cannot be recognised.")
    ] = None,
    as_json: output.AsJson = False,
) -> None:
    """Show what a timeline, a table, or a source that was not ingested yet holds."""
    from polyclinic.timelines import describe
    from polyclinic.timelines.ingest import describe_source

    facts = describe_source(source, codes=codes, format_name=format_name)
    if as_json:
        output.show_json(facts)
        return
    output.say(describe.head_of(facts))
    output.table(*describe.table_of(facts), title=describe.listed_of(facts) or None)
    output.tree({k: facts[k] for k in ("left_out", "missing", "ingest") if k in facts})
