"""`polyclinic describe`: what is in a timeline or a table."""

from polyclinic.cli import screen

EXAMPLE = "polyclinic describe timeline/ --json"


def command(source: screen.Events, as_json: screen.AsJson = False) -> None:
    """Say what is in a timeline or a table."""
    from polyclinic.timelines.describe import head_of, table_of
    from polyclinic.timelines.ingest import open_source

    found = open_source(source).describe()
    if as_json:
        screen.show_json(found)
        return
    screen.say(head_of(found))
    screen.table(*table_of(found))
    screen.tree({k: found[k] for k in ("missing", "ingest") if k in found})
