"""One patient live: events in, prediction out, in process, with the package warm.

    python benchmarks/bedside.py demo/package demo/steps/ingest-*/source

Prints the median and the 90th and 99th percentile in milliseconds over patients of the timeline, each asked at one
of the task's own index times.
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
    predictions = package.predict(timeline)
    rng = np.random.default_rng(0)
    rows = predictions[rng.choice(predictions.height, args.rounds).tolist()]
    events = {s: timeline.scan().filter(subject_id=s).collect() for s in rows["subject_id"].unique()}
    spent, gap = [], 0.0
    for subject, when, wanted in rows.select(
        "subject_id", "prediction_time", "predicted_boolean_probability"
    ).iter_rows():
        one = events[subject]
        began = time.perf_counter()
        predictions = package.predict(Timeline.of(one), at=when)
        spent.append((time.perf_counter() - began) * 1e3)
        gap = max(gap, abs(predictions["predicted_boolean_probability"][0] - wanted))
    spent = np.array(spent[5:])
    p50, p90, p99 = np.quantile(spent, [0.5, 0.9, 0.99])
    sizes = pl.Series([events[s].height for s in rows["subject_id"]])
    print(f"p50 {p50:.1f} ms  p90 {p90:.1f} ms  p99 {p99:.1f} ms; {sizes.median():,.0f} events a patient (median)")
    print(f"largest difference from the batch: {gap:.1e}")


if __name__ == "__main__":
    main()
