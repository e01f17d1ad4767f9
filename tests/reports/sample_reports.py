"""Three reports as studies of three kinds write them, as plain mappings; the same numbers at every call."""

from __future__ import annotations

import math
from typing import Any

HASH = "fd51f00a907f719b0147515500d3925a1f00dedc7d30d96c99e2ce3d6bd8bde1"


def score(value: float | None, half: float = 0.03, n: int = 9890) -> dict[str, Any]:
    if value is None:
        return {"value": None, "low": None, "high": None, "n": n}
    return {"value": value, "low": round(value - half, 4), "high": round(value + half, 4), "n": n}


def base(study: str, title: str, outcome: str, chosen: str) -> dict[str, Any]:
    """What every report holds, with nothing in the sections that may be empty."""
    return {
        "format": 1, "revision": 2, "study": study, "title": title, "intended_use": "", "finding": "", "chosen": {outcome: chosen}, "seed": 13,
        "data": {study: HASH},
        "environment": {"python": "3.11.7", "polyclinic": "0.1.0", "platform": "Linux", "cpu": "2 cores", "versions": {"numpy": "2.2.0"}},
        "cohort": {"attrition": [], "rows": 0, "groups": {}, "targets": {}},
        "models": {}, "comparisons": [], "calibration": {}, "subgroups": [], "sanity": [], "gates": [],
        "steps": [{"step": "ingest", "seconds": 8.2, "reused": True}, {"step": "fit", "seconds": 97.1, "reused": False}],
        "package": {"portable": True, "models": [chosen], "size": 412_000}, "sections": [],
    }  # fmt: skip


def measures(*names: str, prevalence: float = 0.185) -> dict[str, Any]:
    """What a reader must know of these scores."""
    known = {
        "auroc": {"title": "AUROC", "chance": 0.5, "ranks": True},
        "auprc": {"title": "AUPRC", "chance": prevalence, "ranks": True},
        "brier": {"title": "Brier score", "better": "low", "chance": prevalence * (1 - prevalence)},
        "dice": {"title": "Dice"},
        "dice//1": {"title": "Dice, label 1", "show": "table"},
        "dice//2": {"title": "Dice, label 2", "show": "table"},
    }
    return {name: known[name] for name in names}


