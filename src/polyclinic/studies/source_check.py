"""What a study names is there: its files, and the columns of its source. Looked at before anything is made."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, TypeAlias

import polars as pl

from polyclinic.cohorts.predicate_rows import column_holds, predicate_of
from polyclinic.datasets.dataset import named as registered_set
from polyclinic.datasets.fetch import local_copy
from polyclinic.errors import Place, UnknownName, UsageError
from polyclinic.samples.inputs import Stratified
from polyclinic.samples.table_inputs import TableInputs
from polyclinic.studies.study import Study
from polyclinic.timelines.format import FixedColumns, ListedColumns
from polyclinic.timelines.ingest import detect, open_source, opened
from polyclinic.timelines.rows import RowTable
from polyclinic.timelines.tables import names_of_columns

At: TypeAlias = Callable[..., Place]
"""Keys of the study's YAML → their place."""
ALWAYS = ("row", "subject")
"""Groups that rows have whatever their columns are."""


def check_source(study: Study, at: At) -> None:
    """Look for what a study names, before anything is made.

    Parameters
    ----------
    study
        The study.
    at
        The place of a key in its YAML.

    Raises
    ------
    UsageError
        For a file that is not there, or a group or subgroup that is the target.
    UnknownName
        For a target, an input, a group or a subgroup that is no column of the source.
    BadData
        Where the source is there, and no format knows it, or its table is empty.
    """
    path = _location(study, at)
    if (labels := study.question.labels) is not None:
        _expect(Path(labels), at("labels"))
    if study.split.file is not None:
        _expect(Path(study.split.file), at("split", "file"))
    _check_answer(study, at)
    if path is None:
        return
    source = _contents(study, path)
    if source.gives == "events":
        _check_events(study, at)
        return
    columns = [*source.columns, *(names_of_columns(Path(labels)) if labels is not None else [])]
    for named in _named(study, whole=source.whole) if columns else ():
        if named.name not in columns:
            raise UnknownName(f"{named.kind} column", named.name, columns, at=at(*named.keys))
    if source.whole:
        _check_comparisons(study, columns, at)


# -- files -----------------------------------------------------------------------------------------------------------


def _location(study: Study, at: At) -> Path | None:
    """Where the source lies; None for a registered set that is not on this machine yet."""
    source = study.source
    if source.data is not None:
        return local_copy(registered_set(source.data))
    key = next(key for key in ("path", "timeline", "frame") if getattr(source, key) is not None)
    path = Path(str(getattr(source, key)))
    _expect(path, at("source", key))
    return path


def _expect(path: Path, at: Place) -> None:
    if not path.exists():
        fix = "check the path: it is read from the folder of the study, else from the folder you are in"
        raise UsageError(f"no such file or folder: {path}", at=at, fix=fix)


class _Contents(NamedTuple):
    """What a source gives: events, or rows with these columns; none where they show only when it is read.

    whole: whether rows have these columns and no others, so that groups and strata are among them.
    """

    gives: str
    columns: Sequence[str] = ()
    whole: bool = False


def _contents(study: Study, path: Path) -> _Contents:
    source = study.source
    if (path / "metadata").is_dir():
        ingested = open_source(path)
        return _rows(study, ingested.scan().collect_schema().names()) if isinstance(ingested, RowTable) else _EVENTS
    name = "table" if source.frame else "meds" if source.timeline else source.format
    if source.data is not None:
        name = registered_set(source.data).format
    format_ = opened(name or detect(path))
    if format_.gives == "events":
        return _EVENTS
    if isinstance(format_, FixedColumns):
        return _Contents("rows", format_.columns)
    return _rows(study, format_.listed(path) if isinstance(format_, ListedColumns) else [])


_EVENTS = _Contents("events")


def _rows(study: Study, columns: Sequence[str]) -> _Contents:
    readers = study.question.readers.values()
    return _Contents("rows", columns, all(isinstance(reader, TableInputs) for reader in readers))


# -- names -----------------------------------------------------------------------------------------------------------


class _Named(NamedTuple):
    """A column that a study names, as what, and under which keys."""

    kind: str
    name: str
    keys: tuple[str | int, ...]


def _named(study: Study, *, whole: bool) -> Iterator[_Named]:
    """The columns that a study names: the target; and, where rows have nothing but columns, all others."""
    for name in study.question.target_columns:
        yield _Named("target", name, ("target", _target_key(study.question.target, name)))
    if whole:
        yield from _groups(study)
        for number, subgroup in enumerate(study.evaluation.subgroups):
            if isinstance(subgroup, str):
                yield _Named("subgroup", subgroup, ("evaluation", "subgroups", number))
        for reader_name, reader in study.question.readers.items():
            if isinstance(reader, TableInputs):
                for key in ("use", "without", "categories", "groups", "strata"):
                    for name in getattr(reader, key):
                        yield _Named("input", name, ("inputs", reader_name, key))


def _target_key(target: Mapping[str, object], column: str) -> str:
    """The key of the target that names a column, by itself or in a list."""
    named = (key for key, value in target.items() if value == column or (isinstance(value, list) and column in value))
    return next(named, "column")


def _groups(study: Study) -> Iterator[_Named]:
    for number, name in enumerate(study.split.separate):
        if name not in ALWAYS:
            yield _Named("group", name, ("split", "separate", number))
    if study.split.by not in (None, *ALWAYS):
        yield _Named("group", str(study.split.by), ("split", "by"))
    over = study.evaluation.over
    if over is not None and over not in ALWAYS:
        key = "intervals" if study.evaluation.intervals.over else "bootstrap"
        yield _Named("group", over, ("evaluation", key, "over"))


def _check_answer(study: Study, at: At) -> None:
    """Raise `UsageError` where the target is a group or a subgroup as well: all its rows would have one answer."""
    targets = study.question.target_columns
    strata = [
        _Named("subgroup", one, ("evaluation", "subgroups", number))
        for number, one in enumerate(study.evaluation.subgroups)
        if isinstance(one, str)
    ]
    for named in (*_groups(study), *strata):
        if named.name in targets:
            what = f"the {named.kind} {named.name!r} is the target: all of its rows have the same answer"
            raise UsageError(what, at=at(*named.keys), fix=f"name another column as {named.kind}, or none")


def _check_comparisons(study: Study, columns: Sequence[str], at: At) -> None:
    """The subgroups of a table that are comparisons of a column."""
    for number, one in enumerate(study.evaluation.subgroups):
        for name, predicate in ({} if isinstance(one, str) else one).items():
            try:
                column_holds(name, predicate, pl.DataFrame(schema=dict.fromkeys(columns, pl.String)))
            except UsageError as error:
                error.at = at("evaluation", "subgroups", number, name)
                raise


def _check_events(study: Study, at: At) -> None:
    """The subgroups of rows with times: strata that the inputs have, and predicates."""
    readers = study.question.readers.values()
    strata = [one for r in readers if isinstance(r, Stratified) for one in r.strata]
    every = all(isinstance(reader, Stratified) for reader in readers)
    for number, one in enumerate(study.evaluation.subgroups):
        keys = ("evaluation", "subgroups", number)
        if isinstance(one, str):
            if every and one not in strata:
                raise UnknownName("subgroup", one, strata, at=at(*keys))
            continue
        for name, predicate in one.items():
            try:
                predicate_of(name, predicate, study.question.task)
            except UsageError as error:
                error.at = at(*keys, name)
                raise
