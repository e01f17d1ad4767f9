"""One patient live: events in, prediction out, in process, with the package warm.

    python benchmarks/bedside.py demo/package demo/steps/ingest-*/source

Prints the median and the 90th and 99th percentile in milliseconds, of CPU and by the clock on the wall, over patients of
the timeline, each asked at one of the task's own index times.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import polars as pl

from polyclinic.packages.package import ModelPackage
from polyclinic.timelines.timeline import Timeline


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("package", type=Path)
    parser.add_argument("timeline", type=Path)
    parser.add_argument("--rounds", type=int, default=300)
    args = parser.parse_args()
    package, timeline = ModelPackage.open(args.package), Timeline(args.timeline)
    rng = np.random.default_rng(0)
    batch = package.predict(timeline)
    rows = batch[rng.choice(batch.height, args.rounds).tolist()]
    events = {s: timeline.scan().filter(subject_id=s).collect() for s in rows["subject_id"].unique()}
    cpu, wall, gap = [], [], 0.0
    for subject, when, probability in rows.select(
        "subject_id", "prediction_time", "predicted_boolean_probability"
    ).iter_rows():
        one = events[subject]
        began = time.process_time(), time.perf_counter()
        live = package.predict(Timeline.of(one), at=when)
        cpu.append((time.process_time() - began[0]) * 1e3)
        wall.append((time.perf_counter() - began[1]) * 1e3)
        gap = max(gap, abs(live["predicted_boolean_probability"][0] - probability))
    for name, spent in (("CPU", cpu), ("wall", wall)):
        p50, p90, p99 = np.quantile(spent[5:], [0.5, 0.9, 0.99])
        print(f"{name:4s}  p50 {p50:.1f} ms  p90 {p90:.1f} ms  p99 {p99:.1f} ms")
    sizes = pl.Series([events[s].height for s in rows["subject_id"]])
    print(f"{sizes.median():,.0f} events a patient (median)")
    print(f"largest difference from the batch: {gap:.1e}")


if __name__ == "__main__":
    main()
