"""How often 95 % intervals hold the score of all patients of the kind, by simulation.

    python benchmarks/coverage.py [--repetitions 2000] [--percentiles] [--only 0 3]

Each design draws patients with rows of uneven number (log-normal), a prevalence that differs from patient to patient,
two models that share what they see and are not calibrated, and a fixed threshold. The truth is the mean of samples of
some hundred thousand rows. Repetitions with fewer than 20 patients of either class are drawn again; where there are
only 20 patients, each of them has a row of both. `--percentiles` adds the percentiles of 400 resamples, the usual way.
The table is Markdown; `low` and `high` count intervals that lie wholly below and above the truth.
"""

from __future__ import annotations

import argparse
import time
from collections import defaultdict
from dataclasses import dataclass

import numpy as np
from scipy.special import expit, logit
from threadpoolctl import threadpool_limits

from polyclinic.evaluation.calibration import line
from polyclinic.evaluation.jackknife import Jackknife, jackknife
from polyclinic.evaluation.scores import at_threshold, auprc, auroc, brier, log_loss, observed_expected, of_all

DIFFERENCES = ("auroc", "auprc", "brier", "log_loss", "slope", "sensitivity", "ppv")
LEAST = 20
RESAMPLES = 400


@dataclass(frozen=True)
class Design:
    """patients; prevalence: about; rows: a patient, on average, 1: exactly one."""

    patients: int
    prevalence: float
    rows: float

    def sample(self, patients: int, rng: np.random.Generator) -> tuple[np.ndarray, ...]:
        """Patient, label and the probabilities of two models, [row]."""
        spread = rng.lognormal(np.log(self.rows) - 0.32, 0.8, patients)
        size = np.maximum(2, np.round(spread)).astype(int) if self.rows > 1 else np.ones(patients, int)
        group, middle = np.repeat(np.arange(patients), size), logit(self.prevalence)
        effect, shift, own = rng.normal(size=(3, patients))
        y = (rng.random(len(group)) < expit(middle + 0.7 * effect[group])).astype(float)
        if self.patients <= LEAST:
            first, positive = np.r_[0, np.cumsum(size)[:-1]], np.bincount(group, y, patients)
            y[first[positive == 0]], y[first[positive == size]] = 1, 0
        noise, other = rng.normal(size=(2, len(group)))
        observed_risk = 0.3 * (effect + shift)[group]
        one = 1.3 * y + observed_risk + noise
        two = 1.1 * y + observed_risk + 0.2 * own[group] + 0.7 * (noise + other)
        return group, y, expit(middle - 0.65 + 1.1 * one), expit(middle - 0.65 + two)

    def measures(self, y: np.ndarray, one: np.ndarray, two: np.ndarray) -> dict:
        """(model, score) → weighted score."""
        scores = {"auroc": auroc, "auprc": auprc, "brier": brier, "log_loss": log_loss, "O:E": observed_expected}
        results = {}
        for model, p in (("one", one), ("two", two)):
            results |= {(model, name): score(y, p) for name, score in scores.items()}
            results |= {(model, name): score for name, score in at_threshold(y, p, 1.3 * self.prevalence).items()}
            results[model, "slope"] = line(y, p)["slope"]
        return results

    def truth(self, rng: np.random.Generator) -> dict:
        """The scores of a population."""
        patients = int(300_000 / max(self.rows, 3))
        draws = []
        for _ in range(6):
            _, *rows = self.sample(patients, rng)
            draws.append({key: of_all(score, len(rows[0])) for key, score in self.measures(*rows).items()})
        return {key: float(np.mean([draw[key] for draw in draws])) for key in draws[0]}


DESIGNS = (
    Design(20, 0.3, 8),
    Design(20, 0.05, 40),
    Design(50, 0.2, 6),
    Design(50, 0.5, 2),
    Design(50, 0.05, 30),
    Design(100, 0.2, 3),
    Design(200, 0.15, 1),
)


def estimates(replicates: Jackknife) -> dict:
    """Score or difference → estimate."""
    single = {name: replicates.estimate((model, name)) for model, name in replicates.points if model == "one"}
    pairs = {f"difference in {name}": (("one", name), ("two", name)) for name in DIFFERENCES}
    return single | {name: replicates.difference(*pair) for name, pair in pairs.items()}


def of_pairs(values: dict) -> dict:
    """Score or difference → number, from (model, score) → number."""
    single = {name: value for (model, name), value in values.items() if model == "one"}
    return single | {f"difference in {n}": values["one", n] - values["two", n] for n in DIFFERENCES}


def percentiles(measures: dict, group: np.ndarray, rng: np.random.Generator) -> dict:
    """Score or difference → low, high of the resamples of groups."""
    groups = int(group.max()) + 1
    weights = rng.multinomial(groups, np.full(groups, 1 / groups), size=RESAMPLES)[:, group].astype(np.float64)
    draws = of_pairs({key: score(weights) for key, score in measures.items()})
    return {name: np.nanquantile(values, [0.025, 0.975]) for name, values in draws.items()}


def run(design: Design, repetitions: int, *, beside: bool) -> None:
    rng, counts = np.random.default_rng(7), defaultdict(lambda: np.zeros(6))
    truth, began = of_pairs(design.truth(rng)), time.perf_counter()
    done, skipped = 0, 0
    while done < repetitions:
        group, y, one, two = design.sample(design.patients, rng)
        if min(len(np.unique(group[y > 0])), len(np.unique(group[y == 0]))) < LEAST:
            skipped += 1
            continue
        measures = design.measures(y, one, two)
        usual = percentiles(measures, group, rng) if beside else {}
        for name, estimate in estimates(jackknife(measures, group, y_true=y)).items():
            if estimate.has_interval:
                low, high = estimate.low < truth[name], truth[name] < estimate.high
                counts[name][:4] += low and high, not high, not low, 1
                counts[name][4] += estimate.evidence == "little"
            if beside:
                counts[name][5] += usual[name][0] <= truth[name] <= usual[name][1]
        done += 1
    print(f"\n{design}: {done} repetitions, {skipped} drawn again, {time.perf_counter() - began:.0f} s\n")
    print(f"| score | covered | low | high | intervals | of little evidence |{' percentiles |' if beside else ''}")
    print("|---|---|---|---|---|---|" + ("---|" if beside else ""))
    for name, (inside, low, high, there, little, usual_inside) in counts.items():
        last = f" {usual_inside / done:.3f} |" if beside else ""
        shares = f"{inside / there:.3f} | {low / there:.3f} | {high / there:.3f} | {there:.0f} | {little / there:.2f}"
        print(f"| {name} | {shares} |{last}")
    least = min(counts, key=lambda name: counts[name][0] / counts[name][3])
    print(f"\nleast: {least} {counts[least][0] / counts[least][3]:.3f}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--repetitions", type=int, default=2000)
    parser.add_argument("--percentiles", action="store_true")
    parser.add_argument("--only", type=int, nargs="*", default=range(len(DESIGNS)))
    options = parser.parse_args()
    with threadpool_limits(1):
        for number in options.only:
            run(DESIGNS[number], options.repetitions, beside=options.percentiles)


if __name__ == "__main__":
    main()
