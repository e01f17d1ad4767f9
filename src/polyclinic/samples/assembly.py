"""From a source and a question to Samples: the middle of the path, the same for a study and for a package."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Protocol

import numpy as np
import polars as pl

from polyclinic.arrays import Array
from polyclinic.cohorts.cohort import KEYS, Cohort, as_index
from polyclinic.cohorts.extract import extract
from polyclinic.cohorts.task import Task
from polyclinic.errors import BadData, Place, UsageError, pattern_of
from polyclinic.figures.numbers import how_many
from polyclinic.notes import note
from polyclinic.samples.columns import Column, File
from polyclinic.samples.frames import in_one_type, labels, need_columns, read_table, times
from polyclinic.samples.identity import Identity
from polyclinic.samples.inputs import HasCategories, InputColumns, Inputs
from polyclinic.samples.repeats import note_repeats
from polyclinic.samples.samples import Role, Samples
from polyclinic.timelines.availability import known_at
from polyclinic.timelines.format import FileReader
from polyclinic.timelines.rows import RowTable
from polyclinic.timelines.timeline import Timeline

TARGET = "boolean_value"
MOST_PATTERNS = 3
MOST_LEVELS_SHOWN = 20


class Question(Protocol):
    """What assembly needs to know of a question; `polyclinic.packages.question.Question` is one."""

    @property
    def task(self) -> Task | None:
        """The task, where the source has times."""

    @property
    def target(self) -> Mapping[str, object]:
        """`column`, `kind` and settings of the target, where rows have no times."""

    @property
    def labels(self) -> str | None:
        """A table of labels in place of a task or beside rows."""

    @property
    def outcome(self) -> "TargetReader":
        """The outcome with its settings."""

    @property
    def readers(self) -> Mapping[str, Inputs]:
        """Name → the inputs with their settings."""

    @property
    def live_readers(self) -> Mapping[str, Inputs]:
        """The same as a live question needs them."""


class TargetReader(Protocol):
    """An outcome, as far as it reads the target; see `polyclinic.outcomes.outcome.Outcome`."""

    def reads(self, target: Mapping[str, object]) -> tuple[str, ...]: ...

    def columns(
        self, target: Mapping[str, object], rows: pl.DataFrame, files: Mapping[str, FileReader]
    ) -> Mapping[str, Column]: ...


@dataclass(frozen=True, eq=False)
class SelectedRows:
    """The rows to predict for (`row_id` first), and the cohort they came from, where there was one.

    refused: row_id → why it cannot be answered. identity: what the caller calls the rows; it must be given where these
    are some of a source's rows, and is read from them where it is None.
    """

    rows: pl.DataFrame
    cohort: Cohort | None = None
    refused: Mapping[int, str] = field(default_factory=dict)
    identity: Identity | None = None


def select_rows(
    question: Question,
    source: Timeline | RowTable,
    *,
    at: datetime | None = None,
    index: pl.DataFrame | None = None,
    live: bool = False,
) -> SelectedRows:
    """Select the rows to predict for.

    at: one index time for every subject, in place of the task's own; live: never look past the index; index: a table
    of index times (`subject_id`, `prediction_time`), for a question that has a table of labels in place of a task.
    Times have a zone, or stand on the wall clock of the site.
    """
    if isinstance(source, RowTable):
        if at is not None:
            what = "the rows of this source have no times, so that one index time for all means nothing"
            raise UsageError(what, at=Place(key="--at"), fix="leave it out: each row is answered as it stands")
        if live and index is not None:
            what = "the rows of this source have no times, so that a table of index times cannot be used"
            raise UsageError(what, at=Place(key="--index"), fix="leave it out: each row is answered as it stands")
        return SelectedRows(_with_labels(source.rows(), question, live))
    task = question.task
    if index is not None and (task or at):
        what = "--at names the index time" if at else "the package has a task, which defines the index times"
        raise UsageError(f"a table of index times cannot be used: {what}", fix="leave --index out")
    if question.labels is not None and index is None and not live:
        place = Place(file=question.labels)
        labels = as_index(read_table(Path(question.labels)), source, place)
        return _of_index(source, _unique_labels(labels, KEYS, question.labels))
    if task is None and index is not None:
        return _of_index(source, as_index(index, source))
    if task is None:
        return SelectedRows(_numbered(_known_by(source, at)))
    cohort = extract(task, source, outcome=not live, at=at)
    if not live:
        cohort.require()
    return SelectedRows(_numbered(cohort.index), cohort)


def _of_index(source: Timeline, index: pl.DataFrame) -> SelectedRows:
    """The rows of a table of index times; one is refused where nothing is known of the subject by then."""
    rows = _numbered(index)
    events = source.scan().filter(pl.col("subject_id").is_in(rows["subject_id"].unique().implode()))
    known = known_at(events.collect_schema().names())
    with source.reading():
        first = events.group_by("subject_id").agg(first_known=known.min(), always=known.is_null().any()).collect()
    joined = rows.join(first, on="subject_id", how="left", maintain_order="left")
    by_then = pl.col("always") | (pl.col("first_known") <= pl.col("prediction_time")).fill_null(False)
    unknown = joined.filter(~by_then.fill_null(False))["row_id"]
    return SelectedRows(rows, refused=dict.fromkeys(unknown, "nothing is known of this subject by then"))


def _unique_labels(labels: pl.DataFrame, keys: Sequence[str], file: str) -> pl.DataFrame:
    """Raise `BadData` where two rows of the labels have the same keys."""
    if set(keys) <= set(labels.columns) and (repeated := int(labels.select(keys).is_duplicated().sum())):
        what, fix = (
            f"{how_many(repeated, 'row of the labels has', 'rows of the labels have')} the same {', '.join(keys)} as another",
            "keep one row each",
        )
        raise BadData(what, at=Place(file=file), fix=fix)
    return labels


def _known_by(source: Timeline, at: datetime | None) -> pl.DataFrame:
    """Every subject about whom something is known by then."""
    if at is None:
        fix = "a study names a `task` or a table of `labels`; predict takes --at TIME, or --index FILE"
        raise UsageError("there are no index times: the question has no `task`", fix=fix)
    events, when = source.scan(), pl.lit(source.clock.instant(at)).cast(pl.Datetime("us"))
    known = events.filter(known_at(events.collect_schema().names()) <= when)
    with source.reading():
        return known.select(pl.col("subject_id").unique().sort(), prediction_time=when).collect()


def _numbered(index: pl.DataFrame) -> pl.DataFrame:
    numbered = index.drop("row_id") if "row_id" in index.columns else index.clone()
    return numbered.insert_column(0, pl.Series("row_id", np.arange(index.height)))


def _with_labels(rows: pl.DataFrame, question: Question, live: bool) -> pl.DataFrame:
    if question.labels is None or live:
        return rows
    table = read_table(Path(question.labels))
    answers = question.outcome.reads(question.target)
    keys = [c for c in table.columns if c in rows.columns and c not in answers]
    if not keys:
        fix = f"give them one of the columns {', '.join(rows.columns[:8])}"
        raise BadData("the labels share no key with the rows", at=Place(file=question.labels), fix=fix)
    rows, table = in_one_type(rows, table, keys)
    _unique_labels(table, keys, question.labels)
    known = rows.drop([c for c in table.columns if c not in keys and c in rows.columns])
    return known.join(table, on=keys, how="left", maintain_order="left")


def assemble(
    question: Question, source: Timeline | RowTable, selection: SelectedRows, *, live: bool = False
) -> Samples:
    """Samples for the selected rows; a live question has no target."""
    readers = question.live_readers if live else question.readers
    inputs = _inputs(readers, question, source, selection.rows)
    columns = dict(inputs.columns)
    roles: dict[str, Role] = dict.fromkeys(columns, "input")
    if not live:
        targets = _targets(question, source, selection.rows)
        if both := [name for name in targets if name in columns]:
            what, at = f"the target {both[0]!r} is also an input", Place(key="target.column")
            raise UsageError(what, at=at, fix="take it out of the inputs")
        columns |= targets
        roles |= dict.fromkeys(targets, "target")
    when = times(selection.rows["prediction_time"]) if "prediction_time" in selection.rows.columns else None
    ids = selection.rows["row_id"].to_numpy()
    identity = selection.identity or Identity.of(readers.values(), selection.rows)
    with_files = identity.file_names and any(isinstance(column, File) for column in columns.values())
    names = np.array([identity.file_names[i] for i in ids.tolist()], np.str_) if with_files else None
    own = identity.columns(ids)
    samples = Samples(ids, columns, roles, inputs.groups or {"row": ids}, when, inputs.strata, own, names)
    if not live:
        note_repeats(samples, inputs.unit)
    return samples


def _inputs(
    readers: Mapping[str, Inputs], question: Question, source: Timeline | RowTable, rows: pl.DataFrame
) -> InputColumns:
    columns: dict[str, Column] = {}
    groups: dict[str, Array] = {}
    strata: dict[str, Array] = {}
    unit = ""
    if "subject_id" in rows.columns:
        groups["subject"] = labels(rows["subject_id"])
    task = question.task
    for name, reader in readers.items():
        part = reader.columns(source, rows, task)
        twice = set(columns) & set(part.columns)
        if twice:
            raise UsageError(f"two inputs give a column {min(twice)!r}", at=Place(key=f"inputs.{name}"))
        columns |= part.columns
        groups |= part.groups
        strata |= part.strata
        unit = unit or part.unit
    return InputColumns(columns, groups, strata, unit)


def _targets(question: Question, source: Timeline | RowTable, rows: pl.DataFrame) -> Mapping[str, Column]:
    """The target columns: those that the outcome makes of what it reads; a task labels its rows in one column."""
    target = {"column": TARGET, **question.target}
    need_columns(rows, question.outcome.reads(target))
    return question.outcome.columns(target, rows, source.files if isinstance(source, RowTable) else {})


def unreadable(question: Question, rows: pl.DataFrame) -> dict[int, str]:
    """Position → why, for rows that some input cannot take."""
    reasons: dict[int, str] = {}
    for reader in question.readers.values():
        reasons |= reader.unreadable(rows)
    return reasons


def _levels_of(reader: Inputs, name: str) -> str:
    """The levels of a column that the package itself lists: they are no patient's."""
    levels = reader.categories.get(name, ()) if isinstance(reader, HasCategories) else ()
    if not levels:
        return ""
    more = ", …" if len(levels) > MOST_LEVELS_SHOWN else ""
    return f"; known: {', '.join(map(repr, levels[:MOST_LEVELS_SHOWN]))}{more}"


def unseen(question: Question, rows: pl.DataFrame) -> dict[int, list[str]]:
    """Row → the columns in which it holds a level that no row of the study held; each column is noted with its count.

    Such a level has no input of its own: to the model it is as if it were missing.
    """
    columns: dict[int, list[str]] = {}
    row_id = rows["row_id"].to_list()
    for reader in question.readers.values():
        for name, positions in reader.outside(rows).items():
            if not positions:
                continue
            for position in positions:
                columns.setdefault(row_id[position], []).append(name)
            patterns = Counter(pattern_of(value) for value in rows[name].gather(list(positions)))
            shown = ", ".join(repr(pattern) for pattern, _ in patterns.most_common(MOST_PATTERNS))
            hold = how_many(len(positions), "row holds", "rows hold")
            result = f"{hold} a level not seen in training (pattern {shown}{_levels_of(reader, name)})"
            note(
                name,
                result,
                "To the model such a level is a missing value: see that levels are written as in training.",
            )
    return columns
