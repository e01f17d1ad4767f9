"""The same report for predictions that were made by anything."""

from pathlib import Path
from typing import Any

from polyclinic import fingerprint, registry
from polyclinic.errors import Place, UsageError
from polyclinic.evaluation import predictions as predictions_table
from polyclinic.evaluation.evaluator import best, evaluate
from polyclinic.evaluation.settings import Evaluation
from polyclinic.reports.composition import core_of, sections_of
from polyclinic.reports.document import ReportDocument
from polyclinic.reports.publishing import environment, publish


def evaluate_file(
    predictions: Path | str,
    *,
    labels: Path | str | None = None,
    group: str | None = None,
    out: Path | str,
    outcome: Any = "binary",
    settings: Evaluation | None = None,
) -> dict[str, Any]:
    """The same report for predictions made by anything: writes `report.json` and `report.html` to `out`.

    predictions, labels: CSV or Parquet, joined by the columns that they share; labels None: the truth stands beside the
    predictions. group: the column whose rows belong together; None: each row stands alone. A column `model` tells
    several models apart; the best on validation rows, or the first where there are none, is compared with each of the
    others. outcome: a name, or an outcome itself.
    Raises `BadData` for rows that cannot be joined or probabilities that are none, `UnknownName` for a column.
    """
    files = [Path(file) for file in (predictions, labels) if file is not None]
    if (Path(out) / "package").exists():
        what = "this is the folder of a run, whose own report would be lost"
        raise UsageError(what, at=Place(file=str(out)), fix="name another folder with --out")
    asked = registry.load("outcomes", outcome) if isinstance(outcome, str) else outcome
    how = settings or Evaluation()
    truth = files[1] if labels is not None else None
    table, asked, rows, told = predictions_table.read(files[0], truth, group, asked, how.subgroups)
    names = table["model"].unique(maintain_order=True).to_list()
    chosen = best(table, names, asked)
    roles = {name: "model" if name == chosen else "baseline" for name in names}
    evaluation = evaluate(table, asked, how, **rows, roles=roles, chosen=chosen)
    content = {
        "study": files[0].stem,
        "title": f"Evaluation of {files[0].name}",
        "intended_use": "",
        "data": {path.name: fingerprint.of_file(path) for path in files},
        "environment": environment(),
        **told,
        "gates": [],
        **core_of(evaluation),
        "sections": sections_of(evaluation),
    }
    return publish(ReportDocument.of(content), Path(out)).model_dump(mode="json")
