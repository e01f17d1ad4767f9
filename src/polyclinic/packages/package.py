"""A model package in memory: members, how they are combined, and which rows they answer."""

import json
import traceback
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
import polars as pl

from polyclinic import atomic, config, registry
from polyclinic.decisions import Decision
from polyclinic.errors import BadData, BadPackage, MissingDependency, Place, PolyclinicError, UsageError
from polyclinic.figures.numbers import how_many
from polyclinic.notes import note
from polyclinic.outcomes.adjustment import Adjustment
from polyclinic.outcomes.raw import Raw, mean
from polyclinic.packages.encodings import Encoding, encodings
from polyclinic.packages.fitted import Fitted
from polyclinic.packages.limits import Limits
from polyclinic.packages.missing_inputs import MISSING
from polyclinic.packages.parts import require
from polyclinic.packages.question import Question
from polyclinic.packages.recipe import Combination, Plain, QuestionDocument, Recipe, ValidationSetting, read
from polyclinic.packages.verify import check, seal
from polyclinic.samples import Samples
from polyclinic.samples.assembly import SelectedRows, assemble, select_rows, unreadable, unseen
from polyclinic.samples.identity import Identity, with_identity
from polyclinic.samples.prediction_columns import (
    EVERY_SPLIT,
    FOLD,
    IDENTITY,
    MODEL,
    OUTCOME,
    OUTSIDE,
    PACKAGE_FOLD,
    REFUSED,
    ROW_ID,
    SPLIT,
    TIME,
)
from polyclinic.timelines.rows import RowTable
from polyclinic.timelines.timeline import Timeline

MOST_NAMED = 5
ROWS_AT_A_TIME = 16384
UNKNOWN = {name: pl.Series(name, [None], kind) for name, kind in IDENTITY.items() if name != ROW_ID}
"""A missing value of each column of the identity: a source without times has neither subjects nor index times."""
ROWS_READ = 1 << 17
"""Rows of a table whose inputs are read together."""
BYTES_READ = 8 << 20
"""Bytes of a timeline's shards that are read together, with the rows of their subjects."""


