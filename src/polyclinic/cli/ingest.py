"""`polyclinic ingest`: a source in its own format → a timeline or a table of rows."""

from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from polyclinic.cli import output

EXAMPLE = "polyclinic ingest clif tables/ --out timeline/"


def command(
    format_name: Annotated[str, Argument(metavar="FORMAT", help="A name from `polyclinic list formats`.")],
    source: Annotated[Path, Argument(help="The file or folder to read.")],
    out: Annotated[Path, Option(help="The folder to write.")],
    max_quarantined: Annotated[
        float, Option(min=0, max=1, help="Share of rows that may be unreadable before it stops.")
    ] = 0.01,
    zone: Annotated[
        str | None, Option(help="The time zone of the site, such as Europe/Berlin, where times have zones.")
    ] = None,
    mapping: Annotated[
        Path | None, Option(help="What the columns of your own event tables mean (YAML), for FORMAT csv.")
    ] = None,
    as_json: output.AsJson = False,
) -> None:
    """Read a source in its own format, every row accounted for.

    What cannot be read goes to OUT/quarantine with its row, column and reason."""
    from polyclinic.timelines.ingest import ingest as read

    summary = read(format_name, source, out, max_quarantined=max_quarantined, zone=zone, mapping=mapping).summary()
    if as_json:
        output.show_json(summary)
        return
    output.tree(summary)
    output.say(f"\nwritten to {out}; look at it with: polyclinic describe {out}")
