"""Time of the intervals of AUROC, AUPRC, Brier score and calibration slope, beside leaving out rows for real.

    python benchmarks/intervals.py [--rows 100000] [--groups 20000] [--plain 10]

The plain way leaves out the very same groups, copies the rows that are left and calls scikit-learn (a logistic
regression without penalty for the slope). It is timed on `--plain` replicates; the largest difference on these is
printed. `benchmarks/coverage.py` says how often the intervals hold the truth.
"""

from __future__ import annotations

import argparse
import json
import resource
import time
from dataclasses import asdict

import numpy as np
from scipy.special import expit

from polyclinic.evaluation import jackknife as ours
from polyclinic.evaluation.blocks import Blocks
from polyclinic.evaluation.calibration import line
from polyclinic.evaluation.scores import auprc, auroc, brier
from polyclinic.links import logit


def problem(rows: int, groups: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Unequal groups, group effects, about 15 % positive, a probability that is too sure of itself."""
    rng = np.random.default_rng(1)
    group = rng.integers(groups, size=rows)
    truth = -2.2 + rng.normal(size=rows) + 0.7 * rng.normal(size=groups)[group]
    y_true = (rng.random(rows) < expit(truth)).astype(float)
    return y_true, expit(1.3 * (truth + 0.5 * rng.normal(size=rows))), group


def measures(y_true: np.ndarray, probability: np.ndarray) -> dict:
    scores = {"auroc": auroc, "auprc": auprc, "brier": brier}
    weighted = {name: score(y_true, probability) for name, score in scores.items()}
    return {**weighted, "slope": line(y_true, probability)["slope"]}


def plain(y_true: np.ndarray, probability: np.ndarray) -> dict[str, float]:
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import average_precision_score, brier_score_loss, roc_auc_score

    fit = LogisticRegression(C=np.inf, tol=1e-8).fit(logit(probability)[:, None], y_true)
    return {
        "auroc": roc_auc_score(y_true, probability),
        "auprc": average_precision_score(y_true, probability),
        "brier": brier_score_loss(y_true, probability),
        "slope": float(fit.coef_[0, 0]),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    for name, value in (("rows", 100_000), ("groups", 20_000), ("plain", 10)):
        parser.add_argument(f"--{name}", type=int, default=value)
    options = parser.parse_args()
    y_true, probability, group = problem(options.rows, options.groups)
    wall, cpu = time.perf_counter(), time.process_time()
    replicates = ours.jackknife(measures(y_true, probability), group)
    taken = {"wall_s": time.perf_counter() - wall, "cpu_s": time.process_time() - cpu}
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    blocks = Blocks.of_groups(group)
    wall = time.perf_counter()
    left = [blocks.of_row != block for block in range(min(options.plain, blocks.count))]
    slow = [plain(y_true[rows], probability[rows]) for rows in left]
    plain_s = (time.perf_counter() - wall) / len(slow) * blocks.count
    apart = {k: max(abs(replicates.replicates[k][i] - s[k]) for i, s in enumerate(slow)) for k in slow[0]}
    print(json.dumps({**vars(options), **taken, "peak_mb": peak, "plain_s_extrapolated": plain_s}, indent=1))
    print(json.dumps({"largest difference of one replicate": apart, "compared": len(slow)}, indent=1))
    print(json.dumps({k: asdict(replicates.estimate(k)) for k in replicates.points}, indent=1))


if __name__ == "__main__":
    main()