@dataclass(frozen=True, eq=False)
class ModelPackage:
    """What leaves the study: members whose answers are averaged, then adjusted, and what is decided by them.

    about: study, title, intended use, format of the source, licence; limits: what the inputs looked like, and whether a
    row outside is answered.
    """

    question: Question
    members: Sequence[Fitted]
    about: Mapping[str, Plain]
    adjustment: Adjustment | None = None
    decision: Decision | None = None
    limits: Limits = field(default_factory=Limits)

    @property
    def portable(self) -> bool:
        """Whether ONNX parts alone answer."""
        return all(member.portable for member in self.members)

    @property
    def source_format(self) -> str | None:
        """The registered format of the source that it was made from."""
        name = self.about.get("source_format")
        return None if name is None else str(name)

    @cached_property
    def _encodings(self) -> list[Encoding]:
        return encodings(self.members)

    def answer(self, rows: Samples) -> Raw:
        """Averaged and calibrated answers for samples: at most `batch` of each member."""
        outcome, raw, inputs = self.question.outcome, dict[int, Raw](), rows.without_targets()
        for numbers, encode in self._encodings:
            for number, values in zip(numbers, encode(inputs), strict=True):
                raw[number] = self.members[number].of_encoded(dict(values))
        answer = mean([member.linked(raw[n], outcome) for n, member in enumerate(self.members)])
        return answer if self.adjustment is None else self.adjustment.apply(answer)

    def predict(
        self,
        source: Timeline | RowTable,
        *,
        at: datetime | None = None,
        index: pl.DataFrame | None = None,
        folder: Path = Path(),
    ) -> pl.DataFrame:
        """One row for each index row, in its order; see the predictions table. Never needs an outcome.

        The column `outside` names the inputs of a row that lie outside the limits of the package, with commas between.

        Raises `BadData` where there is no row to predict for, or where the source lacks a column that the package reads.
        """
        self._expect(source)
        selection = select_rows(self.question, source, at=at, index=index, live=True)
        rows, reasons = selection.rows, dict(selection.refused)
        reasons |= {rows["row_id"][at]: why for at, why in unreadable(self.question, rows).items()}
        readable = rows.filter(~pl.col("row_id").is_in(list(reasons))) if reasons else rows
        levels = unseen(self.question, readable)
        if isinstance(source, RowTable):
            unread = source.refused().join(rows.select("row_id"), on="row_id", how="anti")
            reasons |= dict(unread.select("row_id", "refused").iter_rows())
            rows = pl.concat([rows, unread.drop("refused")], how="diagonal_relaxed").sort("row_id")
        identity = Identity.of(self.question.readers.values(), rows)
        if not rows.height:
            raise _nothing_to_predict(source, at)
        size = min([ROWS_AT_A_TIME, *(m.batch for m in self.members)])
        selections = ((part, SelectedRows(some, identity=identity)) for part, some in _together(source, readable))
        read = (assemble(self.question, part, some, live=True) for part, some in selections)
        chunks = [self._chunk(part, levels, folder) for samples in read for part in _parts(samples, size)]
        outside = {row: names for chunk in chunks for row, names in chunk.outside.items()}
        _note_outside(outside, readable.height)
        self._note_missing([chunk.filled for chunk in chunks], readable.height)
        if self.limits.outside == "refuse":
            reasons |= {row: f"outside the limits of the package: {names}" for row, names in outside.items()}
        row_ids = rows["row_id"].to_list()
        last = {REFUSED: reasons, OUTSIDE: outside}
        columns = [pl.Series(name, [values.get(i) for i in row_ids], pl.String) for name, values in last.items()]
        table = _joined(self._identity(rows, identity), pl.concat(c.answers for c in chunks)).hstack(columns)
        # Where the site has a zone, times leave on its wall clock, with `utc_offset` beside them.
        return source.clock.to_disk(table, [TIME]) if isinstance(source, Timeline) else table

    def _expect(self, source: Timeline | RowTable) -> None:
        timed = isinstance(source, Timeline)
        if self.question.target if timed else self.question.task_document:
            wanted, kind = ("rows without times", "events in time")[:: 1 if timed else -1]
            fix = f"give a source in the package's format ({self.source_format})"
            raise BadData(f"this package answers for {wanted}; the source holds {kind}", fix=fix)

    def _chunk(self, samples: Samples, levels: Mapping[int, Sequence[str]], folder: Path) -> "_Chunk":
        outside = _by_row(samples, self.limits.outside_of(samples), levels)
        filled = self.limits.rows_with(samples) if len(samples) > 1 else {}  # of one row, nothing follows
        if outside and self.limits.outside == "refuse":
            samples = samples.take(~np.isin(samples.row_id, list(outside)))
        with _blamed_on_the_package():
            answer = self.answer(samples) if len(samples) else Raw(np.zeros((0, 1)))
            outcome = self.question.outcome
            answers = outcome.predictions(answer, samples, decision=self.decision, folder=folder)
        return _Chunk(answers.insert_column(0, pl.Series("row_id", samples.row_id)), outside, filled)

    def _note_missing(self, chunks: Sequence[Mapping[str, Mapping[str, int]]], rows: int) -> None:
        """Say which inputs no row of the source has, although many rows had them where the package learned."""
        counts: dict[str, Counter[str]] = {}
        for chunk in chunks:
            for name, one in chunk.items():
                counts.setdefault(name, Counter()).update(one)
        if never := self.limits.never_there(counts, rows):
            listed = ", ".join(never[:MOST_NAMED]) + (
                f" and {len(never) - MOST_NAMED:,} more" * (len(never) > MOST_NAMED)
            )
            why = "The package learned from rows that have them: see whether something was not delivered or is called otherwise."
            note("inputs that no row has", f"{listed}, in {how_many(rows, 'row')}", why)

    def _identity(self, rows: pl.DataFrame, identity: Identity) -> pl.DataFrame:
        n = rows.height
        known = [rows[name] if name in rows else none.new_from_index(0, n) for name, none in UNKNOWN.items()]
        named = [one.new_from_index(0, n) for one in self._named]
        return with_identity(pl.DataFrame([rows[ROW_ID], *known, *named]), identity.columns(rows[ROW_ID]))

    @cached_property
    def _named(self) -> list[pl.Series]:
        """What stands alike in every row of the predictions table: one value each."""
        name = self.members[0].name
        alike = {OUTCOME: self.question.kind, MODEL: name, FOLD: PACKAGE_FOLD, SPLIT: EVERY_SPLIT}
        return [pl.Series(column, [value], pl.String) for column, value in alike.items()]

    def save(self, folder: Path, card: str) -> None:
        """Write the package whole or not at all: recipe, parts, state, combination, limits, card, checksums."""
        with atomic.folder(folder) as part:
            for number, member in enumerate(self.members):
                member.save(part / "state" / f"{number}", part / "parts" / f"{number}")
            combination = Combination(
                rule="mean", adjustment=as_setting(self.adjustment), decision=as_setting(self.decision)
            )
            documents: dict[str, Any] = {"recipe": self._recipe(), "combine": combination, "limits": self.limits}
            for name, document in documents.items():
                text = json.dumps(config.plain(asdict(document)), indent=1, sort_keys=True)
                (part / f"{name}.json").write_text(text, encoding="utf-8")
            (part / "card.md").write_text(card, encoding="utf-8")
            seal(part)

    def _recipe(self) -> Recipe:
        used = {"outcomes": [self.question.kind], "inputs": [*self.question.inputs]}
        if self.source_format:
            used["formats"] = [self.source_format]
        entries = [registry.entry(kind, name).needs() for kind, named in used.items() for name in named]
        needs = {one["distribution"]: one["version"] for one in entries}
        for member in self.members:
            needs |= member.needs()
        for kind, item in (("adjustments", self.adjustment), ("decisions", self.decision)):
            if item is not None:
                entry = registry.entry(kind, item.name).needs()
                needs[entry["distribution"]] = entry["version"]
        question = self.question
        document = QuestionDocument(inputs=question.inputs, task=question.task_document, target=question.target)
        members, portable = len(self.members), self.portable
        about = dict(self.about)
        return Recipe(format=2, about=about, question=document, members=members, portable=portable, needs=needs)

    @classmethod
    def open(cls, package: Path) -> Self:
        """Check and load a package: a folder, the folder of its run, or a `.zip`. Torch is not needed.

        Raises
        ------
        BadPackage
            For a package that is altered, malformed or of another format, or that needs what is not installed.
        """
        checked = check(package)
        recipe, contents = checked.recipe, checked.contents
        for distribution, version in recipe.needs.items():
            require(distribution, version)
        combination = read(Combination, contents, "combine.json")
        limits = read(Limits, contents, "limits.json")
        document = recipe.question
        question = Question(inputs=document.inputs, task_document=document.task, target=document.target)
        with _blamed_on_the_package(package):
            members = [Fitted.load(contents, f"state/{n}", f"parts/{n}") for n in range(recipe.members)]
            _ = question.outcome, question.readers, question.task  # their settings are checked as they are made
            adjustment: Adjustment | None = built_setting("adjustments", combination.adjustment)
            decision: Decision | None = built_setting("decisions", combination.decision)
        return cls(question, members, recipe.about, adjustment, decision, limits)


