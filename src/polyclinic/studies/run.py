"""`polyclinic run`: from a study to its predictions, its report and its package, step by step."""

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
from polyclinic.errors import BadData, Interrupted, Place
from polyclinic.evaluation.evaluator import best
from polyclinic.evaluation.leak import screen_inputs
from polyclinic.evaluation.scores import of_all
from polyclinic.outcomes.outcome import Outcome
from polyclinic.packages.limits import limits_of
from polyclinic.packages.package import ModelPackage
from polyclinic.packages.question import Question
from polyclinic.reports.card import card
from polyclinic.reports.document import planned
from polyclinic.reports.report import Report
from polyclinic.samples import Samples, store
from polyclinic.samples.assembly import SelectedRows, assemble, select_rows, unreadable
from polyclinic.samples.frames import as_polars, read_table, write_table
from polyclinic.samples.splits import Fold, split
from polyclinic.studies import fits, run_report
from polyclinic.studies.steps import Done, Steps, key_of
from polyclinic.studies.study import Study
from polyclinic.timelines.ingest import detect, ingest, open_source
from polyclinic.timelines.rows import RowTable
from polyclinic.timelines.timeline import Timeline

READING = ("polyclinic.timelines", "polyclinic.datasets")
ASKING = ("polyclinic.cohorts", "polyclinic.timelines", "polyclinic.samples.assembly")


def run(
    study: str | Path | Mapping[str, Any] | Study,
    *,
    out: Path | str,
    settings: Sequence[str] = (),
    dry_run: bool = False,
    allow_code: bool = False,
) -> Report:
    """Run a study, or what of it has not been run before.

    study: a registered name, a file, or a mapping (whose source may be `{"frame": a data frame}` and whose models
    may be scikit-learn estimators). settings: `key=value` strings. dry_run: list the steps, do nothing but keep a frame.
    allow_code: models may name estimators from outside scikit-learn and LightGBM, whose code is then run.
    Raises `PolyclinicError`; a stopped run goes on from its finished steps when it is called again.
    """
    folder = Path(out)
    read = Study.load(kept_frame(study, folder), settings, allow_code=allow_code)
    try:
        return Run(read, folder, Steps(folder / "steps", planned=dry_run)).report()
    except KeyboardInterrupt as stop:
        what, fix = "stopped; what was finished is kept", "run the same command again to go on"
        raise Interrupted(what, fix=fix) from stop


def kept_frame(study: Any, out: Path) -> Any:
    """A data frame given as source is kept with the run, so that the run can be made again, or planned."""
    source = study.get("source") if isinstance(study, Mapping) else None
    frame = source.get("frame") if isinstance(source, Mapping) else None
    if frame is None or isinstance(frame, (str, Path)):
        return study
    path = out / "source.parquet"
    write_table(as_polars(frame), path)
    return {**study, "source": {**source, "frame": str(path)}}  # type: ignore[dict-item]


