"""Write the figures of kept runs into the READMEs that show them:  python docs/write_results.py

A README marks the place with a comment line `<!-- results: STUDY … -->` and ends it with `<!-- end of results -->`;
what stands between them comes from `results/STUDY/report.json` and from nowhere else.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PAGES = (
    "README.md",
    *(f"src/polyclinic/areas/{area}/README.md" for area in ("records", "imaging", "molecules", "genomics")),
)
PLACE = re.compile(r"(<!-- results: ([\w -]+?) -->\n).*?(<!-- end of results -->)", re.DOTALL)
HEAD = "| study | rows | held-out score of each model (95 % interval) | command |\n|---|---|---|---|\n"
SCORES = {"binary": ("auroc", "AUROC"), "voxels": ("dice", "Dice")}
KEYS = ("value", "low", "high")
GROUPS = {"subject": "patients", "case": "cases", "scaffold": "scaffolds", "sequence": "sequences"}


def page(text: str) -> str:
    """The text of a README with its figures as the kept runs have them."""
    return PLACE.sub(lambda place: f"{place[1]}{table(place[2].split())}{place[3]}", text)


def table(studies: list[str]) -> str:
    """One row a study."""
    return HEAD + "".join(row(json.loads((ROOT / "results" / name / "report.json").read_text())) for name in studies)


def row(report: dict[str, Any]) -> str:
    """What one kept run shows: rows and groups, and the first score of each model."""
    name, cohort = report["study"], report["cohort"]
    (outcome, chosen), *_ = report["chosen"].items()
    score, title = primary(report, outcome)
    group, count = next(iter(cohort["groups"].items()))
    rows = f"{cohort['rows']:,}" if count == cohort["rows"] else f"{cohort['rows']:,} of {count:,} {GROUPS[group]}"
    scores = {model: kinds[outcome]["test"][score] for model, kinds in report["models"].items()}
    words = [f"{'**' * (m == chosen)}`{m}`{'**' * (m == chosen)} {interval(one)}" for m, one in scores.items()]
    command = f"`polyclinic run {name}`"
    return f"| `{name}` | {rows} | {title}: {', '.join(words)} | {command} |\n"


def primary(report: dict[str, Any], outcome: str) -> tuple[str, str]:
    """The first score of an outcome and its title, as the report has them; an early one does not describe its scores."""
    described = report.get("measures", {}).get(outcome, {})
    if not described:
        return SCORES[outcome]
    score = next(iter(report["models"][report["chosen"][outcome]][outcome]["test"]))
    return score, described[score]["title"]


def interval(score: dict[str, Any]) -> str:
    """`.786 (.757–.811)`, or the value alone where nothing varies and so there is no interval."""
    value, low, high = (None if v is None else f"{v:.3f}".removeprefix("0") for v in map(score.get, KEYS))
    return f"{value}" if low is None else f"{value} ({low}–{high})"


if __name__ == "__main__":
    for name in PAGES:
        path = ROOT / name
        path.write_text(page(path.read_text(encoding="utf-8")), encoding="utf-8")