def as_setting(item: Adjustment | Decision | None) -> ValidationSetting | None:
    """What validation answers taught, as the package stores it: a registered name and its settings."""
    return None if item is None else ValidationSetting(name=item.name, settings=config.settings_of(item))


def built_setting(kind: str, document: ValidationSetting | None) -> Any:
    """The same, built again from its document; None where there is none."""
    if document is None:
        return None
    return config.build(registry.load(kind, document.name), document.settings, file="combine.json")


@dataclass(frozen=True, eq=False)
class _Chunk:
    """The answers of some rows (`row_id` first), row_id → the names of what lies outside the limits, and how many rows
    have each input (`Limits.rows_with`).
    """

    answers: pl.DataFrame
    outside: dict[int, str]
    filled: Mapping[str, Mapping[str, int]]


def _nothing_to_predict(source: Timeline | RowTable, at: datetime | None) -> BadData:
    """Why there is no row to predict for."""
    place = Place(file=str(source.path))
    if source.scan().head(1).collect().is_empty():
        kind = "events" if isinstance(source, Timeline) else "rows"
        return BadData(f"the source is empty: it has no {kind}", at=place, fix=f"name a source that holds {kind}")
    if at is not None:
        what = f"at {at:%Y-%m-%d %H:%M} no patient of this source meets the conditions of the task"
        fix = "name a time within the data (`polyclinic describe SOURCE` shows from when to when they reach)"
        return BadData(what, at=place, fix=f"{fix}, or leave --at out")
    fix = "`polyclinic cohort SOURCE TASK --out FILE` shows who falls out at which step; --at names a time of your own"
    return BadData("no patient of this source meets the conditions of the task", at=place, fix=fix)