def records() -> dict[str, Any]:
    """Ten thousand rows of a hundred patients: cross-fitted, calibrated, the deep model level with the trees."""
    report = base(
        "hypotension", "Will mean arterial pressure fall below 65 mmHg within the next two hours?", "hypotension", "gbm"
    )
    report["intended_use"] = (
        "Warn an ICU nurse of an adult who is not already hypotensive. Not for children, the operating room, or as the only alarm."
    )
    report["roles"] = {"transformer": "model", "last-value": "baseline", "logistic": "baseline", "gbm": "baseline"}
    steps = [
        ("index times, one an hour", 12755, 100, False, False),
        ("no pressure within the last 2 h", 318, 70, False, True),
        ("already below 65 mmHg", 2340, 82, False, True),
        ("at risk", 10097, 100, False, False),
        ("no pressure within the next 2 h, so that there is no label", 207, 80, True, True),
        ("labelled", 9890, 100, True, False),
    ]
    report["cohort"] = {
        "attrition": [
            {"step": s, "rows": r, "groups": {"subject": g}, "past_index": p, "excluded": x}
            for s, r, g, p, x in steps
        ],
        "rows": 9890, "groups": {"subject": 100}, "targets": {"hypotension": {"positive": 1831}},
        "time": {"first": "2110-04-11", "last": "2201-12-13"},
        "table1": table_one(), "missing": [{"column": "lactate", "share": 0.734}, {"column": "heart rate", "share": 0.012}],
        "summary": {"rows_in": 512_345, "events_out": 498_001, "quarantined": 44, "non_events": {"empty dose": 14_300}},
        "set_aside": {"VITAL//map": {"readings": 15_148, "outside": 36, "tied": 351}},
        "splits": [{"split": part, "fold": str(f), "rows": r, "groups": {"subject": g}, "answers": {"negative": r - p, "positive": p}}
                   for f in range(5) for part, r, g, p in (("train", 6700 + f, 68, 1240), ("validation", 1200 - f, 12, 225), ("test", 1990, 20, 366))],
    }  # fmt: skip
    values = {
        "transformer": (0.778, 0.424, 0.117),
        "last-value": (0.722, 0.358, 0.128),
        "logistic": (0.779, 0.433, 0.116),
        "gbm": (0.786, 0.435, 0.115),
    }
    report["models"] = {m: {"hypotension": binary_scores(v, i)} for i, (m, v) in enumerate(values.items())}
    report["measures"] = {"hypotension": measures("auroc", "auprc", "brier")}
    report["comparisons"] = [
        difference("gbm", "transformer", "hypotension", "auroc", 0.008, 0.013), difference("gbm", "last-value", "hypotension", "auroc", 0.064, 0.021),
        difference("gbm", "logistic", "hypotension", "auroc", 0.007, 0.011), difference("transformer", "last-value", "hypotension", "auroc", 0.056, 0.018),
        difference("transformer", "logistic", "hypotension", "auroc", -0.001, 0.012),
        difference("gbm", "last-value", "hypotension", "brier", -0.013, 0.005), difference("gbm", "transformer", "hypotension", "brier", -0.002, 0.003),
    ]  # fmt: skip
    report["calibration"] = {m: {"hypotension": calibration(s)} for m, s in (("transformer", 0.71), ("gbm", 0.86))}
    report["sections"] = [usefulness(), rank_curves(values), training("transformer", 5), evidence(), importance()]
    report["subgroups"] = subgroups("hypotension", "gbm")
    report["gates"] = [
        {
            "gate": "better than last-value",
            "state": "passed",
            "measured": "0.064 (0.043 to 0.085)",
            "wanted": "above 0",
        },
        {"gate": "calibration slope", "state": "passed", "measured": "0.990 (0.910 to 1.070)", "wanted": "0.8 to 1.2"},
        {"gate": "worst subgroup: auroc", "state": "not tested", "measured": "nothing", "wanted": "at least 0.65"},
    ]
    report["sanity"] = [
        {
            "check": "shuffled labels",
            "applies": True,
            "why": "a model that learns from noise is broken",
            "result": score(0.51),
        }
    ]
    report["package"] |= {
        "adjustment": "Recalibrated: slope 1.1, intercept 0.2.",
        "decision": "Threshold for an alert: 0.312.",
    }
    return report


def molecules() -> dict[str, Any]:
    """Two thousand molecules on one scaffold split; nobody is a patient, and the network loses to the trees."""
    report = base("blood-brain-barrier", "Does a molecule cross the blood-brain barrier?", "crosses", "gbm")
    report["roles"] = {"mpnn": "model", "gbm": "baseline"}
    report["cohort"] |= {
        "rows": 2039, "groups": {"scaffold": 1102}, "targets": {"crosses": {"positive": 1560}},
        "attrition": [{"step": "rows of the table", "rows": 2050, "groups": {}, "past_index": False},
                      {"step": "a SMILES that parses", "rows": 2039, "groups": {"scaffold": 1102}, "past_index": False}],
    }  # fmt: skip
    for model, value in (("mpnn", 0.88), ("gbm", 0.93)):
        report["models"][model] = {
            "crosses": {
                "validation": {"auroc": score(value + 0.01, 0.02, 204)},
                "test": {"auroc": score(value, 0.02, 204)},
            }
        }
    report["measures"] = {"crosses": measures("auroc")}
    report["comparisons"] = [difference("gbm", "mpnn", "crosses", "auroc", 0.05, 0.02)]
    report["calibration"] = {"gbm": {"crosses": calibration(1.01)}}
    report["sections"] = [training("mpnn", 1)]
    return report


def imaging() -> dict[str, Any]:
    """Two hundred volumes, Dice by structure, no calibration and no patients named."""
    report = base("hippocampus-segmentation", "Where are the anterior and posterior hippocampus?", "mask", "unet")
    report["roles"] = {"unet": "model", "atlas": "baseline"}
    report["cohort"] |= {
        "rows": 200,
        "groups": {"image": 200},
        "targets": {"mask": {"voxels": {"1": 310_000, "2": 290_000}}},
    }
    for model, value in (("unet", 0.86), ("atlas", 0.62)):
        scores = {
            "dice": score(value, 0.01, 40),
            "dice//1": score(value + 0.01, 0.01, 40),
            "dice//2": score(value - 0.01, 0.01, 40),
        }
        report["models"][model] = {"mask": {"validation": scores, "test": scores}}
    report["measures"] = {"mask": measures("dice", "dice//1", "dice//2")}
    report["comparisons"] = [difference("unet", "atlas", "mask", "dice", 0.24, 0.02)]
    report["gates"] = [
        {"gate": "better than atlas", "state": "passed", "measured": "0.240 (0.220 to 0.260)", "wanted": "above 0"}
    ]
    report["package"]["portable"] = False
    return report


