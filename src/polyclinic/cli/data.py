"""`polyclinic data`: open data sets, where they come from and how to get them."""

from typing import Annotated

from typer import Argument, Option, Typer

from polyclinic.cli import output

Name = Annotated[str, Argument(help="A name from `polyclinic data list`.")]
Accept = Option("--accept-licence", help="Say once that you accept a licence that is not plainly free.")

app = Typer(help="Open data sets: list them, get one, or print where it lies.", no_args_is_help=True)


@app.command("list", epilog="Example:  polyclinic data list --json")
def listing(as_json: output.AsJson = False) -> None:
    """List every registered set with source, licence, size and the study that it serves."""
    from polyclinic import datasets

    rows = [dataset.row() for dataset in datasets.listing().values()]
    columns = ["name", "licence", "commercial", "bytes", "study"]
    if as_json:
        output.show_json(rows)
    else:
        output.table(columns, [[row[c] for c in columns] for row in rows])


@app.command(epilog="Example:  polyclinic data get clif-demo")
def get(name: Name, accept_licence: Annotated[bool, Accept] = False) -> None:
    """Get a set: from the folders of POLYCLINIC_MIRROR first, else from its public source; its bytes are verified."""
    from polyclinic import datasets

    print(datasets.get(name, accept_licence=accept_licence))


@app.command(epilog="Example:  ls $(polyclinic data path clif-demo)")
def path(name: Name) -> None:
    """Print where a set lies on this machine."""
    from polyclinic import datasets

    print(datasets.path(name))
