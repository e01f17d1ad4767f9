"""`polyclinic describe`: what is in a timeline or a table."""

from polyclinic.cli import output

EXAMPLE = "polyclinic describe timeline/ --json"


def command(source: output.Events, as_json: output.AsJson = False) -> None:
    """Say what is in a timeline or a table."""
    from polyclinic.timelines.describe import head_of, table_of
    from polyclinic.timelines.ingest import open_source

    found = open_source(source).describe()
    if as_json:
        output.show_json(found)
        return
    output.say(head_of(found))
    output.table(*table_of(found))
    output.tree({k: found[k] for k in ("missing", "ingest") if k in found})
