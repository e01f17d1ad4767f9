"""One small study over a data frame, for all tests that read a finished run."""

from __future__ import annotations

import numpy as np
import polars as pl


def patients(n: int = 360, seed: int = 0) -> pl.DataFrame:
    """Rows of 120 patients; the chance of dying rises with lactate and age, the ward tells nothing."""
    rng = np.random.default_rng(seed)
    lactate, age = rng.gamma(2, 1.2, n), rng.normal(65, 12, n)
    chance = 1 / (1 + np.exp(-(1.6 * (lactate - 2.4) + 0.05 * (age - 65))))
    return pl.DataFrame(
        {
            "patient": np.arange(n) // 3,
            "lactate": np.where(rng.random(n) < 0.1, np.nan, lactate),
            "age": age,
            "ward": rng.choice(["icu", "er", "floor"], n),
            "sex": rng.choice(["f", "m"], n),
            "died": rng.random(n) < chance,
        }
    ).with_columns(pl.col("lactate").fill_nan(None))


def study(frame: pl.DataFrame, **changes: object) -> dict[str, object]:
    """A study over that frame, ready to run."""
    return {
        "name": "deaths",
        "title": "Will the patient die?",
        "source": {"frame": frame},
        "target": {"column": "died", "kind": "binary"},
        "split": {"separate": ["patient"], "folds": 3},
        "models": ["gbm"],
        "baselines": ["naive", "logistic"],
        "evaluation": {"intervals": {"over": "patient"}, "operating_point": {"specificity": 0.9}, "subgroups": ["sex"]},
        "gates": {"better_than": "naive"},
        "seed": 5,
        **changes,
    }
