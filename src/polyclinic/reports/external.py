"""The same report for predictions that were made by anything."""

from dataclasses import asdict
from pathlib import Path

from polyclinic import fingerprint, notes, registry
from polyclinic.errors import Place, UsageError
from polyclinic.evaluation import evaluator
from polyclinic.evaluation import predictions as predictions_table
from polyclinic.evaluation.choosing import best, best_by_fold
from polyclinic.evaluation.settings import Evaluation
from polyclinic.outcomes.outcome import Outcome
from polyclinic.reports.composition import core_of, sections_of
from polyclinic.reports.document import ReportDocument
from polyclinic.reports.publishing import environment, publish
from polyclinic.reports.report import Report
from polyclinic.samples.prediction_columns import MODEL


def evaluate(
    predictions: Path | str,
    *,
    labels: Path | str | None = None,
    group: str | None = None,
    out: Path | str,
    outcome: Outcome | type[Outcome] | str = "binary",
    settings: Evaluation | None = None,
) -> Report:
    """Report on predictions that were made by anything: write `report.json` and `report.html` to `out`.

    Parameters
    ----------
    predictions, labels
        CSV or Parquet, joined by the columns that they share; without `labels`, the truth stands beside the
        predictions. A column `model` distinguishes several models: the best on validation rows, or the first where there
        are none, is compared with each of the others. Where all rows of a model hold a decision
        (`predicted_boolean_value`), alerts are these decisions; elsewhere a threshold is chosen by the rule of `settings`.
    group
        The column whose rows belong together; without it, each row stands alone.
    out
        The folder of the report.
    outcome
        A registered name, or an outcome itself.
    settings
        How predictions are evaluated.

    Returns
    -------
    Report
        The report, as it stands in `report.json`.

    Raises
    ------
    BadData
        For rows that cannot be joined, or probabilities that are none.
    UnknownName
        For a column that is not there.
    """
    files = [Path(file) for file in (predictions, labels) if file is not None]
    folder = Path(out)
    if (folder / "package").exists():
        what = "this is the folder of a run, whose own report would be lost"
        raise UsageError(what, at=Place(file=str(out)), fix="name another folder with --out")
    kind = registry.load("outcomes", outcome) if isinstance(outcome, str) else outcome
    how = settings or Evaluation()
    truth = files[1] if labels is not None else None
    with notes.collection() as collected:
        read = predictions_table.read(files[0], truth, group, kind, how.strata)
        names = read.table[MODEL].unique(maintain_order=True).to_list()
        chosen = best(read.table, names, read.outcome)
        evaluation = evaluator.evaluate(
            read.table,
            read.outcome,
            how,
            row_id=read.row_id,
            groups=read.groups,
            strata=read.strata,
            roles={name: "model" if name == chosen else "baseline" for name in names},
            chosen=chosen,
            choices=best_by_fold(read.table, names, read.outcome),
            decisions_in_file=True,
        )
    content = {
        "study": files[0].stem,
        "title": f"Evaluation of {files[0].name}",
        "intended_use": "",
        "data": {path.name: fingerprint.of_file(path) for path in files},
        "environment": environment(),
        "cohort": read.cohort,
        "sanity": read.sanity,
        "gates": [],
        **core_of([evaluation]),
        "sections": sections_of([evaluation]),
        "notes": [asdict(entry) for entry in collected],
    }
    return Report(folder, publish(ReportDocument.of(content), folder))
