"""A cohort over 45 million events beside a hand-written Polars query for the same rows: CPU, wall time, peak memory.

    python benchmarks/cohort.py BENCH DATA [-n 3] [--task in_hospital_mortality.yaml] [--peer floor_polars.py]
    python benchmarks/cohort.py BENCH DATA --task readmission.yaml --peer floor_polars_readmission.py

BENCH: the folder with `make_meds.py`, `floor_polars.py` and `in_hospital_mortality.yaml`; DATA: where the events lie,
made there where they are missing (170 MB). Both programs run in turn, whole processes, imports included, and must give
equal rows.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

from costs import Cost, cost

OURS = """
import sys
from polyclinic.cohorts.extract import extract
from polyclinic.cohorts.task_parser import load_task
from polyclinic.timelines.timeline import Timeline
extract(load_task(sys.argv[1]), Timeline(sys.argv[2])).labels.write_parquet(sys.argv[3])
"""


def rows(file: Path) -> set[tuple[object, ...]]:
    """The labels in a file, as a set."""
    import polars as pl

    table = pl.read_parquet(file)
    return set(table.select("subject_id", "prediction_time", "boolean_value").rows())


def main() -> None:
    """Make the events where they are missing, run both in turn, compare rows, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("bench", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("-n", type=int, default=3, help="runs of each")
    parser.add_argument("--task", default="in_hospital_mortality.yaml", help="the task in BENCH")
    parser.add_argument("--peer", default="floor_polars.py", help="the peer's script in BENCH")
    parser.add_argument("--python", default=sys.executable, help="the peer's interpreter")
    args = parser.parse_args()
    if not (args.data / "data").is_dir():
        subprocess.run([sys.executable, args.bench / "make_meds.py", args.data], check=True)
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder) / f"{name}.parquet" for name in ("ours", "peer")]
        task = args.bench / args.task
        ours = [sys.executable, "-c", OURS, str(task), str(args.data), str(files[0])]
        peer = [args.python, str(args.bench / args.peer), str(args.data), str(files[1])]
        pairs = [(cost(ours), cost(peer)) for _ in range(args.n)]
        sizes = [rows(file) for file in files]
    print(f"rows {len(sizes[0]):,}, {'equal' if sizes[0] == sizes[1] else 'NOT EQUAL'} to those of {args.peer}")
    for name, column in zip(("polyclinic", args.peer), zip(*pairs, strict=True), strict=True):
        print(f"{name:16s} {Cost(*(median(values) for values in zip(*column, strict=True)))}")
    print(f"cpu ratio in turn {', '.join(f'{a.cpu / b.cpu:.2f}' for a, b in pairs)}")
    sys.exit(sizes[0] != sizes[1])


if __name__ == "__main__":
    main()
