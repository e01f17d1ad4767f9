"""A run's report in Python: its numbers, its page, and where everything lies."""

from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Self

import polars as pl

from polyclinic.documents import read_json
from polyclinic.errors import BadData, Place, UsageError
from polyclinic.figures.html import table
from polyclinic.reports.document import ReportDocument
from polyclinic.reports.outcome_results import outcomes
from polyclinic.reports.page_section import score_cell


@dataclass(frozen=True, eq=False)
class Report:
    """A finished run.

    Attributes
    ----------
    folder
        Where the run lies.
    document
        What `report.json` holds."""

    folder: Path
    document: ReportDocument

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Read the report of a run; raises `UsageError` where there is none."""
        path = Path(folder) / "report.json"
        if not path.is_file():
            what, at = "there is no report in this folder", Place(file=str(folder))
            raise UsageError(what, at=at, fix="name the folder that `polyclinic run … --out` wrote")
        try:
            content = read_json(path)
        except BadData as error:
            what, fix = "this report.json is not whole", "run the study again: finished steps are kept"
            raise BadData(what, at=Place(file=str(path)), fix=fix) from error
        return cls(Path(folder), ReportDocument.read(content, file=str(path)))

    @property
    def finding(self) -> str:
        """What was found, in plain words."""
        return self.document.finding

    @property
    def page(self) -> Path:
        """The report as a page."""
        return self.folder / "report.html"

    @property
    def package(self) -> Path:
        """The model package."""
        return self.folder / "package"

    def predictions(self) -> pl.DataFrame:
        """The predictions table."""
        return pl.read_parquet(self.folder / "predictions.parquet")

    def scores(self, split: str = "test") -> pl.DataFrame:
        """One row a model, outcome and score: value, low, high, n."""
        rows = [
            {"model": model, "outcome": outcome, "score": name, **score.model_dump()}
            for model, by_outcome in self.document.models.items()
            for outcome, splits in by_outcome.items()
            for name, score in splits.of(split).items()
        ]
        return pl.DataFrame(rows, infer_schema_length=None)

    def _repr_html_(self) -> str:
        rows = [
            (model, o.titled(o.title(name)), score_cell(score))
            for o in outcomes(self.document)
            for model in o.models
            for name, score in o.scores(model).items()
        ]
        return f"<p>{escape(self.finding)}</p>{table(rows, ['model', 'score', 'value'], self.document.title)}"

    def __repr__(self) -> str:
        return f"Report({self.folder}: {self.finding})"
