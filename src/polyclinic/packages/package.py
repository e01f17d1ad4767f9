"""A model package in memory: members, how they are combined, and what they are asked."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
import polars as pl

from polyclinic import atomic, config, registry
from polyclinic.errors import BadData
from polyclinic.outcomes.outcome import Raw, mean
from polyclinic.packages.fitted import Fitted
from polyclinic.packages.parts import require
from polyclinic.packages.question import Question
from polyclinic.packages.verify import FORMAT, opened, seal, verify
from polyclinic.samples import Samples
from polyclinic.samples.assembly import SelectedRows, assemble, select_rows, unreadable
from polyclinic.timelines.rows import RowTable
from polyclinic.timelines.timeline import Timeline

ROWS_AT_A_TIME = 16384


@dataclass(frozen=True, eq=False)
class ModelPackage:
    """What leaves the study: members whose answers are averaged, then calibrated, then held against a threshold.

    about: study, title, intended use, format of the source, licence; limits: what the inputs looked like.
    """

    question: Question
    members: Sequence[Fitted]
    about: Mapping[str, Any]
    calibration: Mapping[str, float] = field(default_factory=dict)
    threshold: float | None = None
    limits: Mapping[str, Any] = field(default_factory=dict)

    @property
    def portable(self) -> bool:
        """Whether ONNX parts alone answer."""
        return all(member.portable for member in self.members)

    @cached_property
    def _encoded_alike(self) -> list[list[int]]:
        """Numbers of the members, together where one encoding serves them: folds often choose the same columns."""
        numbered = list(enumerate(self.members))
        first = [next(k for k, other in numbered if other.encodes_like(member)) for member in self.members]
        return [[n for n, k in enumerate(first) if k == one] for one in dict.fromkeys(first)]

    def answer(self, rows: Samples) -> Raw:
        """Averaged and calibrated answers for samples: at most `batch` of each member."""
        outcome, raw = self.question.outcome, dict[int, Raw]()
        for alike in self._encoded_alike:
            values = self.members[alike[0]].encoded(rows)
            raw |= {n: self.members[n].of_encoded(values) for n in alike}
        answer = mean([outcome.link(raw[n]) for n in range(len(self.members))])
        return outcome.calibrated(answer, self.calibration) if self.calibration else answer

    def predict(
        self,
        source: Timeline | RowTable,
        *,
        at: datetime | None = None,
        index: pl.DataFrame | None = None,
        folder: Path = Path(),
    ) -> pl.DataFrame:
        """One row for each row that is asked, in its order; see the predictions table. Never needs an outcome.

        Raises `BadData` where nobody is asked about, or where the source lacks a column that the package reads.
        """
        self._expect(source)
        asked = select_rows(self.question, source, at=at, index=index, live=True)
        rows, reasons = asked.rows, dict(asked.refused)
        reasons |= {rows["row_id"][at]: why for at, why in unreadable(self.question, rows).items()}
        readable = rows.filter(~pl.col("row_id").is_in(list(reasons))) if reasons else rows
        if isinstance(source, RowTable):
            unread = source.refused().join(rows.select("row_id"), on="row_id", how="anti")
            reasons |= dict(unread.iter_rows())
            rows = pl.concat([rows, unread.select("row_id")], how="diagonal").sort("row_id")
        if not rows.height:
            fix = "check the source, or give a time with --at"
            raise BadData("nobody is asked about in this source", fix=fix)
        size = min([ROWS_AT_A_TIME, *(m.batch for m in self.members)])
        slices = (readable[i : i + size] for i in range(0, max(readable.height, 1), size))
        chunks = [self._chunk(source, some, folder) for some in slices]
        refused = pl.Series("refused", [reasons.get(i) for i in rows["row_id"]], pl.String)
        return _joined(self._identity(rows), pl.concat(chunks)).hstack([refused])

    def _expect(self, source: Timeline | RowTable) -> None:
        timed = isinstance(source, Timeline)
        if self.question.target if timed else self.question.task_document:
            wanted, given = ("rows without times", "events in time")[:: 1 if timed else -1]
            fix = f"give a source in the package's format ({self.about.get('source_format')})"
            raise BadData(f"this package asks about {wanted}; the source holds {given}", fix=fix)

    def _chunk(self, source: Timeline | RowTable, rows: pl.DataFrame, folder: Path) -> pl.DataFrame:
        made = assemble(self.question, source, SelectedRows(rows), live=True)
        answer = self.answer(made) if len(made) else Raw(np.zeros((0, 1)))
        outcome = self.question.outcome
        found: pl.DataFrame = outcome.predictions(answer, made, threshold=self.threshold, folder=folder)
        return found.insert_column(0, pl.Series("row_id", made.row_id))

    def _identity(self, rows: pl.DataFrame) -> pl.DataFrame:
        name = self.members[0].name
        constant = {"outcome": self.question.kind, "model": name, "fold": "package", "split": "all"}
        absent = {"subject_id": pl.Int64, "prediction_time": pl.Datetime("us")}
        identity = [rows[c] if c in rows else _repeated(c, None, rows.height, kind) for c, kind in absent.items()]
        return pl.DataFrame([rows["row_id"], *identity, *(_repeated(k, v, rows.height) for k, v in constant.items())])

    def save(self, folder: Path, card: str) -> None:
        """Write the package whole or not at all: recipe, parts, state, combination, limits, card, checksums."""
        with atomic.folder(folder) as part:
            names = [str(n) for n in range(len(self.members))]
            for name, member in zip(names, self.members, strict=True):
                member.save(part / "state" / name, part / "parts" / name)
            combine = {
                "rule": "mean",
                "weights": [1 / len(names)] * len(names),
                "calibration": dict(self.calibration),
                "threshold": self.threshold,
            }
            pages = {"recipe": self._recipe(names), "combine": combine, "limits": self.limits}
            for page, value in pages.items():
                (part / f"{page}.json").write_text(json.dumps(value, indent=1, sort_keys=True, default=list))
            (part / "card.md").write_text(card, encoding="utf-8")
            seal(part)

    def _recipe(self, names: Sequence[str]) -> dict[str, Any]:
        used = {"outcomes": [self.question.kind], "inputs": self.question.inputs}
        entries = [registry.entry(kind, name).needs() for kind, named in used.items() for name in named]
        needs = {one["distribution"]: one["version"] for one in entries}
        for member in self.members:
            needs |= member.needs()
        return {
            "format": FORMAT,
            "about": dict(self.about),
            "question": config.plain(asdict(replace(self.question, labels=None))),
            "members": list(names),
            "portable": self.portable,
            "needs": needs,
        }

    @classmethod
    def open(cls, package: Path) -> Self:
        """Verify and load a package, a folder or a `.zip`; torch is not needed. Raises `BadPackage`."""
        recipe = verify(package)
        for distribution, version in recipe["needs"].items():
            require(distribution, version)
        with opened(package) as folder:
            combine, limits = (json.loads((folder / f"{n}.json").read_text()) for n in ("combine", "limits"))
            members = [Fitted.load(folder / "state" / n, folder / "parts" / n) for n in recipe["members"]]
        question = Question(**recipe["question"])
        return cls(question, members, recipe["about"], combine["calibration"], combine["threshold"], limits)


def _repeated(name: str, value: str | None, times: int, kind: Any = pl.String) -> pl.Series:
    return pl.Series(name, [value], kind).new_from_index(0, times)


def _joined(rows: pl.DataFrame, answers: pl.DataFrame) -> pl.DataFrame:
    if rows.height == answers.height:  # all are answered, in their order: no join, which costs a live question
        return rows.hstack(answers.get_columns()[1:])
    return rows.join(answers, on="row_id", how="left", maintain_order="left")


def limits_of(rows: Samples) -> dict[str, Any]:
    """What the inputs of these rows looked like: ranges, missing shares, lengths; no single patient's extreme.

    Ranges are the 0.5 % and 99.5 % quantiles, so that no one row can be read from them.
    """
    from polyclinic.samples import Dense, Ragged

    found: dict[str, Any] = {"rows": len(rows)}
    for name, column in rows.inputs.items():
        present = round(float(column.present.mean()), 4)
        about: dict[str, Any] = {"kind": type(column).__name__.lower(), "present": present}
        if isinstance(column, Dense) and column.values.dtype.kind in "fiu":
            about |= _ranges(column.values.reshape(len(column), -1), column.names)
        if isinstance(column, Ragged):
            about["length"] = [float(q) for q in np.quantile(column.lengths, [0.005, 0.995])]
        found[name] = about
    return found


def _ranges(values: Any, names: Sequence[str]) -> dict[str, Any]:
    if values.shape[1] > 64 or not np.isfinite(values).any():
        return {"width": int(values.shape[1])}
    with np.errstate(all="ignore"):
        low, high = (np.nanquantile(values, q, axis=0) for q in (0.005, 0.995))
    labels = list(names) or [str(i) for i in range(values.shape[1])]
    return {"range": {n: [float(a), float(b)] for n, a, b in zip(labels, low, high, strict=False) if a == a}}
