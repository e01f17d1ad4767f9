"""Trials for `test_trust.py`, run in a process of their own: `python strangers.py KIND RUN FOLDER MOST`.

Each trial takes something that a stranger could hand over, replaces one of its strings by the dotted name of a canary,
and uses it as a user would. What must not happen is recorded by an audit hook, which cannot be removed again:
importing the canary, starting a process, opening a socket, unpickling a class, writing outside the folder.
"""

from __future__ import annotations

import copy
import json
import os
import re
import shutil
import sys
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

CANARIES = ("canary.call", "canary:call", "canary.sub:call")
NEVER = ("subprocess.", "os.system", "os.exec", "os.spawn", "os.posix_spawn", "os.fork", "pty.", "socket.", "pickle.")
MOST = int(sys.argv[4]) if len(sys.argv) > 4 else 100
Trial = tuple[str, Callable[[], object]]


class Watch:
    """What the audit hook recorded while it was armed."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.armed, self.events = folder.resolve(), False, list[str]()
        sys.addaudithook(self.hear)

    def hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self.armed:
            return
        if event in ("import", "open") and "canary" in re.split(r"[./\\]", str(arguments[0])):
            self.events.append(f"import of {arguments[0]}")
        elif event.startswith(NEVER):
            self.events.append(f"{event} {arguments!r}"[:200])
        elif event == "open" and self.writes_elsewhere(*arguments):
            self.events.append(f"writing to {arguments[0]}")

    def writes_elsewhere(self, path: Any, mode: str | None, flags: int) -> bool:
        writes = flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT) if mode is None else set(mode) & set("wax+")
        if not writes or isinstance(path, int) or str(path) == os.devnull:
            return False
        return self.folder not in Path(os.fsdecode(path)).absolute().parents


def places(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], bool]]:
    """Where strings stand in a document, and whether each is a key."""
    if isinstance(value, str):
        yield at, False
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield (*at, key), True
            yield from places(inner, (*at, key))
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from places(inner, (*at, number))


def replaced(value: Any, at: tuple[Any, ...], key: bool, name: str) -> Any:
    """The document with one string, or one key, replaced."""
    if not at:
        return name
    changed = copy.deepcopy(value)
    node = changed
    for step in at[:-1]:
        node = node[step]
    if key:
        node[name] = node.pop(at[-1])
    else:
        node[at[-1]] = name
    return changed


def variants(document: Any) -> Iterator[tuple[str, Any]]:
    """The document as it is, and with each string replaced; at most `MOST` of them, evenly chosen."""
    yield "as it is", document
    positions = list(places(document))
    step = max(1, -(-len(positions) // MOST))
    for number, (at, key) in enumerate(positions[::step]):
        name = CANARIES[number % len(CANARIES)]
        yield f"{'.'.join(map(str, at))} → {name}", replaced(document, at, key, name)


# -- what a stranger hands over --------------------------------------------------------------------------------------


def packages(run: Path, folder: Path) -> Iterator[Trial]:
    """A package, sealed again after each change."""
    import polars as pl

    from polyclinic.packages.package import ModelPackage
    from polyclinic.packages.predict import predict
    from polyclinic.packages.verify import CHECKSUMS, seal

    rows = pl.read_parquet(run / "source.parquet").drop("died").head(3)
    package = folder / "package"

    def use(name: str, document: Any) -> Callable[[], object]:
        def trial() -> object:
            shutil.rmtree(package, ignore_errors=True)
            shutil.copytree(run / "package", package)
            (package / name).write_text(json.dumps(document))
            if name != CHECKSUMS:
                (package / CHECKSUMS).unlink()
                seal(package)
            return predict(ModelPackage.open(package), rows)

        return trial

    for path in sorted((run / "package").rglob("*.json")):
        name = path.relative_to(run / "package").as_posix()
        if "/1" in name or "/2" in name:
            continue  # the members are alike
        for where, document in variants(json.loads(path.read_text())):
            yield f"{name}: {where}", use(name, document)
    yield from parts(run, folder)


def parts(run: Path, folder: Path) -> Iterator[Trial]:
    """A package whose model answers through a named part."""
    from polyclinic.packages.fitted import Fitted

    model = {
        "model": "naive",
        "settings": {},
        "parts": [{"kind": "named", "name": "atlas"}],
        "batch": 8,
        "history": [],
        "needs": {},
    }
    for where, document in variants(model):
        contents = {"s/model.json": json.dumps(document).encode(), "p/0.json": b"{}", "s/state.json": b"{}"}
        contents |= dict.fromkeys(("p/0.safetensors", "s/state.safetensors"), b"\x02\0\0\0\0\0\0\0{}")
        yield f"model.json: {where}", lambda contents=contents: Fitted.load(contents, "s", "p")


def data(run: Path, folder: Path) -> Iterator[Trial]:
    """Ingested folders of rows and of events, and the sources that they were read from."""
    import polars as pl

    from polyclinic.packages.question import Question
    from polyclinic.samples import File, store
    from polyclinic.samples.assembly import SelectedRows, assemble
    from polyclinic.samples.samples import of_rows
    from polyclinic.timelines.ingest import detect, ingest, open_source
    from polyclinic.timelines.rows import RowTable

    events = pl.DataFrame(
        {
            "subject_id": [1, 1, 2],
            "time": ["2020-01-01 00:00:00", "2020-01-02 00:00:00", "2020-01-02 00:00:00"],
            "code": ["HR", "LAB//x", "HR"],
            "numeric_value": ["1", "2", "x"],
            "text_value": ["a", "b", "c"],
            "unit": ["bpm", "mg", "bpm"],
            "path": ["a.nii", "b.nii", "c.nii"],
        }
    )
    rows = pl.DataFrame({"row_id": [0, 1], "case": ["a", "b"], "image": ["a.nii", "b.nii"], "label": ["", "a.nii"]})
    summary = {"format": 1, "kind": "rows", "source_format": "nifti", "zone": None, "rows_in": 2, "used": 2}
    summary |= {
        "files": {"images": {"rows_in": 2}},
        "reasons": [{"file": "a", "column": "b", "reason": "c", "count": 1}],
    }
    summary |= {"path_columns": {"image": {"reader": "os:system", "writer": "os:system"}}}

    def look(place: Path) -> object:
        source = open_source(place)
        texts = [source.describe(), source._repr_html_()]
        if isinstance(source, RowTable):
            question = Question(inputs={"imaging": {}}, target={"column": "label", "kind": "voxels", "labels": ["x"]})
            samples = assemble(question, source, SelectedRows(source.rows()))
            store.save(samples, folder / "stored")
            for column in of_rows(store.load(folder / "stored"), File).values():
                column.read_all()
        return texts

    def stored(table: pl.DataFrame, metadata: Any, name: str = "summary.json") -> Callable[[], object]:
        def trial() -> object:
            place = folder / "ingested"
            shutil.rmtree(place, ignore_errors=True)
            for part in ("data", "metadata"):
                (place / part).mkdir(parents=True)
            table.write_parquet(place / "data" / "rows.parquet")
            (place / "metadata" / name).write_text(json.dumps(metadata))
            return look(place)

        return trial

    for where, changed in variants(summary):
        yield f"summary: {where}", stored(rows, changed)
    timed = events.with_columns(pl.col("time").str.to_datetime(), numeric_value=pl.lit(1.0, pl.Float32))
    for where, changed in variants({**summary, "kind": "events", "source_format": "meds"}):
        yield f"summary of events: {where}", stored(timed, changed)
    for table, metadata in ((rows, summary), (timed, {**summary, "kind": "events", "source_format": "meds"})):
        for number, column in enumerate(c for c in table.columns if table[c].dtype == pl.String):
            changed = table.with_columns(pl.lit(CANARIES[number % 3]).alias(column))
            yield f"stored column {column}", stored(changed, metadata)

    def raw(table: pl.DataFrame, suffix: str, form: str | None) -> Callable[[], object]:
        def trial() -> object:
            source = folder / "source" / f"rows{suffix}"
            shutil.rmtree(source.parent, ignore_errors=True)
            source.parent.mkdir()
            table.write_csv(source) if suffix == ".csv" else table.write_parquet(source)
            shutil.rmtree(folder / "out", ignore_errors=True)
            return look(ingest(form or detect(source), source, folder / "out", max_quarantined=1.0).path)

        return trial

    for number, column in enumerate(events.columns):
        name = CANARIES[number % 3]
        for table in (events.cast(pl.String).with_columns(pl.lit(name).alias(column)), events.rename({column: name})):
            yield f"CSV, {column}", raw(table, ".csv", None)
            yield f"Parquet, {column}", raw(table, ".parquet", "table")


def tasks(run: Path, folder: Path) -> Iterator[Trial]:
    """The cohort of a task in a few events."""
    from datetime import datetime

    import polars as pl

    from polyclinic import config
    from polyclinic.cohorts.extract import extract
    from polyclinic.cohorts.task_parser import load_task
    from polyclinic.timelines.timeline import Timeline

    task = {
        "kind": "binary",
        "metadata": {"description": "x"},
        "description": "x",
        "predicates": {
            "hr": {"code": "HR", "value_min": 1, "other_cols": {"unit": "bpm"}},
            "lab": {"code": {"regex": "^LAB//.*"}},
            "some": {"code": {"any": ["HR", "LAB//x"]}},
            "either": {"expr": "or(hr, lab)"},
        },
        "patient_demographics": {"male": {"code": "SEX//M"}},
        "trigger": "either",
        "windows": {
            "input": {
                "start": None,
                "end": "trigger",
                "start_inclusive": True,
                "end_inclusive": True,
                "has": {"hr": "(1, None)"},
            },
            "target": {
                "start": "input.end",
                "end": "start + 24h",
                "start_inclusive": False,
                "end_inclusive": True,
                "label": "lab",
            },
        },
        "values": {"hr": {"plausible": [0, 300], "ties": "last"}},
        "at_risk": {"last": {"hr": {"within": "24h", "value_min": 1}}},
    }
    grid = {k: v for k, v in task.items() if k != "trigger"} | {"every": {"step": "1h", "while": ["hr", "lab"]}}
    when = [datetime(2020, 1, day) for day in (1, 2, 3, 3)]
    columns = {"subject_id": [1, 1, 1, 2], "time": when, "code": ["HR", "LAB//x", "HR", "HR"]}
    events = pl.DataFrame(columns).with_columns(numeric_value=pl.lit(2.0, pl.Float32), unit=pl.lit("bpm"))

    def use(document: Any) -> Callable[[], object]:
        def trial() -> object:
            (folder / "task.yaml").write_text(config.dump(document))
            return extract(load_task(folder / "task.yaml"), Timeline.of(events))

        return trial

    for name, document in (("task", task), ("grid", grid)):
        for where, changed in variants(document):
            yield f"{name}: {where}", use(changed)


def studies(run: Path, folder: Path) -> Iterator[Trial]:
    """A study, validated and planned, and the one that shipped with a run."""
    from polyclinic import config
    from polyclinic.studies.run import plan
    from polyclinic.studies.study_parser import load_study

    document = config.plain(config.read(run / "study.yaml"))
    nested = {"estimator": "sklearn.linear_model.LogisticRegression", "params": {"penalty": "l2"}}
    forest = {"estimator": "sklearn.ensemble.VotingClassifier", "params": {"estimators": [["a", nested]]}}
    document["models"] = ["gbm", {"mine": {"model": "sklearn", **forest}}]
    document["target"] = {**document["target"], "column": "died", "kind": "binary"}
    voxels = {**document, "target": {"column": "died", "kind": "voxels", "labels": {"1": "a"}, "reader": "os:system"}}

    def use(changed: Any) -> Callable[[], object]:
        def trial() -> object:
            (folder / "study.yaml").write_text(config.dump(changed))
            load_study(folder / "study.yaml").document()
            return plan(folder / "study.yaml", out=folder / "run")

        return trial

    for name, original in (("study", document), ("voxels", voxels)):
        for where, changed in variants(original):
            yield f"{name}: {where}", use(changed)


def reports(run: Path, folder: Path) -> Iterator[Trial]:
    """A report, drawn anew."""
    from polyclinic.reports.page import render
    from polyclinic.reports.report import Report

    def use(changed: Any) -> Callable[[], object]:
        def trial() -> object:
            (folder / "report.json").write_text(json.dumps(changed))
            return render(Report.open(folder).document)

        return trial

    for where, changed in variants(json.loads((run / "report.json").read_text())):
        yield where, use(changed)


def bait(run: Path, folder: Path) -> Iterator[Trial]:
    """What must be recorded, so that silence means something."""
    import socket
    import subprocess
    from pkgutil import resolve_name

    yield "import", lambda: resolve_name(CANARIES[1])
    yield "process", lambda: subprocess.run([sys.executable, "-c", ""], check=True)
    yield "socket", lambda: socket.socket().close()
    yield "writing", lambda: (Path.home().parent / "elsewhere").write_text("")
    yield "traceback", lambda: {}["nothing"]


KINDS = {f.__name__: f for f in (packages, data, tasks, studies, reports, bait)}


def main(kind: str, run: Path, folder: Path) -> None:
    """Run every trial of a kind and print what was recorded, and what was no error of ours."""
    from polyclinic.errors import PolyclinicError

    watch, faults, done = Watch(folder), list[str](), 0
    for what, trial in KINDS[kind](run, folder):
        watch.armed = done > 0 or kind == "bait"  # the first loads the libraries
        before = len(watch.events)
        try:
            trial()
        except PolyclinicError:
            pass
        except Exception as error:
            last = traceback.extract_tb(error.__traceback__)[-1]
            faults.append(f"{what}: {type(error).__name__} in {last.filename}:{last.lineno}: {str(error)[:100]}")
        watch.armed, done = False, done + 1
        watch.events[before:] = [f"{what}: {one}" for one in watch.events[before:]]
    print(json.dumps({"trials": done, "events": watch.events, "faults": faults}))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))
