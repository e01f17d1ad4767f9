"""`polyclinic run`: from a study to its predictions, its report and its package, step by step."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from polyclinic import atomic, config, datasets, fingerprint, progress, registry
from polyclinic.errors import BadData, Interrupted, Place, UnknownName
from polyclinic.evaluation.leak import single_column
from polyclinic.outcomes.outcome import Outcome
from polyclinic.packages.package import ModelPackage, limits_of
from polyclinic.packages.question import Asked, Question, ask, samples, unreadable
from polyclinic.reports.card import card
from polyclinic.reports.report import Report
from polyclinic.samples import Samples, store
from polyclinic.samples.frames import as_polars, read_table
from polyclinic.samples.splits import Fold, split
from polyclinic.studies import assemble, fits
from polyclinic.studies.steps import Done, Steps
from polyclinic.studies.study import Candidate, Study
from polyclinic.timelines.ingest import ingest, open_source
from polyclinic.timelines.rows import RowTable
from polyclinic.timelines.timeline import Timeline

READING = ("polyclinic.timelines", "polyclinic.datasets")
ASKING = ("polyclinic.cohorts", "polyclinic.timelines", "polyclinic.packages.question")


def run(
    study: str | Path | Mapping[str, Any] | Study,
    *,
    out: Path | str,
    settings: Sequence[str] = (),
    dry_run: bool = False,
) -> Report:
    """Run a study, or what of it has not been run before.

    study: a registered name, a file, or a mapping (whose source may be `{"frame": a data frame}` and whose models
    may be scikit-learn estimators). settings: `key=value` strings. dry_run: list the steps, do nothing.
    Raises `PolyclinicError`; a stopped run goes on from its finished steps when it is called again.
    """
    folder = Path(out)
    read = Study.load(kept_frame(study, folder, dry_run), settings)
    try:
        return Run(read, folder, Steps(folder / "steps", planned=dry_run)).report()
    except KeyboardInterrupt as stop:
        raise Interrupted(
            "stopped; what was finished is kept", fix="run the same command again to go on"
        ) from stop


def kept_frame(study: Any, out: Path, dry_run: bool) -> Any:
    """A data frame given as source is kept with the run, so that the run can be made again."""
    source = study.get("source") if isinstance(study, Mapping) else None
    frame = source.get("frame") if isinstance(source, Mapping) else None
    if frame is None or isinstance(frame, (str, Path)):
        return study
    path = out / "source.parquet"
    if not dry_run:
        with atomic.file(path) as part:
            as_polars(frame).write_parquet(part)
    return {**study, "source": {**source, "frame": str(path)}}  # type: ignore[dict-item]


@dataclass
class Run:
    """One study on its way through the steps."""

    study: Study
    out: Path
    steps: Steps

    @cached_property
    def outcome(self) -> Outcome:
        """The outcome that is predicted."""
        return self.study.question.outcome  # type: ignore[no-any-return]

    def report(self) -> Report:
        """Every step in turn; in a dry run, the steps alone."""
        read = self.ingested()
        rows = self.cohort(read)
        table = self.samples(read, rows)
        if self.steps.planned:
            return self._plan(table)
        tuned = self.fitted(table)
        chosen = self.choose(tuned)
        package = self.package(table, tuned[chosen])
        answered = self.answered(read, package)
        return self.written(table, tuned, chosen, package, answered)

    # -- the data ----------------------------------------------------------------------------------------------------

    def ingested(self) -> Done:
        """The source as a timeline or a table of rows."""
        source = self.study.source
        path, format = self.where
        inputs = {"format": format, "files": fingerprint.of_folder(path), "bound": source.max_quarantined}
        module = (
            registry.entry("formats", format).target.partition(":")[0] if format != "meds" else READING[0]
        )

        def make(folder: Path) -> None:
            made = folder / "source"
            ingest(format, path, made, max_quarantined=source.max_quarantined)

        return self.steps.step("ingest", inputs, (*READING, module), make)

    @cached_property
    def where(self) -> tuple[Path, str]:
        """Where the source lies, and the format it is read in."""
        source = self.study.source
        if source.data is not None:
            return datasets.get(source.data), datasets.listing()[source.data].format
        if source.frame is not None:
            return self._there(source.frame), "table"
        if source.timeline is not None:
            return self._there(source.timeline), "meds"
        path = self._there(str(source.path))
        if source.format is None:
            from polyclinic.timelines.ingest import detect

            return path, detect(path)
        return path, source.format

    def _there(self, name: str) -> Path:
        if not Path(name).exists():
            raise BadData(
                f"no such file or folder: {name}", at=Place(key="source"), fix="check `source` of the study"
            )
        return Path(name)

    @cached_property
    def source(self) -> Timeline | RowTable:
        """The ingested source, opened."""
        return open_source(self.steps.done[0].folder / "source")

    @cached_property
    def question(self) -> Question:
        """The question with everything resolved that the rows decide: the columns of a table and their levels."""
        question = self.study.question
        if not isinstance(self.source, RowTable):
            return question
        rows = self.source.rows()
        leave_out = [
            str(question.target.get("column")),
            *self.study.split.separate,
            *self.study.evaluation.subgroups,
        ]
        readers = question.readers
        made = {
            name: config.settings_of(self._table(r).resolved(rows, leave_out))
            if hasattr(r, "resolved")
            else given
            for (name, r), given in zip(readers.items(), question.inputs.values(), strict=True)
        }
        return replace(question, inputs=made)

    def _table(self, inputs: Any) -> Any:
        """Tables name their groups and strata in the study: what is kept apart, and what results are broken down by."""
        groups = inputs.groups or tuple(n for n in self.study.split.separate if n != "row")
        return replace(inputs, groups=groups, strata=inputs.strata or tuple(self.study.evaluation.subgroups))

    def cohort(self, read: Done) -> Done:
        """The rows that are asked, and who fell out on the way."""
        question = self.study.question
        labels = fingerprint.of_file(Path(question.labels)) if question.labels else None
        inputs = {"ingest": read.key, "task": question.task, "labels": labels, "target": question.target}

        def make(folder: Path) -> None:
            asked = ask(question, self.source)
            asked.rows.write_parquet(folder / "rows.parquet")
            facts = assemble.attrition(asked, self.source)
            (folder / "attrition.json").write_text(json.dumps(facts))

        return self.steps.step("cohort", inputs, ASKING, make)

    def samples(self, read: Done, rows: Done) -> Done:
        """Samples for every row that is asked."""
        study = self.study
        modules = [registry.entry("inputs", n).target.partition(":")[0] for n in study.question.inputs]
        named = (
            [list(study.split.separate), list(study.evaluation.subgroups)]
            if "table" in study.question.inputs
            else []
        )
        inputs = {"ingest": read.key, "cohort": rows.key, "inputs": study.question.inputs, "named": named}

        def make(folder: Path) -> None:
            asked = pl.read_parquet(rows.folder / "rows.parquet")
            refused = unreadable(self.question, asked)
            kept = asked[[i for i in range(asked.height) if i not in refused]]
            made = samples(self.question, self.source, Asked(kept))
            single_column(made)
            store.save(made, folder / "samples")

        return self.steps.step("samples", inputs, (*ASKING, "polyclinic.samples", *modules), make)

    # -- the models --------------------------------------------------------------------------------------------------

    def fitted(self, table: Done) -> list[fits.Tuned]:
        """Every candidate on every fold, tuned on pooled validation answers."""
        made = self.rows
        self.known_names()
        above = {"samples": table.key, "outcome": [self.outcome.kind, self.study.question.target]}
        work = [(c, f) for c in self.study.candidates for f in self.folds]
        found: dict[str, list[fits.FoldFit]] = {c.name: [] for c in self.study.candidates}
        for candidate, fold in progress.track(work, text="fitting", total=len(work)):
            one = fits.fit_fold(self.study, made, fold, candidate, self.steps, above)
            found[candidate.name].append(one)
        return [fits.tune(self.study, made, found[c.name], self.outcome) for c in self.study.candidates]

    def known_names(self) -> None:
        """Groups and strata that the evaluation names must be there before anything is fitted."""
        how = self.study.evaluation
        if how.bootstrap.over is not None and how.bootstrap.over not in self.rows.groups:
            at = Place(key="evaluation.bootstrap.over")
            raise UnknownName("group", how.bootstrap.over, self.rows.groups, at=at)
        for name in how.subgroups:
            if name not in self.rows.strata:
                raise UnknownName("stratum", name, self.rows.strata, at=Place(key="evaluation.subgroups"))

    @cached_property
    def rows(self) -> Samples:
        """The samples, as memory maps."""
        folder = next(d.folder for d in self.steps.done if d.name == "samples")
        return store.load(folder / "samples")

    @cached_property
    def folds(self) -> list[Fold]:
        """Who is learned from, who decides, who is held out."""
        how = self.study.split
        groups = self.rows.groups
        if how.separate == ("subject",) and "subject" not in groups:
            how = replace(how, separate=tuple(groups))
        return split(self.rows, how, self.study.seed)

    @cached_property
    def predicted(self) -> dict[str, pl.DataFrame]:
        """Model → its rows of the predictions table, filled by `choose`."""
        return {}

    def choose(self, tuned: Sequence[fits.Tuned]) -> int:
        """The candidate with the best score on pooled validation rows; test rows are not read."""
        score = self.study.choose.by or self.outcome.primary
        if score not in self.outcome.scores:
            raise UnknownName("score", score, self.outcome.scores, at=Place(key="choose.by"))
        values = []
        for one in tuned:
            frame = fits.predictions(one, self.rows, self.outcome, self.out)
            self.predicted[one.candidate.name] = frame
            part = frame.filter(pl.col("split") == "validation")
            values.append(float(self.outcome.measures(part)[score](np.ones((1, part.height)))[0]))
        lower = score in getattr(self.outcome, "lower_is_better", ("brier", "log_loss"))
        ranked = np.nan_to_num(np.asarray(values) * (-1 if lower else 1), nan=-np.inf)
        return int(np.argmax(ranked))

    # -- what leaves -------------------------------------------------------------------------------------------------

    def package(self, table: Done, chosen: fits.Tuned) -> Done:
        """The mean of the chosen model's folds, with its calibration, threshold, limits and card."""
        study = self.study
        about: dict[str, Any] = {
            "study": study.name,
            "title": study.title,
            "intended_use": study.intended_use,
        }
        about |= {"source_format": self.where[1], "seed": study.seed, **assemble.licence(study)}
        inputs = {
            "fits": [f.done.key for f in chosen.fits],
            "about": about,
            "rule": [study.evaluation.operating_point, config.settings_of(study.split)],
        }

        def make(folder: Path) -> None:
            learned = np.unique(np.concatenate([f.rows("train") for f in chosen.fits]))
            members = [f.fitted() for f in chosen.fits]
            limits = limits_of(self.rows.take(learned))
            made = ModelPackage(self.question, members, about, chosen.calibration, chosen.threshold, limits)
            made.save(
                folder / "package", card(assemble.for_card(study, made, self.validation(chosen), limits))
            )

        code = ("polyclinic.packages", "polyclinic.reports.card", "polyclinic.outcomes")
        return self.steps.step("package", inputs, code, make)

    def validation(self, chosen: fits.Tuned) -> dict[str, float]:
        """Scores of the chosen model on pooled validation rows: what the package may know of itself."""
        frame = self.predicted[chosen.candidate.name].filter(pl.col("split") == "validation")
        measures = self.outcome.measures(frame)
        return {name: float(score(np.ones((1, frame.height)))[0]) for name, score in measures.items()}

    def answered(self, read: Done, package: Done) -> Done:
        """Every row that is asked, answered by the package itself: what `polyclinic predict` repeats."""
        inputs = {"package": package.key, "ingest": read.key}

        def make(folder: Path) -> None:
            made, labels = ModelPackage.open(package.folder / "package"), self.question.labels
            index = None if labels is None else read_table(Path(labels))
            answers = made.predict(self.source, index=index, folder=folder / "files")
            answers.write_parquet(folder / "answers.parquet")

        return self.steps.step("answer", inputs, (*ASKING, "polyclinic.packages"), make)

    def written(
        self, table: Done, tuned: Sequence[fits.Tuned], chosen: int, package: Done, answered: Done
    ) -> Report:
        """predictions.parquet, report.json, report.html, study.yaml and package/, each whole or not at all."""
        self.out.mkdir(parents=True, exist_ok=True)
        everything = self._predictions(answered)
        with atomic.file(self.out / "predictions.parquet") as part:
            everything.write_parquet(part)
        with atomic.folder(self.out / "package") as part:
            shutil.copytree(package.folder / "package", part, dirs_exist_ok=True)
        inputs = {
            "fits": [f.done.key for t in tuned for f in t.fits],
            "package": package.key,
            "study": self.study.document(),
        }

        def make(folder: Path) -> None:
            document = assemble.report(self, tuned, chosen, everything)
            (folder / "report.json").write_text(json.dumps(document, indent=1, ensure_ascii=False))

        code = ("polyclinic.evaluation", "polyclinic.studies", "polyclinic.outcomes", "polyclinic.reports")
        evaluated = self.steps.step("evaluate", inputs, code, make)
        return assemble.write(self, evaluated)

    def _predictions(self, answered: Done) -> pl.DataFrame:
        """Out-of-fold rows of every model, then the rows that the package answered, with what happened."""
        own = pl.read_parquet(answered.folder / "answers.parquet")
        if "path" in own.columns:
            own = fits.linked(own, answered.folder, self.out)
        truth = self.outcome.truth(self.rows).with_columns(row_id=pl.Series(self.rows.row_id))
        own = own.join(truth, on="row_id", how="left", maintain_order="left")
        return pl.concat([*self.predicted.values(), own], how="diagonal_relaxed")

    def _plan(self, table: Done) -> Report:
        """The steps of a dry run: those before the models are known to be reused or not, the others are named."""
        folds = self.study.split.folds or 1
        names = [f"fit-{c.name}-{k}" for c in self.study.candidates for k in range(folds)]
        steps = [{"step": d.name, "reused": d.reused} for d in self.steps.done]
        for name in [*names, "package", "answer", "evaluate"]:
            there = any((self.out / "steps").glob(f"{name}-*")) and table.reused
            steps.append({"step": name, "reused": "if nothing above it changed" if there else False})
        return Report(self.out, {"study": self.study.name, "steps": steps})


__all__ = ["Candidate", "Run", "run"]