def _by_row(samples: Samples, names: Sequence[str | None], levels: Mapping[int, Sequence[str]]) -> dict[int, str]:
    """Row → what lies outside: the inputs beyond their limits, and the columns with a level not seen in training."""
    unseen = {row: {f"{name} {MISSING}" for name in names} for row, names in levels.items()}
    listed: dict[int, str] = {}
    for row, one in zip(samples.row_id.tolist(), names, strict=True):
        if one is None and row not in levels:
            continue
        every = [*(one.split(", ") if one is not None else []), *levels.get(row, ())]
        if kept := [name for name in every if name not in unseen.get(row, ())]:
            listed[row] = ", ".join(kept)
    return listed


def _note_outside(outside: Mapping[int, str], rows: int) -> None:
    """Say how many rows lie outside, and by which inputs the most."""
    if outside:
        counts = Counter(name for names in outside.values() for name in names.split(", "))
        most = ", ".join(f"{name} {count:,}" for name, count in counts.most_common(5))
        why = "the package learned from no such rows; the column `outside` of the predictions names what is unusual"
        note("inputs outside the package's limits", f"{len(outside):,} of {how_many(rows, 'row')} ({most})", why)


@contextmanager
def _blamed_on_the_package(package: Path | None = None) -> Iterator[None]:
    """Turn what a malformed package makes fail (a missing array, a setting of another type) into `BadPackage`."""
    at = Place(file=str(package)) if package else None
    fix = "take the package anew from the run that wrote it"
    try:
        yield
    except UsageError as error:
        if isinstance(error, MissingDependency):
            raise
        raise BadPackage(f"the package is malformed: {error.what}", at=at or error.at, fix=error.fix) from error
    except (PolyclinicError, MemoryError, OSError):
        raise
    except Exception as error:  # whatever its graphs, arrays and settings provoke
        last = traceback.extract_tb(error.__traceback__)[-1]
        what = f"the package cannot answer: {type(error).__name__} in {Path(last.filename).name}, line {last.lineno}"
        raise BadPackage(what, at=at, fix=fix) from error


def _together(source: Timeline | RowTable, rows: pl.DataFrame) -> Iterator[tuple[Timeline | RowTable, pl.DataFrame]]:
    """The rows that are read together, each time with the part of the source that knows of them; at least once.

    A timeline is read a few shards at a time, each of them once: memory stays flat, and cost grows with the source.
    """
    if isinstance(source, RowTable):
        yield from ((source, rows[i : i + ROWS_READ]) for i in range(0, max(rows.height, 1), ROWS_READ))
        return
    parts = list(source.parts(BYTES_READ))
    for part in parts[:-1]:
        with part.reading():
            subjects = part.scan().select(pl.col("subject_id").unique()).collect(engine="streaming")
        mine = rows["subject_id"].is_in(subjects["subject_id"].implode())
        yield part, rows.filter(mine)
        rows = rows.filter(~mine)
    yield parts[-1], rows


def _parts(samples: Samples, size: int) -> Iterator[Samples]:
    """The rows, at most `size` at a time; once nothing where there are none."""
    if len(samples) <= size:
        yield samples
        return
    for first in range(0, len(samples), size):
        yield samples.take(np.arange(first, min(first + size, len(samples))))


def _joined(rows: pl.DataFrame, answers: pl.DataFrame) -> pl.DataFrame:
    if rows["row_id"].equals(
        answers["row_id"]
    ):  # all are answered, in their order: no join, which costs a live question
        return rows.hstack(answers.get_columns()[1:])
    return rows.join(answers, on="row_id", how="left", maintain_order="left")
