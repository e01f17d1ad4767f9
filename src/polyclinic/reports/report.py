"""A run's report in Python: its numbers, its page, and where everything lies."""

from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import Any, Self

import polars as pl

from polyclinic.documents import read_json
from polyclinic.errors import BadData, Place, UsageError


@dataclass(frozen=True, eq=False)
class Report:
    """folder: where the run lies; document: what `report.json` holds."""

    folder: Path
    document: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Read the report of a run; raises `UsageError` where there is none."""
        path = Path(folder) / "report.json"
        if not path.is_file():
            what, at = "there is no report in this folder", Place(file=str(folder))
            raise UsageError(what, at=at, fix="name the folder that `polyclinic run … --out` wrote")
        from polyclinic.reports import schema

        try:
            document = read_json(path)
            schema.validate(document)
        except (ValueError, BadData) as error:
            what, fix = "this report.json is not whole", "run the study again: finished steps are kept"
            raise BadData(what, at=Place(file=str(path)), fix=fix) from error
        return cls(Path(folder), document)

    @property
    def finding(self) -> str:
        """What was found, in plain words."""
        return str(self.document.get("finding", ""))

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
            {"model": model, "outcome": outcome, "score": score, **numbers}
            for model, outcomes in self.document.get("models", {}).items()
            for outcome, splits in outcomes.items()
            for score, numbers in splits.get(split, {}).items()
        ]
        return pl.DataFrame(rows, infer_schema_length=None)

    def _repr_html_(self) -> str:
        from polyclinic.figures.html import scored, table

        rows = [(s["model"], s["score"], scored(s)) for s in self.scores().iter_rows(named=True)]
        shown = table(rows, ["model", "score", "value"], str(self.document.get("title", "")))
        return f"<p>{escape(self.finding)}</p>{shown}"

    def __repr__(self) -> str:
        return f"Report({self.folder}: {self.finding})"