@dataclass
class Run:
    """One study on its way through the steps."""

    study: Study
    out: Path
    steps: Steps
    learned_from: str = ""  # the key of the samples, whatever strata they are broken down by

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
        tuned = self.fitted()
        chosen = self.chosen(tuned)
        package = self.package(chosen)
        answered = self.answered(read, package)
        return self.written(tuned, chosen, package, answered)

    # -- the data ----------------------------------------------------------------------------------------------------

    def ingested(self) -> Done:
        """The source as a timeline or a table of rows."""
        source = self.study.source
        path, format = self.where
        inputs = {"format": format, "files": fingerprint.of_folder(path), "bound": source.max_quarantined}
        module = registry.entry("formats", format).target.partition(":")[0]

        def make(folder: Path) -> None:
            ingest(format, path, folder / "source", max_quarantined=source.max_quarantined)

        return self.steps.step("ingest", inputs, (*READING, module), make)

    @cached_property
    def where(self) -> tuple[Path, str]:
        """Where the source lies, and the format it is read in."""
        source = self.study.source
        if source.data is not None:
            return datasets.get(source.data), datasets.listing()[source.data].format
        path = Path(source.frame or source.timeline or str(source.path))
        if not path.exists():
            what = f"no such file or folder: {path}"
            raise BadData(what, at=Place(key="source"), fix="check `source` of the study")
        given = "table" if source.frame else "meds" if source.timeline else source.format
        return path, given or detect(path)

    @cached_property
    def source(self) -> Timeline | RowTable:
        """The ingested source, opened."""
        return open_source(self.steps.done["ingest"].folder / "source")

    @cached_property
    def question(self) -> Question:
        """The question with everything resolved that the rows decide: the columns of a table and their levels."""
        question, separate = self.study.question, self.study.split.separate
        if not isinstance(self.source, RowTable):
            return question
        rows, strata = self.source.rows(), self.study.evaluation.subgroups
        left_out = [str(question.target.get("column")), *separate]
        inputs = dict(question.inputs)
        for name, reader in question.readers.items():
            if hasattr(reader, "resolved"):  # its groups and strata are what is kept apart and broken down by
                groups = reader.groups or tuple(n for n in separate if n != "row")
                named = replace(reader, groups=groups, strata=reader.strata or strata)
                inputs[name] = config.settings_of(named.resolved(rows, left_out))
        return replace(question, inputs=inputs)

    def cohort(self, read: Done) -> Done:
        """The rows that are asked, and who fell out on the way."""
        question = self.study.question
        labels = fingerprint.of_file(Path(question.labels)) if question.labels else None
        inputs = {"ingest": read.key, "task": question.task_document, "labels": labels, "target": question.target}

        def make(folder: Path) -> None:
            asked = select_rows(question, self.source)
            if len(asked.refused) == asked.rows.height:
                fix = "see that the labels name subjects and times as the source does"
                raise BadData("of no row of the labels anything is known by its time", fix=fix)
            told = asked.rows.filter(~pl.col("row_id").is_in(list(asked.refused)))
            told.write_parquet(folder / "rows.parquet")
            facts = run_report.asked_of(asked, self.source)
            (folder / "asked.json").write_text(json.dumps(facts))

        return self.steps.step("cohort", inputs, ASKING, make)

    def samples(self, read: Done, rows: Done) -> Done:
        """Samples for every row that is asked."""
        given = self.study.question.inputs
        modules = [registry.entry("inputs", name).target.partition(":")[0] for name in given]
        apart, strata = self.study.split.separate, self.study.evaluation.subgroups
        inputs = {"ingest": read.key, "cohort": rows.key, "inputs": given}
        inputs |= {"separate": apart} if "table" in given else {}
        code = (*ASKING, "polyclinic.samples", *modules)
        self.learned_from = key_of("samples", inputs, code)
        inputs |= {"strata": strata} if "table" in given else {}

        def make(folder: Path) -> None:
            asked = pl.read_parquet(rows.folder / "rows.parquet")
            refused = unreadable(self.question, asked)
            kept = asked[[i for i in range(asked.height) if i not in refused]]
            made = assemble(self.question, self.source, SelectedRows(kept))
            screen_inputs(made)
            store.save(made, folder / "samples")

        return self.steps.step("samples", inputs, code, make)

    # -- the models --------------------------------------------------------------------------------------------------

    def fitted(self) -> list[fits.Tuned]:
        """Every candidate on every fold, tuned on pooled validation answers."""
        study, rows = self.study, self.rows
        study.evaluation.check_names(rows.groups, rows.strata)
        outcome, apart = [self.outcome.kind, study.question.target], config.settings_of(study.split)
        above = {"samples": self.learned_from, "outcome": outcome, "split": apart}
        # Baselines first: they are quick, and what is wrong with the data is heard of early.
        ordered = sorted(study.candidates, key=lambda c: c.role)
        work = [(c, f) for c in ordered for f in self.folds]
        tracked = progress.track(work, text="fitting", total=len(work))
        made = [fits.fit_fold(study, rows, fold, one, self.steps, above) for one, fold in tracked]
        folds = [[f for f in made if f.candidate is one] for one in study.candidates]
        return [fits.tune(study, rows, each, self.outcome, self.out) for each in folds]

    @cached_property
    def rows(self) -> Samples:
        """The samples, as memory maps."""
        return store.load(self.steps.done["samples"].folder / "samples")

    @cached_property
    def folds(self) -> list[Fold]:
        """Who is learned from, who decides, who is held out."""
        how = self.study.split
        groups = self.rows.groups
        if how.separate == ("subject",) and "subject" not in groups:
            how = replace(how, separate=tuple(groups))
        return split(self.rows, how, self.study.seed)

    def chosen(self, tuned: Sequence[fits.Tuned]) -> fits.Tuned:
        """The candidate with the best score on pooled validation rows; test rows are not read."""
        named = {t.candidate.name: t for t in tuned}
        table = pl.concat([t.table for t in tuned], how="diagonal")
        return named[best(table, list(named), self.outcome, self.study.choose.by)]

    # -- what leaves -------------------------------------------------------------------------------------------------

    def package(self, chosen: fits.Tuned) -> Done:
        """The mean of the chosen model's folds, with its calibration, threshold, limits and card."""
        about = run_report.about(self.study, self.where[1])
        combined = [dict(chosen.calibration), chosen.threshold, config.settings_of(self.study.split)]
        inputs = {"fits": [f.done.key for f in chosen.fits], "about": about, "combined": combined}
        inputs["limits"] = config.settings_of(self.study.limits)

        def make(folder: Path) -> None:
            learned = np.unique(np.concatenate([f.fold.train for f in chosen.fits]))
            validation = np.unique(np.concatenate([f.fold.validation for f in chosen.fits]))
            kept, outside = (self.rows.take(some) for some in (learned, validation)), self.study.limits.outside
            members, limits = [f.fitted() for f in chosen.fits], limits_of(*kept, outside=outside)
            made = ModelPackage(self.question, members, about, chosen.calibration, chosen.threshold, limits)
            known = chosen.table.filter(split="validation")
            scores = {n: of_all(score, known.height) for n, score in self.outcome.measures(known).items()}
            made.save(folder / "package", card(made, scores))

        code = ("polyclinic.packages", "polyclinic.reports.card", "polyclinic.outcomes")
        return self.steps.step("package", inputs, code, make)

    def answered(self, read: Done, package: Done) -> Done:
        """Every row that is asked, answered by the package itself: what `polyclinic predict` repeats."""
        inputs = {"package": package.key, "ingest": read.key}

        def make(folder: Path) -> None:
            made, labels = ModelPackage.open(package.folder / "package"), self.question.labels
            timed = labels is not None and isinstance(self.source, Timeline)
            index = read_table(Path(str(labels))) if timed else None
            answers = made.predict(self.source, index=index, folder=folder / "files")
            answers.write_parquet(folder / "answers.parquet")

        return self.steps.step("answer", inputs, (*ASKING, "polyclinic.packages"), make)

    def written(self, tuned: list[fits.Tuned], chosen: fits.Tuned, package: Done, answered: Done) -> Report:
        """predictions.parquet, report.json, report.html, study.yaml and package/, each whole or not at all."""
        own = fits.linked(pl.read_parquet(answered.folder / "answers.parquet"), answered.folder, self.out)
        truth = self.outcome.truth(self.rows).with_columns(row_id=pl.Series(self.rows.row_id))
        own = own.join(truth, on="row_id", how="left", maintain_order="left")
        everything = pl.concat([*(t.table for t in tuned), own], how="diagonal_relaxed")
        # What an earlier run left must not stand beside this one's package, should it be stopped here.
        for old in ("report.json", "report.html"):
            (self.out / old).unlink(missing_ok=True)
        write_table(everything, self.out / "predictions.parquet")
        with atomic.folder(self.out / "package") as part:
            shutil.copytree(package.folder / "package", part, dirs_exist_ok=True)
        keys = [f.done.key for t in tuned for f in t.fits]
        inputs = {"fits": keys, "package": package.key, "study": self.study.document()}

        def make(folder: Path) -> None:
            document = run_report.report(self, tuned, chosen, everything)
            (folder / "report.json").write_text(document.to_json(), encoding="utf-8")

        code = ("polyclinic.evaluation", "polyclinic.studies", "polyclinic.outcomes", "polyclinic.reports")
        return run_report.write(self, self.steps.step("evaluate", inputs, code, make))

    def _plan(self, table: Done) -> Report:
        """The steps of a dry run: those before the models are known to be reused or not, the others are named."""
        folds = self.study.split.folds or 1
        names = [f"fit-{c.name}-{k}" for c in self.study.candidates for k in range(folds)]
        steps = [{"step": d.name, "reused": d.reused} for d in self.steps.done.values()]
        for name in [*names, "package", "answer", "evaluate"]:
            there = any((self.out / "steps").glob(f"{name}-*")) and table.reused
            steps.append({"step": name, "reused": "if nothing above it changed" if there else False})
        return Report(self.out, planned(self.study.name, steps))
