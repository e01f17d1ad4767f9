"""The steps before any model: the source ingested, the rows selected, the samples assembled, the inputs looked at.

Each step is made by one plain function, whose code and whatever it reaches decide the step's key; what a step hands on
is typed.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from polyclinic import config, datasets, fingerprint, registry
from polyclinic.cohorts.cohort import Cohort, Step
from polyclinic.cohorts.durations import duration
from polyclinic.cohorts.label_windows import COUNT, END, label_windows
from polyclinic.cohorts.predicate_rows import column_holds, holds_before, predicate_of
from polyclinic.errors import BadData, Place
from polyclinic.evaluation.ascertainment import Ascertained, ascertainment, counted
from polyclinic.evaluation.leak import screen_inputs
from polyclinic.packages.question import Question
from polyclinic.samples import Entity, File, Samples, store
from polyclinic.samples.assembly import SelectedRows, assemble, select_rows, unreadable
from polyclinic.samples.frames import need_columns
from polyclinic.samples.inputs import OfTables, ReadsFiles
from polyclinic.samples.splits import Fold, Split, split
from polyclinic.studies.steps import FinishedStep, StepCode, Steps, key_of
from polyclinic.studies.study import Study, StudySource
from polyclinic.timelines.ingest import detect, ingest, open_source
from polyclinic.timelines.rows import RowTable
from polyclinic.timelines.timeline import Timeline


@dataclass(frozen=True)
class SourceLocation:
    """Where the source lies, the format it is read in, and the SHA-256 of its files."""

    path: Path
    format_name: str

    @cached_property
    def digest(self) -> str:
        """One SHA-256 of all its files."""
        return fingerprint.of_folder(self.path)

    @classmethod
    def of(cls, source: StudySource) -> "SourceLocation":
        """Find it; raises `BadData` where it is not there."""
        if source.data is not None:
            return cls(datasets.get(source.data), datasets.listing()[source.data].format)
        path = Path(source.frame or source.timeline or str(source.path))
        if not path.exists():
            what = f"no such file or folder: {path}"
            raise BadData(what, at=Place(key="source"), fix="check `source` of the study")
        named = "table" if source.frame else "meds" if source.timeline else source.format
        return cls(path, named or detect(path))


@dataclass(frozen=True, eq=False)
class IngestedSource:
    """The source as a timeline or a table of rows."""

    step: FinishedStep
    location: SourceLocation

    @cached_property
    def data(self) -> Timeline | RowTable:
        """The ingested source, opened."""
        return open_source(self.step.folder / "source")


def ingest_step(study: Study, steps: Steps) -> IngestedSource:
    """The source ingested."""
    location, bound = SourceLocation.of(study.source), study.source.max_quarantined
    inputs = {"format": location.format_name, "files": location.digest, "bound": bound}
    code = StepCode(ingest_source, (registry.entry("formats", location.format_name).target,))
    make = partial(ingest_source, location=location, bound=bound)
    return IngestedSource(steps.step("ingest", inputs, code, make), location)


def ingest_source(folder: Path, location: SourceLocation, bound: float) -> None:
    """Ingest a source to the folder `source` of a step."""
    ingest(location.format_name, location.path, folder / "source", max_quarantined=bound)


# -- the rows that are predicted for ---------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class StudyCohort:
    """The rows to predict for, and who fell out on the way."""

    step: FinishedStep

    @cached_property
    def rows(self) -> pl.DataFrame:
        """The selected rows, `row_id` first."""
        return pl.read_parquet(self.step.folder / "rows.parquet")

    @cached_property
    def attrition(self) -> dict[str, Any]:
        """`attrition`, the flow; `set_aside`, the values that do not count; `sanity`."""
        document: dict[str, Any] = json.loads((self.step.folder / "attrition.json").read_text(encoding="utf-8"))
        return document

    def ascertainment(self) -> list[Ascertained]:
        """Labels by how often the outcome was measured and by what ended its window, where the task says when that is.

        It is read from what the step has kept: the step itself does not depend on the evaluation.
        """
        if not (path := self.step.folder / "label_windows.parquet").is_file():
            return []
        windows = pl.read_parquet(path)
        facts = {"the window ended with": windows[END].to_list()}
        if COUNT in windows.columns:
            facts = {"measurements in the window": counted(windows[COUNT].to_numpy()), **facts}
        return ascertainment(windows["label"].fill_null(float("nan")).to_numpy(), facts)


def cohort_step(study: Study, source: IngestedSource, steps: Steps) -> StudyCohort:
    """The rows selected."""
    question = study.question
    labels = fingerprint.of_file(Path(question.labels)) if question.labels else None
    inputs = {"ingest": source.step.key, "task": question.task_document, "labels": labels, "target": question.target}
    make = partial(write_cohort, question=question, source=source)
    return StudyCohort(steps.step("cohort", inputs, StepCode(write_cohort), make))


def write_cohort(folder: Path, question: Question, source: IngestedSource) -> None:
    """Select the rows to predict for, and write them with their attrition."""
    selection = select_rows(question, source.data)
    if len(selection.refused) == selection.rows.height:
        fix = "see that the labels name subjects and times as the source does"
        raise BadData("of no row of the labels anything is known by its time", fix=fix)
    rows = selection.rows.filter(~pl.col("row_id").is_in(list(selection.refused)))
    rows.write_parquet(folder / "rows.parquet")
    windows = None if selection.cohort is None else windows_of(selection.cohort)
    if windows is not None:
        windows.write_parquet(folder / "label_windows.parquet")
    facts = attrition_of(selection, source.data)
    (folder / "attrition.json").write_text(json.dumps(facts, ensure_ascii=False), encoding="utf-8")


def attrition_of(selection: SelectedRows, source: Timeline | RowTable) -> dict[str, object]:
    """`attrition`, who fell out at each step, before and behind the index; `set_aside`; `sanity`."""
    if selection.cohort is not None:
        flow = [asdict(step) for step in selection.cohort.attrition]
        set_aside = dict(selection.cohort.set_aside)
        return {"attrition": flow, "set_aside": set_aside, "sanity": selection.cohort.warnings()}
    used = selection.rows.height - len(selection.refused)
    if isinstance(source, RowTable):
        summary = source.summary()
        first, last = ("rows of the source", summary["rows_in"]), ("rows that can be read", used)
        lost = {**summary["non_events"], "in quarantine": summary["quarantined"]}
    else:
        first, last = ("rows of the labels", selection.rows.height), ("rows of which something is known by then", used)
        lost = {"nothing is known of the subject by then": len(selection.refused)}
    counts = [(*first, False), *((name, rows, True) for name, rows in lost.items() if rows), (*last, False)]
    flow = [asdict(Step(name, rows, {}, excluded=excluded)) for name, rows, excluded in counts]
    return {"attrition": flow, "set_aside": {}, "sanity": []}


def windows_of(cohort: Cohort) -> pl.DataFrame | None:
    """How each label's window ended, how often the outcome was measured in it, and the label, [row].

    None where the task does not say when the window ends.
    """
    events = cohort.source.scan() if isinstance(cohort.source, Timeline) else cohort.source
    windows = label_windows(cohort.task, events, cohort.index)
    return None if windows is None else windows.with_columns(label=cohort.index["boolean_value"].cast(pl.Float64))


# -- the samples -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class StudySamples:
    """Samples for every selected row.

    Attributes
    ----------
    question
        The question with everything resolved that the rows decide: the columns of a table and their levels.
    fit_key
        The key of these samples whatever strata they are broken down by: other subgroups train nothing again.
    """

    step: FinishedStep
    question: Question
    fit_key: str

    @cached_property
    def rows(self) -> Samples:
        """The samples, as memory maps."""
        return store.load(self.step.folder / "samples")

    def folds(self, settings: Split, seed: int) -> list[Fold]:
        """Training, validation and test rows of each fold."""
        if settings.separate == ("subject",) and "subject" not in self.rows.groups:
            settings = replace(settings, separate=tuple(self.rows.groups))
        return split(self.rows, settings, seed)


def samples_step(study: Study, source: IngestedSource, cohort: StudyCohort, steps: Steps) -> StudySamples:
    """The samples assembled."""
    named, evaluation = study.question.inputs, study.evaluation
    inputs: dict[str, object] = {"ingest": source.step.key, "cohort": cohort.step.key, "inputs": named}
    inputs |= {"separate": study.split.apart} if "table" in named else {}
    inputs |= {"parts": study.split.column} if study.split.column else {}
    question = study.question
    if source.step.exists and cohort.step.exists:
        question = resolved(study, source.data, cohort.rows)
        inputs |= {"files": files_digest(question, cohort.rows, source)}
    code = StepCode(write_samples, tuple(registry.entry("inputs", name).target for name in named))
    fit_key = key_of("samples", inputs, code)
    inputs |= {"strata": evaluation.strata} if "table" in named else {}
    inputs |= {"subgroups": evaluation.predicates} if evaluation.predicates else {}
    make = partial(
        write_samples,
        question=question,
        source=source,
        cohort=cohort,
        subgroups=evaluation.predicates,
        parts=study.split.column,
    )
    return StudySamples(steps.step("samples", inputs, code, make), question, fit_key)


def write_samples(
    folder: Path,
    question: Question,
    source: IngestedSource,
    cohort: StudyCohort,
    subgroups: Mapping[str, Mapping[str, object] | str],
    parts: str | None = None,
) -> None:
    """Assemble the samples of the rows that every input can read; subgroups that are predicates become strata.

    parts: a column that names the part of each row, which becomes one, too.
    """
    refused = unreadable(question, cohort.rows)
    kept = cohort.rows[[i for i in range(cohort.rows.height) if i not in refused]]
    samples = assemble(question, source.data, SelectedRows(kept))
    holds = {name: holding(name, one, question, source.data, kept) for name, one in subgroups.items()}
    strata = {name: np.where(rows, "yes", "no") for name, rows in holds.items()}
    if parts is not None and parts not in samples.strata:  # inputs of an area do not read it themselves
        need_columns(kept, [parts])
        strata[parts] = kept[parts].cast(pl.String).fill_null("unknown").to_numpy().astype(np.str_)
    store.save(replace(samples, strata={**samples.strata, **strata}), folder / "samples")


def holding(
    name: str,
    predicate: Mapping[str, object] | str,
    question: Question,
    source: Timeline | RowTable,
    rows: pl.DataFrame,
) -> npt.NDArray[np.bool_]:
    """Of which rows the predicate of a subgroup holds: at the index, or in the look-back of the inputs before it."""
    if isinstance(source, RowTable):
        return column_holds(name, predicate, rows)
    lookbacks = [
        str(one["lookback"]) for one in map(config.settings_of, question.readers.values()) if "lookback" in one
    ]
    lookback = duration(lookbacks[0]) if lookbacks else None
    return holds_before(predicate_of(name, predicate, question.task), source.scan(), rows, lookback)


def resolved(study: Study, source: Timeline | RowTable, selected: pl.DataFrame) -> Question:
    """The question with what the rows of the study decide written out: columns of a table, levels, names of classes.

    selected: the rows to predict for, with their labels.
    """
    question, separate = study.question, study.split.apart
    if not isinstance(source, RowTable):
        return question
    outcome = question.outcome.resolved(question.target, selected)
    target = dict(question.target)
    if outcome != question.outcome:
        target |= config.settings_of(outcome)
    rows, strata = source.rows(), study.evaluation.strata
    parts = () if study.split.column is None else (study.split.column,)
    left_out = [*question.target_columns, *separate, *parts]
    inputs = dict(question.inputs)
    for name, reader in question.readers.items():
        if isinstance(reader, OfTables):  # its groups and strata are what is kept apart and broken down by
            groups = reader.groups or tuple(n for n in separate if n != "row")
            complete = replace(reader, groups=groups, strata=tuple(dict.fromkeys((*(reader.strata or strata), *parts))))  # type: ignore[type-var]
            inputs[name] = config.settings_of(complete.resolved(rows, left_out))
    return replace(question, inputs=inputs, target=target)


def files_digest(question: Question, rows: pl.DataFrame, source: IngestedSource) -> str | None:
    """SHA-256 of the files that the rows name and that lie outside the source, whose own files have theirs.

    Returns None where there are none.
    """
    readers = [reader for reader in question.readers.values() if isinstance(reader, ReadsFiles)]
    names = {str(name) for reader in readers for name in reader.files(rows)}
    if isinstance(source.data, RowTable):
        for name in source.data.files.keys() & {*question.target_columns}:
            names |= set(rows[name].drop_nulls())
    inside = source.location.path.resolve()
    paths = sorted({Path(name).resolve() for name in names})
    outside = [path for path in paths if path.is_file() and not path.is_relative_to(inside)]
    return fingerprint.of_value({str(path): fingerprint.of_file(path) for path in outside}) if outside else None


def file_formats(rows: Samples) -> list[str]:
    """The registered targets of the formats whose readers read the files of these samples, linked tables included."""
    return sorted({registry.entry("formats", name).target for name in _format_names(rows)})


def _format_names(rows: Samples) -> Iterator[str]:
    for column in rows.columns.values():
        if isinstance(column, File):
            yield column.reader.name.partition("/")[0]
        elif isinstance(column, Entity):
            yield from _format_names(column.table)


def leak_step(samples: StudySamples, steps: Steps) -> FinishedStep:
    """Each input alone looked at against the target, before anything is fitted."""
    make = partial(look_for_leaks, samples=samples)
    return steps.step("leak", {"samples": samples.fit_key}, StepCode(look_for_leaks), make)


def look_for_leaks(folder: Path, samples: StudySamples) -> None:  # noqa: ARG001
    """Raise `BadData` for an input that is the answer, note one that nearly is; nothing else is kept."""
    screen_inputs(samples.rows)
