"""Intervals of AUROC, AUPRC, Brier score and calibration slope: weights in blocks beside resampling the rows for real.

    python benchmarks/bootstrap.py [--rows 100000] [--groups 20000] [--resamples 1000] [--plain 20]

The plain way draws the very same groups, copies their rows and calls scikit-learn (a logistic regression without
penalty for the slope). It is timed on `--plain` resamples; the largest difference on these is printed.
"""

from __future__ import annotations

import argparse
import json
import resource
import time

import numpy as np
from scipy.special import expit

from polyclinic import seeds
from polyclinic.evaluation import bootstrap as ours
from polyclinic.evaluation.calibration import line, logit
from polyclinic.evaluation.scores import auprc, auroc, brier


def problem(rows: int, groups: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Unequal groups, group effects, about 15 % positive, a probability that is too sure of itself."""
    rng = np.random.default_rng(1)
    group = rng.integers(groups, size=rows)
    truth = -2.2 + rng.normal(size=rows) + 0.7 * rng.normal(size=groups)[group]
    happened = (rng.random(rows) < expit(truth)).astype(float)
    return happened, expit(1.3 * (truth + 0.5 * rng.normal(size=rows))), group


def measures(happened: np.ndarray, probability: np.ndarray) -> dict:
    ways = {"auroc": auroc, "auprc": auprc, "brier": brier}
    scores = {name: way(happened, probability) for name, way in ways.items()}
    return {**scores, "slope": line(happened, probability)["slope"]}


def plain(happened: np.ndarray, probability: np.ndarray) -> dict[str, float]:
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import average_precision_score, brier_score_loss, roc_auc_score

    fit = LogisticRegression(C=np.inf, tol=1e-8).fit(logit(probability)[:, None], happened)
    return {
        "auroc": roc_auc_score(happened, probability),
        "auprc": average_precision_score(happened, probability),
        "brier": brier_score_loss(happened, probability),
        "slope": float(fit.coef_[0, 0]),
    }


def resampled(happened: np.ndarray, probability: np.ndarray, group: np.ndarray, resamples: int, size: int) -> list:
    """The plain way, on the groups that our own first resamples drew."""
    names, place = np.unique(group, return_inverse=True)
    order = np.argsort(place, kind="stable")
    rows = np.split(order, np.cumsum(np.bincount(place))[:-1])
    counts = ours.drawn(len(names), size, seeds.generator(0, "bootstrap", 0))[:resamples].astype(int)
    picks = [np.concatenate([rows[g] for g in np.repeat(np.arange(len(names)), c)]) for c in counts]
    return [plain(happened[p], probability[p]) for p in picks]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    for name, value in (("rows", 100_000), ("groups", 20_000), ("resamples", 1000), ("plain", 10)):
        parser.add_argument(f"--{name}", type=int, default=value)
    given = parser.parse_args()
    happened, probability, group = problem(given.rows, given.groups)
    wall, cpu = time.perf_counter(), time.process_time()
    draws = ours.bootstrap(measures(happened, probability), group, resamples=given.resamples)
    taken = {"wall_s": time.perf_counter() - wall, "cpu_s": time.process_time() - cpu}
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    size = max(1, min(given.resamples, ours.BLOCK // given.rows))
    compared = min(given.plain, size)
    wall = time.perf_counter()
    slow = resampled(happened, probability, group, compared, size)
    plain_s = (time.perf_counter() - wall) / compared * given.resamples
    apart = {k: max(abs(draws.draws[k][i] - s[k]) for i, s in enumerate(slow)) for k in slow[0]}
    print(json.dumps({**vars(given), **taken, "peak_mb": peak, "plain_s_extrapolated": plain_s}, indent=1))
    print(json.dumps({"largest difference of one resample": apart, "compared": compared}, indent=1))
    print(json.dumps({k: draws.interval(k) for k in draws.points}, indent=1))


if __name__ == "__main__":
    main()