def constant(report: dict[str, Any], model: str) -> dict[str, Any]:
    """The report with a model that answers each row of a fold alike; pooled, its rank score is not 0.5 to the digit."""
    report["constant"] = {outcome: [model] for outcome in report["models"][model]}
    for results in report["models"][model].values():
        if results.get("folds"):
            results["test"]["auroc"] = score(0.44, 0.05)
            results["folds"] = [{**fold, "auroc": score(0.5, 0.0)} for fold in results["folds"]]
        else:
            results["test"]["auroc"] = score(0.5, 0.0)
    return report


def usefulness() -> dict[str, Any]:
    points = [
        {"model": m, "outcome": "hypotension", "rule": {"specificity": 0.9}, "threshold": t, "chosen_on": "validation",
         "alerts_per_100": score(a, 3.0), "alerts_per_day": score(a * 0.24, 0.8), "false_alerts_per_day": score(a * 0.13, 0.5),
         "scores": {"sensitivity": score(s), "specificity": score(0.885), "ppv": score(0.44), "npv": score(0.88)}}
        for m, t, s, a in (("gbm", 0.312, 0.412, 15.6), ("transformer", 0.305, 0.401, 15.4))
    ]  # fmt: skip
    x = [round(0.05 + 0.01 * i, 2) for i in range(46)]
    steepness = (("gbm", 3.5), ("transformer", 3.7), ("last-value", 5.5))
    benefit = {
        "thresholds": x,
        "all": [0.185 - 0.815 * t / (1 - t) for t in x],
        "models": {m: [0.15 * math.exp(-k * t) - 0.004 for t in x] for m, k in steepness},
    }
    return {"kind": "usefulness", "points": points, "decision": {"hypotension": benefit}}


def rank_curves(values: dict[str, tuple[float, ...]]) -> dict[str, Any]:
    of_outcome = {
        "roc": {m: roc(v[0]) for m, v in values.items()},
        "pr": {m: precision(v[1]) for m, v in values.items()},
    }
    return {"kind": "rank_curves", "curves": {"hypotension": of_outcome}}


def evidence() -> dict[str, Any]:
    """Rows spread evenly enough, and more positives where there are more readings."""
    spread = {
        "group": "subject",
        "groups": 100,
        "rows": 9890,
        "median_rows": 70.0,
        "most_rows": 680,
        "effective_groups": 58.3,
    }
    spread |= {
        "few": 10,
        "share_of_rows": 0.42,
        "share_of_positives": 0.55,
        "positive_rows": 1831,
        "positive_groups": 88,
    }
    parts = [("end of the window", "at its time", 9745, 9745, 1790), ("end of the window", "cut by leaving", 145, 90, 41),
             ("readings in the window", "1", 2100, 2100, 168), ("readings in the window", "3 or more", 5100, 5100, 1632)]  # fmt: skip
    names = ("by", "level", "rows", "labelled", "positive")
    ascertainment = [dict(zip(names, part, strict=True)) for part in parts]
    return {
        "kind": "evidence",
        "prevalence": {"hypotension": score(0.185)},
        "concentration": spread,
        "ascertainment": ascertainment,
    }


def importance() -> dict[str, Any]:
    losses = (("VITAL//map", 0.09), ("MEDICATION//norepinephrine", 0.02), ("LAB//lactate", 0.001))
    each = [{"inputs": i, "outcome": "hypotension", "score": "auroc", "loss": score(v, 0.01)} for i, v in losses]
    return {"kind": "input_importance", "model": "gbm", "importances": each}


def training(model: str, folds: int) -> dict[str, Any]:
    return {"kind": "training", "fits": [fit(model, fold) for fold in range(folds)]}


def section(report: dict[str, Any], kind: str) -> dict[str, Any]:
    """The section of a kind, to be changed in place."""
    return next(section for section in report["sections"] if section["kind"] == kind)


