"""`polyclinic check`: does a model, a format or an outcome keep its contract?"""

from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from polyclinic.cli import output

EXAMPLE = "polyclinic check transformer"


def command(
    name: Annotated[str, Argument(help="The name of a model, a format or an outcome.")],
    source: Annotated[Path | None, Option(help="For a format: a source that it should read.")] = None,
    outcome: Annotated[str | None, Option(help="For a model: the outcome whose planted problem it learns.")] = None,
    settings: output.OwnSettings = None,
    as_json: output.AsJson = False,
) -> None:
    """Check that a model, a format or an outcome keeps its contract."""
    from polyclinic import checks

    results = checks.run(name, source=source, outcome=outcome, settings=settings or [])
    if as_json:
        output.show_json([vars(r) for r in results])
    else:
        rows = [["passed" if r.passed else "failed", r.check.replace("_", " "), r.why] for r in results]
        output.table(["", "check", "what to repair"], rows, title=f"{results[0].kind.removesuffix('s')} {name}")
    checks.refuse(results)
