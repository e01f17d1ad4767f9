"""How cost grows with the data: a whole study, an ingest, an hourly grid, a cold start, an epoch beside other work.

    python benchmarks/scale.py study [--copies 1 20 100]     a study of boosted trees on copies of the ICU demo
    python benchmarks/scale.py ingest [--copies 1 20 100]    copies of the ICU demo become a timeline
    python benchmarks/scale.py grid DATA TASK [--parts 6 1]  an hourly grid over a sixth and over all of a MEDS data set
    python benchmarks/scale.py cold PACKAGE SOURCE AT        `polyclinic predict` for one time, from a fresh process:
        demo/package demo/one_patient "2129-04-06 02:25:00"
    python benchmarks/scale.py epoch                         CPU seconds an epoch from Python while other work runs

Each line is a fresh process; CPU seconds count first.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import shutil
import sys
import tempfile
import time
from pathlib import Path

import polars as pl
from costs import Cost, cost

IDENTIFIERS = ("patient_id", "hospitalization_id", "hospitalization_joined_id", "med_order_id")
STUDY = """
name: scale
source: {{path: {source}, format: clif}}
task: hypotension
inputs: {{records: {{lookback: 24h}}}}
split: {{separate: [subject], folds: 2}}
models: [gbm]
baselines: [naive]
seed: 13
"""
GRID = """
import sys
from polyclinic.cohorts.extract import extract
from polyclinic.cohorts.task_parser import load_task
from polyclinic.timelines.timeline import Timeline
print(extract(load_task(sys.argv[1]), Timeline(sys.argv[2])).labels.height)
"""


def copies(source: Path, out: Path, count: int) -> None:
    """A CLIF folder with so many times the patients, each with identifiers of its own."""
    out.mkdir()
    for file in sorted(source.rglob("clif_*.parquet")):
        table = pl.read_parquet(file)
        named = [c for c in IDENTIFIERS if c in table.columns]
        parts = [table.with_columns(pl.col(c).cast(pl.String) + f"x{k}" for c in named) for k in range(count)]
        pl.concat(parts).write_parquet(out / file.name)


def study(arguments: argparse.Namespace) -> None:
    """A study of the ICU demo, copied: ingest, cohort, inputs, two fits, package, answers, report; and what grows."""
    from polyclinic import datasets

    before: tuple[int, Cost] | None = None
    for count in arguments.copies:
        with tempfile.TemporaryDirectory() as folder:
            source, file = Path(folder) / "clif", Path(folder) / "study.yaml"
            copies(datasets.get("clif-demo"), source, count)
            file.write_text(STUDY.format(source=source), "utf-8")
            run = [sys.executable, "-m", "polyclinic.cli", "run", str(file), "--out", f"{folder}/run"]
            spent = cost(run)
            print(f"x{count:<4d} {spent}   {longest(Path(folder) / 'run')}", flush=True)
        if before is not None:
            earlier, less = before
            growth = f"{spent.cpu / less.cpu:.1f} x the CPU, {spent.peak / less.peak:.1f} x the memory"
            print(f"x{earlier} to x{count}: {count / earlier:.1f} x the data, {growth}", flush=True)
        before = count, spent


def longest(run: Path, most: int = 5) -> str:
    """The steps of a run that took longest, with their wall seconds: what grows."""
    steps = json.loads((run / "report.json").read_text("utf-8"))["steps"]
    slowest = sorted(steps, key=lambda step: -step["seconds"])[:most]
    return ", ".join(f"{step['step']} {step['seconds']:.0f} s" for step in slowest)


def ingest(arguments: argparse.Namespace) -> None:
    """Copies of the ICU demo become a timeline: rows of the source a CPU second."""
    from polyclinic import datasets

    for count in arguments.copies:
        with tempfile.TemporaryDirectory() as folder:
            source, out = Path(folder) / "clif", Path(folder) / "timeline"
            copies(datasets.get("clif-demo"), source, count)
            one = cost([sys.executable, "-m", "polyclinic.cli", "ingest", "clif", str(source), "--out", str(out)])
            rows = json.loads((out / "metadata" / "summary.json").read_text("utf-8"))["rows_in"]
            print(f"x{count:<4d} {rows:11,} rows   {one}   {rows / one.cpu:9,.0f} rows a CPU s", flush=True)


def grid(arguments: argparse.Namespace) -> None:
    """A cohort over parts of a data set; a subject lies in one shard, so that a part of the shards is a data set."""
    shards = sorted((arguments.data / "data").rglob("*.parquet"))
    for part in arguments.parts:
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "data").mkdir()
            for number, shard in enumerate(shards[: max(1, len(shards) // part)]):
                shutil.copyfile(shard, Path(folder) / "data" / f"{number}.parquet")  # a link out of the set is refused
            run = [sys.executable, "-c", GRID, str(arguments.task), folder]
            print(f"1/{part:<3d} {cost(run)}", flush=True)


def cold(arguments: argparse.Namespace) -> None:
    """One answer from a fresh process, the package opened and verified."""
    with tempfile.TemporaryDirectory() as folder:
        words = ["predict", str(arguments.package), str(arguments.source), "--at", arguments.at]
        run = [sys.executable, "-m", "polyclinic.cli", *words, "--out", f"{folder}/answer.parquet"]
        for _ in range(3):
            print(cost(run), flush=True)


def busy() -> None:
    """Other work on the machine."""
    while True:
        pass


def epoch(_: argparse.Namespace) -> None:
    """The same fit from Python with idle cores, then with as many busy processes as there are cores."""
    code = f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r}); import scale; scale.epochs()"
    print(f"idle    {cost([sys.executable, '-c', code])}", flush=True)
    others = [multiprocessing.Process(target=busy, daemon=True) for _ in range(multiprocessing.cpu_count())]
    for other in others:
        other.start()
    print(f"loaded  {cost([sys.executable, '-c', code])}", flush=True)
    for other in others:
        other.terminate()


def epochs() -> None:
    """Four epochs of a small network; says on standard error what each cost."""
    from dataclasses import dataclass, field
    from typing import Any

    import numpy as np

    from polyclinic.models.model import Session
    from polyclinic.models.training_settings import Training
    from polyclinic.outcomes.binary import Binary
    from polyclinic.samples import Dense, Samples
    from polyclinic.state import State
    from polyclinic.training.loop import fit

    @dataclass(frozen=True)
    class Perceptron:
        training: Training = field(default_factory=lambda: Training(epochs=4, batch=256, patience=9))

        def prepare(self, train: Samples) -> State:
            return State()

        def encode(self, rows: Samples, state: State) -> dict[str, Any]:
            return {"x": rows.X.astype(np.float32)}

        def network(self, state: State, head: Any) -> Any:
            from torch import nn

            class Net(nn.Module):
                def __init__(self) -> None:
                    super().__init__()
                    self.layers = nn.Sequential(nn.Linear(64, 256), nn.ReLU(), nn.Linear(256, head.channels))

                def forward(self, x: Any) -> Any:
                    return self.layers(x)

            return Net()

    rng = np.random.default_rng(0)
    x = rng.normal(size=(20_000, 64))
    columns = {"x": Dense(x), "y": Dense((x[:, 0] > 0).astype(np.float32), ("y",))}
    rows = Samples(np.arange(len(x)), columns, {"x": "input", "y": "target"})
    train, watch = rows.take(np.arange(16_000)), rows.take(np.arange(16_000, 20_000))
    fit(Perceptron(Training(epochs=1)), train.take(np.arange(64)), watch.take(np.arange(64)), Binary(), Session())
    began = time.process_time()
    fit(Perceptron(), train, watch, Binary(), Session())
    print(f"{(time.process_time() - began) / 4:.2f} CPU s an epoch, export included", file=sys.stderr, flush=True)


def main() -> None:
    """Run one of the five."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(required=True)
    one = commands.add_parser("study")
    one.add_argument("--copies", type=int, nargs="+", default=[1, 20, 100])
    one.set_defaults(run=study)
    one = commands.add_parser("ingest")
    one.add_argument("--copies", type=int, nargs="+", default=[1, 20, 100])
    one.set_defaults(run=ingest)
    one = commands.add_parser("grid")
    one.add_argument("data", type=Path)
    one.add_argument("task", type=Path)
    one.add_argument("--parts", type=int, nargs="+", default=[6, 1])
    one.set_defaults(run=grid)
    one = commands.add_parser("cold")
    one.add_argument("package", type=Path)
    one.add_argument("source", type=Path)
    one.add_argument("at")
    one.set_defaults(run=cold)
    commands.add_parser("epoch").set_defaults(run=epoch)
    arguments = parser.parse_args()
    arguments.run(arguments)


if __name__ == "__main__":
    main()