def table_one() -> list[dict[str, Any]]:
    def cell(rows: int, of: int, groups: int) -> dict[str, Any]:
        return {"rows": rows, "share": rows / of, "groups": groups}

    rows = [("rows", "", 9890, 8059, 1831), ("sex", "female", 4101, 3390, 711), ("sex", "male", 5789, 4669, 1120),
            ("race", "Black or African American", 903, 780, 123), ("race", "White", 6240, 5010, 1230), ("race", "other", 3, 2, 1)]  # fmt: skip
    table = [
        {"variable": v, "level": level, "all": cell(a, 9890, min(a, 60)), "by_answer": {"negative": cell(n, 8059, min(n, 60)), "positive": cell(p, 1831, min(p, 40))}}
        for v, level, a, n, p in rows
    ]  # fmt: skip
    age = {"all": "65 (54 to 76)", "by_answer": {"negative": "64 (53 to 75)", "positive": "68 (57 to 78)"}}
    return [*table, {"variable": "age", "level": "median (quartiles)", **age}]


def binary_scores(values: tuple[float, ...], shift: int) -> dict[str, Any]:
    named = dict(zip(("auroc", "auprc", "brier"), values, strict=True))
    half = {"auroc": 0.025, "auprc": 0.06, "brier": 0.011}
    scores = {k: score(v, half[k]) for k, v in named.items()}
    folds = [
        {k: score(round(v + 0.5 * half[k] * math.sin(1.7 * f + shift), 4), half[k]) for k, v in named.items()}
        for f in range(5)
    ]
    return {"validation": scores, "test": scores, "folds": folds}


def difference(a: str, b: str, outcome: str, name: str, value: float, half: float) -> dict[str, Any]:
    return {"a": a, "b": b, "outcome": outcome, "score": name, "difference": score(value, half), "split": "test"}


def calibration(slope: float) -> dict[str, Any]:
    def bins(bend: float) -> list[dict[str, Any]]:
        x = [0.03, 0.07, 0.11, 0.15, 0.2, 0.26, 0.33, 0.42, 0.56]
        return [
            {
                "predicted": p,
                "observed": round(p**bend, 4),
                "low": round(p**bend * 0.8, 4),
                "high": round(p**bend * 1.2, 4),
                "n": 1099,
            }
            for p in x
        ]

    level = {"observed_expected": score(1.0, 0.06), "in_the_large": score(0.0, 0.08)}
    before = {
        **level,
        "slope": score(slope, 0.08),
        "intercept": score(-0.21, 0.1),
        "ece": 0.041,
        "curve": bins(2 - slope),
    }
    after = {**level, "slope": score(0.99, 0.08), "intercept": score(0.01, 0.1), "ece": 0.012, "curve": bins(1.01)}
    return {"before": before, "after": after}


def roc(area: float) -> dict[str, list[float]]:
    x = [i / 199 for i in range(200)]
    return {"x": x, "y": [v ** (1 / area - 1) for v in x]}


def precision(area: float) -> dict[str, list[float]]:
    x = [i / 199 for i in range(1, 200)]
    return {"x": x, "y": [0.185 + (min(1, 2.1 * area) - 0.185) * (1 - v) ** 1.3 for v in x]}


def subgroups(outcome: str, model: str) -> list[dict[str, Any]]:
    rows = [("sex", "female", 4101, 41, 0.79, False), ("sex", "male", 5789, 59, 0.78, False), ("age_band", "18–44", 2300, 21, 0.82, False),
            ("age_band", "85 and over", 31, 4, None, True), ("race", "Black or African American", 903, 9, 0.69, False), ("race", "White", 6240, 64, 0.79, False),
            ("race", "other", "<5", "<5", None, True)]  # fmt: skip
    return [
        {"column": c, "level": level, "n": n, "groups": g, "outcome": outcome, "model": model, "too_small": small,
         "scores": {"auroc": score(v, 0.04, n)}}
        for c, level, n, g, v, small in rows
    ]  # fmt: skip


def fit(model: str, fold: int) -> dict[str, Any]:
    curve = [
        {
            "epoch": e,
            "train": 0.46 * math.exp(-0.12 * e) + 0.01 * fold,
            "validation": 0.40 + 0.012 * (e - 5) ** 2 / 5 + 0.012 * fold,
        }
        for e in range(1, 9)
    ]
    return {"model": model, "fold": str(fold), "seed": 13, "seconds": 18.2 + fold, "best": 5, "curve": curve}
